#include "aws/env_file.h"

#include <gtest/gtest.h>

namespace bakusoku::aws {
namespace {

using Variables = std::map<std::string, std::string, std::less<>>;

std::string error_of(std::string_view text) {
  const auto parsed = parse_env_file(text, "aws.env");
  return parsed ? "no error" : parsed.error().message;
}

TEST(EnvFile, HoldsKeysAndValues) {
  const auto parsed = parse_env_file(
      "\xEF\xBB\xBF# for the agent\r\nAWS_ACCESS_KEY_ID=AKID\r\nexport AWS_SECRET_ACCESS_KEY='a b$c'\n"
      "  AWS_REGION = eu-west-1  # Ireland\n\nQUOTED=\"x \\\"y\\\" \\\\ \\n\" # "
      "end\nEMPTY=\nHASH=a#b\nTWICE=1\nTWICE=2",
      "aws.env");
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
  EXPECT_EQ(*parsed, (Variables{{"AWS_ACCESS_KEY_ID", "AKID"},
                                {"AWS_SECRET_ACCESS_KEY", "a b$c"},
                                {"AWS_REGION", "eu-west-1"},
                                {"QUOTED", "x \"y\" \\ \\n"},
                                {"EMPTY", ""},
                                {"HASH", "a#b"},
                                {"TWICE", "2"}}));
}

TEST(EnvFile, NamesTheLineThatIsWrongButNotItsText) {
  EXPECT_EQ(error_of("A=1\nSECRET\n"), "aws.env:2: expected KEY=VALUE");
  EXPECT_EQ(error_of("SEC RET=1\n"), "aws.env:1: the name before '=' may have letters, digits and _ only");
  EXPECT_EQ(error_of("=SECRET\n"), "aws.env:1: the name before '=' may have letters, digits and _ only");
  EXPECT_EQ(error_of("\n\nA='SECRET\n"), "aws.env:3: a quote is not closed");
  EXPECT_EQ(error_of("A=\"x\" SECRET\n"), "aws.env:1: text after the closing quote");
  EXPECT_NE(error_of(std::string_view("A=\0", 3)).find("not a text file"), std::string::npos);
}

TEST(EnvFile, SurvivesCutsAndFlips) {
  const std::string text = "export A='b'\nC=\"d\\\"\" # e\n";
  for (size_t at = 0; at <= text.size(); ++at) {
    (void)parse_env_file(text.substr(0, at), "f");
    if (at == text.size()) break;
    std::string flipped = text;
    flipped[at] = static_cast<char>(~static_cast<unsigned char>(flipped[at]));
    (void)parse_env_file(flipped, "f");
  }
}

}  // namespace
}  // namespace bakusoku::aws
