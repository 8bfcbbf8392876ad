#include "channel.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <new>

namespace zbxmod::host {
namespace {

class Channel : public ::testing::Test {
 protected:
  Channel() : stage_(new (shared_memory(sizeof(Stage))) Stage) { own(*stage_); }
  ~Channel() override { ::munmap(stage_, sizeof(Stage)); }
  Stage* stage_;
};

TEST_F(Channel, EventsArriveInTheirOrderWithTheirFields) {
  send_event(*stage_, EventKind::fault, {"hang", "1", "", "text"});
  send_event(*stage_, EventKind::item, {"key"});
  Event event;
  ASSERT_TRUE(receive_event(*stage_, event));
  EXPECT_EQ(event.kind, EventKind::fault);
  EXPECT_EQ(event.fields, (std::vector<std::string>{"hang", "1", "", "text"}));
  ASSERT_TRUE(receive_event(*stage_, event));
  EXPECT_EQ(event.kind, EventKind::item);
  EXPECT_FALSE(receive_event(*stage_, event));
}

TEST_F(Channel, TheRingGoesRoundManyTimes) {
  const std::string text(5000, 'x');
  for (int i = 0; i < 200; ++i) {
    send_event(*stage_, EventKind::log, {text, std::to_string(i)});
    Event event;
    ASSERT_TRUE(receive_event(*stage_, event));
    ASSERT_EQ(event.fields[0], text);
    ASSERT_EQ(event.fields[1], std::to_string(i));
  }
}

TEST_F(Channel, AFieldThatIsTooLongIsShortened) {
  send_event(*stage_, EventKind::log, {std::string(1'000'000, 'x')});
  Event event;
  ASSERT_TRUE(receive_event(*stage_, event));
  EXPECT_EQ(event.fields[0].size(), 8000u);
}

TEST_F(Channel, AProcessThatTheModuleForkedIsNotHeard) {
  const pid_t child = ::fork();
  if (child == 0) {
    send_event(*stage_, EventKind::log, {"not the worker"});
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  Event event;
  EXPECT_FALSE(receive_event(*stage_, event));
}

TEST_F(Channel, OverwrittenEventsAreDropped) {
  send_event(*stage_, EventKind::log, {"text"});
  for (size_t i = 0; i < 64; ++i) stage_->ring[i] = '\xFF';
  Event event;
  EXPECT_FALSE(receive_event(*stage_, event));
  send_event(*stage_, EventKind::log, {"after"});
  ASSERT_TRUE(receive_event(*stage_, event));
  EXPECT_EQ(event.fields[0], "after");
}

}  // namespace
}  // namespace zbxmod::host
