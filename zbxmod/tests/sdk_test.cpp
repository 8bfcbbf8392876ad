// Modules made with the SDK as they ship: the examples and some of the tests' own, in zbxmod-host's forked
// workers as every version of Zabbix, and what their files bring along.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "run.h"
#include "zbxmod/abi.h"

namespace zbxmod::host {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

constexpr const char* kExamples = BAKUSOKU_BINARY_DIR "/lib/examples/";
constexpr const char* kModules = BAKUSOKU_BINARY_DIR "/tests/sdk/";

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

Report ask(const Layout& layout, const std::string& module, std::vector<std::string> keys = {}) {
  Options options;
  options.module = module;
  options.personality_directory = BAKUSOKU_BINARY_DIR "/lib/zbxmod-host";
  options.keys = std::move(keys);
  options.workers = 2;
  return run(layout, options);
}

std::string text_of(const Report& report) { return as_text("module", {report}); }

class InEveryZabbix : public ::testing::TestWithParam<const Layout*> {
 protected:
  [[nodiscard]] static Report example(const std::string& name, std::vector<std::string> keys = {}) {
    return ask(*GetParam(), kExamples + name + ".so", std::move(keys));
  }
  [[nodiscard]] static Report module(const std::string& name, std::vector<std::string> keys = {}) {
    return ask(*GetParam(), kModules + name + ".so", std::move(keys));
  }
  /// What each worker answered, one after the other.
  [[nodiscard]] static std::vector<std::string> texts(const Report& report) {
    EXPECT_TRUE(report.passed()) << text_of(report);
    std::vector<std::string> all;
    for (const auto& answer : report.answers) all.push_back(answer.text);
    return all;
  }
};

TEST_P(InEveryZabbix, AllExamplesPass) {
  for (const char* name : {"echo", "dummy", "discovery", "counter", "history"}) {
    const Report report = example(name);
    EXPECT_TRUE(report.passed()) << name << ": " << text_of(report);
  }
}

TEST_P(InEveryZabbix, EchoAnswersItsText) {
  EXPECT_THAT(texts(example("echo", {"example.echo[\"b, c\"]"})), ElementsAre("b, c", "b, c"));
  EXPECT_THAT(texts(example("echo", {"example.echo[]"})), ElementsAre("", ""));
  const std::string parameter(2048, 'x');
  const Report report = example("echo", {"example.echo[" + parameter + "]"});
  ASSERT_EQ(report.answers.size(), 2u);
  EXPECT_EQ(report.answers[0].bytes, parameter.size());
}

TEST_P(InEveryZabbix, DummyAnswersAsDocumented) {
  EXPECT_THAT(texts(example("dummy", {"dummy.ping"})), ElementsAre("1", "1"));
  EXPECT_THAT(texts(example("dummy", {"dummy.random[5,5]"})), ElementsAre("5", "5"));
  EXPECT_THAT(texts(example("dummy", {"dummy.random[-3,-3]"})), ElementsAre("-3", "-3"));
  for (const std::string& each :
       texts(example("dummy", std::vector<std::string>(20, "dummy.random[10,20]")))) {
    EXPECT_GE(std::stoi(each), 10);
    EXPECT_LE(std::stoi(each), 20);
  }
  EXPECT_THAT(texts(example("dummy", {"dummy.random[2,1]"})),
              Contains(HasSubstr("low must not be above high")));
  EXPECT_THAT(texts(example("dummy", {"dummy.random[1]"})),
              Contains(HasSubstr("parameter 2 (high) is missing")));
}

TEST_P(InEveryZabbix, DiscoveryIsAnArrayUnlessTheHostMayBeTooOldForIt) {
  const bool wrapped = std::string_view(GetParam()->name) < "5.4";
  for (const std::string& each : texts(example("discovery", {"example.interfaces"}))) {
    EXPECT_THAT(each, StartsWith(wrapped ? "{\"data\":[" : "["));
    EXPECT_THAT(each, HasSubstr("\"{#NAME}\":\"lo\""));
  }
  EXPECT_THAT(texts(example("discovery", {"example.interface[../lo]"})),
              Contains(HasSubstr("is no name of an interface")));
}

TEST_P(InEveryZabbix, EachWorkerCountsForItself) {
  EXPECT_THAT(texts(example("counter", {"example.counter", "example.counter", "example.counter"})),
              UnorderedElementsAre("1", "1", "2", "2", "3", "3"));
}

TEST_P(InEveryZabbix, LogLinesReachTheHostsLog) {
  const Report report = module("log_levels");
  EXPECT_TRUE(report.passed()) << text_of(report);
  std::string log;
  for (const std::string& line : report.log) log += line + "\n";
  EXPECT_THAT(log, HasSubstr("a critical %s %n line\n"));
  EXPECT_THAT(log, HasSubstr("an error line\n"));
  EXPECT_THAT(log, HasSubstr("a warning line\n"));
  EXPECT_THAT(log, HasSubstr("an information line\n"));
  EXPECT_THAT(log, Not(HasSubstr("debug")));
  EXPECT_THAT(log, Not(HasSubstr("trace")));
  for (const auto& answer : report.answers) EXPECT_EQ(answer.text, "0");
}

TEST_P(InEveryZabbix, AModuleThatCannotStartSaysSoAndAnswers) {
  const Report report = module("start_fails");
  EXPECT_THAT(texts(report), ElementsAre("1", "1"));
  EXPECT_THAT(report.log,
              Contains(HasSubstr("start_fails.so: could not start: there is no /etc/start.conf")));
}

TEST_P(InEveryZabbix, AModuleThatMustStartKeepsZabbixFromStarting) {
  const Report report = module("start_must_succeed");
  EXPECT_FALSE(report.passed());
  EXPECT_TRUE(report.answers.empty());
  EXPECT_THAT(report.log,
              Contains(HasSubstr("start_must_succeed.so: init failed: there is no /etc/start.conf")));
}

TEST_P(InEveryZabbix, TheDeadlineIsTheItemsTimeoutLessAMargin) {
  for (const std::string& each : texts(module("deadline"))) {
    EXPECT_GT(std::stoi(each), 1500);
    EXPECT_LE(std::stoi(each), 2700);
  }
}

TEST_P(InEveryZabbix, WhatGoesWrongInAHandlerIsDefined) {
  EXPECT_THAT(texts(module("hostile", {"hostile.throws"})), ElementsAre("oops", "oops"));
  EXPECT_THAT(texts(module("hostile", {"hostile.nan"})), Contains(HasSubstr("not a number")));
  EXPECT_THAT(texts(module("hostile", {"hostile.latin"})), Contains("caf\xEF\xBF\xBD"));
  EXPECT_THAT(texts(module("hostile", {"hostile.nul"})), Contains("a\xEF\xBF\xBD"
                                                                  "b"));
  EXPECT_THAT(texts(module("hostile", {"hostile.size[caf\xE9]"})), ElementsAre("4", "4"));
  const Report report = module("hostile", {"hostile.long"});
  EXPECT_TRUE(report.passed()) << text_of(report);
  ASSERT_EQ(report.answers.size(), 2u);
  EXPECT_EQ(report.answers[1].bytes, 10'000'000u);
}

INSTANTIATE_TEST_SUITE_P(Zabbix, InEveryZabbix, ::testing::ValuesIn(all_layouts()), [](const auto& each) {
  std::string name(each.param->name);
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
});

TEST(TooOldZabbix, GetsNoItems) {
  const Report report = ask(*find_layout("2.2"), std::string(kModules) + "log_levels.so");
  EXPECT_TRUE(report.passed()) << text_of(report);
  EXPECT_TRUE(report.items.empty());
}

// ---- history export

std::vector<std::string> lines_of_file(const std::string& path) {
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST(History, TheExampleWritesALinePerValueFromEachProcess) {
  const std::string path = ::testing::TempDir() + "zbxmod_history_" + std::to_string(::getpid());
  ::setenv("EXAMPLE_HISTORY_FILE", path.c_str(), 1);
  void* library = ::dlopen((std::string(kExamples) + "history.so").c_str(), RTLD_NOW);
  ASSERT_NE(library, nullptr) << ::dlerror();
  const auto get =
      reinterpret_cast<abi::HistoryWriteCallbacks (*)()>(::dlsym(library, "zbx_module_history_write_cbs"));
  ASSERT_NE(get, nullptr);
  const abi::HistoryWriteCallbacks callbacks = get();
  const abi::HistoryFloat floats[] = {{1, 1700000000, 5, 0.1}, {2, 1700000001, 6, -2}};
  callbacks.on_float(floats, 2);
  const abi::HistoryInteger integers[] = {{3, 1700000002, 7, 18446744073709551615U}};
  callbacks.on_integer(integers, 1);
  const pid_t child = ::fork();
  if (child == 0) {
    const abi::HistoryString strings[] = {{4, 1, 2, "a \"quoted\"\nline"}};
    callbacks.on_string(strings, 1);
    const abi::HistoryText texts[] = {{5, 1, 2, "caf\xE9"}};
    callbacks.on_text(texts, 1);
    const abi::HistoryLog logs[] = {{6, 1, 2, nullptr, nullptr, 0, 0, 0}};
    callbacks.on_log(logs, 1);
    ::exit(0);  // as Zabbix's history syncers leave
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_THAT(
      lines_of_file(path),
      ElementsAre(R"({"type":"float","itemid":1,"clock":1700000000,"ns":5,"value":0.1})",
                  R"({"type":"float","itemid":2,"clock":1700000001,"ns":6,"value":-2})",
                  R"({"type":"integer","itemid":3,"clock":1700000002,"ns":7,"value":18446744073709551615})",
                  R"({"type":"string","itemid":4,"clock":1,"ns":2,"value":"a \"quoted\"\u000aline"})",
                  "{\"type\":\"text\",\"itemid\":5,\"clock\":1,\"ns\":2,\"value\":\"caf\xEF\xBF\xBD\"}",
                  R"({"type":"log","itemid":6,"clock":1,"ns":2,"value":""})"));
  ::unlink(path.c_str());
}

// ---- what the files bring along

std::vector<std::string> lines_of(const std::string& command) {
  std::vector<std::string> lines;
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return lines;
  char line[4096];
  while (std::fgets(line, sizeof line, pipe) != nullptr) {
    std::string text(line);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    lines.push_back(std::move(text));
  }
  EXPECT_EQ(::pclose(pipe), 0) << command;
  return lines;
}

class File : public ::testing::TestWithParam<std::string> {
 protected:
  const std::string path_ = kExamples + GetParam() + ".so";
};

TEST_P(File, ExportsZabbixsInterfaceAndNothingElse) {
  std::vector<std::string> wanted = {"zbx_module_api_version", "zbx_module_init", "zbx_module_item_list",
                                     "zbx_module_item_timeout", "zbx_module_uninit"};
  if (GetParam() == "history") wanted.insert(wanted.begin() + 1, "zbx_module_history_write_cbs");
  EXPECT_EQ(lines_of("nm -D --defined-only -P " + path_ + " | cut -d' ' -f1 | LC_ALL=C sort"), wanted);
}

TEST_P(File, NeedsTheCLibraryAndNothingElse) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer's runtime is a library of its own";
  const auto all = lines_of("readelf -d " + path_ + " | sed -n 's/.*(NEEDED).*\\[\\(.*\\)\\]/\\1/p'");
  EXPECT_THAT(all, Contains("libc.so.6"));
  for (const std::string& needed : all) {
    EXPECT_TRUE(needed == "libc.so.6" || needed == "libm.so.6" || needed.starts_with("ld-linux")) << needed;
  }
  for (const std::string& symbol : lines_of("nm -D --undefined-only " + path_)) {
    EXPECT_TRUE(symbol.find(" w ") != std::string::npos || symbol.find("@GLIBC_") != std::string::npos)
        << symbol;
  }
}

TEST_P(File, RegistersNothingToRunAtExit) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer's runtime registers its own";
  for (const std::string& symbol : lines_of("nm -D --undefined-only " + path_)) {
    EXPECT_THAT(symbol, Not(HasSubstr("atexit"))) << "a static object with a destructor";
    EXPECT_THAT(symbol, Not(HasSubstr("atfork")));
  }
}

TEST_P(File, IsSmall) {
  if (kSanitized) GTEST_SKIP() << "what does not ship";
  const std::string stripped = ::testing::TempDir() + "zbxmod_stripped_" + std::to_string(::getpid());
  EXPECT_TRUE(lines_of("strip -o " + stripped + " " + path_).empty());
  std::ifstream in(stripped, std::ios::binary | std::ios::ate);
  EXPECT_GT(in.tellg(), 10'000);
  EXPECT_LE(in.tellg(), 500'000);
  ::unlink(stripped.c_str());
}

INSTANTIATE_TEST_SUITE_P(Example, File, ::testing::Values("echo", "dummy", "discovery", "counter", "history"),
                         [](const auto& each) { return each.param; });

}  // namespace
}  // namespace zbxmod::host
