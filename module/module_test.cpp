// The module as it ships, loaded into this process as `zabbix_agentd -t` has it, and what its file brings
// along.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "key.h"
#include "test_agent.h"
#include "zbxmod/abi.h"

namespace bakusoku::module_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;
namespace abi = zbxmod::abi;

constexpr const char* kModule = BAKUSOKU_BINARY_DIR "/lib/bakusoku.so";

struct Answer {
  bool supported = false;
  std::string text;
};

// The module in this process, as `zabbix_agentd -t` has it.
class Module {
 public:
  Module() {
    void* library = ::dlopen(kModule, RTLD_NOW);
    if (library == nullptr) {
      ADD_FAILURE() << ::dlerror();
      return;
    }
    const auto find = [&](const char* name) { return ::dlsym(library, name); };
    EXPECT_EQ(reinterpret_cast<int (*)()>(find("zbx_module_init"))(), 0);
    list_ = reinterpret_cast<abi::Metric* (*)()>(find("zbx_module_item_list"))();
    reinterpret_cast<void (*)(int)>(find("zbx_module_item_timeout"))(1);
  }

  [[nodiscard]] std::vector<std::string> keys() const {
    std::vector<std::string> keys;
    for (const abi::Metric* each = list_; each != nullptr && each->key != nullptr; ++each)
      keys.emplace_back(each->key);
    return keys;
  }

  [[nodiscard]] Answer ask(const std::string& text) const {
    auto key = zbxmod::host::parse_key(text);
    if (!key) return {false, key.error().message};
    std::vector<char*> params;
    for (std::string& each : key->params) params.push_back(each.data());
    abi::Request request{};
    request.key = key->name.data();
    request.nparam = static_cast<int>(params.size());
    request.params = params.data();
    for (const abi::Metric* each = list_; each != nullptr && each->key != nullptr; ++each) {
      if (key->name != each->key) continue;
      abi::Result result{};
      const int code = each->function(&request, &result);
      const char* answer = code == 0 ? result.text : result.msg;
      Answer given{code == 0, answer != nullptr ? answer : "(null)"};
      std::free(result.text);
      std::free(result.msg);
      return given;
    }
    return {false, "no such item"};
  }

 private:
  abi::Metric* list_ = nullptr;
};

class ModuleTest : public ::testing::Test {
 protected:
  const std::string path_ = socket_path();
  const Module module_;
};

std::chrono::milliseconds since(Clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start);
}

TEST_F(ModuleTest, HasTheItemsOfItsTable) {
  EXPECT_THAT(module_.keys(),
              ElementsAre("bakusoku.echo", "bakusoku.ping", "bakusoku.version", "bakusoku.stats",
                          "bakusoku.status", "bakusoku.explain", "aws.metric", "aws.math", "aws.discovery",
                          "aws.resource", "aws.ec2.name2id", "weblog.requests", "weblog.status",
                          "weblog.bytes", "weblog.time", "weblog.state"));
}

TEST_F(ModuleTest, EchoesWithoutAnAgent) {
  EXPECT_EQ(module_.ask("bakusoku.echo[a,\"b, c\"]").text, "a b, c");
  EXPECT_EQ(module_.ask("bakusoku.echo").text, "");
  EXPECT_TRUE(module_.ask("bakusoku.echo").supported);
}

TEST_F(ModuleTest, SendsTheKeyAsTheAgentReadsIt) {
  const Agent agent(path_, Habit::answers);
  EXPECT_THAT(module_.ask("aws.ec2.name2id[web-1]").text, HasSubstr(":aws.ec2.name2id[web-1]"));
  EXPECT_THAT(module_.ask("aws.ec2.name2id[\"web, \\\"1\\\"\",,eu]").text,
              HasSubstr(":aws.ec2.name2id[\"web, \\\"1\\\"\",,eu]"));
  EXPECT_THAT(module_.ask("bakusoku.ping").text, HasSubstr(":bakusoku.ping"));
}

TEST_F(ModuleTest, PassesTheAgentsWordsOn) {
  const Agent agent(path_, Habit::answers);
  const Answer answer = module_.ask("aws.resource[ec2,i-1,state]");
  EXPECT_FALSE(answer.supported);
  EXPECT_EQ(answer.text, "UnauthorizedOperation: no permission for aws.resource[ec2,i-1,state]");
}

TEST_F(ModuleTest, TakesLongAnswers) {
  const Agent agent(path_, Habit::answers_long);
  EXPECT_EQ(module_.ask("aws.discovery[ec2]").text.size(), 300'000u);
}

TEST_F(ModuleTest, KeepsOneConnection) {
  const Agent agent(path_, Habit::answers);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(module_.ask("bakusoku.ping").text, "1:bakusoku.ping");
}

TEST_F(ModuleTest, AForkedWorkerHasAConnectionOfItsOwn) {
  const Agent agent(path_, Habit::answers);
  ASSERT_EQ(module_.ask("bakusoku.ping").text, "1:bakusoku.ping");
  const pid_t worker = ::fork();
  if (worker == 0) ::_exit(module_.ask("bakusoku.ping").text == "2:bakusoku.ping" ? 0 : 1);
  int status = 0;
  ASSERT_EQ(::waitpid(worker, &status, 0), worker);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(module_.ask("bakusoku.ping").text, "1:bakusoku.ping");
}

TEST_F(ModuleTest, SurvivesTheAgentsRestart) {
  {
    Agent agent(path_, Habit::answers);
    EXPECT_TRUE(module_.ask("bakusoku.ping").supported);
    agent.stop();
    const auto start = Clock::now();
    const Answer gone = module_.ask("bakusoku.ping");
    EXPECT_FALSE(gone.supported);
    EXPECT_THAT(gone.text, HasSubstr(path_));
    EXPECT_LT(since(start).count(), 1000);
  }
  const Agent again(path_, Habit::answers);
  const Answer back = module_.ask("bakusoku.ping");
  EXPECT_TRUE(back.supported) << back.text;
}

TEST_F(ModuleTest, AnswersWithinTheTimeoutWhateverTheAgentDoes) {
  for (const Habit habit :
       {Habit::never_answers, Habit::hangs_up, Habit::dies, Habit::stops_midway, Habit::sends_garbage}) {
    const Agent agent(path_, habit);
    const auto start = Clock::now();
    const Answer answer = module_.ask("aws.metric[AWS/EC2,CPUUtilization]");
    EXPECT_FALSE(answer.supported);
    EXPECT_GT(answer.text.size(), 20u) << answer.text;
    EXPECT_LT(since(start).count(), 1000) << answer.text;
  }
  const Agent agent(path_, Habit::answers);
  EXPECT_TRUE(module_.ask("bakusoku.ping").supported);
}

TEST_F(ModuleTest, SaysThatNobodyIsThere) {
  ::unlink(path_.c_str());
  const Answer answer = module_.ask("bakusoku.ping");
  EXPECT_FALSE(answer.supported);
  EXPECT_THAT(answer.text, HasSubstr("not running"));
  EXPECT_THAT(answer.text, HasSubstr("BAKUSOKU_SOCKET"));
}

// ---- what the file brings along

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

TEST(File, ExportsZabbixsInterfaceAndNothingElse) {
  EXPECT_THAT(
      lines_of(std::string("nm -D --defined-only -P ") + kModule + " | cut -d' ' -f1 | LC_ALL=C sort"),
      ElementsAre("zbx_module_api_version", "zbx_module_init", "zbx_module_item_list",
                  "zbx_module_item_timeout", "zbx_module_uninit"));
}

TEST(File, NeedsTheCLibraryAndNothingElse) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's runtime is a library of its own";
#endif
  for (const std::string& needed :
       lines_of(std::string("readelf -d ") + kModule + " | sed -n 's/.*(NEEDED).*\\[\\(.*\\)\\]/\\1/p'")) {
    EXPECT_TRUE(needed == "libc.so.6" || needed == "libm.so.6" || needed.starts_with("ld-linux")) << needed;
  }
  for (const std::string& symbol : lines_of(std::string("nm -D --undefined-only ") + kModule)) {
    const bool weak = symbol.find(" w ") != std::string::npos;
    EXPECT_TRUE(weak || symbol.find("@GLIBC_") != std::string::npos) << symbol;
  }
}

TEST(File, StaysLoadedAndBindsItsOwnSymbols) {
  const auto flags = lines_of(std::string("readelf -dW ") + kModule);
  std::string all;
  for (const std::string& line : flags) all += line + "\n";
  EXPECT_THAT(all, HasSubstr("NODELETE"));
  EXPECT_THAT(all, HasSubstr("SYMBOLIC"));
  EXPECT_THAT(all, HasSubstr("NOW"));
}

}  // namespace
}  // namespace bakusoku::module_test
