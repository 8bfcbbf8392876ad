#include "run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

namespace zbxmod::host {
namespace {

using ::testing::HasSubstr;

Report run_module(const std::string& path, std::string_view zabbix, std::vector<std::string> keys = {}) {
  Options options;
  options.module = path;
  options.personality_directory = BAKUSOKU_BINARY_DIR "/lib/zbxmod-host";
  options.keys = std::move(keys);
  options.workers = 2;
  options.timeout_seconds = 1;
  return run(*find_layout(zabbix), options);
}

Report run_bad(const std::string& name, std::string_view zabbix = "6.0") {
  return run_module(BAKUSOKU_BINARY_DIR "/tests/bad/" + name + ".so", zabbix);
}

std::string text_of(const Report& report) { return as_text("module", {report}); }

void expect_fault(const Report& report, const std::string& kind, const std::string& words) {
  for (const Fault& fault : report.faults) {
    if (fault.kind == kind && fault.text.find(words) != std::string::npos) return;
  }
  ADD_FAILURE() << "no fault (" << kind << ") with the words '" << words << "' in\n" << text_of(report);
}

class EveryLayout : public ::testing::TestWithParam<const Layout*> {};

TEST_P(EveryLayout, CondemnsAThreadStartedInInitAndWaitedForInAHandler) {
  const Report report = run_bad("thread_in_init", GetParam()->name);
  expect_fault(report, "thread", "zbx_module_init left 1 thread(s) running");
  expect_fault(report, "hang", "has not answered 3 s after it was asked");
}

TEST_P(EveryLayout, CondemnsAModuleThatNeverAnswers) {
  expect_fault(run_bad("hang", GetParam()->name), "hang", "killed");
}

TEST_P(EveryLayout, CondemnsACrash) { expect_fault(run_bad("crash", GetParam()->name), "crash", "SIGSEGV"); }

TEST_P(EveryLayout, CondemnsSuccessWithoutAValue) {
  expect_fault(run_bad("no_value", GetParam()->name), "no-value", "succeeds without a value");
}

TEST_P(EveryLayout, SeesTheMembersOfThisVersionOnly) {
  const Layout& layout = *GetParam();
  const Report bin = run_bad("writes_bin", layout.name);
  const Report types = run_bad("reads_types", layout.name);
  const Report timeout = run_bad("reads_timeout", layout.name);
  if (layout.result_bytes >= 72) {
    EXPECT_TRUE(bin.passed()) << text_of(bin);
  } else {
    expect_fault(bin, "crash", "behind the end of AGENT_RESULT, which has 64 bytes");
  }
  if (layout.request_bytes >= 48) {
    EXPECT_TRUE(types.passed()) << text_of(types);
  } else {
    expect_fault(types, "crash", "behind the end of AGENT_REQUEST, which has 40 bytes");
  }
  if (layout.request_bytes >= 56) {
    EXPECT_TRUE(timeout.passed()) << text_of(timeout);
  } else {
    expect_fault(timeout, "crash", "behind the end of AGENT_REQUEST");
  }
}

INSTANTIATE_TEST_SUITE_P(Zabbix, EveryLayout, ::testing::ValuesIn(all_layouts()), [](const auto& each) {
  std::string name(each.param->name);
  for (char& c : name) c = c == '.' ? '_' : c;
  return name;
});

TEST(Host, CondemnsAModuleThatNeverFinishesLoading) {
  expect_fault(run_bad("hang_in_init"), "hang", "zbx_module_init ran");
}

TEST(Host, CondemnsAnAnswerAfterTheTimeout) {
  expect_fault(run_bad("late"), "late", "after the Timeout of 1 s");
}

TEST(Host, CondemnsAnExceptionThatEscapes) { expect_fault(run_bad("throws"), "crash", "SIGABRT"); }

TEST(Host, CondemnsAValueThatIsNull) { expect_fault(run_bad("null_value"), "no-value", "pointer is null"); }

TEST(Host, CondemnsTwoValues) { expect_fault(run_bad("two_values"), "two-values", "more than one kind"); }

TEST(Host, CondemnsFailureWithoutAMessage) {
  expect_fault(run_bad("no_message"), "no-message", "Unknown error.");
}

TEST(Host, CondemnsACodeWithoutMeaning) { expect_fault(run_bad("wrong_code"), "code", "returns 7"); }

TEST(Host, CondemnsTextThatIsNotUtf8) { expect_fault(run_bad("encoding"), "encoding", "not valid UTF-8"); }

TEST(Host, CondemnsOutput) { expect_fault(run_bad("output"), "output", "debugging"); }

TEST(Host, CondemnsAnAnswerThatCannotBeFreed) {
  expect_fault(run_bad("not_malloc"), "crash", "must come from malloc");
}

TEST(Host, CondemnsAnItemListThatCannotBeWritten) {
  expect_fault(run_bad("const_list"), "crash", "must not be const");
}

TEST(Host, CondemnsKeysThatExist) {
  const Report report = run_bad("duplicate");
  expect_fault(report, "duplicate", "\"bad.item\" already exists");
  expect_fault(report, "duplicate", "\"agent.ping\" already exists");
}

TEST(Host, CondemnsAForkInInitOnlyWhereItEndsTheDaemon) {
  expect_fault(run_bad("fork_in_init", "6.4"), "fork", "One child process died");
  const Report later = run_bad("fork_in_init", "7.0");
  EXPECT_TRUE(later.passed()) << text_of(later);
}

TEST(Host, CondemnsASocketThatAllWorkersWouldShare) {
  expect_fault(run_bad("socket_in_init"), "socket", "left a socket open");
}

TEST(Host, CondemnsADestructorThatFailsInAForkedChild) {
  expect_fault(run_bad("crash_at_exit"), "exit", "SIGABRT");
}

TEST(Host, SaysWhyAModuleCannotBeLoaded) {
  expect_fault(run_bad("init_fails"), "load", "zbx_module_init returns -1");
  expect_fault(run_bad("old_version"), "load", "unsupported module version");
  expect_fault(run_bad("no_module"), "load", "does not export zbx_module_api_version");
}

TEST(Host, ExportsWhatEachVersionExports) {
  const Report older = run_bad("needs_host_symbol", "6.0");
  EXPECT_TRUE(older.passed()) << text_of(older);
  EXPECT_THAT(older.log, ::testing::ElementsAre("warning: hello from a module"));
  expect_fault(run_bad("needs_host_symbol", "7.0"), "load", "undefined symbol: __zbx_zabbix_log");
}

TEST(Host, AsksEveryWorkerForEveryKey) {
  const std::string example = BAKUSOKU_BINARY_DIR "/lib/examples/echo.so";
  const Report report =
      run_module(example, "6.0", {"example.echo[a]", "example.echo[\"b, c\"]", "example.missing", "a[[b"});
  EXPECT_EQ(report.answers.size(), 4u);
  EXPECT_EQ(report.asked, 4u);
  expect_fault(report, "question", "no such item");
  expect_fault(report, "question", "invalid item key");
}

struct CommandResult {
  int code = -1;
  std::string output;
};

CommandResult command(const std::string& arguments) {
  CommandResult result;
  FILE* pipe = ::popen((BAKUSOKU_BINARY_DIR "/bin/zbxmod-host " + arguments + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return result;
  char buffer[4096];
  while (const size_t length = std::fread(buffer, 1, sizeof buffer, pipe))
    result.output.append(buffer, length);
  const int status = ::pclose(pipe);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return result;
}

TEST(Command, ExitStatusTellsTheVerdict) {
  const std::string bad = BAKUSOKU_BINARY_DIR "/tests/bad/no_value.so";
  const std::string example = BAKUSOKU_BINARY_DIR "/lib/examples/echo.so";
  const CommandResult condemned = command("--zabbix 5.0 " + bad);
  EXPECT_EQ(condemned.code, 1);
  EXPECT_THAT(condemned.output, HasSubstr("FAULT (no-value) bad.item[1], worker "));
  const CommandResult passed = command("--all-layouts " + example);
  EXPECT_EQ(passed.code, 0) << passed.output;
  EXPECT_THAT(passed.output, HasSubstr("echo.so: passed"));
  EXPECT_EQ(command("--zabbix 1.8 " + example).code, 2);
  EXPECT_EQ(command("/nowhere/module.so").code, 2);
  EXPECT_EQ(command("--workers none " + example).code, 2);
  EXPECT_EQ(command("--help").code, 0);
}

TEST(Command, ReportsAsJson) {
  const CommandResult result = command("--json " BAKUSOKU_BINARY_DIR "/tests/bad/two_values.so");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.output, HasSubstr("\"passed\":false"));
  EXPECT_THAT(result.output, HasSubstr("\"faults\":[{\"kind\":\"two-values\",\"worker\":"));
  EXPECT_THAT(result.output, HasSubstr("\"key\":\"bad.item[1]\",\"supported\":true,\"text\":\"two\""));
}

}  // namespace
}  // namespace zbxmod::host
