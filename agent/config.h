// bakusoku.toml: what an administrator may set, read once at start. Every key has a default that works; an
// unknown key is an error with its line, so that a typing mistake is never silently ignored.
// docs/configuration.md describes each.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/schedule.h"
#include "base/result.h"
#include "weblog/options.h"
#include "zabbix/tls.h"

namespace bakusoku::agent {

inline constexpr const char* kDefaultConfigFile = "/etc/bakusoku/bakusoku.toml";

struct AgentConfig {
  std::string socket;                       // Unix socket for bakusoku.so and `bakusoku get`
  unsigned socket_mode = 0660;              // its permissions
  std::string socket_group = "zabbix";      // given to it where the group exists and we may
  std::string listen{};                     // "ADDRESS:PORT" of the passive-agent port; empty: off
  std::string allow = "127.0.0.1,::1";      // who may ask there, as in Zabbix's Server=
  std::chrono::milliseconds timeout{3000};  // for an asker that names none
  std::string log_level = "info";
};

/// Which regions of an account are read where an item or [zabbix] discover means all of them.
struct Regions {
  std::vector<std::string> names{};    // none, and not all: the default region
  bool all = false;                    // those that EC2 says are enabled for the account,
  std::vector<std::string> exclude{};  // without these: names, or patterns with * and ?

  friend bool operator==(const Regions&, const Regions&) = default;
};

/// That an account's client lets through to a region at once, see aws/client.h.
inline constexpr int64_t kMostCallsInFlight = 32;

struct AwsConfig {
  std::string region{};           // default region; empty: environment, profile, instance metadata
  Regions regions{};              // of the default account
  std::string profile{};          // of the shared configuration files
  std::string env_file{};         // empty: /etc/zabbix/aws.env if it is there
  std::string endpoint_url{};     // for every service, as AWS_ENDPOINT_URL
  std::string sts_region{};       // whose STS is asked; empty: the account's default region's
  std::string proxy{};            // URL; empty: HTTPS_PROXY, HTTP_PROXY, NO_PROXY
  int64_t calls_in_flight = 16;   // GetMetricData, in each account and region; kMostCallsInFlight at most
  double quota_share = 0.5;       // of AWS's quotas; the rest is left to others who use the account
  std::string protocol = "auto";  // of CloudWatch: "auto", "cbor", "json"
  std::string ca_bundle{};        // file; empty: AWS_CA_BUNDLE, else the system's
};

struct InventoryConfig {
  std::chrono::seconds interval{300};                       // between two readings of a service's resources
  std::map<std::string, std::chrono::seconds> intervals{};  // of services, see agent/inventory.h
};

struct MetricsConfig {
  std::chrono::milliseconds gather{5};          // how long first demands wait for company
  std::optional<std::chrono::seconds> delay{};  // a period is read that long after its end; none: learnt
  std::map<std::string, std::chrono::seconds> delays{};  // of namespaces
  int64_t look_back = kLookBackPeriods;                  // periods each reading covers
  std::chrono::seconds catch_up{86400};                  // how far back is read what active items missed
  std::chrono::seconds list{6 * 3600};  // between two readings of which metrics there are; 0: never
};

/// The active agent: which items Zabbix wants, and the way of their values back. Without a server there is
/// none.
struct ZabbixConfig {
  std::string server{};  // as Zabbix's ServerActive=: "a:10051", "a;b" a cluster, "a,b" each gets everything
  std::string hostname{};            // the root host; empty: none
  std::vector<std::string> hosts{};  // more hosts to answer for
  std::vector<std::string>
      discover{};  // services, such as "ec2", each of whose resources is a host named by its id
  std::chrono::seconds refresh{120};    // how often Zabbix is asked which items it wants of a host
  std::chrono::seconds heartbeat{120};  // between two heartbeats of a host, Zabbix 6.2 and later; 0: none
  std::string host_metadata{};          // for autoregistration; empty: off
  std::string source_ip{};
  std::string state_dir = "/var/lib/bakusoku";  // empty: in memory, for trials
  int64_t spool_bytes = int64_t{1} << 30;       // of undelivered values, per destination
  std::chrono::seconds spool_age{7 * 86400};
  std::chrono::seconds resend_window{
      120};  // what was acknowledged in this time is sent again after an outage
  std::string tls_connect = "unencrypted";  // or "psk", "cert"
  zabbix::TlsConfig tls{};                  // the rest of Zabbix's TLS settings
};

/// The port that takes values from zabbix_sender and its like, for trapper items.
struct IntakeConfig {
  std::string listen{};                 // "ADDRESS:PORT"; empty: off
  std::string allow = "127.0.0.1,::1";  // who may send there, as in Zabbix's Server=
};

/// An item of ours whose values go to a trapper item: where an agent of Zabbix's own has the host's name.
struct SendConfig {
  std::string host;      // as Zabbix knows it
  std::string key;       // the trapper item's
  std::string item;      // what to collect
  std::string interval;  // see zabbix/interval.h

  friend bool operator==(const SendConfig&, const SendConfig&) = default;
};

/// What reading metrics may cost. See agent/budget.h.
struct BudgetConfig {
  double usd_per_month = 0;                     // 0: no budget
  std::chrono::seconds longest_interval{3600};  // to which intervals are stretched
  std::string prices{};                         // a file like data/aws-prices.toml; empty: the built-in one
};

/// One more account. With neither profile nor role_arn it is read with the default credentials.
struct AccountConfig {
  std::string name;        // as written in item keys
  std::string profile{};   // a profile of the shared configuration files, or
  std::string role_arn{};  // a role to assume with the default credentials
  std::string external_id{};
  std::string region{};  // default region of this account; empty: the first of regions, else [aws]'s
  Regions regions{};

  friend bool operator==(const AccountConfig&, const AccountConfig&) = default;
};

/// The member accounts of an AWS organization, each read through a role of the same name.
struct OrganizationConfig {
  bool used = false;                  // there is an [organization]
  std::string role_name{"bakusoku"};  // may have a path before it
  std::string external_id{};
  std::string account{};  // whose credentials list the members and assume their roles; empty: the default
  Regions regions{};
  std::vector<std::string> include{};  // patterns of ids or names; none: all
  std::vector<std::string> exclude{};

  friend bool operator==(const OrganizationConfig&, const OrganizationConfig&) = default;
};

/// What is read first when there is more to read than may be asked for.
struct PriorityConfig {
  std::string namespace_ = "*";  // patterns
  std::string metric = "*";
  std::string value;  // "high", "normal", "low"

  friend bool operator==(const PriorityConfig&, const PriorityConfig&) = default;
};

struct Config {
  std::string file{};  // where it was read; empty: defaults only
  AgentConfig agent{};
  AwsConfig aws{};
  InventoryConfig inventory{};
  MetricsConfig metrics{};
  BudgetConfig budget{};
  ZabbixConfig zabbix{};
  IntakeConfig intake{};
  std::vector<SendConfig> sends{};
  weblog::Options weblog{};
  std::vector<AccountConfig> accounts{};
  OrganizationConfig organization{};
  std::vector<PriorityConfig> priorities{};
};

/// The configuration in `text`; `file` is for messages. Errors: invalid, with file and line.
[[nodiscard]] Result<Config> parse_config(std::string_view text, std::string_view file);

/// Reads `file`; with an empty name the packaged default if it is there, else the defaults. Errors: invalid
/// (content), not_found (a named file is not there), denied, io.
[[nodiscard]] Result<Config> load_config(const std::string& file);

/// Whether `regions.exclude` fits the region.
[[nodiscard]] bool is_excluded(const Regions& regions, const std::string& region);

/// "500ms", "30s", "5m", "1h", "1d". Errors: invalid.
[[nodiscard]] Result<std::chrono::milliseconds> parse_duration(std::string_view text);

}  // namespace bakusoku::agent
