#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "agent/agent.h"
#include "ask/client.h"
#include "aws/cloudwatch.h"
#include "aws/ec2.h"
#include "aws/sts.h"
#include "base/environment.h"
#include "base/json.h"
#include "base/log.h"
#include "base/utf8.h"
#include "cli/command.h"
#include "zabbix/active.h"
#include "zabbix/destination.h"
#include "zabbix/exchange.h"
#include "zabbix/frame.h"
#include "zabbix/sender.h"

namespace bakusoku::cli {
namespace {

constexpr std::chrono::seconds kSkewWorthSaying{30};
constexpr std::chrono::seconds kSocketTimeout{2};
constexpr std::chrono::seconds kServerTimeout{10};
constexpr const char* kAskedAs = "6.0.0";  // understood by every server, and without a session

struct Options {
  std::string config;
  bool json = false;
};

enum class Verdict { ok, warning, failed };

// Prints each finding as it comes, so that a slow check is seen to be under way.
class Report {
 public:
  explicit Report(bool json) : json_(json) {}

  void add(Verdict verdict, const std::string& what, const std::string& text) {
    failed_ = failed_ || verdict == Verdict::failed;
    const std::string_view word = verdict == Verdict::ok        ? "ok"
                                  : verdict == Verdict::warning ? "warning"
                                                                : "FAILED";
    if (json_) {
      rows_ +=
          fmt::format("{}{{\"check\":{},\"verdict\":\"{}\",\"text\":{}}}", rows_.empty() ? "" : ",",
                      json_string(what), verdict == Verdict::failed ? "failed" : word, json_string(text));
    } else {
      print(fmt::format("{:8} {}: {}\n", word, printable(what), printable(text)));
      std::fflush(stdout);
    }
  }

  int finish() const {
    if (json_) std::printf("{\"ok\":%s,\"checks\":[%s]}\n", failed_ ? "false" : "true", rows_.c_str());
    return failed_ ? kFailed : kOk;
  }

 private:
  bool json_;
  bool failed_ = false;
  std::string rows_;
};

std::string label(const agent::Account& account, std::string_view what) {
  return account.name.empty() ? std::string(what) : fmt::format("account {}, {}", account.name, what);
}

enum class Need {
  item,
  later
};  // an item needs the permission; or nothing yet, so that its lack is a warning

template <typename T>
void add_permission(Report& report, const agent::Account& account, Need need, std::string_view permission,
                    const Result<T>& tried, std::string_view used_for) {
  if (tried) {
    report.add(Verdict::ok, label(account, permission), "allowed");
    return;
  }
  const bool needed = need == Need::item;
  report.add(needed ? Verdict::failed : Verdict::warning, label(account, permission),
             fmt::format("{} ({} {})", tried.error().message,
                         needed ? "needed for" : "no item needs it yet; it is for", used_for));
}

// The regions that discovery reads besides the default one, which has been tried.
asio::awaitable<void> check_regions(const agent::Account& account, std::vector<std::string> regions,
                                    Report& report) {
  size_t allowed = 0;
  for (const std::string& region : regions) {
    const std::string first_page;
    const auto instances = co_await aws::ec2::describe_instances(*account.client, region, first_page);
    if (instances) {
      ++allowed;
    } else {
      report.add(Verdict::failed, label(account, "region " + region), instances.error().message);
    }
  }
  if (allowed > 0)
    report.add(Verdict::ok, label(account, "regions"),
               fmt::format("{} of {} answer", allowed, regions.size()));
}

asio::awaitable<void> check_account(const agent::Account& account, Report& report) {
  auto credentials = co_await account.provider().get();
  if (!credentials) {
    report.add(Verdict::failed, label(account, "credentials"), credentials.error().message);
    co_return;
  }
  report.add(Verdict::ok, label(account, "credentials"),
             fmt::format("from {}, access key {}", credentials->source, credentials->access_key_id));
  if (account.default_region.empty()) {
    report.add(Verdict::failed, label(account, "region"),
               "none: set region in [aws] of bakusoku.toml or AWS_REGION, or name it in every item key");
    co_return;
  }
  const std::string region = account.default_region;
  report.add(Verdict::ok, label(account, "region"), region);

  auto caller = co_await aws::sts::get_caller_identity(*account.client, region);
  if (caller) {
    report.add(Verdict::ok, label(account, "identity"),
               fmt::format("{} (account {})", caller->arn, caller->account));
  } else {
    report.add(Verdict::failed, label(account, "identity"), caller.error().message);
    if (caller.error().kind == ErrorKind::unavailable || caller.error().kind == ErrorKind::timeout) co_return;
  }
  const auto skew = account.client->clock_skew();
  if (std::chrono::abs(skew) >= kSkewWorthSaying) {
    report.add(
        Verdict::warning, label(account, "clock"),
        fmt::format("this machine is {} s {} AWS; requests are corrected, but set up time synchronisation",
                    std::chrono::abs(skew).count(), skew.count() > 0 ? "behind" : "ahead of"));
  } else {
    report.add(Verdict::ok, label(account, "clock"), "agrees with AWS");
  }

  const auto regions = co_await aws::ec2::describe_regions(*account.client, region);
  const bool all_regions = account.config.regions.all;
  add_permission(report, account, all_regions ? Need::item : Need::later, "ec2:DescribeRegions", regions,
                 "regions = \"all\"");
  const std::string first_page;
  const auto instances = co_await aws::ec2::describe_instances(*account.client, region, first_page);
  add_permission(report, account, Need::item, "ec2:DescribeInstances", instances,
                 "aws.ec2.name2id, aws.discovery and aws.resource");
  aws::cloudwatch::ListMetricsRequest list;
  list.namespace_ = "AWS/EC2";
  const auto metrics = co_await aws::cloudwatch::list_metrics(*account.client, region, list);
  add_permission(report, account, Need::later, "cloudwatch:ListMetrics", metrics,
                 "finding which metrics exist");
  const auto alarms = co_await aws::cloudwatch::describe_alarms(*account.client, region, first_page);
  add_permission(report, account, Need::later, "cloudwatch:DescribeAlarms", alarms,
                 "aws.discovery and aws.resource of alarms");
  aws::cloudwatch::MetricQuery query;
  query.namespace_ = "AWS/EC2";
  query.metric = "CPUUtilization";
  query.statistic = "Average";
  aws::cloudwatch::MetricDataRequest request;
  request.queries.push_back(query);
  request.end = unix_seconds(std::chrono::system_clock::now()) / 300 * 300;
  request.start = request.end - 600;
  const auto data = co_await aws::cloudwatch::get_metric_data(*account.client, region, request);
  add_permission(report, account, Need::item, "cloudwatch:GetMetricData", data, "aws.metric");
  std::vector<std::string> others = account.config.regions.names;
  if (all_regions && regions) others = *regions;
  std::erase(others, region);
  co_await check_regions(account, std::move(others), report);
}

void check_socket(const agent::Config& config, Report& report) {
  ask::Client client(config.agent.socket);
  const auto answer = client.ask("bakusoku.version", std::chrono::steady_clock::now() + kSocketTimeout);
  if (answer.outcome == ask::Answer::Outcome::value) {
    report.add(Verdict::ok, "agent",
               fmt::format("version {} answers on {}", answer.text, config.agent.socket));
  } else {
    report.add(Verdict::warning, "agent", answer.text);
  }
}

std::string remedy(const zabbix::ReplyHead& head, const std::string& host) {
  if (zabbix::says_unknown_host(head.info)) {
    return fmt::format(
        "create a host with exactly the name {} there, or correct hostname in [zabbix]; a new host is "
        "known when the server has read its configuration again",
        host);
  }
  return "is the host enabled, monitored by this server or proxy and not by another, and does its encryption "
         "allow "
         "this kind of connection?";
}

// Asks every server, also those of a cluster that would not be asked now, for the items of one host, as the
// agent does.
asio::awaitable<void> check_servers(asio::io_context& io, const agent::ZabbixConfig& config,
                                    const zabbix::Link& link,
                                    const std::vector<zabbix::Alternatives>& destinations, Report& report) {
  const std::string host = !config.hostname.empty() ? config.hostname
                           : !config.hosts.empty()  ? config.hosts.front()
                                                    : std::string();
  std::string question = R"({"request":"sender data","data":[]})";  // of no host: changes nothing anywhere
  if (!host.empty()) {
    zabbix::ActiveRequest request;
    request.host = host;
    request.host_metadata = config.host_metadata;
    request.version = kAskedAs;
    question = zabbix::encode_active_request(request);
  }
  const std::string frame = zabbix::encode_request_frame(question);
  for (const zabbix::Alternatives& destination : destinations) {
    struct Answered {
      zabbix::Endpoint endpoint;
      Result<std::string> answer;
    };
    std::vector<Answered> answers;
    bool any = false;
    for (const zabbix::Endpoint& endpoint : destination.endpoints()) {
      auto answer = co_await zabbix::exchange(io, endpoint, link, frame,
                                              std::chrono::steady_clock::now() + kServerTimeout);
      any = any || answer.has_value();
      answers.push_back({endpoint, std::move(answer)});
    }
    for (const auto& [endpoint, answer] : answers) {
      const std::string what = "Zabbix at " + zabbix::to_string(endpoint);
      if (!answer) {
        // The standby of a cluster takes no connection.
        report.add(
            any ? Verdict::warning : Verdict::failed, what,
            any ? answer.error().message + " (another one of the cluster answers)" : answer.error().message);
        continue;
      }
      const std::string_view way = link.tls ? "answers over TLS" : "answers";
      if (host.empty() && zabbix::decode_sender_reply(*answer)) {
        report.add(Verdict::ok, what, fmt::format("{}; the hosts are those that discovery finds", way));
        continue;
      }
      const auto reply = zabbix::decode_active_reply(*answer);
      if (!reply) {
        report.add(Verdict::failed, what,
                   reply.error().message + "; does the port belong to a Zabbix server or proxy?");
        continue;
      }
      if (reply->head.verdict == zabbix::Verdict::accepted) {
        report.add(
            Verdict::ok, what,
            fmt::format("{} and wants {} items of host {}{}", way, reply->items.size(), host,
                        reply->items.empty() ? "; give it items of the type Zabbix agent (active)" : ""));
      } else if (reply->head.verdict == zabbix::Verdict::redirected) {
        report.add(Verdict::ok, what,
                   fmt::format("{}, and sends host {} on to another proxy of its group", way, host));
      } else {
        report.add(Verdict::failed, what,
                   fmt::format("{}, but wants nothing of host {}: \"{}\"; {}", way, host, reply->head.info,
                               remedy(reply->head, host)));
      }
    }
  }
}

void check_zabbix(asio::io_context& io, const agent::ZabbixConfig& config, Report& report) {
  if (config.server.empty()) return;
  const auto destinations = zabbix::parse_destinations(config.server);
  if (!destinations) {
    report.add(Verdict::failed, "[zabbix]", destinations.error().message);
    return;
  }
  const auto link = agent::make_link(config);
  if (!link) {
    report.add(Verdict::failed, "[zabbix]", link.error().message);
    return;
  }
  io.restart();
  asio::co_spawn(io, check_servers(io, config, *link, *destinations, report),
                 [](const std::exception_ptr& failure) {
                   if (failure) std::rethrow_exception(failure);
                 });
  io.run_for(kServerTimeout * 20);
}

// A member of the organization is tried by assuming its role and one call, as there may be hundreds.
asio::awaitable<void> check_member(const agent::Account& account, Report& report) {
  const std::string first_page;
  const auto instances =
      co_await aws::ec2::describe_instances(*account.client, account.default_region, first_page);
  const std::string name =
      account.also_named.empty() ? account.name : fmt::format("{} ({})", account.name, account.also_named);
  report.add(instances ? Verdict::ok : Verdict::failed, fmt::format("account {}", name),
             instances ? fmt::format("{} may be assumed and used", account.config.role_arn)
                       : instances.error().message);
}

asio::awaitable<void> check_accounts(agent::Agent& agent, Report& report) {
  co_await agent.targets().find_default_region();
  for (const auto& account : agent.targets().accounts()) co_await check_account(*account, report);
  if (!agent.config().organization.used) co_return;
  const auto members = co_await agent.organization().list();
  if (!members) {
    report.add(Verdict::failed, "organization", members.error().message);
    co_return;
  }
  report.add(Verdict::ok, "organization", fmt::format("{} accounts are to be read", *members));
  for (const auto& account : agent.targets().accounts()) {
    if (account->member) co_await check_member(*account, report);
  }
}

int check(const Options& options) {
  Report report(options.json);
  auto config = agent::load_config(options.config);
  if (!config) {
    report.add(Verdict::failed, "configuration", config.error().message);
    report.finish();
    return kUsage;
  }
  report.add(Verdict::ok, "configuration",
             config->file.empty() ? fmt::format("defaults (there is no {})", agent::kDefaultConfigFile)
                                  : config->file);
  if (auto log = set_up_log("off", false); !log) return kFailed;
  asio::io_context io(1);
  auto agent = agent::Agent::create(io, *config, Environment::of_process());
  if (!agent) {
    report.add(Verdict::failed, "AWS configuration", agent.error().message);
    report.finish();
    return kUsage;
  }
  for (const std::string& warning : (*agent)->targets().warnings()) {
    report.add(Verdict::warning, "AWS configuration", warning);
  }
  asio::co_spawn(io, check_accounts(**agent, report), [&io](const std::exception_ptr& failure) {
    io.stop();
    if (failure) std::rethrow_exception(failure);
  });
  io.run();
  check_zabbix(io, config->zabbix, report);
  check_socket(*config, report);
  return report.finish();
}

}  // namespace

void add_check(CLI::App& app, Run& run) {
  CLI::App* command = app.add_subcommand(
      "check", "Try configuration, credentials, every needed permission, clock, Zabbix servers and socket");
  auto options = std::make_shared<Options>();
  command->add_option("-c,--config", options->config, "Configuration file");
  command->add_flag("--json", options->json, "Print one JSON object");
  command->footer(
      "Sends a handful of calls per account; the only one that AWS bills is one GetMetricData of one metric "
      "(US$0.00001).");
  command->callback([&run, options] { run = [options] { return check(*options); }; });
}

}  // namespace bakusoku::cli
