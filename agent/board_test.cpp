#include "agent/board.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <ctime>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "ask/board.h"

namespace bakusoku::agent {
namespace {

constexpr Seconds32 kNow = 1'700'000'000;
constexpr Span kValid{kNow - 10, kNow + 10};

class BoardTest : public ::testing::Test {
 protected:
  std::unique_ptr<ask::BoardView> view() {
    const auto files = board_.descriptors();
    return files ? ask::BoardView::map(files->board, files->marks) : nullptr;
  }
  std::optional<std::string> find(std::string_view key, int64_t now = kNow) {
    std::string text;
    const auto seen = view();
    if (!seen || !seen->find(key, now, text)) return std::nullopt;
    return text;
  }
  void post(std::string_view key, std::string_view text, Series& series, Span span = kValid) {
    board_.post(key, text, Lease{{&series, false}, nullptr, span});
  }

  Board board_;
  std::map<int, Series> series_;
};

TEST_F(BoardTest, AnswersWhatIsPostedWhileItIsValid) {
  post("aws.metric[a]", "42", series_[0]);
  EXPECT_EQ(find("aws.metric[a]"), "42");
  EXPECT_EQ(find("aws.metric[b]"), std::nullopt);
  EXPECT_EQ(find("aws.metric[a]", kNow - 11), std::nullopt) << "the clock was set back";
  EXPECT_EQ(find("aws.metric[a]", kNow - 10), "42");
  EXPECT_EQ(find("aws.metric[a]", kNow + 9), "42");
  EXPECT_EQ(find("aws.metric[a]", kNow + 10), std::nullopt);
  EXPECT_EQ(board_.answers(), 3u);
  EXPECT_EQ(board_.posted_count(), 1u);
}

TEST_F(BoardTest, TakesWhatFitsAndNoMore) {
  const std::string longest(ask::kMaxPostedBytes, 'x');
  post("fits", longest, series_[0]);
  post("does not", longest + 'x', series_[1]);
  EXPECT_EQ(find("fits"), longest);
  EXPECT_EQ(find("does not"), std::nullopt);
}

TEST_F(BoardTest, ASecondSpellingOfASeriesIsLeftToTheSocket) {
  post("one", "1", series_[0]);
  post("two", "1", series_[0]);
  EXPECT_EQ(find("one"), "1");
  EXPECT_EQ(find("two"), std::nullopt);
}

TEST_F(BoardTest, RenewsAndWithdraws) {
  post("key", "1", series_[0]);
  board_.renew(series_[0], "2", Span{kNow, kNow + 100});
  EXPECT_EQ(find("key", kNow + 99), "2");
  EXPECT_EQ(board_.posted(series_[0]).series, &series_[0]);
  board_.withdraw(series_[0]);
  EXPECT_EQ(find("key"), std::nullopt);
  EXPECT_EQ(board_.posted(series_[0]).series, nullptr);
  board_.renew(series_[0], "3", kValid);
  EXPECT_EQ(find("key"), std::nullopt);
  post("key", "4", series_[0]);
  EXPECT_EQ(find("key"), "4");
}

TEST_F(BoardTest, RemembersTheKeysWishForMissingValues) {
  board_.post("key", "0", Lease{{&series_[0], true}, nullptr, kValid});
  EXPECT_TRUE(board_.posted(series_[0]).missing_is_zero);
}

TEST_F(BoardTest, GrowsAndKeepsWhatIsPosted) {
  constexpr int kKeys = 5000;
  post("key 0", "0", series_[0]);
  const auto before = view();
  for (int i = 1; i < kKeys; ++i) post("key " + std::to_string(i), std::to_string(i), series_[i]);
  EXPECT_TRUE(before->closed());
  const auto after = view();
  EXPECT_FALSE(after->closed());
  std::string text;
  for (int i = 0; i < kKeys; ++i) {
    ASSERT_TRUE(after->find("key " + std::to_string(i), kNow, text)) << i;
    ASSERT_EQ(text, std::to_string(i));
    ASSERT_EQ(board_.posted(series_[i]).series, &series_[i]);
  }
  for (int i = kKeys; i < 3 * kKeys; ++i)
    ASSERT_FALSE(after->find("key " + std::to_string(i), kNow, text)) << i;
  EXPECT_EQ(board_.posted_count(), size_t{kKeys});
}

TEST_F(BoardTest, PlacesOfWhatWentAwayAreUsedAgain) {
  for (int i = 0; i < 100'000; ++i) {
    post("key " + std::to_string(i), "1", series_[i % 10]);
    board_.withdraw(series_[i % 10]);
  }
  EXPECT_EQ(board_.posted_count(), 0u);
  EXPECT_EQ(::lseek(board_.descriptors()->board, 0, SEEK_END), static_cast<off_t>(ask::board_bytes(1024)));
}

TEST_F(BoardTest, TellsOnceWhatWasRead) {
  post("a", "1", series_[0]);
  post("b", "2", series_[1]);
  const auto take = [&](int64_t now) {
    std::map<const void*, int64_t> seen;
    board_.take_marks(now, [&](auto& owner, int64_t at) { seen[&owner] = at; });
    return seen;
  };
  EXPECT_TRUE(take(kNow).empty());
  (void)find("a", kNow + 1);
  EXPECT_EQ(take(kNow + 2), (std::map<const void*, int64_t>{{&series_[0], kNow + 1}}));
  EXPECT_TRUE(take(kNow + 2).empty());
  (void)find("b", kNow + 9);
  EXPECT_TRUE(take(kNow + 2).empty()) << "a mark from the future is nobody's";
}

TEST_F(BoardTest, OnlyTheAgentCanWriteOnIt) {
  const auto files = board_.descriptors();
  ASSERT_TRUE(files);
  EXPECT_EQ(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, files->board, 0), MAP_FAILED);
  EXPECT_LT(::pwrite(files->board, "x", 1, 0), 0);
  EXPECT_NE(::ftruncate(files->board, 0), 0);
  EXPECT_NE(::ftruncate(files->marks, 0), 0);
}

TEST(Slot, IsNeverReadHalfWritten) {
  Board board;
  Series series;
  const auto files = board.descriptors();
  ASSERT_TRUE(files);
  const Lease lease{{&series, false}, nullptr, kValid};
  board.post("key", std::string(20, 'a'), lease);
  const auto view = ask::BoardView::map(files->board, files->marks);
  ASSERT_TRUE(view);
  std::atomic<bool> stop = false;
  std::atomic<int> torn = 0;
  std::atomic<int> read = 0;
  std::thread reader([&] {
    std::string text;
    while (!stop) {
      if (!view->find("key", kNow, text)) continue;
      ++read;
      if (text != std::string(20, text[0])) ++torn;
    }
  });
  for (int i = 0; i < 200'000 || read < 1000; ++i) {
    board.renew(series, std::string(20, static_cast<char>('a' + i % 26)), kValid);
    if (i % 10'000 == 0) board.beat();
  }
  stop = true;
  reader.join();
  EXPECT_EQ(torn, 0);
  EXPECT_GT(read, 0);
}

}  // namespace
}  // namespace bakusoku::agent
