#include "aws/profile.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace bakusoku::aws {
namespace {

constexpr int kMaxSourceProfiles = 16;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v'; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view without_inline_comment(std::string_view value) {
  for (size_t at = 1; at < value.size(); ++at) {
    if ((value[at] == '#' || value[at] == ';') && is_blank(value[at - 1])) return trim(value.substr(0, at));
  }
  // A value that is a comment from its first byte on: `key = # none`.
  if (value.starts_with('#') || value.starts_with(';')) return {};
  return value;
}

struct Header {
  enum class Type { profile, services, other };
  Type type = Type::other;
  std::string name;
  bool prefixed = false;  // [profile default] as against [default]
};

Header read_header(std::string_view text, ConfigKind kind) {
  const std::string_view inner = trim(text);
  if (kind == ConfigKind::credentials) return Header{Header::Type::profile, std::string(inner), false};
  if (inner == "default") return Header{Header::Type::profile, "default", false};
  const size_t blank = inner.find_first_of(" \t");
  const std::string_view word = inner.substr(0, blank);
  std::string_view name = blank == std::string_view::npos ? std::string_view{} : trim(inner.substr(blank));
  if (name.size() >= 2 && (name.front() == '"' || name.front() == '\'') && name.back() == name.front()) {
    name = name.substr(1, name.size() - 2);
  }
  if (!name.empty() && word == "profile") return Header{Header::Type::profile, std::string(name), true};
  if (!name.empty() && word == "services") return Header{Header::Type::services, std::string(name), true};
  return Header{Header::Type::other, std::string(inner), false};
}

// Reads line by line; `key_` is what an indented line belongs to.
class Parser {
 public:
  Parser(ConfigKind kind, std::string path) : kind_(kind) { file_.path = std::move(path); }

  Result<ConfigFile> parse(std::string_view text) {
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    if (text.find('\0') != std::string_view::npos) {
      return fail(ErrorKind::invalid, "{}: not a text file (it holds zero bytes; save it as UTF-8)",
                  file_.path);
    }
    while (!text.empty()) {
      const size_t end = text.find('\n');
      ++line_;
      if (auto read = read_line(text.substr(0, end)); !read) return fail(read.error());
      if (end == std::string_view::npos) break;
      text.remove_prefix(end + 1);
    }
    return std::move(file_);
  }

 private:
  Result<void> read_line(std::string_view raw) {
    const std::string_view line = trim(raw);
    if (line.empty() || line.front() == '#' || line.front() == ';') return {};
    size_t indent = 0;
    while (is_blank(raw[indent])) ++indent;
    if (section_ != nullptr && !key_.empty() && indent > key_indent_) return read_continuation(line);
    if (line.front() == '[') return read_section(line);
    return read_key(line, indent);
  }

  Result<void> read_section(std::string_view line) {
    const size_t close = line.rfind(']', without_inline_comment(line).size());
    if (close == std::string_view::npos || trim(line.substr(1, close - 1)).empty()) {
      return wrong("a section header is written [name]");
    }
    const std::string_view rest = trim(line.substr(close + 1));
    if (!rest.empty() && rest.front() != '#' && rest.front() != ';')
      return wrong("text after the ']' of a section header");
    Header header = read_header(line.substr(1, close - 1), kind_);
    key_.clear();
    seen_section_ = true;
    if (header.type == Header::Type::other) {
      file_.other_sections.push_back(std::move(header.name));
      section_ = &ignored_;
      return {};
    }
    auto& sections = header.type == Header::Type::profile ? file_.profiles : file_.services;
    if (header.type == Header::Type::profile && header.name == "default" && kind_ == ConfigKind::config) {
      if (!header.prefixed && prefixed_default_) {
        section_ = &ignored_;
        return {};
      }
      if (header.prefixed && !prefixed_default_) {
        prefixed_default_ = true;
        sections.erase("default");
      }
    }
    section_ = &sections[header.name];
    if (section_->line == 0) section_->line = line_;
    return {};
  }

  Result<void> read_key(std::string_view line, size_t indent) {
    if (!seen_section_) return wrong("a key before the first [section]");
    const size_t delimiter = line.find_first_of("=:");
    if (delimiter == std::string_view::npos || trim(line.substr(0, delimiter)).empty())
      return wrong("expected key = value");
    key_ = lower(trim(line.substr(0, delimiter)));
    key_indent_ = indent;
    std::string_view value = trim(line.substr(delimiter + 1));
    if (key_ != "credential_process") value = without_inline_comment(value);
    section_->nested.erase(key_);
    section_->values[key_] = std::string(value);
    return {};
  }

  Result<void> read_continuation(std::string_view line) {
    std::string& value = section_->values[key_];
    if (!value.empty()) {
      value += '\n';
      value += key_ == "credential_process" ? line : without_inline_comment(line);
      return {};
    }
    const size_t delimiter = line.find('=');
    if (delimiter == std::string_view::npos || trim(line.substr(0, delimiter)).empty()) {
      return wrong("expected an indented key = value");
    }
    const std::string_view nested = without_inline_comment(trim(line.substr(delimiter + 1)));
    section_->nested[key_][lower(trim(line.substr(0, delimiter)))] = std::string(nested);
    return {};
  }

  [[nodiscard]] Result<void> wrong(std::string_view what) const {
    return fail(ErrorKind::invalid, "{}:{}: {}", file_.path, line_, what);
  }

  ConfigKind kind_;
  ConfigFile file_;
  ConfigSection ignored_;
  ConfigSection* section_ = nullptr;
  std::string key_;
  size_t key_indent_ = 0;
  int line_ = 0;
  bool seen_section_ = false;
  bool prefixed_default_ = false;
};

const ConfigSection* find_section(const std::map<std::string, ConfigSection, std::less<>>& sections,
                                  std::string_view name) {
  const auto found = sections.find(name);
  return found == sections.end() ? nullptr : &found->second;
}

// The AWS tools treat an empty value as not set.
const std::string* find_set(const ConfigSection* section, std::string_view key) {
  const std::string* value = section == nullptr ? nullptr : section->find(key);
  return value == nullptr || value->empty() ? nullptr : value;
}

class Planner {
 public:
  explicit Planner(const SharedConfig& shared) : shared_(shared) {}

  Result<ProfilePlan> plan(std::string_view profile, const WebIdentityVariables& variables) {
    visited_.emplace_back(profile);
    if (has_role(profile)) return assume_role(profile);
    return without_role(profile, variables);
  }

 private:
  [[nodiscard]] const std::string* get(std::string_view profile, std::string_view key) const {
    const std::string* value = shared_.find(profile, key);
    return value == nullptr || value->empty() ? nullptr : value;
  }

  [[nodiscard]] std::string value_or_empty(std::string_view profile, std::string_view key) const {
    const std::string* value = get(profile, key);
    return value == nullptr ? std::string() : *value;
  }

  [[nodiscard]] bool has_role(std::string_view profile) const {
    return get(profile, "role_arn") != nullptr && get(profile, "web_identity_token_file") == nullptr;
  }

  [[nodiscard]] bool has_keys(std::string_view profile) const {
    return get(profile, "aws_access_key_id") != nullptr || get(profile, "aws_secret_access_key") != nullptr;
  }

  Result<ProfilePlan> assume_role(std::string_view profile) {
    ProfilePlan plan;
    plan.method = ProfilePlan::Method::assume_role;
    plan.profile = profile;
    plan.role_arn = *get(profile, "role_arn");
    plan.session_name = value_or_empty(profile, "role_session_name");
    plan.external_id = value_or_empty(profile, "external_id");
    if (get(profile, "mfa_serial") != nullptr) {
      return fail(ErrorKind::invalid,
                  "profile '{}': mfa_serial asks a person for a code, which a service cannot: give the role "
                  "a trust policy "
                  "without MFA for this agent, or use another profile",
                  profile);
    }
    if (auto read = read_duration(profile, plan); !read) return fail(read.error());
    const std::string* source_profile = get(profile, "source_profile");
    const std::string* credential_source = get(profile, "credential_source");
    if (source_profile != nullptr && credential_source != nullptr) {
      return fail(ErrorKind::invalid,
                  "profile '{}' has both source_profile and credential_source: keep one of them", profile);
    }
    if (credential_source != nullptr) {
      if (*credential_source == "Environment") {
        plan.credential_source = CredentialSource::environment;
      } else if (*credential_source == "Ec2InstanceMetadata") {
        plan.credential_source = CredentialSource::instance;
      } else if (*credential_source == "EcsContainer") {
        plan.credential_source = CredentialSource::container;
      } else {
        return fail(
            ErrorKind::invalid,
            "profile '{}': credential_source must be Environment, Ec2InstanceMetadata or EcsContainer",
            profile);
      }
      return plan;
    }
    if (source_profile == nullptr) {
      return fail(ErrorKind::invalid,
                  "profile '{}' has role_arn but neither source_profile nor credential_source: say whose "
                  "credentials assume "
                  "the role",
                  profile);
    }
    auto source = plan_source(profile, *source_profile);
    if (!source) return fail(source.error());
    plan.source = std::make_shared<const ProfilePlan>(std::move(*source));
    return plan;
  }

  Result<ProfilePlan> plan_source(std::string_view profile, std::string_view source) {
    if (!shared_.has_profile(source)) {
      return fail(shared_.no_such_profile(source).with_context(
          fmt::format("source_profile of profile '{}'", profile)));
    }
    const bool visited = std::find(visited_.begin(), visited_.end(), source) != visited_.end();
    // A profile may name itself: its keys then assume its role.
    if (visited && !(source == profile && has_keys(source))) {
      std::string chain;
      for (const std::string& name : visited_) chain += name + " -> ";
      return fail(ErrorKind::invalid,
                  "source_profile goes round in a loop ({}{}): one of them needs credentials of its own",
                  chain, source);
    }
    if (visited_.size() >= kMaxSourceProfiles) {
      return fail(ErrorKind::invalid, "more than {} profiles are chained by source_profile",
                  kMaxSourceProfiles);
    }
    visited_.emplace_back(source);
    if (has_role(source) && !has_keys(source)) return assume_role(source);
    auto plan = without_role(source, {});
    if (plan && plan->method == ProfilePlan::Method::none) {
      return fail(
          ErrorKind::invalid,
          "profile '{}' is the source_profile of '{}' but has no credentials: give it aws_access_key_id and "
          "aws_secret_access_key, credential_process or a role_arn of its own",
          source, profile);
    }
    return plan;
  }

  Result<ProfilePlan> without_role(std::string_view profile, const WebIdentityVariables& variables) {
    ProfilePlan plan;
    plan.profile = profile;
    const std::string* token_file = get(profile, "web_identity_token_file");
    if (!variables.token_file.empty() || token_file != nullptr) {
      plan.method = ProfilePlan::Method::web_identity;
      plan.token_file =
          token_file != nullptr && variables.token_file.empty() ? *token_file : variables.token_file;
      plan.role_arn = variables.role_arn.empty() ? value_or_empty(profile, "role_arn") : variables.role_arn;
      plan.session_name = variables.session_name.empty() ? value_or_empty(profile, "role_session_name")
                                                         : variables.session_name;
      if (plan.role_arn.empty()) {
        if (!variables.token_file.empty()) {
          return fail(ErrorKind::invalid,
                      "AWS_WEB_IDENTITY_TOKEN_FILE is set but AWS_ROLE_ARN is not: set the role to assume");
        }
        return fail(ErrorKind::invalid,
                    "profile '{}' has web_identity_token_file but no role_arn: set the role to assume",
                    profile);
      }
      if (auto read = read_duration(profile, plan); !read) return fail(read.error());
      return plan;
    }
    for (const std::string_view key : {"sso_account_id", "sso_role_name"}) {
      if (get(profile, key) == nullptr) continue;
      return fail(ErrorKind::invalid,
                  "profile '{}' signs in through IAM Identity Center (sso_*), which needs a person at a "
                  "browser: give the "
                  "agent an instance role, a role_arn with credential_source, or access keys; to try it out, "
                  "credential_process = aws configure export-credentials --profile {}",
                  profile, profile);
    }
    const ConfigSection* credentials = find_section(shared_.credentials.profiles, profile);
    const ConfigSection* config = find_section(shared_.config.profiles, profile);
    if (find_set(credentials, "aws_access_key_id") != nullptr ||
        find_set(credentials, "aws_secret_access_key") != nullptr) {
      plan.method = ProfilePlan::Method::credentials_file;
      return plan;
    }
    if (get(profile, "login_session") != nullptr) {
      return fail(ErrorKind::invalid,
                  "profile '{}' signs in with 'aws login' (login_session), which needs a person at a "
                  "browser: give the agent "
                  "an instance role, a role_arn with credential_source, or access keys",
                  profile);
    }
    if (const std::string* command = get(profile, "credential_process"); command != nullptr) {
      plan.method = ProfilePlan::Method::credential_process;
      plan.command = *command;
      return plan;
    }
    if (find_set(config, "aws_access_key_id") != nullptr ||
        find_set(config, "aws_secret_access_key") != nullptr) {
      plan.method = ProfilePlan::Method::config_file;
    }
    return plan;
  }

  [[nodiscard]] Result<void> read_duration(std::string_view profile, ProfilePlan& plan) const {
    const std::string* text = get(profile, "duration_seconds");
    if (text == nullptr) return {};
    int seconds = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), seconds);
    if (error != std::errc{} || end != text->data() + text->size() || seconds < 900 || seconds > 43200) {
      return fail(ErrorKind::invalid, "profile '{}': duration_seconds must be a number from 900 to 43200",
                  profile);
    }
    plan.duration = std::chrono::seconds(seconds);
    return {};
  }

  const SharedConfig& shared_;
  std::vector<std::string> visited_;
};

}  // namespace

Result<ConfigFile> parse_config_file(std::string_view text, ConfigKind kind, std::string path) {
  return Parser(kind, std::move(path)).parse(text);
}

bool SharedConfig::has_profile(std::string_view name) const {
  return credentials.profiles.contains(name) || config.profiles.contains(name);
}

const std::string* SharedConfig::find(std::string_view profile, std::string_view key) const {
  for (const ConfigFile* file : {&credentials, &config}) {
    const ConfigSection* section = find_section(file->profiles, profile);
    const std::string* value = section == nullptr ? nullptr : section->find(key);
    if (value != nullptr) return value;
  }
  return nullptr;
}

Result<std::map<std::string, std::string, std::less<>>> SharedConfig::service_endpoint_urls(
    std::string_view profile) const {
  std::map<std::string, std::string, std::less<>> urls;
  const std::string* name = find(profile, "services");
  if (name == nullptr || name->empty()) return urls;
  const ConfigSection* section = find_section(config.services, *name);
  if (section == nullptr) {
    return fail(ErrorKind::invalid,
                "{}: profile '{}' names services = {}, but there is no section [services {}]", config.path,
                profile, *name, *name);
  }
  for (const auto& [service, values] : section->nested) {
    const auto url = values.find("endpoint_url");
    if (url != values.end() && !url->second.empty()) urls[service] = url->second;
  }
  return urls;
}

std::string SharedConfig::paths() const {
  if (credentials.path.empty()) return config.path;
  if (config.path.empty()) return credentials.path;
  return credentials.path + " and " + config.path;
}

Error SharedConfig::no_such_profile(std::string_view name) const {
  std::string message =
      fmt::format("no profile '{}' in {}", name, paths().empty() ? "any file (HOME is not set)" : paths());
  const auto& others = config.other_sections;
  if (std::find(others.begin(), others.end(), name) != others.end()) {
    message += fmt::format("; {} has a section [{}]: in that file it must be written [profile {}]",
                           config.path, name, name);
  } else if (credentials.profiles.contains(fmt::format("profile {}", name))) {
    message += fmt::format("; {} has a section [profile {}]: in that file it must be written [{}]",
                           credentials.path, name, name);
  }
  return Error{ErrorKind::invalid, std::move(message), {}};
}

Result<ProfilePlan> plan_profile(const SharedConfig& shared, std::string_view profile,
                                 const WebIdentityVariables& variables) {
  return Planner(shared).plan(profile, variables);
}

std::optional<bool> parse_bool(std::string_view text) {
  const std::string word = lower(trim(text));
  if (word == "true") return true;
  if (word == "false") return false;
  return std::nullopt;
}

Result<std::vector<std::string>> split_command(std::string_view command) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  char quote = 0;
  for (size_t at = 0; at < command.size(); ++at) {
    const char c = command[at];
    const bool more = at + 1 < command.size();
    if (quote == '\'') {
      if (c == '\'') {
        quote = 0;
      } else {
        word += c;
      }
    } else if (quote == '"') {
      if (c == '"') {
        quote = 0;
      } else if (c == '\\' && more && (command[at + 1] == '"' || command[at + 1] == '\\')) {
        word += command[++at];
      } else {
        word += c;
      }
    } else if (c == '\'' || c == '"') {
      quote = c;
      in_word = true;
    } else if (c == '\\' && more) {
      word += command[++at];
      in_word = true;
    } else if (is_blank(c) || c == '\n') {
      if (in_word) words.push_back(std::exchange(word, {}));
      in_word = false;
    } else {
      word += c;
      in_word = true;
    }
  }
  if (quote != 0) return fail(ErrorKind::invalid, "a quote in credential_process is not closed");
  if (in_word) words.push_back(std::move(word));
  if (words.empty() || words.front().empty())
    return fail(ErrorKind::invalid, "credential_process names no command");
  return words;
}

}  // namespace bakusoku::aws
