#include <unistd.h>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "agent/inventory.h"
#include "agent/planner.h"
#include "agent/reporting.h"
#include "ask/client.h"
#include "aws/call_rate.h"
#include "aws/cloudwatch.h"
#include "base/environment.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/report.h"
#include "cli/socket.h"
#include "zabbix/active.h"
#include "zabbix/destination.h"
#include "zabbix/exchange.h"
#include "zabbix/frame.h"

namespace bakusoku::cli {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kAnswerWithin{30};
constexpr std::chrono::seconds kServerTimeout{10};
constexpr std::chrono::seconds kReadingTakes{120};
constexpr size_t kMostPages = 2000;        // of one namespace: a million metrics
constexpr const char* kAskedAs = "6.0.0";  // understood by every server, and without a session

struct Options {
  std::string config;
  std::string socket;
  std::string items;
  bool json = false;
  bool alone = false;
};

// What there is to say besides the plan; to standard error, so that the plan can be piped.
void note(const std::string& text) { complain(text); }

size_t width() { return ::isatty(STDOUT_FILENO) == 1 ? 100 : 0; }

int show(const std::string& json, bool as_json) {
  if (as_json) {
    print_exactly(json + '\n');
    return kOk;
  }
  const auto text = plan_text(json, width());
  if (!text) {
    complain(text.error().message);
    return kFailed;
  }
  print(*text);
  return kOk;
}

// Lines "key interval", the interval behind the last blank; # begins a comment.
Result<void> read_items(const std::string& file, agent::PlannedItems& into) {
  std::ifstream opened;
  if (file != "-") {
    opened.open(file);
    if (!opened) return fail(ErrorKind::io, "cannot read the items in {}", file);
  }
  std::istream& in = file == "-" ? std::cin : opened;
  std::string line;
  for (size_t number = 1; std::getline(in, line); ++number) {
    const size_t end = line.find_last_not_of(" \t\r");
    if (end == std::string::npos || line.front() == '#') continue;
    line.resize(end + 1);
    const size_t blank = line.find_last_of(" \t");
    const size_t key = blank == std::string::npos ? blank : line.find_last_not_of(" \t", blank);
    if (blank == std::string::npos || key == std::string::npos) {
      return fail(ErrorKind::invalid,
                  "{}:{}: write an item as its key, a blank and its interval: "
                  "aws.metric[AWS/EC2,CPUUtilization,InstanceId=i-1] 5m",
                  file, number);
    }
    into.add(std::string_view(line).substr(0, key + 1), std::string_view(line).substr(blank + 1));
  }
  return {};
}

// Everything of a plan that has to be asked for.
class Planning {
 public:
  Planning(asio::io_context& io, const agent::Config& config, agent::Targets& targets)
      : io_(io),
        config_(config),
        targets_(targets),
        items_(targets),
        inventories_(io, config.inventory, system_clock()) {}

  [[nodiscard]] agent::PlannedItems& items() { return items_; }
  [[nodiscard]] bool failed() const { return failed_; }
  /// Of what is paid by request: a month's, by action.
  [[nodiscard]] const std::map<std::string, double>& requests() const { return a_month_; }

  // With `items` true of the servers too.
  asio::awaitable<void> ask(bool items) {
    (void)co_await targets_.find_default_region();
    if (items) co_await ask_zabbix();
    co_await list();
    co_await read_lists();
  }

 private:
  void fail_with(const std::string& why) {
    note(why);
    failed_ = true;
  }

  asio::awaitable<std::set<std::string>> hosts() {
    const agent::ZabbixConfig& zabbix = config_.zabbix;
    std::set<std::string> hosts(zabbix.hosts.begin(), zabbix.hosts.end());
    if (!zabbix.hostname.empty()) hosts.insert(zabbix.hostname);
    for (const std::string& name : zabbix.discover) {
      const agent::Service* service = agent::find_service(name);
      for (const auto& account : targets_.accounts()) {
        const auto target = targets_.find("", account->name);
        if (service == nullptr || !target) continue;
        agent::Inventory& inventory = inventories_.of(*service, **target);
        const auto snapshot = co_await inventory.get(steady_clock::now() + kReadingTakes);
        if (!snapshot) {
          fail_with(snapshot.error().message);
          continue;
        }
        for (const agent::Resource& resource : (*snapshot)->resources()) {
          if (!resource.gone) hosts.emplace(resource.id);
        }
      }
    }
    co_return hosts;
  }

  asio::awaitable<void> ask_zabbix() {
    auto destinations = zabbix::parse_destinations(config_.zabbix.server);
    const auto link = agent::make_link(config_.zabbix);
    if (!destinations || !link) {
      fail_with(!destinations ? destinations.error().message : link.error().message);
      co_return;
    }
    const std::set<std::string> all = co_await hosts();
    size_t unknown = 0;
    std::string refusal;
    for (zabbix::Alternatives& destination : *destinations) {
      for (const std::string& host : all) {
        zabbix::ActiveRequest request;
        request.host = host;
        request.version = kAskedAs;
        std::string frame = zabbix::encode_request_frame(zabbix::encode_active_request(request));
        const auto answer = co_await zabbix::exchange_for_host(
            io_, destination, host, *link, std::move(frame), steady_clock::now() + kServerTimeout);
        if (!answer || answer->astray) {
          fail_with(answer ? answer->astray->message : answer.error().message);
          break;
        }
        const auto reply = zabbix::decode_active_reply(answer->payload);
        if (!reply) {
          fail_with(reply.error().message);
          break;
        }
        if (reply->head.verdict != zabbix::Verdict::accepted) {
          ++unknown;
          refusal = reply->head.info;
          continue;
        }
        for (const zabbix::ActiveItem& item : reply->items) items_.add(item.key, item.delay);
      }
    }
    if (unknown > 0)
      note(fmt::format("Zabbix wants nothing of {} of {} hosts: \"{}\"", unknown, all.size(), refusal));
  }

  // Which of the metrics CloudWatch lists: every page of each namespace that an item names.
  asio::awaitable<void> list() {
    std::map<std::tuple<std::string, std::string, std::string>, std::vector<agent::PlannedSeries*>> places;
    for (agent::PlannedSeries& series : items_.series())
      places[{series.account, series.region, series.namespace_}].push_back(&series);
    for (auto& [place, wanted] : places) {
      const auto& [account, region, name] = place;
      const auto target = targets_.find(region, account);
      if (!target) continue;
      std::unordered_set<std::string> listed;
      aws::cloudwatch::ListMetricsRequest request;
      request.namespace_ = name;
      std::string trouble;
      for (size_t pages = 1;; ++pages) {
        aws::cloudwatch::ListMetricsRequest sent = request;
        auto page =
            co_await aws::cloudwatch::list_metrics(*(*target)->account->client, region, std::move(sent));
        ++requests_;
        if (!page) {
          trouble = page.error().message;
          break;
        }
        for (const aws::cloudwatch::MetricName& metric : page->metrics)
          listed.insert(metric.metric + '\0' + agent::dimensions_of_plan(metric.dimensions));
        if (page->next_token.empty()) break;
        if (pages == kMostPages || page->next_token == request.next_token) {
          trouble = fmt::format("{} in {} has more metrics than are listed here", name, region);
          break;
        }
        request.next_token = page->next_token;
      }
      if (!trouble.empty()) {
        note(fmt::format("{}; its metrics are planned as if all existed", trouble));
        continue;
      }
      for (agent::PlannedSeries* series : wanted) {
        series->exists = listed.contains(series->metric + '\0' + series->dimensions) ? agent::Exists::there
                                                                                     : agent::Exists::absent;
      }
    }
    const auto every = static_cast<double>(config_.metrics.list.count());
    if (every > 0) a_month_["ListMetrics"] = static_cast<double>(requests_) * agent::kPlannedMonth / every;
  }

  // How many requests the lists take that are paid for, such as that of the alarms: each is read once.
  asio::awaitable<void> read_lists() {
    for (const auto& [place, asked] : items_.lists()) {
      const auto& [service, target] = place;
      const auto snapshot =
          co_await inventories_.of(*service, *target).get(steady_clock::now() + kReadingTakes);
      if (!snapshot)
        note(fmt::format("{}; it is planned as one request each time", snapshot.error().message));
      const size_t pages = snapshot ? (*snapshot)->pages() : 1;
      const auto interval = agent::interval_of(*service, config_.inventory);
      a_month_[std::string(service->billed)] +=
          static_cast<double>(pages) * agent::readings_per_second(interval, asked) * agent::kPlannedMonth;
    }
  }

  asio::io_context& io_;
  const agent::Config& config_;
  agent::Targets& targets_;
  agent::PlannedItems items_;
  agent::Inventories inventories_;
  size_t requests_ = 0;
  std::map<std::string, double> a_month_;
  bool failed_ = false;
};

int plan_alone(const Options& options) {
  auto config = agent::load_config(options.config);
  if (!config) {
    complain(config.error().message);
    return kUsage;
  }
  if (auto log = set_up_log("off", false); !log) return kFailed;
  const auto prices = agent::Prices::load(config->budget.prices);
  if (!prices) {
    complain(prices.error().message);
    return kUsage;
  }
  asio::io_context io(1);
  auto targets = agent::Targets::create(io, *config, Environment::of_process(), system_clock());
  if (!targets) {
    complain(targets.error().message);
    return kUsage;
  }
  Planning planning(io, *config, **targets);
  const bool ask_zabbix = options.items.empty() && !config->zabbix.server.empty();
  std::string source = "what Zabbix wants of the configured hosts";
  if (!options.items.empty()) {
    source = "the items in " + (options.items == "-" ? std::string("standard input") : options.items);
    if (auto read = read_items(options.items, planning.items()); !read) {
      complain(read.error().message);
      return kUsage;
    }
  } else {
    for (const agent::SendConfig& send : config->sends) planning.items().add(send.item, send.interval);
    if (!ask_zabbix) {
      complain(
          "no agent is running, and [zabbix] names no server to ask which items are wanted: give --items "
          "FILE "
          "with lines of a key and an interval");
      return kUsage;
    }
  }
  asio::co_spawn(io, planning.ask(ask_zabbix), [&io](const std::exception_ptr& failure) {
    io.stop();
    if (failure) std::rethrow_exception(failure);
  });
  io.run();
  for (const std::string& problem : planning.items().problems()) note(problem);
  if (planning.items().others() > 0)
    note(
        fmt::format("{} items are nothing of CloudWatch's and cost nothing here", planning.items().others()));
  agent::PlanTerms terms;
  if (const auto calls = aws::call_quota("cloudwatch", "GetMetricData"))
    terms.calls_per_second = calls->per_second;
  terms.datapoints_per_second = aws::datapoint_quota(true).per_second;
  terms.quota_share = config->aws.quota_share;
  terms.look_back = agent::kLookBackPeriods;
  terms.requests = planning.requests();
  const std::string json = agent::plan_json(agent::make_plan(planning.items().series(), *prices, terms),
                                            source, config->budget.usd_per_month, prices->date());
  const int shown = show(json, options.json);
  return planning.failed() ? kFailed : shown;
}

int plan(const Options& options) {
  if (options.items.empty() && !options.alone) {
    const auto socket = find_socket(options.socket, options.config);
    if (!socket) {
      complain(socket.error().message);
      return kUsage;
    }
    ask::Client client(*socket);
    const ask::Answer answer = client.ask("bakusoku.plan", steady_clock::now() + kAnswerWithin);
    if (answer.outcome == ask::Answer::Outcome::value) return show(answer.text, options.json);
    if (answer.outcome != ask::Answer::Outcome::no_agent) note(answer.text);
  }
  return plan_alone(options);
}

}  // namespace

void add_plan(CLI::App& app, Run& run) {
  CLI::App* command =
      app.add_subcommand("plan", "Tell what collecting the wanted metrics costs, and what would save most");
  auto options = std::make_shared<Options>();
  command->add_option("-c,--config", options->config, "Configuration file");
  command->add_option("--items", options->items,
                      "File with one item a line: key and interval ('-': standard input)");
  command->add_flag("--alone", options->alone, "Do not ask a running agent what it is asked for");
  command->add_flag("--json", options->json, "Print one JSON object");
  command->add_option("-s,--socket", options->socket,
                      "Socket of the agent (default: BAKUSOKU_SOCKET, else the configuration's)");
  command->footer(
      "Which items: those that the running agent is asked for; without an agent those that Zabbix wants of\n"
      "the configured hosts; or those of --items. Without an agent ListMetrics tells which metrics exist, "
      "and\n"
      "DescribeAlarms how many alarms, where items are of them (a million requests a month are free); "
      "nothing\n"
      "else of what is asked is paid for.");
  command->callback([&run, options] { run = [options] { return plan(*options); }; });
}

}  // namespace bakusoku::cli
