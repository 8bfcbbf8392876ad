#include "agent/config.h"

#include <fnmatch.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <set>

#include "ask/protocol.h"
#include "aws/endpoint.h"
#include "aws/url.h"
#include "zabbix/destination.h"
#include "zabbix/interval.h"
#include "zabbix/key.h"

namespace bakusoku::agent {
namespace {

using std::chrono::milliseconds;

// Reads one table against the list of keys it may hold. The first thing wrong is kept, with its line.
class TableReader {
 public:
  TableReader(const toml::table& table, std::string name, std::string_view file)
      : table_(table), name_(std::move(name)), file_(file) {}

  void text(std::string_view key, std::string& into) {
    read(key, [&](const toml::node& node) {
      const auto value = node.value_exact<std::string>();
      if (!value) return wrong(node, key, "a string in quotes");
      into = *value;
    });
  }

  template <typename Duration>
  void duration(std::string_view key, Duration& into, milliseconds low, milliseconds high) {
    read(key, [&](const toml::node& node) {
      std::optional<milliseconds> value;
      if (const auto seconds = node.value_exact<int64_t>()) {
        if (*seconds >= 0 && *seconds <= int64_t{366} * 86400) value = std::chrono::seconds(*seconds);
      } else if (const auto written = node.value_exact<std::string>()) {
        if (const auto parsed = parse_duration(*written)) value = *parsed;
      }
      if (!value) return wrong(node, key, "a duration such as \"30s\", \"5m\" or \"1h\"");
      if (*value < low || *value > high) {
        return wrong(node, key, fmt::format("a duration from {} to {} ms", low.count(), high.count()));
      }
      into = std::chrono::duration_cast<Duration>(*value);
    });
  }

  template <typename Duration>
  void duration(std::string_view key, std::optional<Duration>& into, milliseconds low, milliseconds high) {
    if (!table_.contains(key)) {
      known_.emplace(key);
      return;
    }
    duration(key, into.emplace(), low, high);
  }

  // A table of durations.
  void durations(std::string_view key, std::map<std::string, std::chrono::seconds>& into, milliseconds low,
                 milliseconds high) {
    read(key, [&](const toml::node& node) {
      const toml::table* table = node.as_table();
      if (table == nullptr) return wrong(node, key, "a table such as {\"AWS/S3\" = \"1h\"}");
      TableReader reader(*table, fmt::format("{} {}", name_, key), file_);
      for (const auto& [name, value] : *table) {
        reader.duration(name.str(), into[std::string(name.str())], low, high);
      }
      if (const auto good = reader.finish(); !good) error_ = good.error();
    });
  }

  void number(std::string_view key, int64_t& into, int64_t low, int64_t high) {
    read(key, [&](const toml::node& node) {
      const auto value = node.value_exact<int64_t>();
      if (!value || *value < low || *value > high)
        return wrong(node, key, fmt::format("a whole number from {} to {}", low, high));
      into = *value;
    });
  }

  void mode(std::string_view key, unsigned& into) {
    read(key, [&](const toml::node& node) {
      const auto written = node.value_exact<std::string>();
      unsigned value = 0;
      const bool good = written && !written->empty() &&
                        std::from_chars(written->data(), written->data() + written->size(), value, 8).ptr ==
                            written->data() + written->size();
      if (!good || value > 0777)
        return wrong(node, key, "file permissions as an octal string such as \"0660\"");
      into = value;
    });
  }

  // One of some words.
  void word(std::string_view key, std::string& into, std::initializer_list<std::string_view> words) {
    read(key, [&](const toml::node& node) {
      const auto value = node.value_exact<std::string>();
      if (!value || std::find(words.begin(), words.end(), *value) == words.end())
        return wrong(node, key, fmt::format("\"{}\"", fmt::join(words, "\" or \"")));
      into = *value;
    });
  }

  // A fraction of a whole.
  void share(std::string_view key, double& into) {
    read(key, [&](const toml::node& node) {
      const double value = node.is_number() ? node.value<double>().value_or(0) : 0;
      if (!(value >= 0.01 && value <= 1)) return wrong(node, key, "a number from 0.01 to 1");
      into = value;
    });
  }

  // Above zero.
  void amount(std::string_view key, double& into) {
    read(key, [&](const toml::node& node) {
      const double value = node.is_number() ? node.value<double>().value_or(0) : 0;
      if (!(value > 0 && value < 1e12)) return wrong(node, key, "a number above 0");
      into = value;
    });
  }

  // A string with commas, or an array of strings, joined by commas.
  void list(std::string_view key, std::string& into) {
    read(key, [&](const toml::node& node) {
      if (const auto value = node.value_exact<std::string>()) {
        into = *value;
        return;
      }
      const toml::array* array = node.as_array();
      if (array == nullptr) return wrong(node, key, "a string or an array of strings");
      std::string joined;
      for (const toml::node& element : *array) {
        const auto value = element.value_exact<std::string>();
        if (!value) return wrong(element, key, "an array of strings");
        if (!joined.empty()) joined += ',';
        joined += *value;
      }
      into = joined;
    });
  }

  // An array of strings, or one string.
  void texts(std::string_view key, std::vector<std::string>& into) {
    read(key, [&](const toml::node& node) {
      into.clear();
      if (const auto value = node.value_exact<std::string>()) {
        into.push_back(*value);
        return;
      }
      const toml::array* array = node.as_array();
      if (array == nullptr) return wrong(node, key, "a string or an array of strings");
      for (const toml::node& element : *array) {
        const auto value = element.value_exact<std::string>();
        if (!value) return wrong(element, key, "an array of strings");
        into.push_back(*value);
      }
    });
  }

  // "all", a region, or an array of regions.
  void regions(std::string_view key, Regions& into) {
    read(key, [&](const toml::node& node) {
      Regions regions;
      std::vector<std::string> names;
      if (const auto value = node.value_exact<std::string>()) {
        names.push_back(*value);
      } else if (const toml::array* array = node.as_array()) {
        for (const toml::node& element : *array)
          names.push_back(element.value_exact<std::string>().value_or(""));
      }
      const bool all = names.size() == 1 && names.front() == "all";
      for (const std::string& name : names) {
        if (name == "all" || name.empty()) continue;
        if (auto good = aws::check_region(name); !good) return wrong_value(node, key, good.error().message);
      }
      if (names.empty() || (!all && std::any_of(names.begin(), names.end(), [](const std::string& name) {
            return name.empty() || name == "all";
          }))) {
        return wrong(node, key, "\"all\" or an array of regions such as [\"eu-west-1\", \"us-east-1\"]");
      }
      regions.all = all;
      for (std::string& name : names) {
        const bool twice = std::find(regions.names.begin(), regions.names.end(), name) != regions.names.end();
        if (!all && !twice) regions.names.push_back(std::move(name));
      }
      into = std::move(regions);
    });
  }

  // Regions that "all" does not mean; read after them.
  void without_regions(std::string_view key, Regions& from) {
    read(key, [&](const toml::node& node) {
      std::vector<std::string> names;
      texts(key, names);
      if (error_) return;
      for (const std::string& name : names) {
        if (name.find_first_of("*?") != std::string::npos) continue;
        if (auto good = aws::check_region(name); !good) return wrong_value(node, key, good.error().message);
      }
      if (!from.all) return wrong(node, key, "left out, as it goes with regions = \"all\"");
      from.exclude = std::move(names);
    });
  }

  // A region's name.
  void region(std::string_view key, std::string& into) {
    read(key, [&](const toml::node& node) {
      const auto value = node.value_exact<std::string>();
      if (!value) return wrong(node, key, "a string in quotes");
      if (auto good = aws::check_region(*value); !value->empty() && !good)
        return wrong_value(node, key, good.error().message);
      into = *value;
    });
  }

  // A proxy's URL. No message repeats it: it may hold a password.
  void proxy(std::string_view key, std::string& into) {
    read(key, [&](const toml::node& node) {
      const auto value = node.value_exact<std::string>();
      if (!value) return wrong(node, key, "a URL in quotes");
      if (auto good = aws::check_proxy_url(*value); !value->empty() && !good)
        return wrong_value(node, key, good.error().message);
      into = *value;
    });
  }

  // The URL of an endpoint; nor is this one repeated.
  void endpoint(std::string_view key, std::string& into) {
    read(key, [&](const toml::node& node) {
      const auto value = node.value_exact<std::string>();
      if (!value) return wrong(node, key, "a URL in quotes");
      if (auto good = aws::check_endpoint_url(*value); !value->empty() && !good)
        return wrong_value(node, key, good.error().message);
      into = *value;
    });
  }

  void flag(std::string_view key, bool& into) {
    read(key, [&](const toml::node& node) {
      const auto value = node.value_exact<bool>();
      if (!value) return wrong(node, key, "true or false");
      into = *value;
    });
  }

  // Tables written as [[NAME.KEY]], each given to `use`, whose error stands for this table's.
  void tables(std::string_view key, const std::function<Result<void>(const toml::table&)>& use) {
    read(key, [&](const toml::node& node) {
      const toml::array* array = node.as_array();
      if (array == nullptr) return wrong(node, key, "written as tables with double brackets");
      for (const toml::node& element : *array) {
        const toml::table* table = element.as_table();
        if (table == nullptr) return wrong(element, key, "written as tables with double brackets");
        if (auto used = use(*table); !used) {
          error_ = used.error();
          return;
        }
      }
    });
  }

  // "500MB", "1GB", or a number of bytes.
  void bytes(std::string_view key, int64_t& into, int64_t least) {
    read(key, [&](const toml::node& node) {
      constexpr std::pair<std::string_view, int64_t> kUnits[] = {
          {"", 1}, {"kB", 1000}, {"MB", 1'000'000}, {"GB", 1'000'000'000}};
      const std::string text = node.value_exact<std::string>().value_or("");
      int64_t number = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
      const std::string_view unit(end, text.data() + text.size());
      for (const auto& [name, factor] : kUnits) {
        if (error != std::errc() || unit != name || number < 0 || number > INT64_MAX / factor) continue;
        if (number * factor < least) break;
        into = number * factor;
        return;
      }
      wrong(node, key, fmt::format("a size of at least {} bytes such as \"500MB\" or \"1GB\"", least));
    });
  }

  // An update interval in Zabbix's syntax, or a number of seconds.
  void interval(std::string_view key, std::string& into) {
    read(key, [&](const toml::node& node) {
      if (const auto seconds = node.value_exact<int64_t>()) {
        into = std::to_string(*seconds);
      } else if (const auto written = node.value_exact<std::string>()) {
        into = *written;
      } else {
        wrong(node, key, "an update interval such as \"5m\" or \"0;wd1-5h9\"");
      }
    });
  }

  // The first error: a value of the wrong kind, else a key nobody asked for.
  [[nodiscard]] Result<void> finish() const {
    if (error_) return fail(*error_);
    for (const auto& [key, node] : table_) {
      if (known_.contains(key.str())) continue;
      std::string names;
      for (const auto& name : known_) names += (names.empty() ? "" : ", ") + name;
      return fail(ErrorKind::invalid, "{}:{}: unknown key '{}' in {}; known are: {}", file_,
                  key.source().begin.line, key.str(), name_, names);
    }
    return {};
  }

 private:
  void read(std::string_view key, const std::function<void(const toml::node&)>& use) {
    known_.emplace(key);
    if (const toml::node* node = table_.get(key); node != nullptr && !error_) use(*node);
  }

  void wrong(const toml::node& node, std::string_view key, std::string_view wanted) {
    error_ = Error{ErrorKind::invalid, fmt::format("{}:{}: {} {} must be {}", file_, node.source().begin.line,
                                                   name_, key, wanted)};
  }

  void wrong_value(const toml::node& node, std::string_view key, std::string_view why) {
    error_ = Error{ErrorKind::invalid,
                   fmt::format("{}:{}: {} {}: {}", file_, node.source().begin.line, name_, key, why)};
  }

  const toml::table& table_;
  std::string name_;
  std::string_view file_;
  std::set<std::string, std::less<>> known_;
  std::optional<Error> error_;
};

Result<void> read_agent(const toml::table& table, std::string_view file, AgentConfig& into) {
  TableReader reader(table, "[agent]", file);
  reader.text("socket", into.socket);
  reader.mode("socket_mode", into.socket_mode);
  reader.text("socket_group", into.socket_group);
  reader.text("listen", into.listen);
  reader.list("allow", into.allow);
  reader.duration("timeout", into.timeout, milliseconds(100), milliseconds(600'000));
  reader.text("log_level", into.log_level);
  return reader.finish();
}

Result<void> read_aws(const toml::table& table, std::string_view file, AwsConfig& into) {
  TableReader reader(table, "[aws]", file);
  reader.region("region", into.region);
  reader.regions("regions", into.regions);
  reader.without_regions("exclude_regions", into.regions);
  reader.region("sts_region", into.sts_region);
  reader.text("profile", into.profile);
  reader.text("env_file", into.env_file);
  reader.endpoint("endpoint_url", into.endpoint_url);
  reader.proxy("proxy", into.proxy);
  reader.text("ca_bundle", into.ca_bundle);
  reader.share("quota_share", into.quota_share);
  reader.word("protocol", into.protocol, {"auto", "cbor", "json"});
  reader.number("calls_in_flight", into.calls_in_flight, 1, kMostCallsInFlight);
  return reader.finish();
}

Result<void> read_inventory(const toml::table& table, std::string_view file, InventoryConfig& into) {
  TableReader reader(table, "[inventory]", file);
  reader.duration("interval", into.interval, std::chrono::seconds(10), std::chrono::hours(24));
  reader.durations("intervals", into.intervals, std::chrono::seconds(10), std::chrono::hours(24));
  return reader.finish();
}

Result<void> read_metrics(const toml::table& table, std::string_view file, MetricsConfig& into) {
  TableReader reader(table, "[metrics]", file);
  reader.duration("gather", into.gather, milliseconds(0), milliseconds(1000));
  reader.duration("delay", into.delay, milliseconds(0), std::chrono::hours(36));
  reader.durations("delays", into.delays, milliseconds(0), std::chrono::hours(36));
  reader.number("look_back", into.look_back, 1, 30);
  reader.duration("catch_up", into.catch_up, milliseconds(0), std::chrono::hours(24 * 455));
  reader.duration("list", into.list, milliseconds(0), std::chrono::hours(24 * 7));
  return reader.finish();
}

Result<void> read_budget(const toml::table& table, std::string_view file, BudgetConfig& into) {
  TableReader reader(table, "[budget]", file);
  reader.amount("usd_per_month", into.usd_per_month);
  reader.duration("longest_interval", into.longest_interval, std::chrono::minutes(1), std::chrono::hours(24));
  reader.text("prices", into.prices);
  return reader.finish();
}

Result<void> read_zabbix(const toml::table& table, std::string_view file, ZabbixConfig& into) {
  TableReader reader(table, "[zabbix]", file);
  reader.text("server", into.server);
  reader.text("hostname", into.hostname);
  reader.texts("hosts", into.hosts);
  reader.texts("discover", into.discover);
  reader.duration("refresh", into.refresh, std::chrono::seconds(1), std::chrono::hours(24));
  reader.duration("heartbeat", into.heartbeat, std::chrono::seconds(0), std::chrono::hours(1));
  reader.text("host_metadata", into.host_metadata);
  reader.text("source_ip", into.source_ip);
  reader.text("state_dir", into.state_dir);
  reader.bytes("spool_size", into.spool_bytes, 1'000'000);
  reader.duration("spool_age", into.spool_age, std::chrono::minutes(1), std::chrono::hours(24 * 365));
  reader.duration("resend_window", into.resend_window, std::chrono::seconds(0), std::chrono::hours(24));
  reader.text("tls_connect", into.tls_connect);
  reader.text("tls_psk_identity", into.tls.psk_identity);
  reader.text("tls_psk_file", into.tls.psk_file);
  reader.text("tls_ca_file", into.tls.ca_file);
  reader.text("tls_crl_file", into.tls.crl_file);
  reader.text("tls_cert_file", into.tls.cert_file);
  reader.text("tls_key_file", into.tls.key_file);
  reader.text("tls_server_cert_issuer", into.tls.server_issuer);
  reader.text("tls_server_cert_subject", into.tls.server_subject);
  if (auto read = reader.finish(); !read) return read;
  if (const auto server = zabbix::parse_destinations(into.server); !into.server.empty() && !server) {
    return fail(ErrorKind::invalid, "{}:{}: [zabbix] server: {}", file, table.source().begin.line,
                server.error().message);
  }
  return {};
}

Result<void> read_intake(const toml::table& table, std::string_view file, IntakeConfig& into) {
  TableReader reader(table, "[intake]", file);
  reader.text("listen", into.listen);
  reader.list("allow", into.allow);
  return reader.finish();
}

// Each of the [[name]] tables.
template <typename Read>
Result<void> each_table(const toml::node& node, std::string_view name, std::string_view file, Read read) {
  const auto wrong = [&](const toml::node& at) {
    return fail(ErrorKind::invalid, "{}:{}: write {} as [[{}]] tables", file, at.source().begin.line, name,
                name);
  };
  const toml::array* array = node.as_array();
  if (array == nullptr) return wrong(node);
  for (const toml::node& element : *array) {
    const toml::table* table = element.as_table();
    if (table == nullptr) return wrong(element);
    if (auto done = read(*table); !done) return done;
  }
  return {};
}

Result<void> read_sends(const toml::node& node, std::string_view file, std::vector<SendConfig>& into) {
  return each_table(node, "send", file, [&](const toml::table& table) -> Result<void> {
    const auto at = table.source().begin.line;
    SendConfig send;
    TableReader reader(table, "[[send]]", file);
    reader.text("host", send.host);
    reader.text("key", send.key);
    reader.text("item", send.item);
    reader.interval("interval", send.interval);
    if (auto read = reader.finish(); !read) return read;
    if (send.host.empty() || send.key.empty()) {
      return fail(ErrorKind::invalid, "{}:{}: [[send]] needs a host and a key: those of the trapper item",
                  file, at);
    }
    if (send.item.empty()) send.item = send.key;
    if (auto key = zabbix::parse_key(send.item); !key) {
      return fail(ErrorKind::invalid, "{}:{}: [[send]] item '{}': {}", file, at, send.item,
                  key.error().message);
    }
    if (send.interval.empty()) {
      return fail(ErrorKind::invalid, "{}:{}: [[send]] needs an interval, such as \"5m\"", file, at);
    }
    if (auto interval = zabbix::Interval::parse(send.interval); !interval) {
      return fail(ErrorKind::invalid, "{}:{}: [[send]] interval: {}", file, at, interval.error().message);
    }
    for (const SendConfig& other : into) {
      if (other.host == send.host && other.key == send.key) {
        return fail(ErrorKind::invalid, "{}:{}: [[send]] of host '{}', key '{}' is there twice", file, at,
                    send.host, send.key);
      }
    }
    into.push_back(std::move(send));
    return {};
  });
}

Result<void> read_weblog_file(const toml::table& table, std::string_view file, const weblog::Options& all,
                              weblog::FileOptions& into) {
  TableReader reader(table, "[[weblog.file]]", file);
  weblog::FormatOptions options;
  into.from_start = all.from_start;
  reader.text("path", into.path);
  reader.text("format", options.format);
  reader.text("time_unit", options.unit);
  reader.text("status", options.status);
  reader.text("bytes", options.bytes);
  reader.text("time", options.time);
  reader.flag("from_start", into.from_start);
  if (auto read = reader.finish(); !read) return read;
  const auto line = table.source().begin.line;
  if (!into.path.starts_with('/')) {
    return fail(ErrorKind::invalid,
                "{}:{}: [[weblog.file]] needs the whole path of a log, or a pattern of paths", file, line);
  }
  auto made = weblog::Format::make(std::move(options));
  if (!made) {
    return fail(ErrorKind::invalid, "{}:{}: [[weblog.file]] {}: {}", file, line, into.path,
                made.error().message);
  }
  into.format = std::move(*made);
  return {};
}

Result<void> read_weblog(const toml::table& table, std::string_view file, weblog::Options& into) {
  TableReader reader(table, "[weblog]", file);
  reader.texts("allow", into.allow);
  reader.flag("from_start", into.from_start);
  reader.tables("file", [&](const toml::table& one) {
    return read_weblog_file(one, file, into, into.files.emplace_back());
  });
  return reader.finish();
}

Result<void> read_priorities(const toml::node& node, std::string_view file,
                             std::vector<PriorityConfig>& into) {
  return each_table(node, "priority", file, [&](const toml::table& table) -> Result<void> {
    const auto at = table.source().begin.line;
    PriorityConfig priority;
    TableReader reader(table, "[[priority]]", file);
    reader.text("namespace", priority.namespace_);
    reader.text("metric", priority.metric);
    reader.text("value", priority.value);
    if (auto read = reader.finish(); !read) return read;
    if (priority.namespace_.empty() || priority.metric.empty()) {
      return fail(
          ErrorKind::invalid,
          "{}:{}: [[priority]] namespace and metric are names, or patterns with * and ?: an empty one "
          "fits nothing",
          file, at);
    }
    if (priority.value != "high" && priority.value != "normal" && priority.value != "low") {
      return fail(ErrorKind::invalid, "{}:{}: [[priority]] needs a value: \"high\", \"normal\" or \"low\"",
                  file, at);
    }
    into.push_back(std::move(priority));
    return {};
  });
}

Result<void> read_accounts(const toml::node& node, std::string_view file, std::vector<AccountConfig>& into) {
  return each_table(node, "account", file, [&](const toml::table& table) -> Result<void> {
    const auto at = table.source().begin.line;
    AccountConfig account;
    TableReader reader(table, "[[account]]", file);
    reader.text("name", account.name);
    reader.text("profile", account.profile);
    reader.text("role_arn", account.role_arn);
    reader.text("external_id", account.external_id);
    reader.region("region", account.region);
    reader.regions("regions", account.regions);
    reader.without_regions("exclude_regions", account.regions);
    if (auto read = reader.finish(); !read) return read;
    if (account.name.empty()) {
      return fail(ErrorKind::invalid, "{}:{}: [[account]] needs a name, as written in item keys", file, at);
    }
    if (account.name == "*") {
      return fail(ErrorKind::invalid, "{}:{}: [[account]] name: '*' means all accounts in item keys", file,
                  at);
    }
    if (!account.profile.empty() && !account.role_arn.empty()) {
      return fail(ErrorKind::invalid,
                  "{}:{}: account '{}' has both a profile and a role_arn; a profile may itself name a role",
                  file, at, account.name);
    }
    if (!account.external_id.empty() && account.role_arn.empty()) {
      return fail(ErrorKind::invalid, "{}:{}: account '{}': external_id goes with role_arn", file, at,
                  account.name);
    }
    for (const AccountConfig& other : into) {
      if (other.name == account.name) {
        return fail(ErrorKind::invalid, "{}:{}: account '{}' is defined twice", file, at, account.name);
      }
    }
    into.push_back(std::move(account));
    return {};
  });
}

Result<void> read_organization(const toml::table& table, std::string_view file, OrganizationConfig& into) {
  TableReader reader(table, "[organization]", file);
  into.used = true;
  reader.text("role_name", into.role_name);
  reader.text("external_id", into.external_id);
  reader.text("account", into.account);
  reader.regions("regions", into.regions);
  reader.without_regions("exclude_regions", into.regions);
  reader.texts("include", into.include);
  reader.texts("exclude", into.exclude);
  if (auto read = reader.finish(); !read) return read;
  if (into.role_name.empty() || into.role_name.front() == '/' || into.role_name.starts_with("arn:")) {
    return fail(ErrorKind::invalid,
                "{}:{}: [organization] role_name is the name that the role has in every account, such as "
                "\"bakusoku\"",
                file, table.source().begin.line);
  }
  return {};
}

// Values need a server to go to, and a server something to be sent.
Result<void> check_ways(const toml::table& root, std::string_view file, const Config& config) {
  const auto line = [&](std::string_view key) { return root.get(key)->source().begin.line; };
  const ZabbixConfig& zabbix = config.zabbix;
  const bool hosts = !(zabbix.hostname.empty() && zabbix.hosts.empty() && zabbix.discover.empty());
  const bool intake = !config.intake.listen.empty();
  if (zabbix.server.empty()) {
    if (hosts) {
      return fail(ErrorKind::invalid, "{}:{}: [zabbix] has hosts but no server to ask for their items", file,
                  line("zabbix"));
    }
    if (intake || !config.sends.empty()) {
      return fail(ErrorKind::invalid, "{}:{}: {} needs a [zabbix] server: where do its values go?", file,
                  line(intake ? "intake" : "send"), intake ? "[intake]" : "[[send]]");
    }
  } else if (!hosts && !intake && config.sends.empty()) {
    return fail(
        ErrorKind::invalid,
        "{}:{}: [zabbix] needs a hostname, hosts or discover (whose items are wanted?), [[send]] or an "
        "[intake]",
        file, line("zabbix"));
  }
  return {};
}

Result<void> read_root(const toml::table& root, std::string_view file, Config& config) {
  using ReadTable = std::function<Result<void>(const toml::table&)>;
  const std::map<std::string_view, ReadTable> tables = {
      {"agent", [&](const toml::table& table) { return read_agent(table, file, config.agent); }},
      {"aws", [&](const toml::table& table) { return read_aws(table, file, config.aws); }},
      {"inventory", [&](const toml::table& table) { return read_inventory(table, file, config.inventory); }},
      {"zabbix", [&](const toml::table& table) { return read_zabbix(table, file, config.zabbix); }},
      {"metrics", [&](const toml::table& table) { return read_metrics(table, file, config.metrics); }},
      {"organization",
       [&](const toml::table& table) { return read_organization(table, file, config.organization); }},
      {"budget", [&](const toml::table& table) { return read_budget(table, file, config.budget); }},
      {"intake", [&](const toml::table& table) { return read_intake(table, file, config.intake); }},
      {"weblog", [&](const toml::table& table) { return read_weblog(table, file, config.weblog); }},
  };
  for (const auto& [key, node] : root) {
    if (key.str() == "priority") {
      if (auto read = read_priorities(node, file, config.priorities); !read) return read;
      continue;
    }
    if (key.str() == "accounts") {
      return fail(ErrorKind::invalid, "{}:{}: [[accounts]] is written [[account]] now", file,
                  key.source().begin.line);
    }
    if (key.str() == "account") {
      if (auto read = read_accounts(node, file, config.accounts); !read) return read;
      continue;
    }
    if (key.str() == "send") {
      if (auto read = read_sends(node, file, config.sends); !read) return read;
      continue;
    }
    const auto known = tables.find(key.str());
    const toml::table* table = node.as_table();
    if (known == tables.end() || table == nullptr) {
      return fail(ErrorKind::invalid,
                  "{}:{}: '{}' is not a table of this file; known are: [agent], [aws], [budget], [intake], "
                  "[inventory], [metrics], [organization], [weblog], [zabbix], [[account]], [[priority]], "
                  "[[send]]",
                  file, key.source().begin.line, key.str());
    }
    if (auto read = known->second(*table); !read) return read;
  }
  const std::string& lists = config.organization.account;
  if (!lists.empty() && std::none_of(config.accounts.begin(), config.accounts.end(),
                                     [&](const AccountConfig& one) { return one.name == lists; })) {
    return fail(ErrorKind::invalid, "{}:{}: [organization] account '{}' is no [[account]] of this file", file,
                root.get("organization")->source().begin.line, lists);
  }
  return check_ways(root, file, config);
}

// What a line that TOML does not take was probably meant to be: Zabbix's own files have no quotes and no
// sections.
std::string hint_of(std::string_view text, size_t line) {
  for (size_t at = 1; at < line && !text.empty(); ++at)
    text.remove_prefix(
        std::min(text.find('\n') == std::string_view::npos ? text.size() : text.find('\n') + 1, text.size()));
  text = text.substr(0, text.find_first_of("\r\n"));
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos) return {};
  const auto trimmed = [](std::string_view part) {
    const size_t from = std::min(part.find_first_not_of(" \t"), part.size());
    const size_t to = part.find_last_not_of(" \t");
    return to == std::string_view::npos ? std::string_view() : part.substr(from, to + 1 - from);
  };
  const std::string_view key = trimmed(text.substr(0, equals));
  const std::string_view value = trimmed(text.substr(equals + 1));
  if (key.empty() || value.empty() || value.find_first_of("\"'\\[{") != std::string_view::npos) return {};
  if (key == "Server" || key == "ServerActive" || key == "Hostname" || key == "ListenPort") {
    const std::string_view meant = key == "Server"         ? "allow in [agent]"
                                   : key == "ServerActive" ? "server in [zabbix]"
                                   : key == "Hostname"     ? "hostname in [zabbix]"
                                                           : "listen in [agent]";
    return fmt::format(
        "; this looks like Zabbix's own configuration: here {}= is {}, and text stands in quotes", key,
        meant);
  }
  // A URL may hold a password.
  const bool may_be_secret =
      value.find("://") != std::string_view::npos || value.find('@') != std::string_view::npos;
  return fmt::format("; text stands in quotes: {} = \"{}\"", key, may_be_secret ? "..." : value);
}

}  // namespace

bool is_excluded(const Regions& regions, const std::string& region) {
  return std::any_of(regions.exclude.begin(), regions.exclude.end(), [&](const std::string& pattern) {
    return ::fnmatch(pattern.c_str(), region.c_str(), 0) == 0;
  });
}

Result<milliseconds> parse_duration(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, text.data() + text.size());
  constexpr std::pair<std::string_view, int64_t> kUnits[] = {
      {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
  for (const auto& [name, factor] : kUnits) {
    if (error == std::errc() && unit == name && number >= 0 && number <= INT64_MAX / factor / 1000) {
      return milliseconds(number * factor);
    }
  }
  return fail(ErrorKind::invalid, "'{}' is not a duration; write it as 500ms, 30s, 5m, 1h or 1d", text);
}

Result<Config> parse_config(std::string_view text, std::string_view file) {
  Config config;
  config.file = file;
  config.agent.socket = ask::kDefaultSocket;
  toml::table root;
  try {
    root = toml::parse(text, file);
  } catch (const toml::parse_error& error) {
    const auto line = error.source().begin.line;
    return fail(ErrorKind::invalid, "{}:{}: {}{}", file, line, error.description(), hint_of(text, line));
  }
  if (auto read = read_root(root, file, config); !read) return fail(read.error());
  return config;
}

Result<Config> load_config(const std::string& file) {
  const std::string path = file.empty() ? kDefaultConfigFile : file;
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    const int why = errno;
    if (why == ENOENT && file.empty()) {
      auto defaults = parse_config("", "");
      return defaults;
    }
    const auto kind = why == ENOENT   ? ErrorKind::not_found
                      : why == EACCES ? ErrorKind::denied
                                      : ErrorKind::io;
    return fail(kind, "cannot read the configuration file {}: {}", path, std::strerror(why));
  }
  // Not through istreambuf_iterator, which throws where a directory bears the name.
  std::string text;
  std::array<char, 4096> part{};
  errno = 0;
  do {
    in.read(part.data(), part.size());
    text.append(part.data(), static_cast<size_t>(in.gcount()));
  } while (in);
  if (in.bad())
    return fail(ErrorKind::io, "cannot read the configuration file {}: {}", path, std::strerror(errno));
  return parse_config(text, path);
}

}  // namespace bakusoku::agent
