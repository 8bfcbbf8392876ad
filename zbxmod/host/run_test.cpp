#include "run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "process.h"
#include "zabbix.h"

namespace zbxmod::host {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Options options_for(const std::string& path) {
  Options options;
  options.module = path;
  options.personality_directory = BAKUSOKU_BINARY_DIR "/lib/zbxmod-host";
  options.workers = 2;
  options.timeout_seconds = 1;
  return options;
}

std::string bad(const std::string& name) { return BAKUSOKU_BINARY_DIR "/tests/bad/" + name + ".so"; }
std::string good(const std::string& name) { return BAKUSOKU_BINARY_DIR "/tests/good/" + name + ".so"; }

Report run_module(const std::string& path, std::string_view zabbix, std::vector<std::string> keys = {}) {
  Options options = options_for(path);
  options.keys = std::move(keys);
  return run(*find_layout(zabbix), options);
}

Report run_bad(const std::string& name, std::string_view zabbix = "6.0") {
  return run_module(bad(name), zabbix);
}

/// For modules that hang: there is no need to wait long for what never comes.
Report run_hanging(const std::string& name, std::string_view zabbix = "6.0") {
  Options options = options_for(bad(name));
  options.grace = std::chrono::milliseconds(500);
  return run(*find_layout(zabbix), options);
}

std::string text_of(const Report& report) { return as_text("module", {report}); }

const Fault* find_fault(const std::vector<Fault>& faults, const std::string& kind, const std::string& words) {
  for (const Fault& fault : faults) {
    std::string all = fault.text;
    for (const std::string& each : fault.details) all += "\n" + each;
    if (fault.kind == kind && all.find(words) != std::string::npos) return &fault;
  }
  return nullptr;
}

/// A fault tells its cause in these words, here or in its details, and a remedy.
void expect_fault(const Report& report, const std::string& kind, const std::string& words) {
  const Fault* fault = find_fault(report.faults, kind, words);
  if (fault == nullptr) {
    ADD_FAILURE() << "no fault (" << kind << ") with the words '" << words << "' in\n" << text_of(report);
  } else {
    EXPECT_FALSE(fault->remedy.empty()) << kind;
  }
}

void expect_note(const Report& report, const std::string& kind, const std::string& words) {
  if (find_fault(report.notes, kind, words) == nullptr) {
    ADD_FAILURE() << "no note (" << kind << ") with the words '" << words << "' in\n" << text_of(report);
  }
}

class EveryLayout : public ::testing::TestWithParam<const Layout*> {};

TEST_P(EveryLayout, PassesTheClassicDummyModule) {
  const Report report = run_module(good("dummy"), GetParam()->name);
  EXPECT_TRUE(report.passed()) << text_of(report);
  EXPECT_THAT(report.notes, IsEmpty()) << text_of(report);
  EXPECT_THAT(report.items, ElementsAre("dummy.ping", "dummy.echo", "dummy.random"));
  for (const Answer& each : report.answers) EXPECT_TRUE(each.supported) << each.key << ": " << each.text;
  EXPECT_EQ(report.asked, 6u);
}

TEST_P(EveryLayout, CondemnsAThreadStartedInInitAndWaitedForInAHandler) {
  for (const char* name : {"c_thread_in_init", "thread_in_init"}) {
    const Report report = run_hanging(name, GetParam()->name);
    expect_fault(report, "thread", "1 thread was started before the fork and does not exist in the workers");
    expect_fault(report, "hang", "has not answered 1.5 s after it was asked");
    expect_fault(report, "hang", "It waits for a thread from before the fork");
    expect_fault(report, "hang", "waits in futex");
  }
}

TEST_P(EveryLayout, CondemnsAModuleThatNeverAnswers) {
  expect_fault(run_hanging("hang", GetParam()->name), "hang", "killed");
}

TEST_P(EveryLayout, CondemnsACrash) {
  for (const char* name : {"crash", "c_crash"})
    expect_fault(run_bad(name, GetParam()->name), "crash", "SIGSEGV");
}

TEST_P(EveryLayout, CondemnsSuccessWithoutAValue) {
  for (const char* name : {"no_value", "c_no_value"})
    expect_fault(run_bad(name, GetParam()->name), "no-value", "succeeds without a value");
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

TEST_P(EveryLayout, ExportsHistoryWhereTheInterfaceHasIt) {
  const Report report = run_module(good("history"), GetParam()->name);
  EXPECT_TRUE(report.passed()) << text_of(report);
  EXPECT_EQ(report.asked, GetParam()->api_version > 1 ? 5u : 0u) << text_of(report);
}

INSTANTIATE_TEST_SUITE_P(Zabbix, EveryLayout, ::testing::ValuesIn(all_layouts()), [](const auto& each) {
  std::string name(each.param->name);
  for (char& c : name) c = c == '.' ? '_' : c;
  return name;
});

// ---- what loading leaves behind

TEST(Host, NamesAThreadAndWhereItIs) {
  const Report report = run_hanging("c_thread_in_init");
  expect_fault(report, "thread", "zbx_module_init left it running");
  expect_fault(report, "thread", "\"answerer\" waits in futex");
  expect_fault(report, "thread", "in answer_for_ever (c_thread_in_init.so+0x");
  expect_fault(report, "hang", "in item (c_thread_in_init.so+0x");
}

TEST(Host, CondemnsASocketThatAllWorkersWouldShare) {
  for (const char* name : {"socket_in_init", "c_socket_in_init"})
    expect_fault(run_bad(name), "descriptor", "left 1 descriptor open before the fork");
}

TEST(Host, NamesEveryKindOfDescriptor) {
  const Report report = run_bad("c_descriptors_in_init");
  expect_fault(report, "descriptor", "left 8 descriptors open");
  for (const char* kind : {"a pipe", "an eventfd", "an epoll instance", "a timerfd", "an inotify",
                           "a memory file", "(for writing)"}) {
    expect_fault(report, "descriptor", kind);
  }
  expect_note(report, "file", "(for reading)");
}

TEST(Host, AFileForReadingIsOnlyWorthANote) {
  const Report report = run_bad("c_reads_file_in_init");
  EXPECT_TRUE(report.passed()) << text_of(report);
  expect_note(report, "file", "share its position");
}

TEST(Host, CondemnsChangesToTheWholeProcess) {
  const Report report = run_bad("c_changes_process");
  expect_fault(report, "signal", "replaced the handler of SIGTERM");
  expect_fault(report, "signal", "whether SIGUSR2 is blocked");
  expect_fault(report, "signal", "left a timer running");
  expect_fault(report, "process", "working directory of the process from / to /tmp");
  expect_fault(report, "process", "umask from 002 to 077");
  expect_fault(report, "process", "open files is now lower");
  expect_note(report, "signal", "SIGWINCH");
  expect_note(report, "environment", "BAD_MODULE");
  expect_note(report, "locale", "C.UTF-8");
}

TEST(Host, CondemnsAForkInInitOnlyWhereItEndsTheDaemon) {
  expect_fault(run_bad("fork_in_init", "6.4"), "fork", "One child process died");
  const Report later = run_bad("fork_in_init", "7.0");
  EXPECT_TRUE(later.passed()) << text_of(later);
}

TEST(Host, CondemnsAModuleThatNeverFinishesLoading) {
  expect_fault(run_hanging("hang_in_init"), "hang", "zbx_module_init ran");
}

TEST(Host, CondemnsExitInInit) {
  const Report report = run_bad("c_exit_in_init");
  expect_fault(report, "exit", "called exit(0) while zbx_module_init ran");
  expect_fault(report, "exit", "in zbx_module_init (c_exit_in_init.so");
}

TEST(Host, SaysWhyAModuleCannotBeLoaded) {
  expect_fault(run_bad("init_fails"), "load", "zbx_module_init returns -1");
  expect_fault(run_bad("old_version"), "load", "unsupported module version");
  expect_fault(run_bad("no_module"), "load", "does not export zbx_module_api_version");
  expect_fault(run_module(BAKUSOKU_SOURCE_DIR "/README.md", "6.0"), "load", "cannot be loaded");
}

// ---- names

TEST(Host, CondemnsAnItemListThatCannotBeWritten) {
  for (const char* name : {"const_list", "c_const_list"})
    expect_fault(run_bad(name), "item-list", "must not be const");
}

TEST(Host, CondemnsKeysThatExist) {
  for (const char* name : {"duplicate", "c_duplicate"}) {
    const Report report = run_bad(name);
    expect_fault(report, "duplicate", "\"bad.item\" already exists: the module brings it twice");
    expect_fault(report, "duplicate",
                 "\"agent.ping\" already exists: it is built into zabbix_agentd 6.0 and 7.0");
  }
  const Report report = run_bad("c_duplicate");
  expect_fault(report, "duplicate",
               "\"system.sw.os.get\" already exists: it is built into zabbix_agentd 7.0");
  expect_note(report, "simple-check", "never asks the module");
}

TEST(Host, CondemnsNamesThatTheHostWouldReplace) {
  const Report in_c = run_bad("c_replaced_symbol");
  expect_fault(in_c, "symbol", "calls 3 functions or variables of its own");
  expect_fault(in_c, "symbol", "process: also in zabbix_agentd, zabbix_proxy and zabbix_server 6.0");
  expect_fault(in_c, "symbol", "error: also in the C library");
  expect_fault(in_c, "symbol", "curl_easy_reset: also in libcurl");
  expect_note(in_c, "symbol", "help: also in zabbix_agentd");
  const Report in_cpp = run_bad("replaced_symbol");
  expect_fault(in_cpp, "symbol",
               "zbx_execute_agent_check: also in zabbix_agentd, zabbix_proxy and zabbix_server 7.0");
}

TEST(Host, CondemnsSymbolsWantedFromTheHost) {
  for (const char* name : {"needs_host_symbol", "c_needs_host_symbol"}) {
    const Report older = run_bad(name, "6.0");
    expect_fault(older, "undefined-symbol", "__zbx_zabbix_log: exported by zabbix_agentd");
    expect_fault(older, "undefined-symbol", "6.0, not by 7.0");
    EXPECT_EQ(older.log.size(), 1u);  // it is there in this version, and works
    expect_fault(run_bad(name, "7.0"), "undefined-symbol", "undefined symbol: __zbx_zabbix_log");
  }
  expect_fault(run_bad("c_wants_more_of_host"), "undefined-symbol", "it cannot try this one");
  const Report other = run_bad("c_undefined_symbol");
  expect_fault(other, "load", "undefined symbol: function_of_a_forgotten_library");
}

// ---- what an item does

TEST(Host, CondemnsAnAnswerAfterTheTimeout) {
  for (const char* name : {"late", "c_late"}) expect_fault(run_bad(name), "late", "after the Timeout of 1 s");
}

TEST(Host, TellsWhatAWorkerWaitsFor) {
  const Report report = run_hanging("c_blocks_and_hangs");
  expect_fault(report, "hang", "waits in read, for input, descriptor");
  expect_fault(report, "hang", "(pipe:[");
  expect_fault(run_hanging("c_computes_for_ever"), "hang", "it computes");
  expect_fault(run_hanging("c_stops_itself"), "hang", "is stopped: something sent it SIGSTOP");
}

TEST(Host, CondemnsAnExceptionThatEscapes) {
  expect_fault(run_bad("throws"), "exception", "an exception of type std::runtime_error: oops escaped");
  expect_fault(run_bad("throws_number"), "exception", "an exception of type int escaped");
  expect_fault(run_bad("throws_in_init"), "exception", "std::invalid_argument: no configuration escaped");
}

TEST(Host, TellsWhereACrashWasAndWhatWasSaid) {
  expect_fault(run_bad("c_crash"), "crash", "in item (c_crash.so+0x");
  expect_fault(run_bad("c_crash"), "crash", "it used a null pointer");
  expect_fault(run_bad("c_abort"), "crash", "standard error: something is impossible");
  expect_fault(run_bad("c_overflows_stack"), "crash", "SIGSEGV");
}

TEST(Host, CondemnsTheEndOfAWorker) {
  expect_fault(run_bad("c_calls_exit"), "exit", "called exit(0) while the item was being asked");
  expect_fault(run_bad("c_calls_quick_exit"), "exit", "called quick_exit(0)");
  expect_fault(run_bad("c_calls_underscore_exit"), "exit", "ended with status 0");
  expect_fault(run_bad("calls_exit"), "exit", "called exit(3)");
  expect_fault(run_bad("calls_exit"), "exit", "Zabbix stops altogether");
}

TEST(Host, CondemnsAValueThatIsNull) { expect_fault(run_bad("null_value"), "no-value", "pointer is null"); }

TEST(Host, CondemnsTwoValues) { expect_fault(run_bad("two_values"), "two-values", "more than one kind"); }

TEST(Host, CondemnsFailureWithoutAMessage) {
  expect_fault(run_bad("no_message"), "no-message", "Unknown error.");
}

TEST(Host, CondemnsACodeWithoutMeaning) { expect_fault(run_bad("wrong_code"), "code", "returns 7"); }

TEST(Host, CondemnsTextThatIsNotUtf8) { expect_fault(run_bad("encoding"), "encoding", "not valid UTF-8"); }

TEST(Host, CondemnsOutput) {
  for (const char* name : {"output", "c_output"}) expect_fault(run_bad(name), "output", "debugging");
  expect_note(run_bad("c_output"), "stderr", "complaining");
}

TEST(Host, CondemnsAnAnswerThatCannotBeFreed) {
  expect_fault(run_bad("not_malloc"), "free", "must come from malloc");
}

TEST(Host, CondemnsADestructorThatFailsInAForkedChild) {
  expect_fault(run_bad("crash_at_exit"), "destructor", "SIGABRT");
  expect_fault(run_bad("crash_at_exit"), "destructor", "in Connection::~Connection()");
}

TEST(Host, CondemnsTroubleWhenUnloading) {
  expect_fault(run_bad("c_uninit_crashes"), "crash", "while zbx_module_uninit ran");
}

TEST(Host, AsksEveryWorkerForEveryKey) {
  const Report report =
      run_module(good("dummy"), "6.0", {"dummy.echo[a]", "dummy.echo[\"b, c\"]", "dummy.missing", "a[[b"});
  EXPECT_EQ(report.answers.size(), 4u);
  EXPECT_EQ(report.asked, 4u);
  expect_fault(report, "question", "no such item");
  expect_fault(report, "question", "invalid item key");
}

TEST(Host, TakesALargeAnswer) {
  const Report report = run_module(good("large"), "6.0");
  EXPECT_TRUE(report.passed()) << text_of(report);
  ASSERT_EQ(report.answers.size(), 2u);
  EXPECT_EQ(report.answers[0].bytes, 10'000'000u);
  expect_note(report, "long", "65535");
}

// ---- modules that turn against their host

TEST(Hostile, ClosingEveryDescriptorIsSeen) {
  const Report report = run_bad("c_closes_descriptors");
  expect_fault(report, "descriptor", "closed or replaced descriptors that are not its own");
  EXPECT_EQ(report.answers.size(), 2u);
}

TEST(Hostile, WritingToEveryDescriptorIsSeen) {
  expect_fault(run_bad("c_writes_descriptors"), "descriptor", "wrote to descriptors that are not its own");
}

TEST(Hostile, SignalsToTheMainProcessAreSeen) {
  expect_fault(run_bad("c_kills_parent"), "killed", "ended by SIGKILL");
  expect_fault(run_bad("c_kills_group"), "killed", "ended by SIGKILL");
  const Report report = run_bad("c_terminates_parent");
  expect_fault(report, "killed", "sent SIGTERM to Zabbix's main process");
  expect_fault(run_bad("c_stops_parent"), "hang", "is stopped: something sent it SIGSTOP");
}

TEST(Hostile, ChildrenThatNobodyMayWaitForAreSeen) {
  const Report report = run_bad("c_ignores_children");
  expect_fault(report, "signal", "replaced the handler of SIGCHLD");
  EXPECT_EQ(report.answers.size(), 2u);
}

TEST(Hostile, AWorkerThatIsHeldUpFromOutsideIsSeen) {
  expect_fault(run_hanging("c_child_stops_worker"), "hang", "is stopped: something sent it SIGSTOP");
}

TEST(Hostile, BlockedSignalsAreSeen) { expect_fault(run_bad("c_blocks_signals"), "signal", "SIGTERM"); }

TEST(Hostile, ForkedChildrenAreSeen) {
  expect_fault(run_bad("c_forks_and_exits"), "child", "nobody waits for");
  expect_fault(run_bad("c_child_returns"), "child", "returned from the item");
}

TEST(Hostile, NoProcessIsLeft) {
  const size_t before = children_of(::getpid()).size();
  expect_fault(run_bad("c_leaves_daemon"), "child", "running after Zabbix had ended");
  for (const char* name : {"c_kills_parent", "c_forks_and_exits", "c_child_returns", "c_closes_descriptors"})
    EXPECT_FALSE(run_bad(name).passed());
  EXPECT_EQ(children_of(::getpid()).size(), before);
}

TEST(Hostile, MemoryHasALimit) {
  Options options = options_for(bad("c_eats_memory"));
  options.workers = 1;
  options.memory_mb = 128;
  options.timeout_seconds = 30;
  expect_fault(run(*find_layout("6.0"), options), "too-much-memory", "MB");
}

TEST(Hostile, HistoryCallbacksAreWatched) {
  const Report crashes = run_bad("c_history_crashes");
  expect_fault(crashes, "crash", "it read behind the last row of history");
  expect_fault(crashes, "crash", "after the callback had returned");
  const Report hangs = run_hanging("c_history_hangs");
  expect_fault(hangs, "hang", "the history callback ran");
  const Fault* fault = find_fault(hangs.faults, "hang", "history");
  ASSERT_NE(fault, nullptr);
  EXPECT_EQ(fault->key, "history export of integer");
}

TEST(Leaks, GrowingMemoryIsNoted) {
  Options options = options_for(bad("c_leaks"));
  options.requests = 20000;
  const Report report = run(*find_layout("6.0"), options);
  EXPECT_TRUE(report.passed()) << text_of(report);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which keep what is freed
  expect_note(report, "leak", "grows with every question");
#endif
}

TEST(Leaks, NoneAreSeenWhereThereAreNone) {
  Options options = options_for(good("dummy"));
  options.requests = 20000;
  const Report report = run(*find_layout("6.0"), options);
  EXPECT_TRUE(report.passed()) << text_of(report);
  EXPECT_THAT(report.notes, IsEmpty()) << text_of(report);
  EXPECT_EQ(report.asked, 120000u);
}

TEST(Leaks, OpenDescriptorsAreCondemned) {
  Options options = options_for(bad("c_leaks_descriptors"));
  options.requests = 200;
  expect_fault(run(*find_layout("6.0"), options), "descriptor", "leaves descriptors open");
}

// ---- benchmark

TEST(BenchRun, MeasuresEachKey) {
  Options options = options_for(good("dummy"));
  options.bench = true;
  options.bench_requests = 1000;
  options.bench_seconds = 60;
  options.keys = {"dummy.ping", "dummy.echo"};
  const Report report = run(*find_layout("6.0"), options);
  EXPECT_TRUE(report.passed()) << text_of(report);
  ASSERT_TRUE(report.bench);
  const Bench& bench = *report.bench;
  ASSERT_EQ(bench.keys.size(), 2u);
  EXPECT_EQ(bench.keys[0].name, "dummy.ping");
  EXPECT_EQ(bench.keys[0].answers, 2000u);
  EXPECT_EQ(bench.keys[0].not_supported, 0u);
  EXPECT_EQ(bench.keys[1].not_supported, 2000u);
  EXPECT_EQ(bench.all.answers, 4000u);
  ASSERT_EQ(bench.by_worker.size(), 2u);
  EXPECT_EQ(bench.by_worker[1].answers, 2000u);
  for (const BenchRow& row : bench.keys) {
    EXPECT_GT(row.per_second, 0);
    EXPECT_LE(row.p50, row.p90);
    EXPECT_LE(row.p90, row.p99);
    EXPECT_LE(row.p99, row.p999);
    EXPECT_LE(row.p999, row.max);
  }
}

TEST(BenchRun, EndsWithItsTimeAndWithAModuleThatCrashes) {
  Options options = options_for(good("dummy"));
  options.bench = true;
  options.bench_seconds = 0.1;
  const Report report = run(*find_layout("7.0"), options);
  EXPECT_TRUE(report.passed()) << text_of(report);
  EXPECT_GT(report.bench->all.answers, 0u);
  options.module = bad("c_crash");
  expect_fault(run(*find_layout("7.0"), options), "crash", "SIGSEGV");
}

// ---- the command

struct CommandResult {
  int code = -1;
  std::string output;
};

CommandResult output_of(const std::string& line) {
  CommandResult result;
  FILE* pipe = ::popen((line + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return result;
  char buffer[4096];
  while (const size_t length = std::fread(buffer, 1, sizeof buffer, pipe))
    result.output.append(buffer, length);
  const int status = ::pclose(pipe);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return result;
}

CommandResult command(const std::string& arguments) {
  return output_of(BAKUSOKU_BINARY_DIR "/bin/zbxmod-host " + arguments);
}

TEST(Command, ExitStatusTellsTheVerdict) {
  const CommandResult condemned = command("--zabbix 5.0 " + bad("no_value"));
  EXPECT_EQ(condemned.code, 1);
  EXPECT_THAT(condemned.output, HasSubstr("FAULT (no-value) bad.item[1], worker "));
  EXPECT_THAT(condemned.output, HasSubstr("Remedy: "));
  EXPECT_THAT(condemned.output, HasSubstr("condemned: 1 fault"));
  const CommandResult passed = command("--all-layouts " + good("dummy"));
  EXPECT_EQ(passed.code, 0) << passed.output;
  EXPECT_THAT(passed.output, HasSubstr("dummy.so: passed"));
  EXPECT_EQ(command("--zabbix 1.8 " + good("dummy")).code, 2);
  EXPECT_EQ(command("/nowhere/module.so").code, 2);
  EXPECT_EQ(command("--workers none " + good("dummy")).code, 2);
  EXPECT_EQ(command("--requests 0 " + good("dummy")).code, 2);
  EXPECT_EQ(command("").code, 2);
  EXPECT_EQ(command("--help").code, 0);
  EXPECT_EQ(command("bench --help").code, 0);
  EXPECT_EQ(command("bench").code, 2);
  EXPECT_EQ(command("bench " + bad("c_crash")).code, 1);
}

TEST(Command, AsksAsOftenAsItIsTold) {
  const CommandResult result =
      command("--workers 3 --requests 50 " + good("dummy") + " dummy.ping 'dummy.echo[x]'");
  EXPECT_EQ(result.code, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("passed: 3 items, 300 answers"));
}

TEST(Command, ShowsABenchmark) {
  const CommandResult result = command("bench --workers 2 --requests 100 " + good("dummy") + " dummy.ping");
  EXPECT_EQ(result.code, 0) << result.output;
  for (const char* words : {"answers/s", "p99.9 us", "dummy.ping", "worker 2"})
    EXPECT_THAT(result.output, HasSubstr(words));
  const std::string more_than_cores = std::to_string(std::thread::hardware_concurrency() + 1);
  const CommandResult crowded =
      command("bench --workers " + more_than_cores + " --requests 1 " + good("dummy") + " dummy.ping");
  EXPECT_THAT(crowded.output, HasSubstr(more_than_cores + " workers share"));
}

/// What this expression of Python's makes of the command's JSON.
std::string of_json(const std::string& arguments, const std::string& expression) {
  const std::string line = BAKUSOKU_BINARY_DIR "/bin/zbxmod-host " + arguments +
                           " | python3 -c \"import json, sys; r = json.load(sys.stdin); print(" + expression +
                           ")\"";
  return output_of(line).output;
}

TEST(Command, ReportsAsJson) {
  EXPECT_EQ(
      of_json("--json " + bad("two_values"), "r['passed'], [f['kind'] for f in r['runs'][0]['faults']]"),
      "False ['two-values']\n");
  EXPECT_EQ(of_json("--json " + good("dummy"),
                    "r['passed'], r['runs'][0]['items'], r['runs'][0]['answers'][0]['text']"),
            "True ['dummy.ping', 'dummy.echo', 'dummy.random'] 1\n");
  const std::string details =
      of_json("--json " + bad("c_descriptors_in_init"),
              "[(f['remedy'] != '', len(f['details'])) for f in r['runs'][0]['faults']], "
              "[n['kind'] for n in r['runs'][0]['notes']]");
  EXPECT_EQ(details, "[(True, 8)] ['file']\n");
  EXPECT_EQ(of_json("--all-layouts --json " + good("dummy"), "len(r['runs'])"), "8\n");
  EXPECT_EQ(of_json("--json " + bad("encoding"), "r['runs'][0]['answers'][0]['text']"), "caf\xEF\xBF\xBD\n");
  EXPECT_EQ(
      of_json(
          "bench --json --requests 10 --workers 2 " + good("dummy") + " dummy.ping",
          "[(k['name'], k['answers'], k['p99_9_us'] <= k['max_us']) for k in r['runs'][0]['bench']['keys']]"),
      "[('dummy.ping', 20, True)]\n");
}

// ---- the documentation

TEST(Documentation, ListsEveryKindOfFault) {
  std::ifstream file(BAKUSOKU_SOURCE_DIR "/docs/zbxmod-host.md");
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  ASSERT_FALSE(text.empty());
  for (const KindOfFault& kind : fault_kinds()) {
    EXPECT_THAT(text, HasSubstr("| `" + std::string(kind.name) + "` |"));
    EXPECT_FALSE(kind.remedy.empty()) << kind.name;
  }
}

TEST(Faults, OfEveryModuleHaveAKnownKind) {
  for (const char* name :
       {"c_changes_process", "c_duplicate", "c_replaced_symbol", "c_needs_host_symbol", "encoding"}) {
    const Report report = run_bad(name);
    for (const Fault& each : report.faults) EXPECT_LT(rank_of(each.kind), fault_kinds().size()) << each.kind;
    for (const Fault& each : report.notes) EXPECT_LT(rank_of(each.kind), fault_kinds().size()) << each.kind;
  }
}

TEST(Zabbix, KnowsWhatItsProgramsBring) {
  EXPECT_EQ(who_has_key("agent.ping"), "6.0 and 7.0");
  EXPECT_EQ(who_has_key("system.sw.os.get"), "7.0");
  EXPECT_EQ(who_has_key("modbus.get"), "6.0 and 7.0");
  EXPECT_EQ(who_has_key("aws.metric"), "");
  EXPECT_TRUE(exports("6.0", "__zbx_zabbix_log"));
  EXPECT_FALSE(exports("7.0", "__zbx_zabbix_log"));
  EXPECT_TRUE(exports("7.0", "zbx_validate_item_timeout"));
  EXPECT_TRUE(exports("7.0", "zbx_load_modules"));
  EXPECT_THAT(who_exports("zbx_validate_item_timeout"), HasSubstr("7.0, not by 6.0"));
  EXPECT_EQ(who_exports("something_else"), "");
  EXPECT_EQ(library_with("SSL_read"), "OpenSSL");
}

}  // namespace
}  // namespace zbxmod::host
