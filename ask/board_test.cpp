#include "ask/board.h"

#include "ask/board_fixture.h"

namespace bakusoku::ask {
namespace {

TEST(BoardView, RefusesWhatIsNoBoard) {
  const auto maps = [](const Head& head, size_t bytes, bool sealed, size_t marks = marks_bytes(4)) {
    const File board(bytes, sealed);
    const File other(marks, sealed);
    if (bytes >= sizeof head) board.write(&head, sizeof head, 0);
    return BoardView::map(board.fd, other.fd) != nullptr;
  };
  EXPECT_TRUE(maps(Head{}, board_bytes(4), true));
  EXPECT_FALSE(maps(Head{}, board_bytes(4), false)) << "it might shrink under the reader";
  EXPECT_FALSE(maps(Head{}, board_bytes(3), true));
  EXPECT_FALSE(maps(Head{}, board_bytes(4) + 1, true));
  EXPECT_FALSE(maps(Head{}, 10, true));
  EXPECT_FALSE(maps(Head{}, 0, true));
  EXPECT_FALSE(maps(Head{}, board_bytes(4), true, marks_bytes(2)));
  Head wrong;
  wrong.version = 2;
  EXPECT_FALSE(maps(wrong, board_bytes(4), true));
  wrong = {};
  wrong.slots = 1u << 31;
  EXPECT_FALSE(maps(wrong, board_bytes(4), true));
  EXPECT_EQ(BoardView::map(-1, -1), nullptr);
  EXPECT_EQ(BoardView::map(0, 1), nullptr);
}

class OneSlot : public ::testing::Test {
 protected:
  bool find(const Head& head, uint32_t sequence) {
    board_.write(head, sequence);
    std::string text;
    const auto view = BoardView::map(board_.board.fd, board_.marks.fd);
    return view && view->find("key", 1'700'000'000, text) && text == "ok";
  }
  SmallBoard board_;
};

TEST_F(OneSlot, AWriterThatDiedInTheMiddleIsNotBelieved) {
  EXPECT_TRUE(find(Head{}, 2));
  EXPECT_FALSE(find(Head{}, 3));
}

TEST_F(OneSlot, AnOldBeatIsNotBelieved) {
  Head head;
  head.beat_ms -= kMaxBeatAgeMs - 1000;
  EXPECT_TRUE(find(head, 2));
  head.beat_ms -= 2000;
  EXPECT_FALSE(find(head, 2));
  head.beat_ms += 60'000;
  EXPECT_FALSE(find(head, 2)) << "of another clock";
}

TEST_F(OneSlot, ALengthBeyondTheTextIsNotBelieved) {
  board_.entry.length = 24;
  EXPECT_FALSE(find(Head{}, 2));
  board_.entry.length = 255;
  EXPECT_FALSE(find(Head{}, 2));
}

TEST_F(OneSlot, AFullBoardOfOthersEndsTheSearch) {
  board_.entry.hash.words[1] ^= 1;
  EXPECT_FALSE(find(Head{}, 2));
}

TEST(BoardHash, IsOfTheWholeKeyAndTheSeed) {
  EXPECT_EQ(board_hash("a", 1), board_hash("a", 1));
  EXPECT_NE(board_hash("a", 1), board_hash("a", 2));
  EXPECT_NE(board_hash("a", 1), board_hash("b", 1));
  EXPECT_NE(board_hash("", 1), board_hash(std::string_view("\0", 1), 1));
  EXPECT_FALSE(board_hash("", 0).is_zero());
}

}  // namespace
}  // namespace bakusoku::ask
