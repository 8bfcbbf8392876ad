#include "agent/discovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/services_alarm.h"
#include "agent/services_ec2.h"

namespace bakusoku::agent {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const Service& ec2() { return *find_service("ec2"); }
const Service& alarm() { return *find_service("alarm"); }

size_t characters(std::string_view text) {
  size_t count = 0;
  for (const char ch : text) count += (static_cast<unsigned char>(ch) & 0xC0) != 0x80 ? 1 : 0;
  return count;
}

class Label : public testing::Test {
 protected:
  std::string instance(std::string_view name) {
    return label_of(ec2(), Resource{.id = "i-0123456789abcdef0", .name = name}, target_);
  }
  std::string alarm_named(std::string_view name) {
    return label_of(alarm(), Resource{.id = name, .name = name}, target_);
  }
  Account account_;
  Target target_{&account_, "eu-west-1"};
};

TEST_F(Label, IsNameAndId) {
  EXPECT_EQ(instance("web-1"), "web-1 (i-0123456789abcdef0)");
  EXPECT_EQ(instance("日本語サーバー"), "日本語サーバー (i-0123456789abcdef0)");
}

TEST_F(Label, IsTheIdWithoutAName) {
  for (const std::string_view name : {"", "   ", "\n", "\t \r\n"})
    EXPECT_EQ(instance(name), "i-0123456789abcdef0");
}

TEST_F(Label, OfAnInstanceIsTheSameInEachRegionAndAccount) {
  const std::string label = instance("web-1");
  account_.name = "prod";
  target_.region = "us-east-1";
  EXPECT_EQ(instance("web-1"), label);
}

TEST_F(Label, OfAnAlarmHasItsRegionAndAccount) {
  EXPECT_EQ(alarm_named("cpu high"), "cpu high (eu-west-1)");
  account_.name = "prod";
  EXPECT_EQ(alarm_named("cpu high"), "cpu high (eu-west-1, prod)");
}

TEST_F(Label, IsOneLineWithoutControlCharacters) {
  EXPECT_EQ(instance("a\nb"), "a b (i-0123456789abcdef0)");
  EXPECT_EQ(instance("  a\r\n\t b\x7f\x01 "), "a b (i-0123456789abcdef0)");
  EXPECT_EQ(instance("a\xC2\x85"
                     "b\xE2\x80\xA8"
                     "c\xE2\x80\xAE"
                     "d"),
            "a b c d (i-0123456789abcdef0)");
  EXPECT_EQ(instance("a\xC2\xA0"
                     "b\xE2\x80\x93"
                     "c"),
            "a\xC2\xA0"
            "b\xE2\x80\x93"
            "c (i-0123456789abcdef0)")
      << "a space that is not broken and a dash are none";
  EXPECT_EQ(instance("a\xFF"
                     "b")
                .find('\xFF'),
            std::string::npos);
}

TEST_F(Label, CutsOnlyTheNameAndCountsCharacters) {
  constexpr size_t kRoom = 128 - std::string_view(" (i-0123456789abcdef0)").size();
  for (const std::string_view one : {"x", "é", "日", "🚀"}) {
    std::string name;
    for (size_t at = 0; at < kRoom; ++at) name += one;
    EXPECT_EQ(instance(name), name + " (i-0123456789abcdef0)");
    for (int more = 0; more < 150; ++more) {
      const std::string label =
          instance(name + std::string(one) + std::string(static_cast<size_t>(more), 'y'));
      EXPECT_EQ(label, name + " (i-0123456789abcdef0)") << "as if it ended there";
      EXPECT_EQ(characters(label), 128u);
    }
  }
  EXPECT_EQ(instance(std::string(kRoom - 1, 'x') + " yz"),
            std::string(kRoom - 1, 'x') + " (i-0123456789abcdef0)")
      << "no blank before the cut";
}

TEST_F(Label, OfAnAlarmWhoseNameIsTooLongIsStillItsOwn) {
  const std::string long_name(200, 'x');
  const std::string one = alarm_named(long_name + "1");
  EXPECT_EQ(characters(one), 128u);
  EXPECT_NE(one, alarm_named(long_name + "2"));
  EXPECT_EQ(one, alarm_named(long_name + "1"));
  EXPECT_THAT(one, testing::MatchesRegex("x+ .#[0-9A-F]{8}, eu-west-1."));
  target_.region = "us-east-1";
  EXPECT_NE(one, alarm_named(long_name + "1"));
  EXPECT_NE(alarm_named("a b"), alarm_named("a\nb")) << "one line of both is the same";
  account_.name = std::string(300, 'a');
  EXPECT_EQ(characters(alarm_named(long_name)), 128u);
  EXPECT_LE(characters(alarm_named("short")), 128u);
}

TEST(Macro, IsTheKeyInUpperCase) {
  EXPECT_EQ(macro_of("env"), "ENV");
  EXPECT_EQ(macro_of("aws:autoscaling:groupName"), "AWS_AUTOSCALING_GROUPNAME");
  EXPECT_EQ(macro_of("a-b.c"), "A_B_C");
}

// Known hosts and templates hold these: they must never change.
TEST(Macro, BeyondAsciiHasAHashThatStays) {
  EXPECT_EQ(macro_of("環境"), "026F1E50");
  EXPECT_EQ(macro_of("部署"), "3D38C600");
  EXPECT_EQ(macro_of("cost 部署"), "COST__C8D3C5AB");
  EXPECT_EQ(macro_of("Größe"), "GRE_3CF00195");
}

std::vector<std::string> macros(const Pairs& pairs) {
  std::vector<std::string> found;
  for (const LabelMacro& one : label_macros(pairs)) found.push_back(std::string(one.key) + "=" + one.macro);
  return found;
}

TEST(LabelMacros, OfTheSameMacroTheFirstKeyByItsBytesHasIt) {
  EXPECT_THAT(macros({{"env", "1"}, {"Env", "2"}, {"other", "3"}}),
              ElementsAre("env=ENV_F4F52AA7", "Env=ENV", "other=OTHER"));
  EXPECT_THAT(macros({{"Env", "2"}, {"env", "1"}}), ElementsAre("Env=ENV", "env=ENV_F4F52AA7"))
      << "whatever order AWS lists them in";
  EXPECT_THAT(macros({{"a_b", "1"}, {"a-b", "2"}, {"a b", "3"}}),
              ElementsAre("a_b=A_B_3F0C684C", "a-b=A_B_F5E2D74C", "a b=A_B"));
}

TEST(LabelMacros, OfSeveralValuesOfAKeyTheFirstCounts) {
  const auto found = label_macros({{"InstanceId", "i-1"}, {"InstanceId", "i-2"}});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].value, "i-1");
  EXPECT_EQ(found[0].macro, "INSTANCEID");
}

class OddMacros : public testing::Test {
 protected:
  void add(const std::string& id, const std::vector<std::pair<std::string, std::string>>& tags) {
    aws::ec2::Instance one;
    one.id = id;
    one.state = "running";
    for (const auto& [key, value] : tags) one.tags.push_back({key, value});
    add_instance(snapshot_, one);
  }
  std::vector<std::string> found() {
    std::vector<std::string> texts;
    for (const OddMacro& odd : odd_macros(ec2(), snapshot_))
      texts.push_back(odd.key + " " + odd.macro + " " + odd.others);
    return texts;
  }
  Snapshot snapshot_;
};

TEST_F(OddMacros, OfKeysThatNoResourceHasTogetherNothingIsLost) {
  add("i-1", {{"env", "a"}});
  add("i-2", {{"Env", "b"}});
  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(OddMacros, AreToldOnceWithTheKeyThatHasThePlainOne) {
  for (int at = 0; at < 3; ++at) add("i-" + std::to_string(at), {{"env", "a"}, {"Env", "b"}, {"環境", "c"}});
  EXPECT_THAT(found(), ElementsAre("env {#TAG.ENV_F4F52AA7} Env", "環境 {#TAG.026F1E50} "));
}

TEST_F(OddMacros, AreBounded) {
  for (int at = 0; at < 300; ++at) add("i-" + std::to_string(at), {{"環境" + std::to_string(at), "c"}});
  EXPECT_EQ(found().size(), 100u);
}

}  // namespace
}  // namespace bakusoku::agent
