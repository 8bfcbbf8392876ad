#include "simaws/ec2.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

namespace bakusoku::simaws {
namespace {

constexpr size_t kMaxFilterValues = 200;
constexpr int64_t kMinPage = 5;
constexpr int64_t kMaxPage = 1000;
constexpr std::string_view kXmlns = "http://ec2.amazonaws.com/doc/2016-11-15/";

struct Filter {
  std::string name;
  std::vector<std::string> values;
};

struct Question {
  std::vector<std::string> ids;
  std::vector<Filter> filters;
  std::optional<int64_t> max_results;
  std::string next_token;
};

// `*` and `?` as EC2's filters know them; a backslash takes the next character literally.
bool matches(std::string_view pattern, std::string_view text) {
  size_t p = 0;
  size_t t = 0;
  size_t star = std::string_view::npos;
  size_t star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_text = t;
      continue;
    }
    const bool escaped = p + 1 < pattern.size() && pattern[p] == '\\';
    const size_t at = escaped ? p + 1 : p;
    if (p < pattern.size() && ((!escaped && pattern[p] == '?') || pattern[at] == text[t])) {
      p = at + 1;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool any_matches(const std::vector<std::string>& patterns, std::string_view text) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const auto& pattern) { return matches(pattern, text); });
}

bool passes(const Instance& instance, const Filter& filter) {
  const std::string_view name = filter.name;
  if (name == "instance-id") return any_matches(filter.values, instance.id);
  if (name == "instance-state-name") return any_matches(filter.values, instance.state);
  if (name == "instance-state-code") return any_matches(filter.values, std::to_string(instance.state_code));
  if (name == "instance-type") return any_matches(filter.values, instance.type);
  if (name == "availability-zone") return any_matches(filter.values, instance.availability_zone);
  if (name == "private-ip-address") return any_matches(filter.values, instance.private_ip);
  return std::any_of(instance.tags.begin(), instance.tags.end(), [&](const auto& tag) {
    if (name == "tag-key") return any_matches(filter.values, tag.first);
    return name.substr(4) == tag.first && any_matches(filter.values, tag.second);
  });
}

bool known_filter(std::string_view name) {
  constexpr std::string_view kKnown[] = {"instance-id",   "instance-state-name", "instance-state-code",
                                         "instance-type", "availability-zone",   "private-ip-address",
                                         "tag-key"};
  return (name.starts_with("tag:") && name.size() > 4) ||
         std::find(std::begin(kKnown), std::end(kKnown), name) != std::end(kKnown);
}

bool well_formed_id(std::string_view id) {
  if (!id.starts_with("i-") || (id.size() != 10 && id.size() != 19)) return false;
  return id.substr(2).find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// "Filter.3.Value.1" with prefix "Filter." -> 3 and "Value.1".
std::optional<std::pair<int64_t, std::string_view>> indexed(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  const size_t dot = name.find('.');
  const auto index = parse_integer(name.substr(0, dot));
  if (!index || *index < 1 || *index > 100000) return std::nullopt;
  return std::pair(*index, dot == std::string_view::npos ? std::string_view() : name.substr(dot + 1));
}

ApiResult<Question> read_describe_instances(const Call& call) {
  Question out;
  std::map<int64_t, Filter> filters;
  for (const auto& [name, value] : call.parameters) {
    if (name == "Action" || name == "Version" || name == "DryRun") continue;
    if (name == "MaxResults") {
      out.max_results = parse_integer(value);
      if (!out.max_results)
        return refuse("InvalidParameterValue",
                      fmt::format("Invalid value '{}' for maxResults: must be an integer", value));
    } else if (name == "NextToken") {
      out.next_token = value;
    } else if (const auto id = indexed(name, "InstanceId."); id && id->second.empty()) {
      out.ids.push_back(value);
    } else if (const auto filter = indexed(name, "Filter.")) {
      if (filter->second == "Name") {
        filters[filter->first].name = value;
      } else if (filter->second.starts_with("Value.")) {
        filters[filter->first].values.push_back(value);
      } else {
        return refuse("UnknownParameter", fmt::format("The parameter {} is not recognized", name));
      }
    } else {
      return refuse("UnknownParameter", fmt::format("The parameter {} is not recognized", name));
    }
  }
  for (auto& [index, filter] : filters) {
    if (!known_filter(filter.name))
      return refuse("InvalidParameterValue", fmt::format("The filter '{}' is invalid", filter.name));
    if (filter.values.empty()) return refuse("InvalidParameterValue", "The filter 'null' is invalid");
    if (filter.values.size() > kMaxFilterValues)
      return refuse("FilterLimitExceeded",
                    fmt::format("The maximum number of filter values specified on a single call is {}",
                                kMaxFilterValues));
    out.filters.push_back(std::move(filter));
  }
  return out;
}

ApiResult<void> check(const World& world, const Call& call, const Question& question) {
  if (question.max_results && !question.ids.empty()) {
    return refuse("InvalidParameterCombination",
                  "The parameter instancesSet cannot be used with the parameter maxResults");
  }
  if (question.max_results && *question.max_results < kMinPage) {
    return refuse(
        "InvalidParameterValue",
        fmt::format("Value ( {} ) for parameter maxResults is invalid. Expecting a value greater than {}.",
                    *question.max_results, kMinPage));
  }
  if (question.max_results && *question.max_results > kMaxPage) {
    return refuse(
        "InvalidParameterValue",
        fmt::format("Value ( {} ) for parameter maxResults is invalid. Expecting a value less than {}.",
                    *question.max_results, kMaxPage));
  }
  std::string missing;
  size_t missing_count = 0;
  for (const auto& id : question.ids) {
    if (!well_formed_id(id))
      return refuse("InvalidInstanceID.Malformed", fmt::format("Invalid id: \"{}\"", id));
    if (index_of(world, call.region, id)) continue;
    missing += missing.empty() ? id : ", " + id;
    ++missing_count;
  }
  if (missing_count == 1)
    return refuse("InvalidInstanceID.NotFound", fmt::format("The instance ID '{}' does not exist", missing));
  if (missing_count > 1)
    return refuse("InvalidInstanceID.NotFound", fmt::format("The instance IDs '{}' do not exist", missing));
  return {};
}

std::string dns_name(std::string_view prefix, std::string_view ip, std::string_view suffix) {
  std::string out(prefix);
  for (const char ch : ip) out += ch == '.' ? '-' : ch;
  out += suffix;
  return out;
}

void append_instance(std::string& out, const World& world, const Call& call, const Instance& instance,
                     size_t index) {
  const uint64_t key = mix(fnv1a(instance.id) + world.seed);
  const bool present = instance.state != "terminated";
  out += "<item>";
  append_element(out, "instanceId", instance.id);
  append_element(out, "imageId", fmt::format("ami-0{:016x}", mix(world.seed + index % 3)));
  out += fmt::format("<instanceState><code>{}</code><name>{}</name></instanceState>", instance.state_code,
                     instance.state);
  append_element(
      out, "privateDnsName",
      present ? dns_name("ip-", instance.private_ip, fmt::format(".{}.compute.internal", call.region)) : "");
  append_element(
      out, "dnsName",
      instance.public_ip.empty()
          ? ""
          : dns_name("ec2-", instance.public_ip, fmt::format(".{}.compute.amazonaws.com", call.region)));
  append_element(out, "reason",
                 instance.state == "running" ? "" : "User initiated (2026-01-01 00:00:00 GMT)");
  out += "<keyName>simaws</keyName>";
  out += fmt::format("<amiLaunchIndex>{}</amiLaunchIndex><productCodes/>", index % 8 == 7 ? 1 : 0);
  append_element(out, "instanceType", instance.type);
  append_element(out, "launchTime", format_iso(instance.launched).replace(19, 1, ".000Z"));
  out += "<placement>";
  append_element(out, "availabilityZone", instance.availability_zone);
  out += "<groupName/><tenancy>default</tenancy></placement>";
  if (instance.windows) out += "<platform>windows</platform>";
  out += fmt::format("<monitoring><state>{}</state></monitoring>",
                     instance.detailed_monitoring ? "enabled" : "disabled");
  if (present) {
    append_element(out, "subnetId", fmt::format("subnet-0{:016x}", mix(world.seed + 100 + index % 3)));
    append_element(out, "vpcId", fmt::format("vpc-0{:016x}", mix(world.seed + 200)));
    append_element(out, "privateIpAddress", instance.private_ip);
    if (!instance.public_ip.empty()) append_element(out, "ipAddress", instance.public_ip);
    out += "<sourceDestCheck>true</sourceDestCheck>";
    out += fmt::format(
        "<groupSet><item><groupId>sg-0{:016x}</groupId><groupName>simaws</groupName></item></groupSet>",
        mix(world.seed + 300));
  }
  out +=
      "<architecture>x86_64</architecture><rootDeviceType>ebs</rootDeviceType><rootDeviceName>/dev/xvda</"
      "rootDeviceName>";
  if (present) {
    out += fmt::format(
        "<blockDeviceMapping><item><deviceName>/dev/xvda</deviceName><ebs><volumeId>vol-0{:016x}</volumeId>"
        "<status>attached</status><attachTime>{}</attachTime><deleteOnTermination>true</"
        "deleteOnTermination></ebs></item>"
        "</blockDeviceMapping>",
        key, format_iso(instance.launched).replace(19, 1, ".000Z"));
  } else {
    out += "<blockDeviceMapping/>";
  }
  out += "<virtualizationType>hvm</virtualizationType>";
  append_element(out, "clientToken", fmt::format("{:016x}", mix(key)));
  if (!instance.tags.empty()) {
    out += "<tagSet>";
    for (const auto& [name, value] : instance.tags) {
      out += "<item>";
      append_element(out, "key", name);
      append_element(out, "value", value);
      out += "</item>";
    }
    out += "</tagSet>";
  }
  out += "<hypervisor>xen</hypervisor>";
  if (present) {
    out += fmt::format(
        "<networkInterfaceSet><item><networkInterfaceId>eni-0{:016x}</networkInterfaceId><status>in-use</"
        "status>"
        "<ownerId>{}</ownerId><privateIpAddress>{}</privateIpAddress><groupSet/><attachment><attachmentId>"
        "eni-attach-0{:016x}</attachmentId><deviceIndex>0</deviceIndex><status>attached</status></attachment>"
        "</item></networkInterfaceSet>",
        mix(key + 1), kAccount, instance.private_ip, mix(key + 2));
  } else {
    out += "<networkInterfaceSet/>";
  }
  out +=
      "<ebsOptimized>false</ebsOptimized><enaSupport>true</enaSupport><cpuOptions><coreCount>1</coreCount>"
      "<threadsPerCore>2</threadsPerCore></cpuOptions><metadataOptions><state>applied</state>"
      "<httpTokens>required</httpTokens><httpPutResponseHopLimit>2</httpPutResponseHopLimit>"
      "<httpEndpoint>enabled</httpEndpoint></metadataOptions></item>";
}

// Instances 6 and 7 of every eight were launched together: one reservation, as long as they are on one page.
size_t reservation_of(size_t index) { return index % 8 == 7 ? index - 1 : index; }

ApiResult<std::string> describe_instances(const World& world, const Call& call, Ec2Counters& counters) {
  auto question = read_describe_instances(call);
  if (!question) return tl::unexpected(question.error());
  if (auto checked = check(world, call, *question); !checked) return tl::unexpected(checked.error());
  uint64_t binding = fnv1a(call.region);
  for (const auto& filter : question->filters) {
    binding = mix(binding ^ fnv1a(filter.name));
    for (const auto& value : filter.values) binding = mix(binding ^ fnv1a(value));
  }
  size_t at = 0;
  if (!question->next_token.empty()) {
    const auto position = read_token(question->next_token, "di", binding);
    if (!position) return refuse("InvalidNextToken", "The specified nextToken is not valid.");
    at = static_cast<size_t>(position->first);
  }
  const bool paged = question->max_results.has_value();
  if (!paged && question->ids.empty() && question->filters.empty()) ++counters.unpaged_calls;

  std::vector<size_t> wanted;
  for (const auto& id : question->ids) wanted.push_back(*index_of(world, call.region, id));
  const size_t total = wanted.empty() ? world.instances : wanted.size();
  const size_t page = paged ? static_cast<size_t>(*question->max_results) : total;

  std::string out = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DescribeInstancesResponse "
      "xmlns=\"{}\"><requestId>{}</requestId><reservationSet>",
      kXmlns, call.request_id);
  out.reserve(out.size() + std::min(page, total) * 2600);
  size_t listed = 0;
  std::optional<size_t> open;
  for (; at < total && listed < page; ++at) {
    const size_t index = wanted.empty() ? at : wanted[at];
    const Instance one = instance(world, call.region, index);
    if (!std::all_of(question->filters.begin(), question->filters.end(),
                     [&](const auto& filter) { return passes(one, filter); }))
      continue;
    if (open != reservation_of(index)) {
      if (open) out += "</instancesSet></item>";
      open = reservation_of(index);
      out += fmt::format(
          "<item><reservationId>r-0{:016x}</reservationId><ownerId>{}</ownerId><groupSet/><instancesSet>",
          mix(fnv1a(place(world, call.region)) + *open), world.account);
    }
    append_instance(out, world, call, one, index);
    ++listed;
  }
  if (open) out += "</instancesSet></item>";
  out += "</reservationSet>";
  counters.instances += listed;
  if (at < total) append_element(out, "nextToken", make_token("di", at, 0, binding));
  out += "</DescribeInstancesResponse>";
  return out;
}

// Regions that an account has to opt in to; of those that are not simulated the first three are listed with
// AllRegions, as not opted in.
constexpr std::array<std::string_view, 16> kOptIn{
    "af-south-1",     "ap-southeast-3", "me-south-1",     "ap-east-1",   "ap-east-2",    "ap-south-2",
    "ap-southeast-4", "ap-southeast-5", "ap-southeast-7", "ca-west-1",   "eu-central-2", "eu-south-1",
    "eu-south-2",     "il-central-1",   "me-central-1",   "mx-central-1"};
constexpr size_t kListedNotOptedIn = 3;

bool needs_opt_in(std::string_view region) {
  return std::find(kOptIn.begin(), kOptIn.end(), region) != kOptIn.end();
}

struct Region {
  std::string name;
  const char* opt_in_status;
};

std::vector<Region> all_regions(const World& world) {
  std::vector<Region> out;
  for (const auto& name : world.regions)
    out.push_back({name, needs_opt_in(name) ? "opted-in" : "opt-in-not-required"});
  for (size_t at = 0; at < kListedNotOptedIn; ++at) {
    if (!world.has_region(kOptIn[at])) out.push_back({std::string(kOptIn[at]), "not-opted-in"});
  }
  return out;
}

ApiResult<std::string> describe_regions(const World& world, const Call& call) {
  std::vector<std::string> names;
  std::map<int64_t, std::pair<std::string, std::vector<std::string>>> filters;
  bool all = false;
  for (const auto& [name, value] : call.parameters) {
    if (name == "Action" || name == "Version" || name == "DryRun") continue;
    if (name == "AllRegions") {
      all = value == "true";
      continue;
    }
    if (const auto filter = indexed(name, "Filter."); filter && filter->second == "Name") {
      filters[filter->first].first = value;
      continue;
    } else if (filter && filter->second.starts_with("Value.")) {
      filters[filter->first].second.push_back(value);
      continue;
    }
    const auto region = indexed(name, "RegionName.");
    if (!region || !region->second.empty())
      return refuse("UnknownParameter", fmt::format("The parameter {} is not recognized", name));
    names.push_back(value);
  }
  const std::vector<Region> regions = all_regions(world);
  for (const auto& name : names) {
    if (std::none_of(regions.begin(), regions.end(), [&](const Region& one) { return one.name == name; }))
      return refuse("InvalidParameterValue", fmt::format("Invalid region(s): {}", name));
  }
  for (const auto& [index, filter] : filters) {
    if (filter.first != "region-name" && filter.first != "opt-in-status")
      return refuse("InvalidParameterValue", fmt::format("The filter '{}' is invalid", filter.first));
  }
  std::string out = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DescribeRegionsResponse "
      "xmlns=\"{}\"><requestId>{}</requestId><regionInfo>",
      kXmlns, call.request_id);
  for (const auto& region : regions) {
    const bool named = std::find(names.begin(), names.end(), region.name) != names.end();
    const bool enabled = region.opt_in_status != std::string_view("not-opted-in");
    const bool passes = std::all_of(filters.begin(), filters.end(), [&](const auto& filter) {
      const auto& [of, values] = filter.second;
      const std::string_view has = of == "region-name" ? std::string_view(region.name) : region.opt_in_status;
      return std::find(values.begin(), values.end(), has) != values.end();
    });
    if (!passes || (!names.empty() && !named) || (!enabled && !all && !named)) continue;
    out += fmt::format(
        "<item><regionName>{0}</regionName><regionEndpoint>ec2.{0}.amazonaws.com</"
        "regionEndpoint><optInStatus>{1}</optInStatus></item>",
        region.name, region.opt_in_status);
  }
  out += "</regionInfo></DescribeRegionsResponse>";
  return out;
}

}  // namespace

ApiResult<std::string> call_ec2(const World& world, const Call& call, Ec2Counters& counters) {
  if (const auto* dry = call.parameter("DryRun"); dry != nullptr && *dry == "true") {
    return refuse("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412);
  }
  if (call.action == "DescribeInstances") return describe_instances(world, call, counters);
  if (call.action == "DescribeRegions") return describe_regions(world, call);
  return refuse("InvalidAction", fmt::format("The action {} is not valid for this web service. (simaws, a "
                                             "simulator, knows DescribeInstances and DescribeRegions.)",
                                             call.action));
}

}  // namespace bakusoku::simaws
