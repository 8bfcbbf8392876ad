#include "aws/settings.h"

#include <sys/stat.h>
#include <unistd.h>

#include "aws/credentials_fixture.h"

namespace bakusoku::aws {
namespace {

using SettingsTest = CredentialsFixture;

TEST_F(SettingsTest, AreEmptyWithoutAnyFile) {
  const auto settings = load();
  ASSERT_TRUE(settings.has_value()) << settings.error().message;
  EXPECT_EQ(settings->profile, "default");
  EXPECT_FALSE(settings->region.has_value());
  EXPECT_TRUE(settings->warnings.empty());
}

TEST_F(SettingsTest, TakeTheRegionFromVariablesThenEnvFileThenProfile) {
  write(".aws/config", "[default]\nregion = ap-south-1\n");
  EXPECT_EQ(load()->region, "ap-south-1");
  write("aws.env", "AWS_DEFAULT_REGION=eu-west-1\n");
  EXPECT_EQ(load()->region, "eu-west-1");
  set("AWS_REGION", "us-east-2");
  EXPECT_EQ(load()->region, "us-east-2");
  set("AWS_REGION", "US EAST");
  EXPECT_NE(load().error().message.find("AWS_REGION"), std::string::npos);
}

TEST_F(SettingsTest, NeverMixTheProcesssKeysWithTheEnvFiles) {
  write("aws.env", "AWS_SESSION_TOKEN=other\nAWS_ACCESS_KEY_ID=other\nAWS_REGION=eu-west-1\n");
  set("AWS_ACCESS_KEY_ID", "AKID");
  set("AWS_SECRET_ACCESS_KEY", "secret");
  const auto settings = load();
  ASSERT_TRUE(settings.has_value());
  EXPECT_FALSE(settings->environment.get("AWS_SESSION_TOKEN").has_value());
  EXPECT_EQ(settings->region, "eu-west-1");
}

TEST_F(SettingsTest, WarnOfAnEnvFileThatOthersMayReadAndSayWhichChmod) {
  const std::string path = write("aws.env", "AWS_SECRET_ACCESS_KEY=hunter2\n", 0644);
  const auto settings = load();
  ASSERT_TRUE(settings.has_value());
  ASSERT_EQ(settings->warnings.size(), 1u);
  EXPECT_NE(settings->warnings[0].find("chmod 600 " + path), std::string::npos) << settings->warnings[0];
  EXPECT_EQ(settings->warnings[0].find("hunter2"), std::string::npos);
  write("aws.env", "", 0620);
  EXPECT_EQ(load()->warnings.size(), 1u);
  write("aws.env", "", 0640);
  EXPECT_TRUE(load()->warnings.empty());
}

TEST_F(SettingsTest, NeedANamedEnvFileButNotTheDefaultOne) {
  SettingsRequest request;
  request.environment = environment_;
  request.env_file = directory_ + "/gone.env";
  EXPECT_TRUE(load_settings(request).has_value());
  request.env_file_required = true;
  const auto settings = load_settings(request);
  ASSERT_FALSE(settings.has_value());
  EXPECT_EQ(settings.error().kind, ErrorKind::not_found);
  EXPECT_NE(settings.error().message.find("gone.env"), std::string::npos);
}

TEST_F(SettingsTest, NameTheFileAndLineOfAnErrorAndNoValue) {
  const std::string env = write("aws.env", "A=1\nhunter2\n");
  auto settings = load();
  ASSERT_FALSE(settings.has_value());
  EXPECT_EQ(settings.error().message, env + ":2: expected KEY=VALUE");
  write("aws.env", "");
  const std::string config = write(".aws/config", "[default]\nhunter2\n");
  settings = load();
  ASSERT_FALSE(settings.has_value());
  EXPECT_EQ(settings.error().message, config + ":2: expected key = value");
}

TEST_F(SettingsTest, WantTheProfileThatIsNamed) {
  write(".aws/config", "[web]\nregion=eu-west-1\n");
  set("AWS_PROFILE", "web");
  const auto settings = load();
  ASSERT_FALSE(settings.has_value());
  EXPECT_NE(settings.error().message.find("must be written [profile web]"), std::string::npos)
      << settings.error().message;
  write(".aws/config", "[profile web]\nregion=eu-west-1\n[profile db]\nregion=eu-west-2\n");
  EXPECT_EQ(load()->region, "eu-west-1");
  EXPECT_EQ(load("db")->region, "eu-west-2");
}

TEST_F(SettingsTest, PutVariablesBeforeFilesAndServicesBeforeAllForEndpoints) {
  write(".aws/config",
        "[default]\nendpoint_url = http://profile\nservices = s\n[services s]\nec2 =\n  endpoint_url = "
        "http://section-ec2\n"
        "sts =\n  endpoint_url = http://section-sts\n");
  auto url = [&](const char* service) {
    return resolve_endpoint(service, "eu-west-1", load()->endpoints)->url;
  };
  EXPECT_EQ(url("ec2"), "http://section-ec2");
  EXPECT_EQ(url("cloudwatch"), "http://profile");
  set("AWS_ENDPOINT_URL_EC2", "http://variable-ec2");
  EXPECT_EQ(url("ec2"), "http://variable-ec2");
  EXPECT_EQ(url("sts"), "http://section-sts");
  set("AWS_ENDPOINT_URL", "http://variable");
  EXPECT_EQ(url("ec2"), "http://variable-ec2");
  EXPECT_EQ(url("sts"), "http://variable");
  set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
  EXPECT_EQ(url("ec2"), "https://ec2.eu-west-1.amazonaws.com");
}

TEST_F(SettingsTest, ReadSwitchesAndNumbers) {
  write(".aws/config",
        "[default]\nuse_fips_endpoint = true\nuse_dualstack_endpoint=TRUE\nmax_attempts = 5\nca_bundle = "
        "~/ca.pem\n");
  auto settings = load();
  ASSERT_TRUE(settings.has_value()) << settings.error().message;
  EXPECT_TRUE(settings->endpoints.use_fips);
  EXPECT_TRUE(settings->endpoints.use_dualstack);
  EXPECT_EQ(settings->retry.max_attempts, 5);
  EXPECT_EQ(settings->http.ca_bundle, directory_ + "/ca.pem");
  set("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6");
  EXPECT_EQ(load()->instance_metadata.endpoint, "http://[fd00:ec2::254]");
  EXPECT_TRUE(load()->instance_metadata.disabled);
  set("AWS_MAX_ATTEMPTS", "many");
  EXPECT_EQ(load().error().message, "AWS_MAX_ATTEMPTS must be a number from 1 to 20");
  set("AWS_USE_FIPS_ENDPOINT", "perhaps");
  EXPECT_EQ(load().error().message, "AWS_USE_FIPS_ENDPOINT must be true or false");
}

TEST_F(SettingsTest, GoOnWithoutADefaultFileThatMayNotBeRead) {
  write(".aws/config", "[default]\nregion=eu-west-1\n", 0000);
  // Root may read everything, and so asks as another user.
  const uid_t user = ::geteuid();
  ASSERT_EQ(::chmod(directory_.c_str(), 0755), 0);
  if (user == 0) {
    ASSERT_EQ(::seteuid(65534), 0);
  }
  const auto settings = load();
  set("AWS_CONFIG_FILE", "~/.aws/config");
  const auto named = load();
  ASSERT_EQ(::seteuid(user), 0);
  ASSERT_TRUE(settings.has_value());
  EXPECT_EQ(settings->warnings.size(), 1u);
  ASSERT_FALSE(named.has_value());
  EXPECT_EQ(named.error().kind, ErrorKind::denied);
}

TEST_F(SettingsTest, RefuseWhatIsNoOrdinaryFile) {
  std::filesystem::create_directories(directory_ + "/.aws/config");
  EXPECT_EQ(load().error().kind, ErrorKind::invalid);
  std::filesystem::remove(directory_ + "/.aws/config");
  ASSERT_EQ(::mkfifo((directory_ + "/.aws/config").c_str(), 0600), 0);
  EXPECT_EQ(load().error().kind, ErrorKind::invalid);
}

}  // namespace
}  // namespace bakusoku::aws
