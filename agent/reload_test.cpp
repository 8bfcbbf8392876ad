// What a configuration that was read again changes, and what waits for the next start.
#include "agent/reload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bakusoku::agent {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Config parse(const std::string& text) {
  auto config = parse_config(text, "bakusoku.toml");
  EXPECT_TRUE(config) << (config ? "" : config.error().message);
  return config ? *config : Config();
}

std::vector<std::string> lines(const std::string& before, const std::string& after) {
  std::vector<std::string> texts;
  for (const Change& change : changes_between(parse(before), parse(after)))
    texts.push_back(to_string(change));
  return texts;
}

constexpr const char* kServer = "[zabbix]\nserver = \"a\"\nhostname = \"h\"\n";

TEST(Reload, TheSameSaysNothing) {
  const std::string text =
      std::string(kServer) +
      "[[send]]\nhost = \"h\"\nkey = \"k\"\nitem = \"bakusoku.ping\"\ninterval = 60\n"
      "[[account]]\nname = \"a\"\nprofile = \"p\"\n[weblog]\n[[weblog.file]]\npath = \"/x\"\n";
  EXPECT_THAT(lines(text, "# a comment\n" + text), IsEmpty());
}

TEST(Reload, ASectionIsALineWithItsKeys) {
  EXPECT_THAT(
      lines(kServer, std::string(kServer) + "hosts = [\"x\"]\nrefresh = \"1m\"\ntls_psk_file = \"/x\"\n"),
      ElementsAre("[zabbix]: hosts, refresh and TLS's files and names have changed"));
  EXPECT_THAT(lines("", "[inventory]\ninterval = \"1m\"\n[metrics]\ndelay = \"1m\"\n"),
              ElementsAre("[inventory]: interval has changed", "[metrics]: delay has changed"));
}

TEST(Reload, SocketAndStateWaitForTheNextStart) {
  EXPECT_THAT(lines("", "[agent]\nsocket = \"/x\"\nsocket_mode = \"0666\"\n"),
              ElementsAre("[agent]: socket and socket_mode take effect at the next start"));
  EXPECT_THAT(lines(kServer, std::string(kServer) + "state_dir = \"/x\"\nheartbeat = 0\n"),
              ElementsAre("[zabbix]: heartbeat has changed; state_dir takes effect at the next start"));
  const Config before = parse(kServer);
  const Config after =
      parse(std::string(kServer) + "state_dir = \"/x\"\nrefresh = \"1m\"\n[agent]\nsocket = \"/y\"\n");
  const Config runs = effective(before, after);
  EXPECT_EQ(runs.zabbix.state_dir, before.zabbix.state_dir);
  EXPECT_EQ(runs.agent.socket, before.agent.socket);
  EXPECT_EQ(runs.zabbix.refresh, std::chrono::minutes(1));
  EXPECT_EQ(changes_between(runs, after).size(), 2u) << "what waits is said at each reading";
}

TEST(Reload, TablesAreNamed) {
  EXPECT_THAT(lines("[[account]]\nname = \"a\"\nprofile = \"p\"\n[[account]]\nname = \"b\"\nprofile = \"p\"\n"
                    "[[account]]\nname = \"d\"\nprofile = \"p\"\n",
                    "[[account]]\nname = \"c\"\nprofile = \"p\"\n[[account]]\nname = \"b\"\nprofile = \"q\"\n"
                    "[[account]]\nname = \"d\"\nprofile = \"p\"\n"),
              ElementsAre("[[account]]: c added, b changed and a removed"));
  const std::string send = "[[send]]\nhost = \"h\"\nkey = \"k\"\nitem = \"bakusoku.ping\"\ninterval = ";
  EXPECT_THAT(lines(kServer + send + "60\n", kServer + send + "61\n"),
              ElementsAre("[[send]]: k of h changed"));
}

TEST(Reload, AnOrganizationThatComesOrGoesIsSaidInWords) {
  EXPECT_THAT(
      lines("", "[organization]\nrole_name = \"r\"\n"),
      ElementsAre("[organization] is there now; the accounts of the organization are listed and read in "
                  "addition (a line says how many, or what permission is missing)"));
  EXPECT_THAT(
      lines("[organization]\n", ""),
      ElementsAre("[organization] is there no more; the accounts of the organization are read no longer, "
                  "and items that name one say so"));
  EXPECT_THAT(lines("[organization]\n", "[organization]\nrole_name = \"r\"\n"),
              ElementsAre("[organization]: role_name has changed"));
}

TEST(Reload, AFormatOfLogsIsNoticed) {
  EXPECT_THAT(lines("[[weblog.file]]\npath = \"/x\"\nformat = \"common\"\n",
                    "[[weblog.file]]\npath = \"/x\"\nformat = \"combined\"\n"),
              ElementsAre("[weblog]: file has changed"));
}

// Each key with another value than the default: one that the comparison forgets would never take effect.
TEST(Reload, NoKeyIsForgotten) {
  const std::pair<const char*, std::vector<const char*>> sections[] = {
      {"agent",
       {"socket = \"/x\"", "socket_mode = \"0666\"", "socket_group = \"x\"", "listen = \"127.0.0.1:1\"",
        "allow = \"::1\"", "timeout = \"9s\"", "log_level = \"debug\""}},
      {"aws",
       {"region = \"eu-west-1\"", "regions = \"all\"", "profile = \"p\"", "env_file = \"/x\"",
        "endpoint_url = \"http://x\"", "proxy = \"http://x\"", "ca_bundle = \"/x\"", "quota_share = 0.3",
        "calls_in_flight = 3", "protocol = \"json\""}},
      {"inventory", {"interval = 60", "intervals = {alarm = \"2m\"}"}},
      {"metrics",
       {"gather = \"9ms\"", "delay = 60", "delays = {\"AWS/S3\" = \"4h\"}", "look_back = 9", "list = 0",
        "catch_up = 60"}},
      {"budget", {"usd_per_month = 5", "longest_interval = \"30m\"", "prices = \"/x\""}},
      {"organization",
       {"role_name = \"r\"", "external_id = \"x\"", "regions = \"all\"", "include = \"x\"",
        "exclude = \"x\""}},
      {"weblog", {"allow = \"/x\"", "from_start = true"}},
  };
  for (const auto& [section, keys] : sections) {
    for (const char* const key : keys) {
      const std::string text = fmt::format("[{}]\n{}\n", section, key);
      EXPECT_EQ(lines(fmt::format("[{}]\n", section), text).size(), 1u) << text;
    }
  }
  for (const char* const key :
       {"hosts = [\"x\"]", "discover = \"ec2\"", "refresh = 60", "heartbeat = 60", "host_metadata = \"x\"",
        "source_ip = \"127.0.0.1\"", "state_dir = \"/x\"", "spool_size = \"2MB\"", "spool_age = \"1d\"",
        "resend_window = 60", "tls_connect = \"psk\"", "tls_psk_identity = \"x\"", "tls_psk_file = \"x\"",
        "tls_ca_file = \"x\"", "tls_crl_file = \"x\"", "tls_cert_file = \"x\"", "tls_key_file = \"x\"",
        "tls_server_cert_issuer = \"x\"", "tls_server_cert_subject = \"x\""}) {
    EXPECT_EQ(lines(kServer, std::string(kServer) + key + "\n").size(), 1u) << key;
  }
  EXPECT_EQ(lines("", "[organization]\n").size(), 1u);
  EXPECT_EQ(lines("[[account]]\nname = \"a\"\n[organization]\n",
                  "[[account]]\nname = \"a\"\n[organization]\naccount = \"a\"\n")
                .size(),
            1u);
  const std::string priority = "[[priority]]\nnamespace = \"AWS/EC2\"\nmetric = \"CPU*\"\nvalue = \"high\"\n";
  for (const char* const other :
       {"", "[[priority]]\nmetric = \"CPU*\"\nvalue = \"high\"\n",
        "[[priority]]\nnamespace = \"AWS/EC2\"\nvalue = \"high\"\n",
        "[[priority]]\nnamespace = \"AWS/EC2\"\nmetric = \"CPU*\"\nvalue = \"low\"\n"}) {
    EXPECT_THAT(lines(priority, other), ElementsAre("[[priority]]: which metrics come first has changed"));
    EXPECT_THAT(lines(other, priority), ElementsAre("[[priority]]: which metrics come first has changed"));
  }
  const std::string second = "[[priority]]\nvalue = \"low\"\n";
  EXPECT_EQ(lines(priority + second, second + priority).size(), 1u) << "the first that fits counts";
  EXPECT_EQ(lines(std::string(kServer) + "[intake]\n",
                  std::string(kServer) + "[intake]\nlisten = \"127.0.0.1:1\"\n")
                .size(),
            1u);
  EXPECT_EQ(
      lines(std::string(kServer) + "[intake]\n", std::string(kServer) + "[intake]\nallow = \"::1\"\n").size(),
      1u);
}

}  // namespace
}  // namespace bakusoku::agent
