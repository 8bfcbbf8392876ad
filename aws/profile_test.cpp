#include "aws/profile.h"

#include <gtest/gtest.h>

namespace bakusoku::aws {
namespace {

ConfigFile config(std::string_view text) {
  auto parsed = parse_config_file(text, ConfigKind::config, "config");
  EXPECT_TRUE(parsed.has_value()) << parsed.error().message;
  return parsed ? *parsed : ConfigFile{};
}

ConfigFile credentials(std::string_view text) {
  auto parsed = parse_config_file(text, ConfigKind::credentials, "credentials");
  EXPECT_TRUE(parsed.has_value()) << parsed.error().message;
  return parsed ? *parsed : ConfigFile{};
}

std::string error_of(std::string_view text) {
  const auto parsed = parse_config_file(text, ConfigKind::config, "config");
  return parsed ? "no error" : parsed.error().message;
}

Result<ProfilePlan> plan(std::string_view config_text, std::string_view profile = "x",
                         std::string_view credentials_text = "", const WebIdentityVariables& variables = {}) {
  const SharedConfig shared{config(config_text), credentials(credentials_text)};
  return plan_profile(shared, profile, variables);
}

std::string plan_error(std::string_view config_text, std::string_view profile = "x") {
  const auto planned = plan(config_text, profile);
  return planned ? "no error" : planned.error().message;
}

TEST(ConfigFileText, HasProfilesServicesAndComments) {
  const ConfigFile file = config(
      "# a comment\n[default]\r\nregion = eu-west-1\r\n; another\n\n[profile \"web one\"]\nRegion=us-east-1 "
      "# here\n"
      "services = dev\n[services dev]\nec2 = \n  endpoint_url = http://localhost:1\nsts =\n  "
      "endpoint_url=http://localhost:2\n"
      "[preview]\ncloudsearch = true\n");
  EXPECT_EQ(*file.profiles.at("default").find("region"), "eu-west-1");
  EXPECT_EQ(*file.profiles.at("web one").find("region"), "us-east-1");
  EXPECT_EQ(file.services.at("dev").nested.at("ec2").at("endpoint_url"), "http://localhost:1");
  EXPECT_EQ(file.services.at("dev").nested.at("sts").at("endpoint_url"), "http://localhost:2");
  EXPECT_EQ(file.other_sections, std::vector<std::string>{"preview"});
}

TEST(ConfigFileText, MayBeIndentedAsAWhole) {
  const ConfigFile file = config("[default]\n  region = eu-west-1\n  output = json\n");
  EXPECT_EQ(*file.profiles.at("default").find("region"), "eu-west-1");
  EXPECT_EQ(*file.profiles.at("default").find("output"), "json");
}

TEST(ConfigFileText, JoinsContinuedLines) {
  const ConfigFile file = config("[default]\ncredential_process = /bin/x #1\n   --flag\n");
  EXPECT_EQ(*file.profiles.at("default").find("credential_process"), "/bin/x #1\n--flag");
}

TEST(ConfigFileText, PrefersProfileDefaultAndMergesRepeats) {
  EXPECT_EQ(*config("[profile default]\na=1\n[default]\na=2\n").profiles.at("default").find("a"), "1");
  EXPECT_EQ(*config("[default]\na=2\n[profile default]\na=1\n").profiles.at("default").find("a"), "1");
  const ConfigFile merged = config("[profile x]\na=1\nb=1\n[profile x]\nb=2\n");
  EXPECT_EQ(*merged.profiles.at("x").find("a"), "1");
  EXPECT_EQ(*merged.profiles.at("x").find("b"), "2");
}

TEST(ConfigFileText, NamesTheLineThatIsWrongButNotItsText) {
  EXPECT_EQ(error_of("[default]\nregion = a\nSECRETSECRET\n"), "config:3: expected key = value");
  EXPECT_EQ(error_of("SECRET = x\n"), "config:1: a key before the first [section]");
  EXPECT_EQ(error_of("[default\n"), "config:1: a section header is written [name]");
  EXPECT_EQ(error_of("[default] SECRET\n"), "config:1: text after the ']' of a section header");
  EXPECT_EQ(error_of("[services a]\nec2 =\n  SECRET\n"), "config:3: expected an indented key = value");
  EXPECT_NE(error_of(std::string_view("[\0", 2)).find("not a text file"), std::string::npos);
}

TEST(ConfigFileText, OfTheCredentialsFileHasPlainNames) {
  const ConfigFile file =
      credentials("[web]\naws_access_key_id=AKID\n[default]\naws_secret_access_key : s=#1\n");
  EXPECT_EQ(*file.profiles.at("web").find("aws_access_key_id"), "AKID");
  EXPECT_EQ(*file.profiles.at("default").find("aws_secret_access_key"), "s=#1");
}

TEST(ConfigFileText, SurvivesCutsAndFlips) {
  const std::string text = "[profile a]\nrole_arn = x\n  y = z\n[services b]\nec2 =\n  endpoint_url = u\n";
  for (size_t at = 0; at <= text.size(); ++at) {
    (void)parse_config_file(text.substr(0, at), ConfigKind::config, "f");
    if (at == text.size()) break;
    std::string flipped = text;
    flipped[at] = static_cast<char>(~static_cast<unsigned char>(flipped[at]));
    (void)parse_config_file(flipped, ConfigKind::config, "f");
  }
}

TEST(SharedConfig, HintsAtASectionWrittenInTheOtherFilesManner) {
  const SharedConfig shared{config("[web]\n"), credentials("[profile db]\n")};
  EXPECT_NE(shared.no_such_profile("web").message.find("must be written [profile web]"), std::string::npos);
  EXPECT_NE(shared.no_such_profile("db").message.find("must be written [db]"), std::string::npos);
}

TEST(SharedConfig, FindsServiceUrlsAndSaysWhenTheSectionIsMissing) {
  const SharedConfig shared{
      config(
          "[profile a]\nservices=s\n[profile b]\nservices=t\n[services s]\nec2=\n endpoint_url=http://h\n"),
      {}};
  EXPECT_EQ(shared.service_endpoint_urls("a")->at("ec2"), "http://h");
  EXPECT_EQ(shared.service_endpoint_urls("b").error().kind, ErrorKind::invalid);
}

TEST(ProfilePlanning, FollowsSourceProfiles) {
  const auto planned = plan(
      "[profile "
      "x]\nrole_arn=arn:aws:iam::1:role/"
      "a\nsource_profile=y\nexternal_id=e\nrole_session_name=n\nduration_seconds=900\n"
      "[profile y]\nrole_arn=arn:aws:iam::1:role/b\ncredential_source=Ec2InstanceMetadata\n");
  ASSERT_TRUE(planned.has_value());
  EXPECT_EQ(planned->method, ProfilePlan::Method::assume_role);
  EXPECT_EQ(planned->external_id, "e");
  EXPECT_EQ(planned->duration, std::chrono::seconds(900));
  ASSERT_TRUE(planned->source);
  EXPECT_EQ(planned->source->credential_source, CredentialSource::instance);
}

TEST(ProfilePlanning, LetsAProfileAssumeItsRoleWithItsOwnKeys) {
  const auto planned =
      plan("[profile x]\nrole_arn=r\nsource_profile=x\naws_access_key_id=a\naws_secret_access_key=b\n");
  ASSERT_TRUE(planned.has_value());
  EXPECT_EQ(planned->source->method, ProfilePlan::Method::config_file);
}

TEST(ProfilePlanning, FindsLoops) {
  EXPECT_NE(
      plan_error("[profile x]\nrole_arn=r\nsource_profile=y\n[profile y]\nrole_arn=r\nsource_profile=x\n")
          .find("x -> y -> x"),
      std::string::npos);
  EXPECT_NE(plan_error("[profile x]\nrole_arn=r\nsource_profile=x\n").find("loop"), std::string::npos);
}

TEST(ProfilePlanning, SaysWhatAServiceCannotDo) {
  EXPECT_NE(plan_error("[profile x]\nrole_arn=r\nsource_profile=y\nmfa_serial=m\n").find("mfa_serial"),
            std::string::npos);
  EXPECT_NE(plan_error("[profile x]\nsso_account_id=1\nsso_role_name=r\n").find("export-credentials"),
            std::string::npos);
  EXPECT_NE(plan_error("[profile x]\nlogin_session=r\n").find("login_session"), std::string::npos);
  EXPECT_NE(plan_error("[profile x]\nrole_arn=r\n").find("neither source_profile nor"), std::string::npos);
  EXPECT_NE(plan_error("[profile x]\nrole_arn=r\nsource_profile=gone\n").find("no profile 'gone'"),
            std::string::npos);
  EXPECT_NE(plan_error("[profile x]\nrole_arn=r\nsource_profile=y\n[profile y]\nregion=z\n")
                .find("has no credentials"),
            std::string::npos);
  EXPECT_NE(plan_error("[profile x]\nrole_arn=r\ncredential_source=Moon\n").find("Ec2InstanceMetadata"),
            std::string::npos);
  EXPECT_NE(
      plan_error("[profile x]\nrole_arn=r\nsource_profile=y\ncredential_source=Environment\n").find("both"),
      std::string::npos);
  EXPECT_NE(
      plan_error("[profile x]\nrole_arn=r\nsource_profile=y\nduration_seconds=1h\n").find("900 to 43200"),
      std::string::npos);
  EXPECT_NE(plan_error("[profile x]\nweb_identity_token_file=/t\n").find("no role_arn"), std::string::npos);
}

TEST(ProfilePlanning, KeepsAwsOrderWithinAProfile) {
  using Method = ProfilePlan::Method;
  const char* keys = "[x]\naws_access_key_id=a\naws_secret_access_key=b\n";
  EXPECT_EQ(plan("[profile x]\ncredential_process=p\n", "x", keys)->method, Method::credentials_file);
  EXPECT_EQ(plan("[profile x]\ncredential_process=p\naws_access_key_id=a\naws_secret_access_key=b\n")->method,
            Method::credential_process);
  EXPECT_EQ(plan("[profile x]\nrole_arn=r\nweb_identity_token_file=/t\n", "x", keys)->method,
            Method::web_identity);
  EXPECT_EQ(plan("[profile x]\nregion=r\n")->method, Method::none);
  WebIdentityVariables variables;
  variables.token_file = "/token";
  variables.role_arn = "role";
  EXPECT_EQ(plan("", "default", "", variables)->token_file, "/token");
  EXPECT_EQ(plan("[profile x]\nrole_arn=r\ncredential_source=EcsContainer\n", "x", "", variables)->method,
            Method::assume_role);
}

TEST(CommandLine, IsSplitAsAShellDoes) {
  EXPECT_EQ(*split_command(R"(/bin/x "a b" 'c "d"' e\ f "" "\"g")"),
            (std::vector<std::string>{"/bin/x", "a b", "c \"d\"", "e f", "", "\"g"}));
  EXPECT_FALSE(split_command("  ").has_value());
  EXPECT_FALSE(split_command("a 'b").has_value());
}

}  // namespace
}  // namespace bakusoku::aws
