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
#include "cli/command.h"

namespace bakusoku::cli {
namespace {

constexpr std::chrono::seconds kSkewWorthSaying{30};
constexpr std::chrono::seconds kSocketTimeout{2};

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
      std::printf("%s", fmt::format("{:8} {}: {}\n", word, what, text).c_str());
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

asio::awaitable<void> check_account(const agent::Account& account, Report& report) {
  auto credentials = co_await account.credentials->get();
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
  add_permission(report, account, Need::later, "ec2:DescribeRegions", regions,
                 "finding the regions of the account");
  const std::string first_page;
  const auto instances = co_await aws::ec2::describe_instances(*account.client, region, first_page);
  add_permission(report, account, Need::item, "ec2:DescribeInstances", instances,
                 "aws.ec2.name2id, aws.discovery and aws.resource");
  aws::cloudwatch::ListMetricsRequest list;
  list.namespace_ = "AWS/EC2";
  const auto metrics = co_await aws::cloudwatch::list_metrics(*account.client, region, list);
  add_permission(report, account, Need::later, "cloudwatch:ListMetrics", metrics,
                 "finding which metrics exist");
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

asio::awaitable<void> check_accounts(agent::Agent& agent, Report& report) {
  co_await agent.targets().find_default_region();
  for (const auto& account : agent.targets().accounts()) {
    co_await check_account(*account, report);
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
  check_socket(*config, report);
  return report.finish();
}

}  // namespace

void add_check(CLI::App& app, Run& run) {
  CLI::App* command = app.add_subcommand(
      "check", "Try configuration, credentials, every needed permission, clock and socket");
  auto options = std::make_shared<Options>();
  command->add_option("-c,--config", options->config, "Configuration file");
  command->add_flag("--json", options->json, "Print one JSON object");
  command->footer(
      "Sends a handful of calls per account; the only one that AWS bills is one GetMetricData of one metric "
      "(US$0.00001).");
  command->callback([&run, options] { run = [options] { return check(*options); }; });
}

}  // namespace bakusoku::cli
