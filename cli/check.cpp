#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/agent.h"
#include "agent/preflight.h"
#include "ask/client.h"
#include "aws/cloudwatch.h"
#include "aws/denial.h"
#include "aws/ec2.h"
#include "aws/sts.h"
#include "base/environment.h"
#include "base/json.h"
#include "base/log.h"
#include "base/utf8.h"
#include "cli/causes.h"
#include "cli/command.h"
#include "cli/report.h"
#include "cli/socket.h"
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
constexpr size_t kMostHosts = 100;         // that a server is asked about
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

  void add(Verdict verdict, const std::string& what, std::string text) {
    if (text.starts_with(what + ": ")) text.erase(0, what.size() + 2);
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

  // The configuration is wrong, rather than what it meets.
  void blame_configuration() { wrong_ = true; }

  int finish() const {
    if (json_) std::printf("{\"ok\":%s,\"checks\":[%s]}\n", failed_ ? "false" : "true", rows_.c_str());
    return wrong_ ? kUsage : failed_ ? kFailed : kOk;
  }

 private:
  bool json_;
  bool failed_ = false;
  bool wrong_ = false;
  std::string rows_;
};

std::string label(const agent::Account& account, std::string_view what) {
  return account.name.empty() ? std::string(what) : fmt::format("account {}, {}", account.name, what);
}

// What failed of AWS, each cause in one line, after everything was tried.
class Failures {
 public:
  void add(Verdict verdict, const agent::Account& account, const std::string& region, std::string_view what,
           const Error& error, const std::string& remark = {}) {
    causes_.add(Cause::Place{account.name, region, std::string(what)}, error, {account.config.role_arn},
                {static_cast<int>(verdict), remark});
  }

  void tell(Report& report) const {
    for (const Cause& cause : causes_.all()) {
      const Cause::Place& head = cause.places.front();
      std::string about = head.account.empty() ? head.what
                          : head.what.empty()  ? "account " + head.account
                                               : fmt::format("account {}, {}", head.account, head.what);
      report.add(static_cast<Verdict>(cause.weight.rank), about,
                 cause.message + cause.weight.remark + cause.others());
    }
  }

 private:
  Causes causes_;
};

enum class Need {
  item,
  later
};  // an item needs the permission; or nothing yet, so that its lack is a warning

// Where something is tried, and what becomes of it.
struct Trial {
  const agent::Account& account;
  const std::string& region;
  Report& report;
  Failures& failures;
};

template <typename T>
void add_permission(const Trial& trial, Need need, std::string_view permission, const Result<T>& tried,
                    std::string_view used_for) {
  if (tried) {
    trial.report.add(Verdict::ok, label(trial.account, permission), "allowed");
    return;
  }
  const bool needed = need == Need::item;
  trial.failures.add(
      needed ? Verdict::failed : Verdict::warning, trial.account, trial.region, permission, tried.error(),
      fmt::format(" ({} {})", needed ? "needed for" : "no item needs it yet; it is for", used_for));
}

// What the calls before have shown.
void add_protocol(Report& report, const agent::Account& account, const std::string& region) {
  const aws::Spoken& spoken = account.client->spoken();
  const std::string endpoint = account.client->endpoint_of("cloudwatch", region);
  const auto wire = spoken.of(endpoint);
  if (!wire) return;  // no call was answered, as is told
  report.add(Verdict::ok, label(account, "CloudWatch protocol"),
             fmt::format("{} at {}{}", *wire == aws::Spoken::Wire::cbor ? "CBOR" : "AWS JSON 1.0", endpoint,
                         spoken.fixed() ? " (protocol in [aws])" : ""));
}

// The regions that discovery reads besides the default one, which has been tried.
asio::awaitable<void> check_regions(const agent::Account& account, std::vector<std::string> regions,
                                    Report& report, Failures& failures) {
  size_t allowed = 0;
  size_t left_out = 0;
  for (const std::string& region : regions) {
    const std::string first_page;
    const auto instances = co_await aws::ec2::describe_instances(*account.client, region, first_page);
    if (instances) {
      ++allowed;
    } else if (account.config.regions.all && aws::closes_region(instances.error())) {
      ++left_out;
      failures.add(Verdict::warning, account, region, "region " + region, instances.error(),
                   "; lists over all regions go without it");
    } else {
      failures.add(Verdict::failed, account, region, "region " + region, instances.error());
    }
  }
  if (allowed > 0)
    report.add(Verdict::ok, label(account, "regions"),
               fmt::format("{} of {} answer{}", allowed, regions.size(),
                           left_out == 0 ? std::string() : fmt::format(", {} are left out", left_out)));
}

asio::awaitable<void> check_account(const agent::Account& account, Report& report, Failures& failures) {
  auto credentials = co_await account.provider().get();
  if (!credentials) {
    failures.add(Verdict::failed, account, account.default_region, "credentials", credentials.error());
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

  auto caller = co_await aws::sts::get_caller_identity(*account.client, account.sts_region());
  if (caller) {
    report.add(Verdict::ok, label(account, "identity"),
               fmt::format("{} (account {})", caller->arn, caller->account));
  } else {
    failures.add(Verdict::failed, account, account.sts_region(), "identity", caller.error());
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

  const Trial trial{account, region, report, failures};
  const auto regions = co_await aws::ec2::describe_regions(*account.client, region);
  const bool all_regions = account.config.regions.all;
  add_permission(trial, all_regions ? Need::item : Need::later, "ec2:DescribeRegions", regions,
                 "regions = \"all\"");
  const std::string first_page;
  const auto instances = co_await aws::ec2::describe_instances(*account.client, region, first_page);
  add_permission(trial, Need::item, "ec2:DescribeInstances", instances,
                 "aws.ec2.name2id, aws.discovery and aws.resource");
  aws::cloudwatch::ListMetricsRequest list;
  list.namespace_ = "AWS/EC2";
  const auto metrics = co_await aws::cloudwatch::list_metrics(*account.client, region, list);
  add_permission(trial, Need::later, "cloudwatch:ListMetrics", metrics, "finding which metrics exist");
  const auto alarms = co_await aws::cloudwatch::describe_alarms(*account.client, region, first_page);
  add_permission(trial, Need::later, "cloudwatch:DescribeAlarms", alarms,
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
  add_permission(trial, Need::item, "cloudwatch:GetMetricData", data, "aws.metric");
  add_protocol(report, account, region);
  std::vector<std::string> others = account.config.regions.names;
  if (all_regions && regions) {
    others = *regions;
    std::erase_if(others,
                  [&](const std::string& one) { return agent::is_excluded(account.config.regions, one); });
  }
  std::erase(others, region);
  co_await check_regions(account, std::move(others), report, failures);
}

Verdict verdict_of(const agent::Finding& finding) {
  switch (finding.verdict) {
    case agent::Finding::Verdict::good:
      return Verdict::ok;
    case agent::Finding::Verdict::doubtful:
      return Verdict::warning;
    case agent::Finding::Verdict::harmful:
    case agent::Finding::Verdict::refused:
      break;
  }
  return Verdict::failed;
}

// What only the running agent knows.
void check_agent(const agent::Config& config, const std::string& status, Report& report) {
  if (status.empty()) {
    ask::Client client(config.agent.socket);
    const auto answer = client.ask("bakusoku.version", std::chrono::steady_clock::now() + kSocketTimeout);
    if (answer.outcome != ask::Answer::Outcome::value)
      return report.add(Verdict::warning, "agent", answer.text);
  }
  for (const Remark& remark : remarks_of(status))
    report.add(remark.is_good ? Verdict::ok : Verdict::warning, remark.about, remark.text);
}

std::string remedy(const std::string& words, const std::string& hosts) {
  if (zabbix::says_unknown_host(words)) {
    return fmt::format(
        "create a host with exactly the name {} there, or correct hostname or hosts in [zabbix]; of one that "
        "a "
        "proxy monitors, name that proxy in server; a new host is known when the server has read its "
        "configuration again",
        hosts);
  }
  return "is the host enabled, monitored by this server or proxy and not by another, and does its encryption "
         "allow this kind of connection?";
}

std::string question_about(const agent::ZabbixConfig& config, const std::string& host) {
  // Of no host: changes nothing anywhere.
  if (host.empty()) return zabbix::encode_request_frame(R"({"request":"sender data","data":[]})");
  zabbix::ActiveRequest request;
  request.host = host;
  request.host_metadata = config.host_metadata;
  request.version = kAskedAs;
  return zabbix::encode_request_frame(zabbix::encode_active_request(request));
}

// What one server says of the hosts, the first of which it was asked about already.
asio::awaitable<void> check_hosts(asio::io_context& io, const agent::ZabbixConfig& config,
                                  const zabbix::Link& link, const zabbix::Endpoint& endpoint,
                                  const std::vector<std::string>& hosts, const std::string& first_answer,
                                  Report& report) {
  const std::string what = "Zabbix at " + zabbix::to_string(endpoint);
  const std::string_view way = link.tls ? "answers over TLS" : "answers";
  std::map<std::string, std::vector<std::string>> refused;  // by Zabbix's words, without the host's name
  size_t known = 0;
  for (size_t at = 0; at < std::min(hosts.size(), kMostHosts); ++at) {
    const std::string& host = hosts[at];
    Result<std::string> answer(first_answer);
    if (at != 0) {
      const std::string frame = question_about(config, host);
      answer = co_await zabbix::exchange(io, endpoint, link, frame,
                                         std::chrono::steady_clock::now() + kServerTimeout);
    }
    const auto reply =
        answer ? zabbix::decode_active_reply(*answer) : Result<zabbix::ActiveReply>(fail(answer.error()));
    if (!reply) {
      report.add(Verdict::failed, what,
                 at == 0 ? reply.error().message + "; does the port belong to a Zabbix server or proxy?"
                         : reply.error().message);
      co_return;
    }
    switch (reply->head.verdict) {
      case zabbix::Verdict::accepted:
        ++known;
        if (hosts.size() > 1) break;
        report.add(
            Verdict::ok, what,
            fmt::format("{} and wants {} items of host {}{}", way, reply->items.size(), host,
                        reply->items.empty() ? "; give it items of the type Zabbix agent (active)" : ""));
        break;
      case zabbix::Verdict::redirected:
        ++known;
        if (hosts.size() > 1) break;
        report.add(Verdict::ok, what,
                   fmt::format("{}, and sends host {} on to another proxy of its group", way, host));
        break;
      default:
        refused[without(reply->head.info, host)].push_back(host);
    }
  }
  if (hosts.size() > 1 && known > 0) {
    report.add(Verdict::ok, what,
               fmt::format("{} and knows {} of the {} configured hosts{}", way, known, hosts.size(),
                           hosts.size() > kMostHosts ? fmt::format(" (asked for {})", kMostHosts) : ""));
  }
  for (const auto& [words, of] : refused) {
    report.add(Verdict::failed, what,
               fmt::format("{}, but wants nothing of host{} {}: \"{}\"; {}", way, of.size() == 1 ? "" : "s",
                           named(of), with_name(words, of.front()), remedy(words, named(of))));
  }
}

// Asks every server, also those of a cluster that would not be asked now, for the items of the configured
// hosts, as the agent does.
asio::awaitable<void> check_servers(asio::io_context& io, const agent::ZabbixConfig& config,
                                    const zabbix::Link& link,
                                    const std::vector<zabbix::Alternatives>& destinations, Report& report) {
  std::vector<std::string> hosts = config.hosts;
  if (!config.hostname.empty()) {
    std::erase(hosts, config.hostname);
    hosts.insert(hosts.begin(), config.hostname);
  }
  std::vector<std::string> asked_about = hosts;
  if (hosts.empty()) asked_about.emplace_back();
  const std::string frame = question_about(config, asked_about.front());
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
      if (hosts.empty() && zabbix::decode_sender_reply(*answer)) {
        report.add(Verdict::ok, what,
                   fmt::format("{}; the hosts are those that discovery finds",
                               link.tls ? "answers over TLS" : "answers"));
        continue;
      }
      co_await check_hosts(io, config, link, endpoint, asked_about, *answer, report);
    }
  }
}

// What is wrong with servers or TLS files was told before.
void check_zabbix(asio::io_context& io, const agent::ZabbixConfig& config, Report& report) {
  if (config.server.empty()) return;
  const auto destinations = agent::read_destinations(config);
  const auto link = agent::make_link(config);
  if (!destinations || !link) return;
  io.restart();
  asio::co_spawn(io, check_servers(io, config, *link, *destinations, report),
                 [](const std::exception_ptr& failure) {
                   if (failure) std::rethrow_exception(failure);
                 });
  io.run_for(kServerTimeout * 20);
}

// A member of the organization is tried by assuming its role and one call, as there may be hundreds.
asio::awaitable<void> check_member(const agent::Account& account, Report& report, Failures& failures) {
  const std::string first_page;
  const auto instances =
      co_await aws::ec2::describe_instances(*account.client, account.default_region, first_page);
  if (!instances) {
    failures.add(Verdict::failed, account, account.default_region, "", instances.error());
    co_return;
  }
  const std::string name =
      account.also_named.empty() ? account.name : fmt::format("{} ({})", account.name, account.also_named);
  report.add(Verdict::ok, fmt::format("account {}", name),
             fmt::format("{} may be assumed and used", account.config.role_arn));
}

asio::awaitable<void> check_accounts(agent::Agent& agent, Report& report, Failures& failures) {
  co_await agent.targets().find_default_region();
  for (const auto& account : agent.targets().accounts()) co_await check_account(*account, report, failures);
  if (!agent.config().organization.used) co_return;
  const auto members = co_await agent.organization().list();
  if (!members) {
    const auto& lists = *agent.targets().account(agent.config().organization.account);
    failures.add(Verdict::failed, lists, lists.default_region, "organization", members.error());
    co_return;
  }
  report.add(Verdict::ok, "organization", fmt::format("{} accounts are to be read", *members));
  for (const auto& account : agent.targets().accounts()) {
    if (account->member) co_await check_member(*account, report, failures);
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
  const std::string status = status_of_running(*config);
  const Environment environment = Environment::of_process();
  for (const agent::Finding& finding :
       agent::preflight(*config, environment, agent::read_running_agent(status), agent::Purpose::look)) {
    report.add(verdict_of(finding), finding.about, finding.text);
    if (finding.verdict == agent::Finding::Verdict::refused && agent::blames_configuration(finding))
      report.blame_configuration();
  }
  asio::io_context io(1);
  // Without it nothing more is known of AWS, as was told.
  if (auto agent = agent::Agent::create(io, *config, environment)) {
    Failures failures;
    asio::co_spawn(io, check_accounts(**agent, report, failures), [&io](const std::exception_ptr& failure) {
      io.stop();
      if (failure) std::rethrow_exception(failure);
    });
    io.run();
    failures.tell(report);
    check_zabbix(io, config->zabbix, report);
  } else {
    check_zabbix(io, config->zabbix, report);
  }
  check_agent(*config, status, report);
  return report.finish();
}

}  // namespace

void add_check(CLI::App& app, Run& run) {
  CLI::App* command = app.add_subcommand(
      "check", "Try all that `bakusoku run` needs, credentials, every permission, clock and Zabbix servers");
  auto options = std::make_shared<Options>();
  command->add_option("-c,--config", options->config, "Configuration file");
  command->add_flag("--json", options->json, "Print one JSON object");
  command->footer(
      "Sends a handful of calls per account; the only one that AWS bills is one GetMetricData of one metric "
      "(US$0.00001).\n"
      "Makes and changes nothing; run it as the user that the agent runs as. What the running agent of the "
      "same\n"
      "configuration holds is no fault.\n"
      "Exit codes: 0 all is well or only warned of, 1 something failed, 2 the configuration is wrong.");
  command->callback([&run, options] { run = [options] { return check(*options); }; });
}

}  // namespace bakusoku::cli
