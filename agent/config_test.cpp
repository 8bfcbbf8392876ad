#include "agent/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ask/protocol.h"

namespace bakusoku::agent {
namespace {

using testing::HasSubstr;

std::string error_of(std::string_view text) {
  const auto config = parse_config(text, "bakusoku.toml");
  return config ? "" : config.error().message;
}

TEST(ZabbixConfig, IsReadAndChecked) {
  const auto config = parse_config(R"([zabbix]
server = "a;b:10052,c"
hostname = "aws"
hosts = ["h1", "h2"]
discover = "ec2"
refresh = "30s"
heartbeat = "5m"
spool_size = "500MB"
spool_age = "1d"
resend_window = 60
tls_connect = "psk"
tls_psk_identity = "me"
tls_psk_file = "/etc/zabbix/psk"
)",
                                   "test.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->zabbix.server, "a;b:10052,c");
  EXPECT_EQ(config->zabbix.hosts, (std::vector<std::string>{"h1", "h2"}));
  EXPECT_EQ(config->zabbix.discover, (std::vector<std::string>{"ec2"}));
  EXPECT_EQ(config->zabbix.refresh, std::chrono::seconds(30));
  EXPECT_EQ(config->zabbix.heartbeat, std::chrono::minutes(5));
  EXPECT_EQ(config->zabbix.spool_bytes, 500'000'000);
  EXPECT_EQ(config->zabbix.spool_age, std::chrono::hours(24));
  EXPECT_EQ(config->zabbix.tls.psk_identity, "me");
  EXPECT_THAT(error_of("[zabbix]\nserver = 'a'"), HasSubstr("whose items are wanted"));
  EXPECT_THAT(error_of("[zabbix]\nhostname = 'aws'"), HasSubstr("no server"));
  const std::string whole = "[zabbix]\nserver = 'a'\nhostname = 'h'\n";
  EXPECT_THAT(error_of("[zabbix]\nhostname = 'h'\nserver = 'a,a'"), HasSubstr("[zabbix] server"));
  EXPECT_THAT(error_of(whole + "spool_size = '5 apples'"), HasSubstr("spool_size must be"));
  EXPECT_THAT(error_of(whole + "spool_size = '1kB'"), HasSubstr("at least"));
  EXPECT_THAT(error_of(whole + "hosts = [1]"), HasSubstr("bakusoku.toml:4: [zabbix] hosts must be"));
  EXPECT_THAT(error_of(whole + "refresh = '0s'"), HasSubstr("refresh must be"));
  EXPECT_THAT(error_of(whole + "heartbeat = '2h'"), HasSubstr("heartbeat must be"));
}

TEST(BudgetConfig, IsReadAndChecked) {
  const auto config =
      parse_config("[budget]\nusd_per_month = 99.5\nlongest_interval = '30m'\nprices = '/p'", "");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->budget.usd_per_month, 99.5);
  EXPECT_EQ(config->budget.longest_interval, std::chrono::minutes(30));
  EXPECT_EQ(config->budget.prices, "/p");
  EXPECT_EQ(parse_config("[budget]\nusd_per_month = 100", "")->budget.usd_per_month, 100);
  EXPECT_EQ(parse_config("", "")->budget.usd_per_month, 0) << "no budget";
  EXPECT_THAT(error_of("[budget]\nusd_per_month = 0"), HasSubstr("a number above 0"));
  EXPECT_THAT(error_of("[budget]\nusd_per_month = '5'"), HasSubstr("a number above 0"));
  EXPECT_THAT(error_of("[budget]\nlongest_interval = '2d'"), HasSubstr("longest_interval"));
}

TEST(Config, ReadsIntakeAndSends) {
  const std::string zabbix = "[zabbix]\nserver = 'a'\n";
  const auto config = parse_config(zabbix + R"([intake]
listen = "127.0.0.1:10051"
allow = ["10.0.0.0/8", "::1"]
[[send]]
host = "aws"
key = "cpu"
item = "aws.metric[AWS/EC2,CPUUtilization]"
interval = "5m;wd1-5h9"
[[send]]
host = "aws"
key = "bakusoku.ping"
interval = 60
)",
                                   "bakusoku.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->intake.listen, "127.0.0.1:10051");
  EXPECT_EQ(config->intake.allow, "10.0.0.0/8,::1");
  ASSERT_EQ(config->sends.size(), 2u);
  EXPECT_EQ(config->sends[0].item, "aws.metric[AWS/EC2,CPUUtilization]");
  EXPECT_EQ(config->sends[1].item, "bakusoku.ping");
  EXPECT_EQ(config->sends[1].interval, "60");

  EXPECT_THAT(error_of("[intake]\nlisten = '127.0.0.1:1'"), HasSubstr("bakusoku.toml:1: [intake] needs a"));
  EXPECT_THAT(error_of(zabbix + "[intake]\nlisten = 'x'\nport = 1"),
              HasSubstr("bakusoku.toml:5: unknown key 'port' in [intake]"));
  EXPECT_THAT(error_of(zabbix + "[intake]\nallow = '::1'"), HasSubstr("whose items are wanted"));
  const std::string send = zabbix + "[[send]]\nhost = 'h'\n";
  EXPECT_THAT(error_of("[[send]]\nhost = 'h'\nkey = 'k'\ninterval = 60"),
              HasSubstr("bakusoku.toml:1: [[send]] needs a [zabbix] server"));
  EXPECT_THAT(error_of(send), HasSubstr("needs a host and a key"));
  EXPECT_THAT(error_of(send + "key = 'k'"), HasSubstr("bakusoku.toml:3: [[send]] needs an interval"));
  EXPECT_THAT(error_of(send + "key = 'k'\ninterval = '0'"), HasSubstr("[[send]] interval"));
  EXPECT_THAT(error_of(send + "key = 'k'\ninterval = []"), HasSubstr("update interval"));
  EXPECT_THAT(error_of(send + "key = 'k'\nitem = 'a['\ninterval = 60"), HasSubstr("item 'a['"));
  EXPECT_THAT(error_of(send + "key = 'k'\nintervall = 60"), HasSubstr("unknown key 'intervall' in [[send]]"));
  const std::string one = "[[send]]\nhost = 'h'\nkey = 'k'\ninterval = 60\n";
  EXPECT_THAT(error_of(zabbix + one + one), HasSubstr("bakusoku.toml:7: [[send]] of host 'h'"));
  EXPECT_THAT(error_of("[send]\nhost = 'h'"), HasSubstr("[[send]] tables"));
}

TEST(WeblogConfig, IsReadAndChecked) {
  const auto defaults = parse_config("", "");
  ASSERT_TRUE(defaults);
  EXPECT_EQ(defaults->weblog.allow, std::vector<std::string>{"/var/log/*"});
  const auto config = parse_config(R"([[weblog.file]]
path = "/srv/*.log"
format = '^(?<status>\d+) (?<time>\d+)$'
time_unit = "ms"
[[weblog.file]]
path = "/srv/x"
format = "common"
from_start = false
[weblog]
allow = ["/srv/*", "/opt/*"]
from_start = true
)",
                                   "test.toml");
  // TOML lets [weblog] follow its own tables.
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->weblog.allow.size(), 2u);
  ASSERT_EQ(config->weblog.files.size(), 2u);
  EXPECT_TRUE(config->weblog.files[0].from_start) << "as all are";
  EXPECT_FALSE(config->weblog.files[1].from_start);
  EXPECT_EQ(config->weblog.files[0].format.read("404 7")->micros, 7000u);
  const auto json = parse_config(R"([[weblog.file]]
path = "/var/log/app.json"
format = "json"
status = "response.code"
bytes = "out"
time = "took"
time_unit = "us"
)",
                                 "bakusoku.toml");
  ASSERT_TRUE(json) << json.error().message;
  const auto read = json->weblog.files[0].format.read(R"({"response":{"code":404},"out":12,"took":7})");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->status, 404);
  EXPECT_EQ(read->bytes, 12u);
  EXPECT_EQ(read->micros, 7u);
  const std::string file = "[[weblog.file]]\npath = '/x'\n";
  EXPECT_THAT(error_of("[[weblog.file]]\nformat = 'auto'"),
              HasSubstr("bakusoku.toml:1: [[weblog.file]] needs the whole path"));
  EXPECT_THAT(error_of(file + "format = 'combind'"), HasSubstr("[[weblog.file]] /x: 'combind' is none of"));
  EXPECT_THAT(error_of(file + "time_unit = 'h'"), HasSubstr("'h' is not a unit of time"));
  EXPECT_THAT(error_of(file + "from_start = 1"),
              HasSubstr("bakusoku.toml:3: [[weblog.file]] from_start must be true or false"));
  EXPECT_THAT(error_of(file + "name = 'x'"), HasSubstr("unknown key 'name'"));
  EXPECT_THAT(error_of("[weblog]\nfile = 'x'"), HasSubstr("double brackets"));
  EXPECT_THAT(error_of("[weblog]\nallow = 1"), HasSubstr("[weblog] allow must be"));
}

TEST(Config, AFileThatCannotBeReadIsNamed) {
  const auto folder = load_config("/tmp");
  ASSERT_FALSE(folder);
  EXPECT_THAT(folder.error().message, HasSubstr("cannot read the configuration file /tmp"));
  const auto missing = load_config("/nonexistent/bakusoku.toml");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ErrorKind::not_found);
}

TEST(Config, NeedsNothing) {
  const auto config = parse_config("", "");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->agent.socket, ask::kDefaultSocket);
  EXPECT_EQ(config->agent.listen, "");
  EXPECT_EQ(config->inventory.interval, std::chrono::seconds(300));
  EXPECT_TRUE(config->accounts.empty());
}

TEST(Config, ReadsEveryKey) {
  const auto config = parse_config(R"(
[agent]
socket = "/run/b.sock"
socket_mode = "0666"
socket_group = "adm"
listen = "127.0.0.1:10055"
allow = ["10.0.0.0/8", "::1"]
timeout = "10s"
log_level = "debug"
[aws]
region = "eu-west-1"
profile = "prod"
env_file = "/etc/x.env"
endpoint_url = "http://127.0.0.1:1"
proxy = "http://proxy:3128"
ca_bundle = "/etc/ca.pem"
[inventory]
interval = 60
intervals = {alarm = "30s"}
[metrics]
gather = "10ms"
delay = "3m"
list = "2h"
[[account]]
name = "other"
role_arn = "arn:aws:iam::123456789012:role/monitor"
external_id = "x"
region = "us-east-1"
)",
                                   "bakusoku.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->agent.socket, "/run/b.sock");
  EXPECT_EQ(config->agent.socket_mode, 0666u);
  EXPECT_EQ(config->agent.allow, "10.0.0.0/8,::1");
  EXPECT_EQ(config->agent.timeout, std::chrono::seconds(10));
  EXPECT_EQ(config->aws.profile, "prod");
  EXPECT_EQ(config->inventory.interval, std::chrono::minutes(1));
  EXPECT_EQ(config->inventory.intervals.at("alarm"), std::chrono::seconds(30));
  EXPECT_EQ(config->metrics.gather, std::chrono::milliseconds(10));
  EXPECT_EQ(config->metrics.delay, std::chrono::minutes(3));
  EXPECT_EQ(config->metrics.list, std::chrono::hours(2));
  ASSERT_EQ(config->accounts.size(), 1u);
  EXPECT_EQ(config->accounts[0].external_id, "x");
}

TEST(PriorityConfig, IsReadInOrderAndChecked) {
  const auto config = parse_config(R"([[priority]]
namespace = "AWS/ELB*"
value = "high"
[[priority]]
metric = "Disk?ead*"
value = "low"
)",
                                   "");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->priorities,
            (std::vector<PriorityConfig>{{"AWS/ELB*", "*", "high"}, {"*", "Disk?ead*", "low"}}));
  EXPECT_THAT(error_of("\n[[priority]]\nvalue = 'urgent'"),
              HasSubstr("bakusoku.toml:2: [[priority]] needs a value: \"high\", \"normal\" or \"low\""));
  EXPECT_THAT(error_of("[[priority]]\nmetric = 'x'"), HasSubstr("needs a value"));
  EXPECT_THAT(error_of("[[priority]]\nvalue = 1"), HasSubstr("[[priority]] value must be a string"));
  EXPECT_THAT(error_of("[[priority]]\nnamespace = ''\nvalue = 'low'"), HasSubstr("fits nothing"));
  EXPECT_THAT(error_of("[[priority]]\nmetric = ''\nvalue = 'low'"), HasSubstr("fits nothing"));
  EXPECT_THAT(error_of("[[priority]]\nregion = 'x'\nvalue = 'low'"), HasSubstr("unknown key 'region'"));
  EXPECT_THAT(error_of("[priority]\nvalue = 'low'"), HasSubstr("write priority as [[priority]] tables"));
}

TEST(AwsConfig, CallsInFlightAreWhatAClientLetsThrough) {
  EXPECT_EQ(parse_config("", "")->aws.protocol, "auto");
  EXPECT_EQ(parse_config("[aws]\nprotocol = 'json'", "")->aws.protocol, "json");
  for (const char* const wrong : {"'xml'", "''", "1"}) {
    EXPECT_THAT(error_of(fmt::format("[aws]\nprotocol = {}", wrong)),
                HasSubstr("[aws] protocol must be \"auto\" or \"cbor\" or \"json\""));
  }
  EXPECT_EQ(parse_config("[aws]\ncalls_in_flight = 1", "")->aws.calls_in_flight, 1);
  EXPECT_EQ(parse_config("[aws]\ncalls_in_flight = 32", "")->aws.calls_in_flight, kMostCallsInFlight);
  for (const char* wrong : {"0", "-1", "33", "64", "1.5", "'8'", "true"}) {
    EXPECT_THAT(error_of(fmt::format("[aws]\ncalls_in_flight = {}", wrong)),
                HasSubstr("bakusoku.toml:2: [aws] calls_in_flight must be a whole number from 1 to 32"))
        << wrong;
  }
}

TEST(Config, NamesFileAndLineOfWhatItDoesNotUnderstand) {
  EXPECT_THAT(error_of("[agent]\nsockett = \"x\"\n"),
              HasSubstr("bakusoku.toml:2: unknown key 'sockett' in [agent]"));
  EXPECT_THAT(error_of("\n\n[agnet]\n"), HasSubstr("bakusoku.toml:3: 'agnet'"));
  EXPECT_THAT(error_of("[agent]\n\nsocket = 5\n"),
              HasSubstr("bakusoku.toml:3: [agent] socket must be a string"));
  EXPECT_THAT(error_of("[inventory]\ninterval = \"soon\"\n"),
              HasSubstr("bakusoku.toml:2: [inventory] interval must be a duration"));
  EXPECT_THAT(error_of("[inventory]\ninterval = \"1s\"\n"), HasSubstr("from 10000"));
  EXPECT_THAT(error_of("[inventory]\nintervals = {alarm = \"1s\"}\n"),
              HasSubstr("[inventory] intervals alarm must be"));
  EXPECT_THAT(error_of("[agent\n"), HasSubstr("bakusoku.toml:1"));
  EXPECT_THAT(error_of("[agent]\nsocket_mode = \"0999\"\n"), HasSubstr("octal"));
}

TEST(Config, SaysWhatALineOfAnotherKindOfFileIsHere) {
  EXPECT_THAT(error_of("[zabbix]\nserver = zabbix.example.com:10051\n"), HasSubstr("bakusoku.toml:2: "));
  EXPECT_THAT(error_of("[zabbix]\nserver = zabbix.example.com:10051\n"),
              HasSubstr("text stands in quotes: server = \"zabbix.example.com:10051\""));
  EXPECT_THAT(error_of("# from zabbix_agentd.conf\nServer=127.0.0.1,zabbix\n"),
              HasSubstr("here Server= is allow in [agent], and text stands in quotes"));
  EXPECT_THAT(error_of("ServerActive=zabbix:10051\n"), HasSubstr("server in [zabbix]"));
  EXPECT_THAT(error_of("[agent]\nsocket = \"x\n"), testing::Not(HasSubstr("stands in quotes")));
}

TEST(Config, ChecksAccounts) {
  EXPECT_THAT(error_of("[[account]]\nprofile = \"p\"\n"), HasSubstr("needs a name"));
  EXPECT_THAT(error_of("[[account]]\nname = \"a\"\nprofile = \"p\"\nrole_arn = \"r\"\n"),
              HasSubstr("both a profile and a role_arn"));
  EXPECT_THAT(error_of("\n[[accounts]]\nname = \"a\"\n"),
              HasSubstr("bakusoku.toml:2: [[accounts]] is written [[account]]"));
  EXPECT_THAT(error_of("[[account]]\nname = \"*\"\n"), HasSubstr("all accounts"));
  EXPECT_THAT(error_of("[[account]]\nname = \"a\"\nregion = \"Ireland\"\n"), HasSubstr("eu-west-1"));
  EXPECT_THAT(error_of("[[account]]\nname = \"a\"\nregions = [\"all\", \"eu-west-1\"]\n"),
              HasSubstr("\"all\" or an array of regions"));
  EXPECT_THAT(error_of("[aws]\nregions = []\n"), HasSubstr("regions must be"));
  EXPECT_THAT(
      error_of("[aws]\nregion = \"eu-west-1a\"\n"),
      HasSubstr(":2: [aws] region: 'eu-west-1a' is not an AWS region: a region is written like eu-west-1; it "
                "is a zone of the region eu-west-1"));
  EXPECT_THAT(error_of("[aws]\nregions = [\"eu-west1\"]\n"), HasSubstr("write eu-west-1"));
  EXPECT_THAT(error_of("[[account]]\nname = \"a\"\nregion = \"eu-west1\"\n"), HasSubstr("write eu-west-1"));
  EXPECT_THAT(error_of("[aws]\nsts_region = \"moon\"\n"), HasSubstr("[aws] sts_region: 'moon'"));
  EXPECT_THAT(error_of("[aws]\nexclude_regions = [\"us-east-1\"]\n"),
              HasSubstr("goes with regions = \"all\""));
  EXPECT_THAT(error_of("[aws]\nregions = \"all\"\nexclude_regions = [\"us-east1\"]\n"),
              HasSubstr("write us-east-1"));
  EXPECT_THAT(
      error_of("[[account]]\nname = \"a\"\nprofile = \"p\"\n[[account]]\nname = \"a\"\nprofile = \"q\"\n"),
      HasSubstr("defined twice"));
  EXPECT_THAT(error_of("[account]\nname = \"a\"\n"), HasSubstr("[[account]]"));
}

TEST(Config, SaysWhenANamedFileIsNotThere) {
  const auto config = load_config("/nonexistent/bakusoku.toml");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().kind, ErrorKind::not_found);
  EXPECT_THAT(config.error().message, HasSubstr("/nonexistent/bakusoku.toml"));
}

TEST(Config, ReadsDurations) {
  EXPECT_EQ(parse_duration("500ms"), std::chrono::milliseconds(500));
  EXPECT_EQ(parse_duration("1d"), std::chrono::hours(24));
  for (const char* wrong : {"", "5", "s", "-5s", "5 s", "5w", "99999999999999999d"})
    EXPECT_FALSE(parse_duration(wrong)) << wrong;
}

TEST(Config, ExcludesRegionsByNameOrPattern) {
  const auto config = parse_config(
      "[aws]\nregions = \"all\"\nexclude_regions = [\"us-*\", \"ap-south-1\"]\nsts_region = \"eu-west-1\"\n",
      "f");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_TRUE(is_excluded(config->aws.regions, "us-east-1"));
  EXPECT_TRUE(is_excluded(config->aws.regions, "ap-south-1"));
  EXPECT_FALSE(is_excluded(config->aws.regions, "ap-south-2"));
  EXPECT_EQ(config->aws.sts_region, "eu-west-1");
}

TEST(Config, NeverRepeatsAUrlThatMayHoldAPassword) {
  for (const char* key : {"proxy", "endpoint_url"}) {
    for (const char* url :
         {"http://user:Hunter2#x@proxy:1", "http://user:Hunter2/x@proxy:1", "http://user:Hunter2",
          "user:Hunter2@proxy:x", "http://user:Hunter2 x@proxy", "ftp://user:Hunter2@proxy"}) {
      const auto config = parse_config(fmt::format("[aws]\n{} = \"{}\"\n", key, url), "f");
      ASSERT_FALSE(config) << url;
      EXPECT_THAT(config.error().message, HasSubstr(fmt::format("f:2: [aws] {}", key)));
      EXPECT_EQ(config.error().message.find("Hunter2"), std::string::npos) << config.error().message;
    }
    const auto bare = parse_config(fmt::format("[aws]\n{} = http://user:Hunter2@proxy:1\n", key), "f");
    ASSERT_FALSE(bare);
    EXPECT_EQ(bare.error().message.find("Hunter2"), std::string::npos) << bare.error().message;
  }
  EXPECT_TRUE(parse_config("[aws]\nproxy = \"http://user:p%40ss@proxy:3128\"\n", "f"));
}

}  // namespace
}  // namespace bakusoku::agent
