// The module as it ships, in zbxmod-host's forked workers. A program of its own, as what a module has found
// out about its host stays with a process that has it loaded.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "run.h"
#include "test_agent.h"

namespace bakusoku::module_test {
namespace {

constexpr const char* kModule = BAKUSOKU_BINARY_DIR "/lib/bakusoku.so";

class InEveryZabbix : public ::testing::TestWithParam<const zbxmod::host::Layout*> {
 protected:
  [[nodiscard]] zbxmod::host::Report run(std::vector<std::string> keys, uint64_t repeat = 1) const {
    zbxmod::host::Options options;
    options.module = kModule;
    options.personality_directory = BAKUSOKU_BINARY_DIR "/lib/zbxmod-host";
    options.keys = std::move(keys);
    options.timeout_seconds = 1;
    options.requests = repeat;
    return zbxmod::host::run(*GetParam(), options);
  }
  const std::string path_ = socket_path();
};

TEST_P(InEveryZabbix, PassesWithoutAnAgent) {
  const auto report = run({});
  EXPECT_TRUE(report.passed()) << zbxmod::host::as_text(kModule, {report});
  EXPECT_EQ(report.items.size(), 16u);
  for (const auto& answer : report.answers) {
    EXPECT_EQ(answer.supported, answer.key == "bakusoku.echo[hello,world]")
        << answer.key << ": " << answer.text;
  }
}

TEST_P(InEveryZabbix, EachWorkerIsAnsweredOverItsOwnConnection) {
  const Agent agent(path_, Habit::answers);
  const auto report = run({"aws.ec2.name2id[\"a,b\"]"}, 200);
  EXPECT_TRUE(report.passed()) << zbxmod::host::as_text(kModule, {report});
  EXPECT_EQ(report.asked, 600u);
  std::vector<std::string> texts;
  for (const auto& answer : report.answers) texts.push_back(answer.text);
  EXPECT_THAT(texts,
              ::testing::UnorderedElementsAre("1:aws.ec2.name2id[\"a,b\"]", "2:aws.ec2.name2id[\"a,b\"]",
                                              "3:aws.ec2.name2id[\"a,b\"]"));
}

TEST_P(InEveryZabbix, PassesWithAnAgentThatNeverAnswers) {
  const Agent agent(path_, Habit::never_answers);
  const auto report = run({"aws.discovery[ec2]"});
  EXPECT_TRUE(report.passed()) << zbxmod::host::as_text(kModule, {report});
}

INSTANTIATE_TEST_SUITE_P(Zabbix, InEveryZabbix, ::testing::ValuesIn(zbxmod::host::all_layouts()),
                         [](const auto& each) {
                           std::string name(each.param->name);
                           for (char& c : name) c = c == '.' ? '_' : c;
                           return name;
                         });

TEST(TooOldZabbix, GetsNoItems) {
  zbxmod::host::Options options;
  options.module = kModule;
  options.personality_directory = BAKUSOKU_BINARY_DIR "/lib/zbxmod-host";
  const auto report = zbxmod::host::run(*zbxmod::host::find_layout("2.2"), options);
  EXPECT_TRUE(report.passed()) << zbxmod::host::as_text(kModule, {report});
  EXPECT_TRUE(report.items.empty());
}

}  // namespace
}  // namespace bakusoku::module_test
