// A log whose reader stands still, comes back, or goes.
#include "base/log_output.h"

#include <gtest/gtest.h>
#include <spdlog/logger.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <memory>

namespace bakusoku {
namespace {

class LogOutputTest : public testing::TestWithParam<bool> {
 protected:
  LogOutputTest() {
    std::signal(SIGPIPE, SIG_IGN);
    const int made = GetParam() ? ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_.data())
                                : ::pipe(ends_.data());
    EXPECT_EQ(made, 0);
    output_ = std::make_shared<LogOutput>(ends_[1]);
    logger_ = std::make_unique<spdlog::logger>("test", output_);
    logger_->set_pattern("%v");
  }
  ~LogOutputTest() override {
    stop_reading();
    ::close(ends_[1]);
  }
  void stop_reading() {
    if (ends_[0] >= 0) ::close(ends_[0]);
    ends_[0] = -1;
  }
  // Reads and flushes, in turn, until all that waits has come.
  std::string read_all() {
    std::string all;
    std::array<char, 8192> buffer{};
    do {
      logger_->flush();
      const ssize_t size = ::read(ends_[0], buffer.data(), buffer.size());
      if (size <= 0) break;
      all.append(buffer.data(), static_cast<size_t>(size));
    } while (output_->waiting() > 0 || !all.ends_with("the end\n"));
    return all;
  }

  std::array<int, 2> ends_{-1, -1};
  std::shared_ptr<LogOutput> output_;
  std::unique_ptr<spdlog::logger> logger_;
};

TEST_P(LogOutputTest, AReaderThatReadsGetsEveryLine) {
  logger_->info("one");
  logger_->info(std::string(20'000, 'x'));
  logger_->info("the end");
  EXPECT_EQ(read_all(), "one\n" + std::string(20'000, 'x') + "\nthe end\n");
  EXPECT_EQ(output_->lost(), 0u);
}

// It used to stop the agent's one thread in write().
TEST_P(LogOutputTest, AReaderThatStandsStillStopsNobodyAndIsToldWhatItMissed) {
  constexpr int kLines = 100'000;
  for (int line = 0; line < kLines; ++line) logger_->info("line {:06}", line);
  const uint64_t lost = output_->lost();
  EXPECT_GT(lost, 0u);
  EXPECT_LE(output_->waiting(), LogOutput::kMostWaiting);
  // Half of what waits is read: then there is room.
  std::array<char, 65536> buffer{};
  std::string all;
  while (output_->waiting() > LogOutput::kMostWaiting / 2) {
    const ssize_t size = ::read(ends_[0], buffer.data(), buffer.size());
    ASSERT_GT(size, 0);
    all.append(buffer.data(), static_cast<size_t>(size));
    logger_->flush();
  }
  logger_->info("the end");
  all += read_all();
  EXPECT_EQ(output_->lost(), lost);
  const auto told = "... " + std::to_string(lost) + " lines of the log are missing here";
  EXPECT_NE(all.find(told), std::string::npos);
  EXPECT_LT(all.find(told), all.find("the end"));
  // Every line that is there is whole, and in its place.
  for (uint64_t line = 0; line < kLines - lost; ++line) {
    ASSERT_EQ(all.compare(line * 12, 12, fmt::format("line {:06}\n", line)), 0) << line;
  }
}

TEST_P(LogOutputTest, AReaderThatHasGoneCostsItsLinesOnly) {
  stop_reading();
  for (int line = 0; line < 100; ++line) logger_->info("line {}", line);
  EXPECT_EQ(output_->lost(), 100u);
  EXPECT_EQ(output_->waiting(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Ways, LogOutputTest, testing::Bool(),
                         [](const auto& of) { return of.param ? "Socket" : "Pipe"; });

}  // namespace
}  // namespace bakusoku
