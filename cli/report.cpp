#include "cli/report.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "base/json.h"
#include "base/time_text.h"
#include "cli/causes.h"

namespace bakusoku::cli {
namespace {

using simdjson::dom::element;

constexpr size_t kWidestKey = 70;
constexpr size_t kWidestValue = 24;
constexpr size_t kAboutColumns = 10;
constexpr size_t kMostProblems = 12;

Error unreadable() {
  return Error{
      ErrorKind::corrupt,
      "the agent's answer cannot be read: is it of the same version as this command? Restart it after an "
      "upgrade"};
}

int64_t integer(element of, std::string_view name) {
  int64_t value = 0;
  if (of[name].get(value) == simdjson::SUCCESS) return value;
  return 0;
}

double real(element of, std::string_view name) {
  double value = 0;
  if (of[name].get(value) == simdjson::SUCCESS) return value;
  return 0;
}

bool flag(element of, std::string_view name) {
  bool value = false;
  return of[name].get(value) == simdjson::SUCCESS && value;
}

std::string_view text(element of, std::string_view name) {
  std::string_view value;
  if (of[name].get(value) == simdjson::SUCCESS) return value;
  return {};
}

// A default-constructed array of simdjson's cannot even be found empty.
std::vector<element> list(element of, std::string_view name) {
  simdjson::dom::array value;
  if (of[name].get(value) != simdjson::SUCCESS) return {};
  return {value.begin(), value.end()};
}

bool has(element of, std::string_view name) { return of[name].error() == simdjson::SUCCESS; }

size_t columns_of(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char ch) { return (static_cast<unsigned char>(ch) & 0xC0) != 0x80; }));
}

std::string bytes_text(int64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (bytes < 1000) return fmt::format("{} B", bytes);
  if (bytes < 1'000'000) return fmt::format("{:.1f} kB", value / 1e3);
  if (bytes < 1'000'000'000) return fmt::format("{:.1f} MB", value / 1e6);
  return fmt::format("{:.2f} GB", value / 1e9);
}

std::string rate_text(double rate) {
  return rate >= 10 || rate == std::floor(rate) ? fmt::format("{:.0f}/s", rate)
                                                : fmt::format("{:.2g}/s", rate);
}

// Rows of cells in aligned columns; the last cell of a row may be of any length.
class Table {
 public:
  explicit Table(std::vector<std::string> head) { rows_.push_back(std::move(head)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

  [[nodiscard]] std::vector<std::string> lines() const {
    std::vector<size_t> widths(rows_.front().size(), 0);
    for (const auto& row : rows_) {
      for (size_t at = 0; at + 1 < row.size(); ++at) widths[at] = std::max(widths[at], columns_of(row[at]));
    }
    std::vector<std::string> lines;
    for (const auto& row : rows_) {
      std::string line;
      for (size_t at = 0; at < row.size(); ++at) {
        line += row[at];
        if (at + 1 < row.size()) line.append(widths[at] + 2 - columns_of(row[at]), ' ');
      }
      while (!line.empty() && line.back() == ' ') line.pop_back();
      lines.push_back(std::move(line));
    }
    return lines;
  }

 private:
  std::vector<std::vector<std::string>> rows_;
};

void add_sentences(std::string& out, element root, size_t width) {
  const size_t room = width == 0 ? 0 : std::max<size_t>(width, 40) - kAboutColumns;
  std::string_view before;
  for (const element sentence : list(root, "explanation")) {
    const std::string_view about = text(sentence, "about");
    std::string label = about == before ? std::string() : std::string(about);
    before = about;
    for (const std::string& line : wrapped(text(sentence, "text"), room)) {
      out += fmt::format("{:<{}}{}\n", label, kAboutColumns, line);
      label.clear();
    }
  }
}

std::string item_text(element root, size_t width) {
  std::string out = fmt::format("{}  {}\n{}\n\n", text(root, "host"), text(root, "key"), text(root, "state"));
  add_sentences(out, root, width);
  return out;
}

std::string host_text(element root, size_t width) {
  std::string out = fmt::format("{}\n\n", text(root, "host"));
  add_sentences(out, root, width);
  const int64_t now = integer(root, "now");
  for (const element destination : list(root, "destinations")) {
    const auto items = list(destination, "items");
    if (items.empty()) continue;
    Table table({"STATE", "EVERY", "AGE", "VALUE", "KEY"});
    for (const element item : items) {
      const int64_t clock = integer(item, "clock");
      std::string key = cut(text(item, "key"), width == 0 ? 0 : kWidestKey);
      if (has(item, "error")) key += "  " + std::string(text(item, "error"));
      table.add({std::string(text(item, "state")), cut(text(item, "interval"), 20),
                 clock == 0 ? "-" : duration_text(now - clock),
                 has(item, "value") ? cut(text(item, "value"), kWidestValue) : "-", std::move(key)});
    }
    out += fmt::format("\n{}\n", text(destination, "name"));
    for (const std::string& line : table.lines()) out += cut(line, width) + '\n';
  }
  return out;
}

std::string usd_text(double usd) { return fmt::format("US${:.2f}", usd); }

// "eu-west-1 of account prod"
std::string place_text(element of) {
  const std::string_view account = text(of, "account");
  return fmt::format("{}{}{}", text(of, "region"), account.empty() ? "" : " of account ", account);
}

std::vector<std::string> bill_lines(element bill, int64_t now) {
  std::vector<std::string> lines;
  const double budget = real(bill, "budget");
  lines.push_back(fmt::format("BILL    {} today, {} this month so far; the month comes to {}{}",
                              usd_text(real(bill, "today")), usd_text(real(bill, "month")),
                              usd_text(real(bill, "forecast")),
                              budget > 0 ? fmt::format(" of a budget of {}", usd_text(budget)) : ""));
  const int64_t since = integer(bill, "since");
  bool on_disk = false;
  if (bill["on_disk"].get(on_disk) == simdjson::SUCCESS && !on_disk && since != 0)
    lines.push_back(fmt::format("        counted in memory since {}", clock_text(since, now)));
  if (has(bill, "stretch")) {
    const element stretch = bill["stretch"].value();
    std::string slower;
    for (const char* priority : {"low", "normal", "high"}) {
      if (const double factor = real(stretch, priority); factor > 1)
        slower +=
            fmt::format("{}{} priority every {:g} intervals", slower.empty() ? "" : ", ", priority, factor);
    }
    if (!slower.empty()) {
      lines.push_back(
          fmt::format("        for the budget, metrics are read more rarely: {}; otherwise it were {}",
                      slower, usd_text(real(bill, "unstretched"))));
    }
    if (flag(bill, "exceeded")) {
      lines.emplace_back(
          "        THE BUDGET IS PASSED although intervals are as long as [budget] allows; collection goes "
          "on");
    }
    if (const int64_t waiting = integer(bill, "waiting"); waiting > 0) {
      lines.push_back(fmt::format(
          "        {} new metrics wait and are not read: with them the month would pass the budget",
          waiting));
    }
  }
  std::vector<std::pair<double, std::string>> namespaces;
  for (const element one : list(bill, "namespaces")) {
    if (const double usd = real(one, "month"); usd > 0) namespaces.emplace_back(usd, text(one, "namespace"));
  }
  std::stable_sort(namespaces.begin(), namespaces.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string shares;
  for (const auto& [usd, name] : namespaces)
    shares += fmt::format("{}{} {}", shares.empty() ? "" : ", ", name, usd_text(usd));
  if (!shares.empty()) lines.push_back("        of the month: " + shares);
  return lines;
}

std::vector<std::string> quota_lines(element root) {
  const auto places = list(root, "quotas");
  if (places.empty()) return {};
  Table table({"QUOTA", "CALLS", "DATAPOINTS"});
  const auto used = [](double rate, double limit) {
    return limit > 0
               ? fmt::format("{} of {} ({:.0f} %)", rate_text(rate), rate_text(limit), 100 * rate / limit)
               : std::string("-");
  };
  for (const element place : places) {
    table.add({place_text(place), used(real(place, "calls"), real(place, "calls_limit")),
               used(real(place, "datapoints"), real(place, "datapoints_limit"))});
  }
  return table.lines();
}

// How long after its end a period is final: what was learnt, or is configured.
std::vector<std::string> delay_lines(element root) {
  const auto delays = list(root, "delays");
  Table table({"FINAL AFTER", "PERIODS OF", "NAMESPACE"});
  size_t others = 0;
  for (const element delay : delays) {
    const int64_t seconds = integer(delay, "seconds");
    const bool configured = flag(delay, "configured");
    if (!configured && seconds == integer(delay, "at_first")) {
      ++others;
      continue;
    }
    table.add({duration_text(seconds) + (configured ? " (configured)" : ""),
               std::string(text(delay, "periods")), std::string(text(delay, "namespace"))});
  }
  if (delays.empty()) return {};
  if (others == delays.size()) return {"FINAL AFTER  the usual time in all namespaces"};
  std::vector<std::string> lines = table.lines();
  if (others > 0)
    lines.push_back(fmt::format("of {} more nothing else than the usual time was learnt", others));
  return lines;
}

std::vector<std::string> destination_lines(element root) {
  Table table({"ZABBIX", "STATE", "HOSTS", "WAITING", "OLDEST", "DELIVERED", "RESENT", "REFUSED"});
  std::vector<std::string> troubles;
  const int64_t now = integer(root, "now");
  for (const element destination : list(root, "destinations")) {
    const std::string name(text(destination, "name"));
    std::string state = "ok";
    if (has(destination, "trouble")) {
      const int64_t since = integer(destination, "trouble_since");
      state = "away " + duration_text(now - since);
      troubles.push_back(
          fmt::format("  {} since {}: {}", name, clock_text(since, now), text(destination, "trouble")));
    }
    std::string others;
    for (const element other : list(destination, "alternatives")) {
      std::string_view endpoint;
      if (other.get(endpoint) == simdjson::SUCCESS)
        others += fmt::format("{}{}", others.empty() ? "" : ", ", endpoint);
    }
    if (!others.empty())
      troubles.push_back(fmt::format("  {} is in use; of the same cluster: {}", name, others));
    const int64_t hosts = integer(destination, "hosts");
    const int64_t known = integer(destination, "hosts_known");
    const int64_t unknown = integer(destination, "hosts_unknown");
    const int64_t pending = integer(destination, "pending");
    const int64_t refused_waiting = integer(destination, "refused_waiting");
    if (unknown > 0) troubles.push_back(fmt::format("  {} does not know {} of the hosts", name, unknown));
    if (hosts > known + unknown)
      troubles.push_back(
          fmt::format("  {} has not been asked about {} of the hosts yet", name, hosts - known - unknown));
    if (refused_waiting > 0)
      troubles.push_back(fmt::format("  {} refused {} values that are tried again", name, refused_waiting));
    if (const int64_t lost = integer(destination, "given_up"); lost > 0)
      troubles.push_back(
          fmt::format("  {} values for {} were given up since the start; the log says why", lost, name));
    table.add({name, state, fmt::format("{}/{}", known, hosts),
               pending == 0
                   ? "0"
                   : fmt::format("{} ({})", pending, bytes_text(integer(destination, "pending_bytes"))),
               pending == 0 ? "-" : duration_text(integer(destination, "pending_age")),
               fmt::format("{}", integer(destination, "delivered")),
               fmt::format("{}", integer(destination, "resent")),
               fmt::format("{}", integer(destination, "refused"))});
  }
  std::vector<std::string> lines = table.lines();
  lines.insert(lines.end(), troubles.begin(), troubles.end());
  return lines;
}

}  // namespace

std::vector<Remark> remarks_of(std::string_view status_json) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  const simdjson::padded_string padded(status_json);
  if (parser.parse(padded).get(root) != simdjson::SUCCESS) return {{false, "agent", unreadable().message}};
  std::vector<Remark> remarks;
  element holds;
  const int64_t pid = root["holds"].get(holds) == simdjson::SUCCESS ? integer(holds, "pid") : 0;
  remarks.push_back({true, "agent",
                     fmt::format("version {} runs{}, up {}", text(root, "version"),
                                 pid == 0 ? std::string()
                                          : fmt::format(" (process {}, configured by {})", pid,
                                                        text(holds, "configuration")),
                                 duration_text(integer(root, "uptime")))});
  for (const element destination : list(root, "destinations")) {
    const std::string about = fmt::format("Zabbix at {}", text(destination, "name"));
    std::map<std::string, std::vector<std::string>> unknown;  // by Zabbix's words, without the host's name
    size_t listed = 0;
    for (const element one : list(destination, "unknown")) {
      const std::string host(text(one, "host"));
      unknown[without(std::string(text(one, "says")), host)].push_back(host);
      ++listed;
    }
    const auto more = static_cast<size_t>(std::max<int64_t>(integer(destination, "hosts_unknown"), 0));
    for (const auto& [words, hosts] : unknown) {
      remarks.push_back(
          {false, about,
           fmt::format("wants nothing of host{} {} that the running agent answers for: \"{}\"; "
                       "bakusoku explain HOST says what to do",
                       hosts.size() == 1 ? "" : "s", named(hosts), with_name(words, hosts.front()))});
    }
    if (more > listed && !unknown.empty())
      remarks.back().text += fmt::format(" (and {} other hosts)", more - listed);
    std::vector<std::string> items;
    for (const element one : list(destination, "refused_items"))
      items.push_back(fmt::format("{} of {}", text(one, "key"), text(one, "host")));
    if (items.empty()) continue;
    const auto count = static_cast<size_t>(std::max<int64_t>(integer(destination, "items_refused"), 0));
    remarks.push_back({false, about,
                       fmt::format("does not take the values of {} item{} of the running agent: {}{}; "
                                   "bakusoku explain HOST KEY says why",
                                   std::max(count, items.size()), count == 1 ? "" : "s", named(items),
                                   count > items.size() ? ", ..." : "")});
  }
  return remarks;
}

std::string cut(std::string_view text, size_t width) {
  std::string line = valid_utf8(text);
  for (char& ch : line) {
    if (static_cast<unsigned char>(ch) < 0x20 || ch == 0x7F) ch = ' ';
  }
  if (width == 0 || columns_of(line) <= width) return line;
  size_t end = 0;
  for (size_t columns = 0; end < line.size(); ++end) {
    if ((static_cast<unsigned char>(line[end]) & 0xC0) == 0x80) continue;
    if (++columns == width) break;
  }
  return line.substr(0, end) + "…";
}

std::vector<std::string> wrapped(std::string_view text, size_t width) {
  std::vector<std::string> lines;
  std::string line;
  const std::string clean = cut(text, 0);
  for (std::string_view left = clean; !left.empty();) {
    const size_t space = left.find(' ');
    const std::string_view word = left.substr(0, space);
    left.remove_prefix(space == std::string_view::npos ? left.size() : space + 1);
    if (word.empty()) continue;
    if (width != 0 && !line.empty() && columns_of(line) + 1 + columns_of(word) > width)
      lines.push_back(std::exchange(line, {}));
    if (!line.empty()) line += ' ';
    line += word;
  }
  if (!line.empty()) lines.push_back(std::move(line));
  return lines;
}

Result<std::string> explain_text(std::string_view json, size_t width) {
  simdjson::dom::parser parser;
  element root;
  if (parser.parse(json.data(), json.size()).get(root) != simdjson::SUCCESS || !has(root, "explanation"))
    return fail(unreadable());
  return has(root, "key") ? item_text(root, width) : host_text(root, width);
}

bool explains_delivery(std::string_view json) {
  simdjson::dom::parser parser;
  element root;
  if (parser.parse(json.data(), json.size()).get(root) != simdjson::SUCCESS) return false;
  if (has(root, "key")) return text(root, "state").starts_with("delivered");
  bool known = false;
  for (const element destination : list(root, "destinations")) {
    bool host_known = false;
    known = known || (destination["host_known"].get(host_known) == simdjson::SUCCESS && host_known);
    for (const element item : list(destination, "items")) {
      if (!text(item, "state").starts_with("delivered")) return false;
    }
  }
  return known;
}

Result<std::string> plan_text(std::string_view json, size_t width) {
  simdjson::dom::parser parser;
  element root;
  if (parser.parse(json.data(), json.size()).get(root) != simdjson::SUCCESS || !has(root, "usd_per_month"))
    return fail(unreadable());
  const element metrics = root["metrics"].value();
  std::vector<std::string> lines;
  lines.push_back(fmt::format("{} items, {} series: {}", integer(root, "items"), integer(root, "series"),
                              text(root, "source")));
  lines.push_back(fmt::format(
      "{} metrics are listed by CloudWatch, {} are not{}{}", integer(metrics, "there"),
      integer(metrics, "absent"),
      integer(metrics, "absent") > 0
          ? fmt::format(" and will not be asked for (that would cost {} a month more)",
                        usd_text(real(root, "usd_of_absent")))
          : "",
      integer(metrics, "unknown") > 0 ? fmt::format(", of {} it is not known", integer(metrics, "unknown"))
                                      : ""));
  if (integer(metrics, "zero") > 0) {
    lines.push_back(fmt::format(
        "{} of those that are not listed count as 0 (<missing> is zero): nothing was counted yet, "
        "or their keys are mistaken",
        integer(metrics, "zero")));
  }
  lines.emplace_back();
  const double budget = real(root, "budget");
  const double usd = real(root, "usd_per_month");
  lines.push_back(
      fmt::format("{} a month, {:.3g} calls a minute", usd_text(usd), real(root, "calls_per_minute")));
  if (budget > 0) {
    lines.push_back(usd > budget
                        ? fmt::format("That is more than the budget of {}: intervals would be stretched",
                                      usd_text(budget))
                        : fmt::format("That is within the budget of {}", usd_text(budget)));
  }
  if (const int64_t waiting = integer(root, "waiting"); waiting > 0) {
    lines.push_back(fmt::format("{} of the series are new and wait for the budget; they are {} a month of it",
                                waiting, usd_text(real(root, "usd_of_waiting"))));
  }
  const auto add = [&lines](const Table& table) {
    lines.emplace_back();
    for (std::string& line : table.lines()) lines.push_back(std::move(line));
  };
  Table namespaces({"NAMESPACE", "SERIES", "NOT THERE", "US$ A MONTH"});
  for (const element row : list(root, "namespaces")) {
    namespaces.add({std::string(text(row, "namespace")), fmt::format("{}", integer(row, "series")),
                    fmt::format("{}", integer(row, "absent")),
                    fmt::format("{:.2f}", real(row, "usd_per_month"))});
  }
  add(namespaces);
  Table places({"REGION", "SERIES", "CALLS/MIN", "OF QUOTA", "DATAPOINTS/S", "OF QUOTA"});
  for (const element place : list(root, "targets")) {
    places.add({place_text(place), fmt::format("{}", integer(place, "series")),
                fmt::format("{:.3g}", real(place, "calls_per_minute")),
                fmt::format("{:.1f} %", 100 * real(place, "of_calls_quota")),
                fmt::format("{:.3g}", real(place, "datapoints_per_second")),
                fmt::format("{:.1f} %", 100 * real(place, "of_datapoints_quota"))});
  }
  add(places);
  Table intervals({"THE SAME EVERY", "CALLS/MIN", "US$ A MONTH"});
  for (const element at : list(root, "intervals")) {
    intervals.add({duration_text(integer(at, "interval")),
                   fmt::format("{:.3g}", real(at, "calls_per_minute")),
                   fmt::format("{:.2f}", real(at, "usd_per_month"))});
  }
  add(intervals);
  if (const auto savings = list(root, "savings"); !savings.empty()) {
    Table table({"SAVES US$", "IF READ", "WHAT"});
    for (const element saving : savings) {
      table.add({fmt::format("{:.2f}", real(saving, "usd_per_month")), std::string(text(saving, "change")),
                 std::string(text(saving, "what"))});
    }
    add(table);
    lines.emplace_back("A longer interval loses no datapoint: each still arrives, only later.");
  }
  lines.push_back(fmt::format(
      "At list prices of {}; a month of 30.4 days. No metric is read more often than it has a new "
      "datapoint.",
      text(root, "prices")));
  std::string out;
  for (const std::string& line : lines) out += cut(line, width) + '\n';
  return out;
}

Result<std::vector<std::string>> status_lines(std::string_view json, size_t width) {
  simdjson::dom::parser parser;
  element root;
  if (parser.parse(json.data(), json.size()).get(root) != simdjson::SUCCESS || !has(root, "uptime"))
    return fail(unreadable());
  const int64_t now = integer(root, "now");
  std::vector<std::string> lines;
  lines.push_back(fmt::format("bakusoku {}, up {}, {}; memory {}, CPU {:.2g} %", text(root, "version"),
                              duration_text(integer(root, "uptime")), clock_text(now, now),
                              bytes_text(integer(root, "memory")), real(root, "cpu_percent")));
  lines.emplace_back();
  if (has(root, "destinations")) {
    for (std::string& line : destination_lines(root)) lines.push_back(std::move(line));
    lines.emplace_back();
    const element items = root["items"].value();
    lines.push_back(
        fmt::format("ITEMS   {} wanted, {} of them metrics; {} due, {} being read, {} being asked",
                    integer(items, "wanted"), integer(items, "metrics"), integer(items, "due"),
                    integer(items, "reading"), integer(items, "asking")));
    const element values = root["values"].value();
    lines.push_back(fmt::format(
        "VALUES  {} collected and {} delivered in the last minute; {} and {} since the start",
        rate_text(real(values, "put_per_second")), rate_text(real(values, "delivered_per_second")),
        integer(values, "put"), integer(values, "delivered")));
    if (const int64_t waiting = integer(values, "not_stored"); waiting > 0 || has(values, "trouble")) {
      lines.push_back(fmt::format("        {} could not be stored and wait in memory: {}", waiting,
                                  text(values, "trouble")));
    }
  } else {
    lines.emplace_back("ZABBIX  no server in [zabbix]: the module and the passive port are asked");
  }
  if (has(root, "aws")) {
    const element aws = root["aws"].value();
    lines.push_back(fmt::format(
        "AWS     {} requests in the last minute, {} calls in flight, {} queued; {} requests, {} "
        "failed, {} throttled since the start",
        rate_text(real(aws, "requests_per_second")), integer(aws, "in_flight"), integer(aws, "queued"),
        integer(aws, "requests"), integer(aws, "failed"), integer(aws, "throttled")));
    lines.push_back(fmt::format("        {} metric series known; {} datapoints in the last minute",
                                integer(aws, "series"), rate_text(real(aws, "datapoints_per_second"))));
    if (const int64_t since = integer(aws, "postponed_since"); since != 0) {
      lines.push_back(
          fmt::format("        {} of them are postponed, first since {}, because of the limit: {}",
                      integer(aws, "postponed"), clock_text(since, now), text(aws, "postponed_by")));
    }
  }
  if (has(root, "bill")) {
    for (std::string& line : bill_lines(root["bill"].value(), now)) lines.push_back(std::move(line));
  }
  for (std::string& line : quota_lines(root)) lines.push_back(std::move(line));
  for (std::string& line : delay_lines(root)) lines.push_back(std::move(line));
  for (const element one : list(root, "left_out")) {
    lines.push_back(
        fmt::format("LEFT OUT  {} of {}: {}", text(one, "service"), place_text(one), text(one, "why")));
  }
  const auto problems = list(root, "problems");
  if (!problems.empty()) {
    lines.emplace_back();
    lines.emplace_back("LAST PROBLEMS");
    for (size_t at = problems.size();
         at-- > (problems.size() > kMostProblems ? problems.size() - kMostProblems : 0);) {
      const int64_t times = integer(problems[at], "times");
      lines.push_back(fmt::format("  {}{} {}: {}", clock_text(integer(problems[at], "last"), now),
                                  times > 1 ? fmt::format(" ({} times)", times) : "",
                                  text(problems[at], "level"), text(problems[at], "text")));
    }
  }
  for (std::string& line : lines) line = cut(line, width);
  return lines;
}

}  // namespace bakusoku::cli
