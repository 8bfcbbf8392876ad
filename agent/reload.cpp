#include "agent/reload.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace bakusoku::agent {
namespace {

enum class When { at_once, at_start };

template <typename Section>
class Comparison {
 public:
  Comparison(std::string section, const Section& before, const Section& after)
      : change_{std::move(section), {}, {}}, before_(before), after_(after) {}

  template <typename Value>
  Comparison& key(const char* name, Value Section::*value, When when = When::at_once) {
    if (!(before_.*value == after_.*value))
      (when == When::at_once ? change_.at_once : change_.at_start).emplace_back(name);
    return *this;
  }
  void add_to(std::vector<Change>& changes) {
    if (!change_.at_once.empty() || !change_.at_start.empty()) changes.push_back(std::move(change_));
  }

 private:
  Change change_;
  const Section& before_;
  const Section& after_;
};

void compare_agent(const AgentConfig& a, const AgentConfig& b, std::vector<Change>& changes) {
  Comparison<AgentConfig>("[agent]", a, b)
      .key("socket", &AgentConfig::socket, When::at_start)
      .key("socket_mode", &AgentConfig::socket_mode, When::at_start)
      .key("socket_group", &AgentConfig::socket_group, When::at_start)
      .key("listen", &AgentConfig::listen)
      .key("allow", &AgentConfig::allow)
      .key("timeout", &AgentConfig::timeout)
      .key("log_level", &AgentConfig::log_level)
      .add_to(changes);
}

void compare_aws(const AwsConfig& a, const AwsConfig& b, std::vector<Change>& changes) {
  Comparison<AwsConfig>("[aws]", a, b)
      .key("region", &AwsConfig::region)
      .key("regions", &AwsConfig::regions)
      .key("profile", &AwsConfig::profile)
      .key("env_file", &AwsConfig::env_file)
      .key("endpoint_url", &AwsConfig::endpoint_url)
      .key("sts_region", &AwsConfig::sts_region)
      .key("proxy", &AwsConfig::proxy)
      .key("ca_bundle", &AwsConfig::ca_bundle)
      .key("quota_share", &AwsConfig::quota_share)
      .key("calls_in_flight", &AwsConfig::calls_in_flight)
      .key("protocol", &AwsConfig::protocol)
      .add_to(changes);
}

bool same_tls(const zabbix::TlsConfig& a, const zabbix::TlsConfig& b) {
  return a.psk_identity == b.psk_identity && a.psk_file == b.psk_file && a.ca_file == b.ca_file &&
         a.crl_file == b.crl_file && a.cert_file == b.cert_file && a.key_file == b.key_file &&
         a.server_issuer == b.server_issuer && a.server_subject == b.server_subject;
}

void compare_zabbix(const ZabbixConfig& a, const ZabbixConfig& b, std::vector<Change>& changes) {
  std::vector<Change> found;
  Comparison<ZabbixConfig>("[zabbix]", a, b)
      .key("server", &ZabbixConfig::server)
      .key("hostname", &ZabbixConfig::hostname)
      .key("hosts", &ZabbixConfig::hosts)
      .key("discover", &ZabbixConfig::discover)
      .key("refresh", &ZabbixConfig::refresh)
      .key("heartbeat", &ZabbixConfig::heartbeat)
      .key("host_metadata", &ZabbixConfig::host_metadata)
      .key("source_ip", &ZabbixConfig::source_ip)
      .key("state_dir", &ZabbixConfig::state_dir, When::at_start)
      .key("spool_size", &ZabbixConfig::spool_bytes)
      .key("spool_age", &ZabbixConfig::spool_age)
      .key("resend_window", &ZabbixConfig::resend_window)
      .key("tls_connect", &ZabbixConfig::tls_connect)
      .add_to(found);
  if (!same_tls(a.tls, b.tls)) {
    if (found.empty()) found.push_back(Change{"[zabbix]", {}, {}});
    found.front().at_once.emplace_back("TLS's files and names");
  }
  changes.insert(changes.end(), found.begin(), found.end());
}

void compare_weblog(const weblog::Options& a, const weblog::Options& b, std::vector<Change>& changes) {
  Change change{"[weblog]", {}, {}};
  if (a.allow != b.allow) change.at_once.emplace_back("allow");
  if (a.from_start != b.from_start) change.at_once.emplace_back("from_start");
  const bool same_files = std::equal(a.files.begin(), a.files.end(), b.files.begin(), b.files.end(),
                                     [](const weblog::FileOptions& one, const weblog::FileOptions& other) {
                                       return one.path == other.path &&
                                              one.format.options() == other.format.options() &&
                                              one.from_start == other.from_start;
                                     });
  if (!same_files) change.at_once.emplace_back("file");
  if (!change.at_once.empty()) changes.push_back(std::move(change));
}

// Tables of which there may be many, told apart by a name.
template <typename Table, typename NameOf>
void compare_tables(const char* section, const std::vector<Table>& before, const std::vector<Table>& after,
                    const NameOf& name_of, std::vector<Change>& changes) {
  Change change{section, {}, {}};
  const auto find = [&](const std::vector<Table>& in, const Table& one) {
    return std::find_if(in.begin(), in.end(),
                        [&](const Table& other) { return name_of(other) == name_of(one); });
  };
  for (const Table& one : after) {
    const auto known = find(before, one);
    if (known == before.end()) {
      change.at_once.push_back(name_of(one) + " added");
    } else if (!(*known == one)) {
      change.at_once.push_back(name_of(one) + " changed");
    }
  }
  for (const Table& one : before) {
    if (find(after, one) == after.end()) change.at_once.push_back(name_of(one) + " removed");
  }
  if (!change.at_once.empty()) changes.push_back(std::move(change));
}

void compare_organization(const OrganizationConfig& a, const OrganizationConfig& b,
                          std::vector<Change>& changes) {
  if (a.used != b.used) {
    Change change{"[organization]", {}, {}};
    change.words =
        b.used ? "is there now; the accounts of the organization are listed and read in addition (a line "
                 "says how many, or what permission is missing)"
               : "is there no more; the accounts of the organization are read no longer, and items that name "
                 "one say so";
    changes.push_back(std::move(change));
    return;
  }
  Comparison<OrganizationConfig>("[organization]", a, b)
      .key("role_name", &OrganizationConfig::role_name)
      .key("external_id", &OrganizationConfig::external_id)
      .key("account", &OrganizationConfig::account)
      .key("regions", &OrganizationConfig::regions)
      .key("include", &OrganizationConfig::include)
      .key("exclude", &OrganizationConfig::exclude)
      .add_to(changes);
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (size_t at = 0; at < words.size(); ++at) {
    text += at == 0 ? "" : at + 1 == words.size() ? " and " : ", ";
    text += words[at];
  }
  return text;
}

}  // namespace

std::vector<Change> changes_between(const Config& before, const Config& after) {
  std::vector<Change> changes;
  compare_agent(before.agent, after.agent, changes);
  compare_aws(before.aws, after.aws, changes);
  Comparison<InventoryConfig>("[inventory]", before.inventory, after.inventory)
      .key("interval", &InventoryConfig::interval)
      .key("intervals", &InventoryConfig::intervals)
      .add_to(changes);
  Comparison<MetricsConfig>("[metrics]", before.metrics, after.metrics)
      .key("gather", &MetricsConfig::gather)
      .key("delay", &MetricsConfig::delay)
      .key("delays", &MetricsConfig::delays)
      .key("look_back", &MetricsConfig::look_back)
      .key("list", &MetricsConfig::list)
      .key("catch_up", &MetricsConfig::catch_up)
      .add_to(changes);
  Comparison<BudgetConfig>("[budget]", before.budget, after.budget)
      .key("usd_per_month", &BudgetConfig::usd_per_month)
      .key("longest_interval", &BudgetConfig::longest_interval)
      .key("prices", &BudgetConfig::prices)
      .add_to(changes);
  compare_zabbix(before.zabbix, after.zabbix, changes);
  Comparison<IntakeConfig>("[intake]", before.intake, after.intake)
      .key("listen", &IntakeConfig::listen)
      .key("allow", &IntakeConfig::allow)
      .add_to(changes);
  compare_tables(
      "[[send]]", before.sends, after.sends,
      [](const SendConfig& send) { return fmt::format("{} of {}", send.key, send.host); }, changes);
  compare_weblog(before.weblog, after.weblog, changes);
  compare_tables(
      "[[account]]", before.accounts, after.accounts,
      [](const AccountConfig& account) { return account.name; }, changes);
  if (before.priorities != after.priorities)
    changes.push_back(Change{"[[priority]]", {"which metrics come first has changed"}, {}});
  compare_organization(before.organization, after.organization, changes);
  return changes;
}

std::string to_string(const Change& change) {
  if (!change.words.empty()) return fmt::format("{} {}", change.section, change.words);
  std::string text = change.section + ":";
  if (!change.at_once.empty()) {
    const bool tables = change.section.starts_with("[[");
    text += fmt::format(" {}{}", joined(change.at_once),
                        tables                       ? ""
                        : change.at_once.size() == 1 ? " has changed"
                                                     : " have changed");
  }
  if (!change.at_start.empty()) {
    text += fmt::format("{} {} take{} effect at the next start", change.at_once.empty() ? "" : ";",
                        joined(change.at_start), change.at_start.size() == 1 ? "s" : "");
  }
  return text;
}

Config effective(const Config& before, Config after) {
  after.agent.socket = before.agent.socket;
  after.agent.socket_mode = before.agent.socket_mode;
  after.agent.socket_group = before.agent.socket_group;
  after.zabbix.state_dir = before.zabbix.state_dir;
  return after;
}

}  // namespace bakusoku::agent
