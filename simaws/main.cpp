// simaws: the options, the ready line, and the end by signal.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <cctype>
#include <csignal>
#include <cstdio>

#include "base/version.h"
#include "simaws/alarms.h"
#include "simaws/server.h"
#include "simaws/simulator.h"

namespace {

using namespace bakusoku;
using namespace bakusoku::simaws;

constexpr const char* kFooter = R"(Faults
  SPEC   = RULE[,RULE...]
  RULE   = ACTION[@ACCOUNT][@REGION]:KIND[=VALUE][:WHEN]
  ACTION   an API action (DescribeInstances, GetMetricData, AssumeRole, ...), Metadata (IMDS), Token (its
           PUT), Container, a service (ec2, monitoring, sts, organizations, imds), or * for everything
  ACCOUNT  the caller's, 12 digits; of AssumeRole the role's
  WHEN     0.25 (a probability, written with a point) or 3 (the next 3 requests); left out: always
  KIND     throttle       AWS's throttling error            500, 503     AWS's error bodies with that status
           denied         AWS's refusal, naming the permission            expired      expired credentials
           scp            denied by the organization's policy             off          region not enabled
           hang           never answers                     slow=MS      answers late (default 1000)
           cut            half a reply, then closes         reset        closes without a reply
           garbage        200 with a body that is no XML or JSON          junk         bytes that are not HTTP
           skew=SECONDS   the server's clock is off (default 3600)
           partial, internal, forbidden   GetMetricData: PartialData and NextToken; every second series with
                          StatusCode InternalError; or Forbidden
           nan, unequal, unasked, units, cutoff   GetMetricData, of metrics named Disk...: the newest value is NaN; a
                          value less than timestamps; an id that was not asked for; MultipleUnits unless a unit
                          was asked for; PartialData without NextToken
  Example: --fault GetMetricData:throttle:0.25,DescribeInstances:503:2,sts:slow=300

At run time
  curl http://127.0.0.1:PORT/simaws/stats                              what was asked, and what AWS would bill
  curl --data 'GetMetricData:hang:1' http://127.0.0.1:PORT/simaws/faults   replaces the faults
  curl --data 'AWS/EC2=90,late=0.1:300' http://127.0.0.1:PORT/simaws/publication   as --publish, --late, --revise
  curl --data 'ID SECRET' http://127.0.0.1:PORT/simaws/key             replaces the long-lived key
  curl --data 60 http://127.0.0.1:PORT/simaws/instances                how many there are from now on
  curl --data 404 http://127.0.0.1:PORT/simaws/cbor                    as --no-cbor; 'spoken': CBOR again
  curl --data 'ALARM simaws-math' http://127.0.0.1:PORT/simaws/alarms  an alarm's state ('OK *': of all)

simaws is a simulator: nothing it answers is real, and its default keys are good for nothing else.
docs/simaws.md describes its instances, metrics, roles and tokens.)";

struct Options {
  uint16_t port = 4599;
  SimulatorOptions simulator;
  int64_t delay_ms = 0;
  std::string secret_key = kDefaultSecretKey;
  std::string fault;
  std::string publish;
  std::string revise;
  std::string late;
  std::string log;
  bool print_env = false;
};

void add_options(CLI::App& app, Options& options) {
  app.footer(kFooter);
  app.set_version_flag("--version", fmt::format("simaws {} (a simulator, not AWS)", kVersion));
  app.add_option("--port", options.port, "TCP port on 127.0.0.1; 0 chooses one and prints it")
      ->capture_default_str()
      ->type_name("P");
  app.add_option("--instances", options.simulator.world.instances, "EC2 instances in each region")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{0}, kMaxInstances))
      ->type_name("N");
  app.add_option("--load", options.simulator.world.load, "metrics of namespace Sim/Load in each region")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{0}, kMaxLoad))
      ->type_name("N");
  app.add_option("--alarms", options.simulator.world.alarms, "CloudWatch alarms of each running instance")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{0}, static_cast<int64_t>(kMaxAlarms)))
      ->type_name("N");
  app.add_option("--log-alarms", options.simulator.world.log_alarms,
                 "alarms of CloudWatch Logs in each region")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{0}, int64_t{1000}))
      ->type_name("N");
  app.add_option("--regions", options.simulator.world.regions,
                 "regions, separated by commas; the first is the instance's own")
      ->delimiter(',')
      ->capture_default_str()
      ->type_name("a,b");
  app.add_option("--seed", options.simulator.world.seed, "ids and values are a function of it")
      ->capture_default_str()
      ->type_name("S");
  app.add_option(
         "--throttle", options.simulator.throttle,
         "requests per second, for each action and region, before throttling (burst: the same number)")
      ->check(CLI::Range(0.0, 1e9))
      ->type_name("R");
  app.add_option("--quotas", options.simulator.quotas,
                 "apply AWS's own quotas of calls and datapoints a second, or that share of them")
      ->expected(0, 1)
      ->default_str("1")
      ->check(CLI::Range(0.0, 1000.0))
      ->type_name("SHARE");
  app.add_option("--organization", options.simulator.world.organization,
                 "member accounts that Organizations lists beside account 000000000000; 0: no organization")
      ->capture_default_str()
      ->check(CLI::Range(0, 10'000))
      ->type_name("N");
  app.add_option("--delay", options.delay_ms, "milliseconds before each API answer")
      ->check(CLI::Range(0, 3'600'000))
      ->type_name("MS");
  app.add_option("--fault", options.fault, "what goes wrong, see below")->type_name("SPEC");
  app.add_option(
         "--no-cbor", options.simulator.no_cbor,
         "CloudWatch is asked in JSON or Query only; CBOR is answered by 404, 405, 415, 500, 501, unknown, "
         "or with status 200 by json, xml, html, empty, 204")
      ->check([](const std::string& answer) {
        return without_cbor(answer) ? std::string() : "no such answer: " + answer;
      })
      ->type_name("ANSWER");
  app.add_option(
         "--publish", options.publish,
         "seconds after a period's end until its point can be seen: of all, or NAMESPACE=SECONDS, ...")
      ->type_name("TEXT");
  app.add_option("--late", options.late, "that share of the points can be seen only SECONDS after the end")
      ->type_name("FRACTION:SECONDS");
  app.add_option("--revise", options.revise,
                 "that share of the points is shown with another value until SECONDS after the end (120)")
      ->type_name("FRACTION[:SECONDS]");
  app.add_option("--linked-accounts", options.simulator.world.linked,
                 "source accounts whose metrics account 000000000000 may read, separated by commas")
      ->delimiter(',')
      ->type_name("a,b");
  app.add_option("--log", options.log, "append one JSON line for each request; never holds a secret")
      ->type_name("FILE");
  app.add_option("--access-key", options.simulator.access_key, "the one long-lived access key id")
      ->capture_default_str()
      ->type_name("ID");
  app.add_option("--secret-key", options.secret_key, "its secret key")
      ->capture_default_str()
      ->type_name("KEY");
  app.add_option("--credential-seconds", options.simulator.credential_seconds,
                 "temporary credentials (STS, IMDS, container) live at most this long")
      ->check(CLI::Range(1, 43200))
      ->type_name("S");
  app.add_flag("--imds-v1", options.simulator.imds_v1, "instance metadata answers without a token too");
  app.add_flag("--print-env", options.print_env, "print the export lines for a shell, and end");
}

bool valid_region(const std::string& region) {
  return !region.empty() && region.size() <= 32 &&
         region.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
}

bool valid_access_key(const std::string& key) {
  const bool alphanumeric =
      std::all_of(key.begin(), key.end(), [](unsigned char ch) { return std::isalnum(ch) != 0; });
  return key.size() >= 16 && key.size() <= 128 && alphanumeric;
}

void print_env(const Options& options) {
  fmt::print("export AWS_ACCESS_KEY_ID='{}'\nexport AWS_SECRET_ACCESS_KEY='{}'\n",
             options.simulator.access_key, options.secret_key);
  fmt::print("export AWS_ENDPOINT_URL='http://127.0.0.1:{}'\nexport AWS_REGION='{}'\n", options.port,
             options.simulator.world.regions.front());
}

int complain(std::string_view message) {
  fmt::print(stderr, "simaws: {}\n", message);
  return 1;
}

// Publication of the three options, as one text.
Result<Publication> publication_of(const Options& options) {
  std::string text = options.publish;
  for (const auto& [name, value] : {std::pair("late", &options.late), std::pair("revise", &options.revise)}) {
    if (!value->empty()) text += fmt::format("{}{}={}", text.empty() ? "" : ",", name, *value);
  }
  return parse_publication(text);
}

int run(Options& options) {
  auto publication = publication_of(options);
  if (!publication) return complain(publication.error().message);
  options.simulator.world.publication = *std::move(publication);
  auto rules = parse_faults(options.fault);
  if (!rules) return complain(rules.error().message);
  options.simulator.secret_key = Secret(options.secret_key);
  options.simulator.delay = std::chrono::milliseconds(options.delay_ms);
  Simulator simulator(options.simulator, system_clock());
  simulator.set_faults(*std::move(rules));
  asio::io_context io(1);
  Server server(io, simulator);
  if (!options.log.empty()) {
    if (auto opened = server.log_to(options.log); !opened) return complain(opened.error().message);
  }
  asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&io](const asio::error_code&, int) { io.stop(); });
  const auto port = server.listen(options.port);
  if (!port) return complain(port.error().message);
  fmt::print(
      "simaws (a simulator, not AWS) listens on http://127.0.0.1:{0}; AWS_ENDPOINT_URL=http://127.0.0.1:{0}; "
      "access key {1}; IMDS at http://127.0.0.1:{0}; regions {2}; {3} instances each\n",
      *port, options.simulator.access_key, fmt::join(options.simulator.world.regions, ","),
      options.simulator.world.instances);
  std::fflush(stdout);
  io.run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{
      "simaws: a simulator of AWS endpoints (EC2, CloudWatch, STS, IMDSv2) on loopback, for trying, testing "
      "and measuring without an account. It is not AWS.",
      "simaws"};
  add_options(app, options);
  CLI11_PARSE(app, argc, argv);
  for (const auto& region : options.simulator.world.regions) {
    if (!valid_region(region)) return complain(fmt::format("--regions: '{}' is not a region name", region));
  }
  if (options.simulator.world.regions.empty()) return complain("--regions: name at least one region");
  for (const auto& account : options.simulator.world.linked) {
    if (account.size() != 12 || account.find_first_not_of("0123456789") != std::string::npos)
      return complain(fmt::format("--linked-accounts: '{}' is not an account of 12 digits", account));
  }
  if (!valid_access_key(options.simulator.access_key))
    return complain("--access-key: 16 to 128 letters and digits, as AWS has it");
  if (options.print_env) {
    if (options.port == 0) return complain("--print-env needs a --port other than 0");
    print_env(options);
    return 0;
  }
  return run(options);
}
