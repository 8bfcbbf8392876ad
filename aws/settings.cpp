#include "aws/settings.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "aws/denial.h"
#include "aws/env_file.h"
#include "aws/shared_config.h"
#include "aws/text_file.h"

namespace bakusoku::aws {
namespace {

constexpr std::array<std::string_view, 4> kKeyVariables{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
                                                        "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"};
constexpr int kMaxAttempts = 20;

struct Found {
  std::string value;
  std::string origin;  // for messages: "AWS_REGION" or "region of profile 'x'"
};

// Settings that variables and profile both may give: the variable wins.
class Lookup {
 public:
  Lookup(const Environment& environment, const SharedConfig& shared, const std::string& profile)
      : environment_(environment), shared_(shared), profile_(profile) {}

  [[nodiscard]] std::optional<Found> find(std::initializer_list<const char*> variables,
                                          std::string_view key) const {
    for (const char* variable : variables) {
      if (auto value = environment_.get(variable); value) return Found{std::move(*value), variable};
    }
    const std::string* value = key.empty() ? nullptr : shared_.find(profile_, key);
    if (value == nullptr || value->empty()) return std::nullopt;
    return Found{*value, fmt::format("{} of profile '{}'", key, profile_)};
  }

  [[nodiscard]] Result<bool> find_bool(const char* variable, std::string_view key) const {
    const auto found = find({variable}, key);
    if (!found) return false;
    if (const auto value = parse_bool(found->value); value) return *value;
    return fail(ErrorKind::invalid, "{} must be true or false", found->origin);
  }

  /// From 1 to `most`; nothing when not set.
  [[nodiscard]] Result<std::optional<int>> find_number(const char* variable, std::string_view key,
                                                       int most) const {
    const auto found = find({variable}, key);
    if (!found) return std::nullopt;
    const std::string& text = found->value;
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || number < 1 || number > most) {
      return fail(ErrorKind::invalid, "{} must be a number from 1 to {}", found->origin, most);
    }
    return number;
  }

 private:
  const Environment& environment_;
  const SharedConfig& shared_;
  const std::string& profile_;
};

Result<void> read_env_file(const SettingsRequest& request, Settings& settings) {
  if (request.env_file.empty()) return {};
  settings.env_file = expand_home(request.env_file, request.environment);
  auto file = read_text_file(settings.env_file);
  if (!file) {
    if (request.env_file_required) return fail(file.error().with_context("env file"));
    if (file.error().kind == ErrorKind::denied) settings.warnings.push_back(file.error().message);
    if (file.error().kind == ErrorKind::denied || file.error().kind == ErrorKind::not_found) return {};
    return fail(std::move(file.error()));
  }
  if (std::string warning = permission_warning(settings.env_file, *file); !warning.empty()) {
    settings.warnings.push_back(std::move(warning));
  }
  auto variables = parse_env_file(file->text, settings.env_file);
  if (!variables) return fail(std::move(variables.error()));
  bool process_has_keys = false;
  for (const std::string_view name : kKeyVariables)
    process_has_keys |= request.environment.get(name).has_value();
  for (auto& [name, value] : *variables) {
    if (settings.environment.get(name)) continue;
    if (process_has_keys &&
        std::find(kKeyVariables.begin(), kKeyVariables.end(), name) != kKeyVariables.end())
      continue;
    settings.env_file_variables.insert(name);
    settings.environment.variables.insert_or_assign(name, std::move(value));
  }
  return {};
}

// AWS's order: AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL, the services section, the profile's
// endpoint_url. One EndpointSettings says the same as long as the files are left out where AWS_ENDPOINT_URL
// is set.
Result<void> read_endpoints(const Lookup& lookup, const SharedConfig& shared, Settings& settings) {
  EndpointSettings& endpoints = settings.endpoints;
  const auto fips = lookup.find_bool("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint");
  if (!fips) return fail(fips.error());
  endpoints.use_fips = *fips;
  const auto dualstack = lookup.find_bool("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint");
  if (!dualstack) return fail(dualstack.error());
  endpoints.use_dualstack = *dualstack;
  const auto ignore =
      lookup.find_bool("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls");
  if (!ignore) return fail(ignore.error());
  endpoints.ignore_configured = *ignore;
  if (endpoints.ignore_configured) return {};

  constexpr std::string_view kPrefix = "AWS_ENDPOINT_URL_";
  const auto check = [](const std::string& url, std::string_view origin) -> Result<void> {
    auto checked = check_endpoint_url(url);
    if (!checked) return fail(checked.error().with_context(origin));
    return {};
  };
  if (const auto url = settings.environment.get("AWS_ENDPOINT_URL"); url) {
    if (auto checked = check(*url, "AWS_ENDPOINT_URL"); !checked) return checked;
    endpoints.endpoint_url = *url;
  } else {
    auto urls = shared.service_endpoint_urls(settings.profile);
    if (!urls) return fail(std::move(urls.error()));
    for (const auto& [service, service_url] : *urls) {
      const auto origin =
          fmt::format("services section of profile '{}', endpoint_url of {}", settings.profile, service);
      if (auto checked = check(service_url, origin); !checked) return checked;
    }
    endpoints.service_urls = std::move(*urls);
    if (const auto found = lookup.find({}, "endpoint_url"); found) {
      if (auto checked = check(found->value, found->origin); !checked) return checked;
      endpoints.endpoint_url = found->value;
    }
  }
  for (const auto& [name, value] : settings.environment.variables) {
    if (!name.starts_with(kPrefix) || name.size() == kPrefix.size() || value.empty()) continue;
    if (auto checked = check(value, name); !checked) return checked;
    std::string service = name.substr(kPrefix.size());
    for (char& c : service) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    endpoints.service_urls.insert_or_assign(std::move(service), value);
  }
  return {};
}

Result<void> read_instance_metadata(const Lookup& lookup, Settings& settings) {
  InstanceMetadataSettings& metadata = settings.instance_metadata;
  const auto disabled = lookup.find_bool("AWS_EC2_METADATA_DISABLED", {});
  if (!disabled) return fail(disabled.error());
  metadata.disabled = *disabled;
  const auto v1_disabled = lookup.find_bool("AWS_EC2_METADATA_V1_DISABLED", "ec2_metadata_v1_disabled");
  if (!v1_disabled) return fail(v1_disabled.error());
  metadata.v1_disabled = *v1_disabled;
  if (auto mode =
          lookup.find({"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"}, "ec2_metadata_service_endpoint_mode");
      mode) {
    for (char& c : mode->value) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    if (mode->value == "ipv6") {
      metadata.endpoint = "http://[fd00:ec2::254]";
    } else if (mode->value != "ipv4") {
      return fail(ErrorKind::invalid, "{} must be IPv4 or IPv6", mode->origin);
    }
  }
  if (const auto url = lookup.find({"AWS_EC2_METADATA_SERVICE_ENDPOINT"}, "ec2_metadata_service_endpoint");
      url) {
    auto checked = check_endpoint_url(url->value);
    if (!checked) return fail(checked.error().with_context(url->origin));
    metadata.endpoint = std::move(*checked);
  }
  const auto timeout = lookup.find_number("AWS_METADATA_SERVICE_TIMEOUT", "metadata_service_timeout", 60);
  if (!timeout) return fail(timeout.error());
  if (*timeout) metadata.timeout = std::chrono::seconds(**timeout);
  const auto attempts =
      lookup.find_number("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "metadata_service_num_attempts", 10);
  if (!attempts) return fail(attempts.error());
  metadata.attempts = attempts->value_or(metadata.attempts);
  return {};
}

}  // namespace

Result<Settings> load_settings(const SettingsRequest& request) {
  Settings settings;
  settings.environment = request.environment;
  if (auto read = read_env_file(request, settings); !read) return fail(std::move(read.error()));
  auto shared = read_shared_config(settings.environment, &settings.warnings);
  if (!shared) return fail(std::move(shared.error()));

  settings.profile_requested = !request.profile.empty();
  settings.profile = settings.profile_requested
                         ? request.profile
                         : settings.environment.get("AWS_PROFILE")
                               .value_or(settings.environment.get("AWS_DEFAULT_PROFILE").value_or("default"));
  if (settings.profile != "default" && !shared->has_profile(settings.profile)) {
    return fail(shared->no_such_profile(settings.profile));
  }

  const Lookup lookup(settings.environment, *shared, settings.profile);
  if (const auto region = lookup.find({"AWS_REGION", "AWS_DEFAULT_REGION"}, "region"); region) {
    if (auto checked = check_region(region->value); !checked)
      return fail(checked.error().with_context(region->origin));
    settings.region = region->value;
  }
  if (auto read = read_endpoints(lookup, *shared, settings); !read) return fail(std::move(read.error()));
  if (const auto mode = lookup.find({"AWS_STS_REGIONAL_ENDPOINTS"}, "sts_regional_endpoints"); mode) {
    if (mode->value != "legacy" && mode->value != "regional")
      return fail(ErrorKind::invalid, "{} must be regional or legacy", mode->origin);
    const bool plain = !settings.endpoints.use_fips && !settings.endpoints.use_dualstack;
    const bool old_region = !settings.region || is_always_enabled(*settings.region);
    if (mode->value == "legacy" && plain && old_region) settings.sts_region = "aws-global";
  }
  if (const auto bundle = lookup.find({"AWS_CA_BUNDLE"}, "ca_bundle"); bundle) {
    settings.http.ca_bundle = expand_home(bundle->value, settings.environment);
  }
  const auto attempts = lookup.find_number("AWS_MAX_ATTEMPTS", "max_attempts", kMaxAttempts);
  if (!attempts) return fail(attempts.error());
  settings.retry.max_attempts = attempts->value_or(settings.retry.max_attempts);
  if (auto read = read_instance_metadata(lookup, settings); !read) return fail(std::move(read.error()));
  return settings;
}

std::string sts_region(const Settings& settings, std::string_view partition) {
  if (!settings.sts_region.empty() && partition_of(settings.sts_region) == partition)
    return settings.sts_region;
  if (settings.region && partition_of(*settings.region) == partition) return *settings.region;
  return std::string(default_region_of(partition));
}

}  // namespace bakusoku::aws
