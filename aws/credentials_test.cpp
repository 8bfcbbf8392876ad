#include "aws/credentials.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <atomic>
#include <memory>

#include "aws/credentials_container.h"
#include "aws/credentials_fixture.h"
#include "aws/credentials_instance.h"
#include "aws/credentials_process.h"
#include "aws/scripted_server.h"
#include "aws/sts.h"

namespace bakusoku::aws {
namespace {

using namespace std::chrono_literals;

constexpr const char* kDocument =
    R"({"Code":"Success","AccessKeyId":"ASIAROLE","SecretAccessKey":"s3cr3t","Token":"t0k3n","Expiration":"2026-01-31T18:00:00Z"})";

std::string sts_reply(const std::string& action, const std::string& id) {
  return "<" + action + "Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><" + action +
         "Result><Credentials><AccessKeyId>" + id +
         "</AccessKeyId><SecretAccessKey>s3cr3t</SecretAccessKey><SessionToken>t0k3n</SessionToken>"
         "<Expiration>2026-01-31T13:00:00Z</Expiration></Credentials></" +
         action + "Result></" + action + "Response>";
}

class CredentialsTest : public CredentialsFixture {
 protected:
  std::string id(std::string profile = {}) {
    const auto credentials = find(std::move(profile));
    if (credentials) return credentials->access_key_id;
    for (const char* secret : {"s3cr3t", "hunter2", "t0k3n"}) {
      EXPECT_EQ(credentials.error().message.find(secret), std::string::npos) << credentials.error().message;
    }
    return "error: " + credentials.error().message;
  }

  void expect_words(const std::string& text, std::initializer_list<const char*> words) {
    for (const char* word : words)
      EXPECT_NE(text.find(word), std::string::npos) << "'" << word << "' in: " << text;
  }

  // Instance metadata on this machine.
  void use_instance(const ScriptedServer& server) {
    set("AWS_EC2_METADATA_DISABLED", "false");
    set("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url());
  }
};

Script imds(const SeenRequest& request, const std::string& token = "TOKEN") {
  if (request.method == "PUT") {
    return request.headers.contains("x-aws-ec2-metadata-token-ttl-seconds") ? reply(200, token)
                                                                            : reply(400, "");
  }
  const auto sent = request.headers.find("x-aws-ec2-metadata-token");
  if (sent == request.headers.end() || sent->second != token) return reply(401, "");
  if (request.target == "/latest/meta-data/iam/security-credentials/") return reply(200, "web-role\n");
  if (request.target == "/latest/meta-data/iam/security-credentials/web-role") return reply(200, kDocument);
  if (request.target == "/latest/meta-data/placement/region") return reply(200, "eu-west-1");
  return reply(404, "");
}

TEST_F(CredentialsTest, GoBeforeEachOtherInAwsOrder) {
  write(".aws/credentials", "[default]\naws_access_key_id=FROMFILE\naws_secret_access_key=s3cr3t\n");
  EXPECT_EQ(id(), "FROMFILE");
  write("aws.env", "AWS_ACCESS_KEY_ID=FROMENVFILE\nAWS_SECRET_ACCESS_KEY=s3cr3t\n");
  EXPECT_EQ(id(), "FROMENVFILE");
  set("AWS_ACCESS_KEY_ID", "FROMVARIABLE");
  set("AWS_SECRET_ACCESS_KEY", "s3cr3t");
  set("AWS_SESSION_TOKEN", "t0k3n");
  EXPECT_EQ(id(), "FROMVARIABLE");
  EXPECT_EQ(find()->session_token.reveal(), "t0k3n");
  EXPECT_EQ(id("default"), "FROMFILE");  // a profile asked for by name
}

TEST_F(CredentialsTest, ListWhereTheyWereLookedForWhenThereAreNone) {
  const auto credentials = find();
  ASSERT_FALSE(credentials.has_value());
  EXPECT_EQ(credentials.error().kind, ErrorKind::denied);
  expect_words(credentials.error().message, {"AWS_ACCESS_KEY_ID is not set in the environment",
                                             "aws.env does not exist", ".aws/credentials", ".aws/config",
                                             "no container endpoint", "instance metadata", "attach a role"});
}

TEST_F(CredentialsTest, SayWhichHalfOfAPairIsMissing) {
  set("AWS_ACCESS_KEY_ID", "AKID");
  expect_words(id(), {"AWS_SECRET_ACCESS_KEY", "set both or neither"});
  environment_.variables.erase("AWS_ACCESS_KEY_ID");
  set("AWS_SECRET_ACCESS_KEY", "hunter2");
  expect_words(id(), {"AWS_ACCESS_KEY_ID is not", "set both or neither"});
  environment_.variables.erase("AWS_SECRET_ACCESS_KEY");
  write(".aws/credentials", "\n[default]\naws_secret_access_key=hunter2\n");
  expect_words(id(), {"credentials:2:", "aws_access_key_id"});
}

TEST_F(CredentialsTest, TakeTheOldNameOfASessionTokenToo) {
  write(".aws/credentials",
        "[default]\naws_access_key_id=A\naws_secret_access_key=s3cr3t\naws_security_token=t0k3n\n");
  EXPECT_EQ(find()->session_token.reveal(), "t0k3n");
  set("AWS_ACCESS_KEY_ID", "A");
  set("AWS_SECRET_ACCESS_KEY", "s3cr3t");
  set("AWS_SECURITY_TOKEN", "old");
  EXPECT_EQ(find()->session_token.reveal(), "old");
}

// As another user than root, who may read everything.
class Unprivileged {
 public:
  Unprivileged() : root_(::geteuid() == 0) {
    if (root_) (void)::seteuid(65534);
  }
  ~Unprivileged() {
    if (root_) (void)::seteuid(0);
  }
  Unprivileged(const Unprivileged&) = delete;
  Unprivileged& operator=(const Unprivileged&) = delete;

 private:
  bool root_;
};

TEST_F(CredentialsTest, InAFileThatMayNotBeReadEndTheSearch) {
  ScriptedServer server([](const SeenRequest& request) { return imds(request); });
  use_instance(server);
  ::chmod(directory_.c_str(), 0755);
  EXPECT_EQ(id(), "ASIAROLE");
  const std::string env = write("aws.env", "AWS_ACCESS_KEY_ID=A\nAWS_SECRET_ACCESS_KEY=s3cr3t\n", 0000);
  {
    const Unprivileged nobody;
    expect_words(id(), {"aws.env: permission denied: make it readable"});
  }
  std::filesystem::remove(env);
  write(".aws/credentials", "[default]\naws_access_key_id=A\naws_secret_access_key=s3cr3t\n", 0000);
  ::chmod((directory_ + "/.aws").c_str(), 0755);
  {
    const Unprivileged nobody;
    expect_words(id(), {"credentials: permission denied: make it readable"});
    set("AWS_ACCESS_KEY_ID", "FROMVARIABLE");
    set("AWS_SECRET_ACCESS_KEY", "s3cr3t");
    EXPECT_EQ(id(), "FROMVARIABLE") << "what comes before it is not touched";
  }
  environment_.variables.erase("AWS_ACCESS_KEY_ID");
  environment_.variables.erase("AWS_SECRET_ACCESS_KEY");
  // A directory that may not be looked into says nothing about a file in it.
  ::chmod((directory_ + "/.aws").c_str(), 0000);
  {
    const Unprivileged nobody;
    EXPECT_EQ(id(), "ASIAROLE");
  }
  ::chmod((directory_ + "/.aws").c_str(), 0700);
}

TEST_F(CredentialsTest, ThatWereRotatedAreFoundByTheNextCall) {
  ScriptedServer server([](const SeenRequest& request) {
    const bool fresh = request.headers.at("authorization").find("Credential=NEW/") != std::string::npos;
    if (!fresh) {
      return reply(
          403,
          "<ErrorResponse><Error><Code>InvalidClientTokenId</Code><Message>The security token included in "
          "the request is invalid.</Message></Error></ErrorResponse>");
    }
    if (request.body.find("AssumeRole") != std::string::npos)
      return reply(200, sts_reply("AssumeRole", "ASIAASSUMED"));
    return reply(200,
                 "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:x</Arn><UserId>u</UserId>"
                 "<Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>");
  });
  set("AWS_ENDPOINT_URL", server.url());
  const auto keys = [](const char* id) {
    return fmt::format("aws_access_key_id={}\naws_secret_access_key=s3cr3t\n", id);
  };
  const auto env_keys = [](const char* id) {
    return fmt::format("AWS_ACCESS_KEY_ID={}\nAWS_SECRET_ACCESS_KEY=s3cr3t\n", id);
  };
  const auto call = [&](CredentialsProvider& provider) {
    Client client(io_, http_, &provider, load()->endpoints, RetrySettings{}, [this] { return now_; });
    std::optional<Result<sts::CallerIdentity>> out;
    const auto ask = [](Client& of,
                        std::optional<Result<sts::CallerIdentity>>& into) -> asio::awaitable<void> {
      into = co_await sts::get_caller_identity(of, "eu-west-1");
    };
    asio::co_spawn(io_, ask(client, out), asio::detached);
    run();
    return out && out->has_value();
  };
  write("aws.env", env_keys("OLD"));
  auto chain = default_credentials(context(), *load());
  EXPECT_FALSE(call(*chain));
  write("aws.env", env_keys("NEW"));
  EXPECT_FALSE(call(*chain)) << "read this moment";
  now_ += 21s;
  EXPECT_TRUE(call(*chain));
  EXPECT_TRUE(call(*chain));

  std::filesystem::remove(directory_ + "/aws.env");
  write(".aws/credentials", "[default]\n" + keys("OLD"));
  chain = default_credentials(context(), *load());
  EXPECT_FALSE(call(*chain));
  write(".aws/credentials", "[default]\n" + keys("NEW"));
  now_ += 21s;
  EXPECT_TRUE(call(*chain));

  // The keys that a role is assumed with.
  write(".aws/config", "[default]\nrole_arn=arn:aws:iam::1:role/r\nsource_profile=base\n");
  write(".aws/credentials", "[base]\n" + keys("OLD"));
  chain = default_credentials(context(), *load());
  EXPECT_FALSE(get(*chain).has_value());
  write(".aws/credentials", "[base]\n" + keys("NEW"));
  now_ += 21s;
  const auto assumed = get(*chain);
  ASSERT_TRUE(assumed.has_value()) << assumed.error().message;
  EXPECT_EQ(assumed->access_key_id, "ASIAASSUMED");
}

TEST_F(CredentialsTest, AreReadAgainFromFilesAfterInvalidate) {
  write("aws.env", "AWS_ACCESS_KEY_ID=OLD\nAWS_SECRET_ACCESS_KEY=s3cr3t\n");
  const auto settings = load();
  auto chain = default_credentials(context(), *settings);
  EXPECT_EQ(get(*chain)->access_key_id, "OLD");
  write("aws.env", "AWS_ACCESS_KEY_ID=NEW\nAWS_SECRET_ACCESS_KEY=s3cr3t\n");
  now_ += 1min;
  chain->invalidate();
  EXPECT_EQ(get(*chain)->access_key_id, "NEW");
}

TEST_F(CredentialsTest, ComeFromAnInstanceRoleThroughTokens) {
  ScriptedServer server([](const SeenRequest& request) { return imds(request); });
  use_instance(server);
  const auto credentials = find();
  ASSERT_TRUE(credentials.has_value()) << credentials.error().message;
  EXPECT_EQ(credentials->access_key_id, "ASIAROLE");
  EXPECT_EQ(credentials->source, "instance role web-role");
  EXPECT_EQ(server.seen().size(), 3u);
  EXPECT_EQ(server.seen()[0].headers.at("x-aws-ec2-metadata-token-ttl-seconds"), "21600");
}

TEST_F(CredentialsTest, KeepTheInstanceTokenAndTakeANewOneWhenItIsRefused) {
  std::atomic<int> tokens = 0;
  ScriptedServer server([&](const SeenRequest& request) {
    if (request.method == "PUT") ++tokens;
    return imds(request, tokens < 2 && request.index < 6 ? "FIRST" : "SECOND");
  });
  use_instance(server);
  InstanceCredentials provider(context(), load()->instance_metadata);
  EXPECT_TRUE(get(provider).has_value());
  EXPECT_TRUE(get(provider).has_value());
  EXPECT_EQ(tokens, 1);
  EXPECT_TRUE(get(provider).has_value());
  EXPECT_EQ(tokens, 2);
}

TEST_F(CredentialsTest, OfAnInstanceIgnoreProxies) {
  ::setenv("http_proxy", "http://127.0.0.1:1", 1);
  ScriptedServer server([](const SeenRequest& request) { return imds(request); });
  use_instance(server);
  EXPECT_EQ(id(), "ASIAROLE");
  ::unsetenv("http_proxy");
}

TEST_F(CredentialsTest, SayWhatIsTheMatterWithAnInstance) {
  std::atomic<int> mode = 0;
  ScriptedServer server([&](const SeenRequest& request) {
    if (mode == 0) return reply(403, "");
    if (mode == 1) return reply(request.method == "PUT" ? 400 : 200, "");
    if (mode == 2 && request.method == "GET") return reply(404, "");
    if (mode == 3 && request.method == "GET")
      return reply(200, request.target.ends_with("/") ? "../../evil" : kDocument);
    if (mode == 4 && request.target.ends_with("/web-role")) {
      return reply(200, R"({"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot assume the role"})");
    }
    return imds(request);
  });
  use_instance(server);
  expect_words(id(), {"gave no token (HTTP status 403)", "403", "--http-endpoint enabled"});
  mode = 1;
  expect_words(id(), {"does not understand the request for a token (HTTP status 400)"});
  mode = 2;
  expect_words(id(), {"this EC2 instance has no role"});
  mode = 3;
  expect_words(id(), {"a role name that is none"});
  mode = 4;
  expect_words(id(), {"AssumeRoleUnauthorizedAccess"});
}

Script imds_v1(const SeenRequest& request) {
  if (request.headers.contains("x-aws-ec2-metadata-token")) return reply(400, "");
  if (request.target == "/latest/meta-data/placement/region") return reply(200, "eu-west-1");
  return reply(200, request.target.ends_with("/") ? "web-role" : kDocument);
}

TEST_F(CredentialsTest, OfAnInstanceWithoutTokensComeWithoutOne) {
  std::atomic<int> status = 0;
  ScriptedServer server([&](const SeenRequest& request) {
    if (request.method != "PUT") return imds_v1(request);
    if (status == 0) return Script{.hang = true};
    if (status == 1) return Script{.close = true};
    return reply(status, "");
  });
  use_instance(server);
  for (const int one : {403, 404, 405, 401, 429, 500, 503, 1, 0}) {
    status = one;
    environment_.variables.erase("AWS_EC2_METADATA_V1_DISABLED");
    EXPECT_EQ(id(), "ASIAROLE") << one;
    set("AWS_EC2_METADATA_V1_DISABLED", "true");
    expect_words(id(), {"gave no token", "AWS_EC2_METADATA_V1_DISABLED (ec2_metadata_v1_disabled) forbids"});
  }
  environment_.variables.erase("AWS_EC2_METADATA_V1_DISABLED");
  write(".aws/config", "[default]\nec2_metadata_v1_disabled = true\n");
  expect_words(id(), {"hop limit", "forbids to ask without"});
}

TEST_F(CredentialsTest, OfAnInstanceWithoutTokensAreNotAskedForOneEachTime) {
  ScriptedServer server(
      [](const SeenRequest& request) { return request.method == "PUT" ? reply(405, "") : imds_v1(request); });
  use_instance(server);
  InstanceCredentials provider(context(), load()->instance_metadata);
  for (int time = 0; time < 5; ++time) EXPECT_TRUE(get(provider).has_value());
  const auto seen = server.seen();
  EXPECT_EQ(std::count_if(seen.begin(), seen.end(), [](const auto& one) { return one.method == "PUT"; }), 1);
}

TEST_F(CredentialsTest, OfAnInstanceThatWantsTokensAndGivesNoneSayBoth) {
  ScriptedServer server([](const SeenRequest& request) {
    return request.method == "PUT" ? Script{.hang = true} : reply(401, "");
  });
  use_instance(server);
  expect_words(id(), {"gave no token (timeout)", "hop limit is 1", "HTTP status 401", "tokens only"});
}

TEST_F(CredentialsTest, OfAnInstanceAreUsedBeyondTheirTimeWhileEc2CannotRenewThem) {
  ScriptedServer server([](const SeenRequest& request) { return imds(request); });
  use_instance(server);
  now_ += 24h;
  const auto credentials = find();
  ASSERT_TRUE(credentials.has_value()) << credentials.error().message;
  EXPECT_EQ(*credentials->expires, now_ + 10min);
}

TEST_F(CredentialsTest, AreQuicklyMissedWhereThereIsNoInstance) {
  set("AWS_EC2_METADATA_DISABLED", "false");
  set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1");
  expect_words(id(), {"not an EC2 instance"});
  ScriptedServer silent([](const SeenRequest&) { return Script{.hang = true}; });
  use_instance(silent);
  expect_words(id(), {"no AWS credentials: AWS_ACCESS_KEY_ID is not set", "hop limit"});
}

TEST_F(CredentialsTest, InstanceRegionComesFromPlacement) {
  ScriptedServer server([](const SeenRequest& request) { return imds(request); });
  use_instance(server);
  const auto settings = load();
  std::optional<Result<std::string>> region;
  auto ask = [](ChainContext chain_context, Settings of,
                std::optional<Result<std::string>>& out) -> asio::awaitable<void> {
    out = co_await instance_region(chain_context, of);
  };
  asio::co_spawn(io_, ask(context(), *settings, region), asio::detached);
  run();
  ASSERT_TRUE(region.has_value());
  ASSERT_TRUE(region->has_value()) << region->error().message;
  EXPECT_EQ(**region, "eu-west-1");
}

TEST_F(CredentialsTest, ComeFromAContainerWithATokenReadEachTime) {
  std::string token;
  ScriptedServer server([](const SeenRequest& request) {
    return request.headers.contains("authorization") ? reply(200, kDocument) : reply(401, "");
  });
  set("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.url() + "/v1/credentials?a=b");
  expect_words(id(), {"container endpoint: HTTP status 401"});
  set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", write("token", "first\n"));
  ContainerCredentials provider(io_, http_, environment_);
  EXPECT_EQ(get(provider)->access_key_id, "ASIAROLE");
  write("token", "second\n");
  EXPECT_EQ(get(provider)->source, "container endpoint");
  const auto seen = server.seen();
  EXPECT_EQ(seen[seen.size() - 2].headers.at("authorization"), "first");
  EXPECT_EQ(seen.back().headers.at("authorization"), "second");
  EXPECT_EQ(seen.back().target, "/v1/credentials?a=b");
  write("token", "hunter2\nX-Evil: 1\n");
  expect_words(id(), {"not one line of text"});
}

TEST_F(CredentialsTest, OfAContainerAreAskedForAgainAfterAFault) {
  for (const int status : {429, 500, 502, 503, 504}) {
    ScriptedServer server([status](const SeenRequest& request) {
      return request.index < 2 ? reply(status, "") : reply(200, kDocument);
    });
    set("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.url() + "/x");
    EXPECT_EQ(id(), "ASIAROLE") << status;
    EXPECT_EQ(server.seen().size(), 3u) << status;
  }
  ScriptedServer server([](const SeenRequest&) { return reply(429, ""); });
  set("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.url() + "/x");
  EXPECT_EQ(find().error().kind, ErrorKind::throttled);
  ScriptedServer denied([](const SeenRequest&) { return reply(403, ""); });
  set("AWS_CONTAINER_CREDENTIALS_FULL_URI", denied.url() + "/x");
  EXPECT_EQ(find().error().kind, ErrorKind::denied);
  EXPECT_EQ(denied.seen().size(), 1u);
}

TEST_F(CredentialsTest, OfAnInstanceAreAskedForAgainAfterAFault) {
  for (const int status : {429, 500, 503}) {
    ScriptedServer server([status](const SeenRequest& request) {
      return request.method == "GET" && request.index % 2 == 1 ? reply(status, "") : imds(request);
    });
    use_instance(server);
    set("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "2");
    EXPECT_EQ(id(), "ASIAROLE") << status;
  }
}

TEST(ContainerUrl, IsOneOfThePlatformOrHttps) {
  const auto url = [](const std::string& full) {
    return container_credentials_url(Environment{{{"AWS_CONTAINER_CREDENTIALS_FULL_URI", full}}});
  };
  for (const char* good : {"https://a.example/x", "http://localhost/x", "http://127.0.0.1:8080/x",
                           "http://127.9.9.9/", "http://[::1]:80/x", "http://169.254.170.2/x",
                           "http://169.254.170.23/v1/credentials", "http://[fd00:ec2::23]/v1/credentials"}) {
    EXPECT_TRUE(url(good).has_value()) << good;
  }
  for (const char* bad : {"http://a.example/x", "http://127.evil.example/", "http://169.254.169.254/x",
                          "http://[fd00:ec2::24]/", "http://localhost.evil/", "http://localhost@evil/",
                          "ftp://localhost/", "localhost", "http://a b/"}) {
    EXPECT_EQ(url(bad).error().kind, ErrorKind::invalid) << bad;
  }
  EXPECT_EQ(*container_credentials_url(Environment{{{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/c"},
                                                    {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "https://a/"}}}),
            "http://169.254.170.2/v2/c");
  EXPECT_FALSE(container_credentials_url(Environment{{{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@evil/"}}})
                   .has_value());
  EXPECT_EQ(container_credentials_url(Environment{}).error().kind, ErrorKind::not_found);
}

TEST_F(CredentialsTest, ComeFromAProcess) {
  const std::string script =
      write("keys",
            "#!/bin/sh\necho hunter2 >&2\n[ \"$1\" = 'a b' ] || exit 3\n"
            "echo '{\"Version\":1,\"AccessKeyId\":\"FROMPROCESS\",\"SecretAccessKey\":\"s3cr3t\"}'\n",
            0700);
  write(".aws/config", "[default]\ncredential_process = \"" + script + "\" 'a b'\n");
  EXPECT_EQ(id(), "FROMPROCESS");
  write(".aws/config", "[default]\ncredential_process = \"" + script + "\" b\n");
  expect_words(id(), {"credential_process of profile default", "exit status 3", "run it by hand"});
  write(".aws/config", "[default]\ncredential_process = /gone/for/ever\n");
  expect_words(id(), {"does not exist"});
  write(".aws/config", "[default]\ncredential_process = /bin/echo s3cr3t\n");
  expect_words(id(), {"not a JSON object"});
  write(".aws/config", "[default]\ncredential_process = /bin/cat /dev/zero\n");
  expect_words(id(), {"longer than"});
}

TEST_F(CredentialsTest, OfAProcessThatHangsEndWithItAndAllItStarted) {
  const std::string script = write(
      "hang",
      "#!/bin/sh\nsleep 60 &\necho $! > " + directory_ + "/pid\necho $$ >> " + directory_ + "/pid\nwait\n",
      0700);
  ProcessCredentials provider(io_, environment_, script, "profile x", 700ms);
  const auto credentials = get(provider);
  ASSERT_FALSE(credentials.has_value());
  EXPECT_EQ(credentials.error().kind, ErrorKind::timeout);
  std::ifstream pids(directory_ + "/pid");
  pid_t pid = 0;
  int gone = 0;
  while (pids >> pid) {
    // The grandchild is reaped by whoever adopted it: a moment later, or as a zombie.
    for (int wait = 0; wait < 200; ++wait) {
      std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
      std::string number;
      std::string command;
      std::string state;
      if (!(stat >> number >> command >> state) || state == "Z") {
        ++gone;
        break;
      }
      std::this_thread::sleep_for(10ms);
    }
  }
  EXPECT_EQ(gone, 2);
}

TEST_F(CredentialsTest, OfARoleComeFromStsWithTheSourcesKeys) {
  ScriptedServer server(
      [](const SeenRequest&) { return reply(200, sts_reply("AssumeRole", "ASIAASSUMED")); });
  set("AWS_ENDPOINT_URL_STS", server.url());
  write(".aws/config",
        "[profile web]\nrole_arn = arn:aws:iam::123456789012:role/web\nsource_profile = base\nexternal_id = "
        "ext/1\n"
        "role_session_name = zabbix\nduration_seconds = 1800\nregion = eu-west-1\n");
  write(".aws/credentials", "[base]\naws_access_key_id=AKIDBASE\naws_secret_access_key=s3cr3t\n");
  set("AWS_PROFILE", "web");
  const auto credentials = find();
  ASSERT_TRUE(credentials.has_value()) << credentials.error().message;
  EXPECT_EQ(credentials->access_key_id, "ASIAASSUMED");
  EXPECT_EQ(credentials->source, "role arn:aws:iam::123456789012:role/web");
  ASSERT_EQ(server.seen().size(), 1u);
  const SeenRequest request = server.seen()[0];
  expect_words(request.headers.at("authorization"), {"AKIDBASE/", "/eu-west-1/sts/"});
  expect_words(request.body,
               {"Action=AssumeRole", "ExternalId=ext%2F1", "RoleSessionName=zabbix", "DurationSeconds=1800",
                "RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fweb"});
}

TEST_F(CredentialsTest, OfARoleComeFromTheStsThatIsChosen) {
  ScriptedServer server(
      [](const SeenRequest&) { return reply(200, sts_reply("AssumeRole", "ASIAASSUMED")); });
  set("AWS_ENDPOINT_URL_STS", server.url());
  set("AWS_ACCESS_KEY_ID", "AKID");
  set("AWS_SECRET_ACCESS_KEY", "s3cr3t");
  set("AWS_REGION", "eu-west-1");
  const auto scope = [&](Settings settings) {
    auto source = default_credentials(context(), settings);
    auto role = assumed_role(context(), settings, *source, "arn:aws:iam::1:role/x", "", "");
    EXPECT_TRUE(get(*role).has_value());
    return server.seen().back().headers.at("authorization");
  };
  expect_words(scope(*load()), {"/eu-west-1/sts/"});
  Settings settings = *load();
  settings.sts_region = "us-east-2";
  expect_words(scope(settings), {"/us-east-2/sts/"});
  settings.sts_region = "cn-north-1";
  expect_words(scope(settings), {"/eu-west-1/sts/"});
  set("AWS_STS_REGIONAL_ENDPOINTS", "legacy");
  EXPECT_EQ(load()->sts_region, "aws-global");
  expect_words(scope(*load()), {"/us-east-1/sts/"});
  set("AWS_STS_REGIONAL_ENDPOINTS", "global");
  EXPECT_EQ(load().error().message, "AWS_STS_REGIONAL_ENDPOINTS must be regional or legacy");
}

TEST_F(CredentialsTest, OfARoleSayWhoWasRefused) {
  ScriptedServer server([](const SeenRequest&) {
    return reply(403,
                 "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized "
                 "to perform: "
                 "sts:AssumeRole</Message></Error><RequestId>r</RequestId></ErrorResponse>");
  });
  set("AWS_ENDPOINT_URL_STS", server.url());
  write(".aws/config",
        "[default]\nrole_arn = arn:aws:iam::123456789012:role/web\ncredential_source = Environment\n");
  expect_words(id(), {"AWS_ACCESS_KEY_ID is not set"});
  set("AWS_ACCESS_KEY_ID", "AKID");
  set("AWS_SECRET_ACCESS_KEY", "hunter2");
  expect_words(id("default"), {"role/web", "AccessDenied", "trust policy"});
}

TEST_F(CredentialsTest, OfAChainOfRolesStartAtTheInstance) {
  ScriptedServer server([](const SeenRequest& request) {
    if (request.target.starts_with("/latest")) return imds(request);
    const bool first = request.body.find("role%2Ffirst") != std::string::npos;
    return reply(200, sts_reply("AssumeRole", first ? "ASIAFIRST" : "ASIASECOND"));
  });
  use_instance(server);
  set("AWS_ENDPOINT_URL", server.url());
  write(".aws/config",
        "[default]\nrole_arn=arn:aws:iam::1:role/second\nsource_profile=first\n"
        "[profile first]\nrole_arn=arn:aws:iam::1:role/first\ncredential_source=Ec2InstanceMetadata\n");
  EXPECT_EQ(id(), "ASIASECOND");
  const auto seen = server.seen();
  ASSERT_EQ(seen.size(), 5u);
  expect_words(seen[3].headers.at("authorization"), {"ASIAROLE/"});
  expect_words(seen[4].headers.at("authorization"), {"ASIAFIRST/", "/us-east-1/sts/"});
}

TEST_F(CredentialsTest, OfAWebIdentityReadTheTokenEachTime) {
  ScriptedServer server(
      [](const SeenRequest&) { return reply(200, sts_reply("AssumeRoleWithWebIdentity", "ASIAWEB")); });
  set("AWS_ENDPOINT_URL_STS", server.url());
  set("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/pod");
  set("AWS_WEB_IDENTITY_TOKEN_FILE", write("token", "first.jwt\n"));
  const auto settings = load();
  auto chain = default_credentials(context(), *settings);
  EXPECT_EQ(get(*chain)->access_key_id, "ASIAWEB");
  write("token", "second.jwt\n");
  now_ += 55min;
  EXPECT_EQ(get(*chain)->access_key_id, "ASIAWEB");
  const auto seen = server.seen();
  ASSERT_GE(seen.size(), 2u);
  expect_words(seen[0].body, {"WebIdentityToken=first.jwt", "RoleSessionName=bakusoku"});
  expect_words(seen[1].body, {"WebIdentityToken=second.jwt"});
  EXPECT_FALSE(seen[0].headers.contains("authorization"));
  std::filesystem::remove(directory_ + "/token");
  expect_words(id(), {"web identity token", "does not exist"});
}

TEST_F(CredentialsTest, AssumedForAnAccountUseTheSourceThatIsLent) {
  ScriptedServer server(
      [](const SeenRequest&) { return reply(200, sts_reply("AssumeRole", "ASIAACCOUNT")); });
  set("AWS_ENDPOINT_URL_STS", server.url());
  set("AWS_ACCESS_KEY_ID", "AKID");
  set("AWS_SECRET_ACCESS_KEY", "s3cr3t");
  const auto settings = load();
  auto source = default_credentials(context(), *settings);
  auto account = assumed_role(context(), *settings, *source, "arn:aws-cn:iam::1:role/x", "", "");
  const auto credentials = get(*account);
  ASSERT_TRUE(credentials.has_value()) << credentials.error().message;
  expect_words(server.seen()[0].headers.at("authorization"), {"AKID/", "/cn-north-1/sts/"});
  auto wrong = assumed_role(context(), *settings, *source, "web", "", "");
  EXPECT_EQ(get(*wrong).error().kind, ErrorKind::invalid);
}

}  // namespace
}  // namespace bakusoku::aws
