#include "agent/spool.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>

#include "agent/power_disk.h"

namespace bakusoku::agent {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kStart = 1'700'000'000;
constexpr size_t kMany = 1'000'000'000;

/// Values whose text is their number; the strings live as long as this.
class Numbered {
 public:
  Value operator()(uint64_t number, uint8_t priority = 5, int series = 0) {
    const std::string& text = strings_.emplace_back(std::to_string(number));
    const std::string& key = strings_.emplace_back("key " + std::to_string(series));
    return {"host", key, 0, kStart + static_cast<int64_t>(number), 5, true, text, priority, true};
  }
  std::vector<Value> range(uint64_t first, uint64_t count, uint8_t priority = 5) {
    std::vector<Value> values;
    for (uint64_t i = 0; i < count; ++i) values.push_back((*this)(first + i, priority));
    return values;
  }

 private:
  std::deque<std::string> strings_;
};

std::vector<uint64_t> numbers_of(const SpoolPacket& packet) {
  std::vector<uint64_t> numbers;
  for (const Value& value : packet.values) numbers.push_back(std::stoull(std::string(value.text)));
  return numbers;
}

std::vector<uint64_t> counting(uint64_t first, uint64_t count) {
  std::vector<uint64_t> numbers(count);
  for (uint64_t i = 0; i < count; ++i) numbers[i] = first + i;
  return numbers;
}

class SpoolTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "spool-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    options_.path = folder_ + "/spool.db";
  }
  void TearDown() override {
    spool_.reset();
    fs::remove_all(folder_);
  }

  Spool& open() {
    spool_.reset();
    auto opened = try_open();
    if (!opened) throw std::runtime_error(opened.error().message);
    spool_ = std::move(*opened);
    for (const char* name : {"a"}) {
      if (!spool_->add_destination(name)) throw std::runtime_error("no destination");
    }
    return *spool_;
  }
  Result<std::unique_ptr<Spool>> try_open() {
    return Spool::open(
        options_, [this] { return WallTime{std::chrono::seconds(now_)}; },
        [this] { return std::chrono::steady_clock::time_point{std::chrono::seconds(now_ - set_by_)}; });
  }
  /// While nobody has the file open.
  void execute(const char* sql) {
    sqlite3* connection = nullptr;
    ASSERT_EQ(sqlite3_open(options_.path.c_str(), &connection), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(connection, sql, nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(connection);
  }
  /// No time passes.
  void set_clock(int64_t by) {
    now_ += by;
    set_by_ += by;
  }
  SpoolRange put(const std::vector<Value>& values, Durability durability = Durability::normal) {
    auto range = spool_->put(values, durability);
    EXPECT_TRUE(range) << range.error().message;
    return range ? *range : SpoolRange{};
  }
  SpoolPacket next(size_t max = kMany, std::string_view destination = "a") {
    auto packet = spool_->next(destination, max, kMany);
    EXPECT_TRUE(packet) << packet.error().message;
    return packet ? std::move(*packet) : SpoolPacket{};
  }
  std::vector<uint64_t> pending(std::string_view destination = "a") {
    return numbers_of(next(kMany, destination));
  }
  void acknowledge(uint64_t id, std::string_view destination = "a") {
    const auto done = spool_->acknowledge(destination, id);
    EXPECT_TRUE(done) << done.error().message;
  }
  void tidy_all() {
    for (int i = 0; i < 1000; ++i) {
      const auto more = spool_->tidy();
      ASSERT_TRUE(more) << more.error().message;
      if (!*more) return;
    }
    FAIL() << "tidying does not end";
  }
  std::string file() const {
    std::ifstream in(options_.path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_)) names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }

  std::string folder_;
  SpoolOptions options_;
  int64_t now_ = kStart;
  int64_t set_by_ = 0;
  Numbered numbered_;
  std::unique_ptr<Spool> spool_;
};

TEST_F(SpoolTest, OffersValuesInOrderUntilTheyAreAcknowledged) {
  open();
  EXPECT_THAT(pending(), IsEmpty());
  const SpoolRange range = put(numbered_.range(0, 10));
  EXPECT_EQ(range.last_id - range.first_id, 9u);
  put(numbered_.range(10, 5));
  const SpoolPacket packet = next(4);
  EXPECT_THAT(numbers_of(packet), ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(packet.ids, counting(range.first_id, 4));
  EXPECT_EQ(packet.values[3], numbered_(3));
  EXPECT_EQ(packet.up_to, range.first_id + 3);
  EXPECT_EQ(pending(), counting(0, 15)) << "asking changes nothing";
  acknowledge(packet.up_to);
  EXPECT_EQ(pending(), counting(4, 11));
  acknowledge(packet.up_to - 2);
  EXPECT_EQ(pending(), counting(4, 11)) << "an older acknowledgement says nothing new";
  EXPECT_FALSE(spool_->acknowledge("a", packet.up_to + 1000)) << "nothing was put under that id";
}

TEST_F(SpoolTest, ASecondPacketMayBeUnderWay) {
  open();
  put(numbered_.range(0, 10));
  const SpoolPacket first = next(4);
  const auto second = spool_->next("a", 4, kMany, first.up_to);
  ASSERT_TRUE(second);
  EXPECT_THAT(numbers_of(*second), ElementsAre(4, 5, 6, 7));
}

TEST_F(SpoolTest, APacketIsBoundedByBytesButNeverEmpty) {
  open();
  const std::string large(1000, 'x');
  std::vector<Value> values(5, numbered_(1));
  for (Value& value : values) value.text = large;
  put(values);
  EXPECT_EQ(spool_->next("a", kMany, 2500)->values.size(), 2u);
  EXPECT_EQ(spool_->next("a", kMany, 10)->values.size(), 1u);
}

TEST_F(SpoolTest, AllOfItIsThereAfterARestart) {
  open();
  const std::string session = *spool_->session("a");
  EXPECT_EQ(session.size(), 32u);
  put(numbered_.range(0, 1500));
  acknowledge(next(700).up_to);
  const SpoolPacket before = next();
  open();
  const SpoolPacket after = next();
  EXPECT_EQ(after.ids, before.ids);
  EXPECT_EQ(after.values, before.values);
  EXPECT_EQ(*spool_->session("a"), session);
  EXPECT_EQ(spool_->last_clock("host", "key 0"), kStart + 1499);
  EXPECT_EQ(spool_->stats().destinations[0].values, 800u);
  EXPECT_GT(put(numbered_.range(1500, 1)).first_id, after.up_to);
  EXPECT_THAT(spool_->take_warnings(), IsEmpty());
}

TEST_F(SpoolTest, SmallPutsShareAChunk) {
  open();
  for (uint64_t i = 0; i < 100; ++i) put({numbered_(i)}, Durability::full);
  EXPECT_LT(spool_->stats().chunks, 5u);
  EXPECT_EQ(pending(), counting(0, 100));
  open();
  EXPECT_EQ(pending(), counting(0, 100));
}

TEST_F(SpoolTest, LastClocksMoveWithDatapointsOnly) {
  open();
  Value fact = numbered_(50);
  fact.moves_clock = false;
  put({numbered_(10), fact, numbered_(9)});
  EXPECT_EQ(spool_->last_clock("host", "key 0"), kStart + 10);
  EXPECT_EQ(spool_->last_clock("host", "key 1"), std::nullopt);
}

TEST_F(SpoolTest, TwoItemsWithOneKeyHaveLastClocksOfTheirOwn) {
  open();
  Value one = numbered_(10);
  one.itemid = 101;
  Value other = numbered_(20);
  other.itemid = 102;
  put({one, other});
  for (int start = 0; start < 2; ++start) {
    EXPECT_EQ(spool_->last_clock("host", "key 0", 101), kStart + 10);
    EXPECT_EQ(spool_->last_clock("host", "key 0", 102), kStart + 20);
    EXPECT_EQ(spool_->last_clock("host", "key 0", 103), std::nullopt)
        << "a new item, perhaps of the same key";
    EXPECT_EQ(spool_->last_clock("host", "another key", 102), kStart + 20) << "its key was changed";
    SpoolTrace trace;
    EXPECT_TRUE(spool_->look_for("a", {"host", "key 0", 102}, kMany, trace));
    EXPECT_EQ(trace.pending, 1u);
    EXPECT_EQ(trace.newest_text, "20");
    open();
  }
}

// Its last clocks are by host and key, whatever ids its values have.
TEST_F(SpoolTest, AFileOfAnEarlierVersionKeepsThePlacesOfItsItems) {
  open();
  put(numbered_.range(0, 10));
  acknowledge(next().up_to);
  for (int i = 0; i < 20; ++i) {
    now_ += 30;
    tidy_all();
  }
  open();
  EXPECT_EQ(spool_->last_clock("host", "key 0", 101), kStart + 9);
  Value late = numbered_(8);
  late.itemid = 101;
  put({late});
  EXPECT_EQ(spool_->last_clock("host", "key 0", 101), kStart + 9) << "what it had is not read again";
  open();
  EXPECT_EQ(spool_->last_clock("host", "key 0", 101), kStart + 9);
  EXPECT_EQ(spool_->last_clock("host", "key 0", 102), std::nullopt) << "it is another item's now";
}

TEST_F(SpoolTest, ALastClockOfATimeThatHasNotComeGivesWay) {
  open();
  now_ = kStart + 10 * 365 * 86'400;
  put({numbered_(9 * 365 * 86'400)});
  now_ = kStart + 1000;
  put({numbered_(600)});
  EXPECT_EQ(spool_->last_clock("host", "key 0"), kStart + 600);
}

TEST_F(SpoolTest, LastClocksOutliveTheValues) {
  open();
  for (int series = 0; series < 3000; ++series) put({numbered_(static_cast<uint64_t>(series), 5, series)});
  acknowledge(next().up_to);
  for (int i = 0; i < 20; ++i) {
    now_ += 30;
    tidy_all();
  }
  EXPECT_EQ(spool_->stats().chunks, 0u);
  open();
  EXPECT_EQ(spool_->stats().series, 3000u);
  for (int series = 0; series < 3000; ++series) {
    ASSERT_EQ(spool_->last_clock("host", "key " + std::to_string(series)), kStart + series);
  }
  EXPECT_GT(put(numbered_.range(0, 1)).first_id, 3000u) << "ids go on although nothing is stored";
}

TEST_F(SpoolTest, DestinationsProgressOnTheirOwn) {
  open();
  ASSERT_TRUE(spool_->add_destination("b"));
  put(numbered_.range(0, 10));
  acknowledge(next(10).up_to);
  acknowledge(next(3, "b").up_to, "b");
  ASSERT_TRUE(spool_->add_destination("late"));
  put(numbered_.range(10, 2));
  open();
  EXPECT_THAT(pending("a"), ElementsAre(10, 11));
  EXPECT_EQ(pending("b"), counting(3, 9));
  EXPECT_THAT(pending("late"), ElementsAre(10, 11));
  EXPECT_NE(*spool_->session("a"), *spool_->session("b"));
  now_ += 1000;
  tidy_all();
  now_ += 1000;
  tidy_all();
  EXPECT_EQ(pending("b"), counting(3, 9)) << "kept for the slower one";
  ASSERT_TRUE(spool_->forget_destination("b"));
  ASSERT_TRUE(spool_->forget_destination("late"));
  acknowledge(next().up_to);
  now_ += 1000;
  tidy_all();
  now_ += 1000;
  tidy_all();
  EXPECT_EQ(spool_->stats().chunks, 0u);
  EXPECT_FALSE(spool_->next("b", 1, 1));
  open();
  EXPECT_THAT(spool_->destinations(), ElementsAre("a"));
}

TEST_F(SpoolTest, KeepsInWhoseNameValuesWent) {
  open();
  ASSERT_TRUE(spool_->add_destination("b"));
  EXPECT_EQ(spool_->root_host("a"), "");
  ASSERT_TRUE(spool_->set_root_host("a", "web-1"));
  ASSERT_TRUE(spool_->set_root_host("a", "web-2"));
  open();
  EXPECT_EQ(spool_->root_host("a"), "web-2");
  EXPECT_EQ(spool_->root_host("b"), "");
  ASSERT_TRUE(spool_->forget_destination("a"));
  open();
  EXPECT_EQ(spool_->root_host("a"), "");
  EXPECT_FALSE(spool_->set_root_host("nobody", "web-1"));
}

TEST_F(SpoolTest, AFileOfAVersionWithoutRootHostsIsReadAndWritten) {
  open();
  put(numbered_.range(0, 3));
  spool_.reset();
  execute("DROP TABLE root_host");
  open();
  EXPECT_EQ(pending(), counting(0, 3));
  ASSERT_TRUE(spool_->set_root_host("a", "web-1"));
  open();
  EXPECT_EQ(spool_->root_host("a"), "web-1");
}

TEST_F(SpoolTest, WithoutADestinationNothingIsTaken) {
  auto spool = try_open();
  ASSERT_TRUE(spool);
  EXPECT_EQ((*spool)->put(numbered_.range(0, 1), Durability::normal).error().kind, ErrorKind::invalid);
}

// The resend window

TEST_F(SpoolTest, RewindOffersWhatWasAcknowledgedWithinTheWindowUnderTheSameIds) {
  open();
  put(numbered_.range(0, 10));
  acknowledge(next(2).up_to);
  now_ += 100;
  acknowledge(next(3).up_to);
  now_ += 50;
  const SpoolPacket unacknowledged = next();
  ASSERT_TRUE(spool_->rewind("a"));
  const SpoolPacket again = next();
  EXPECT_EQ(numbers_of(again), counting(2, 8)) << "0 and 1 were acknowledged 150 s ago";
  EXPECT_EQ(again.ids.back(), unacknowledged.ids.back());
  EXPECT_EQ(again.values.back(), unacknowledged.values.back());
  EXPECT_EQ(spool_->stats().destinations[0].values, 8u);
  open();
  EXPECT_EQ(pending(), counting(2, 8)) << "the rewinding is remembered";
}

TEST_F(SpoolTest, WhatIsAcknowledgedAndOlderThanTheWindowIsRemoved) {
  open();
  put(numbered_.range(0, 1000));
  put(numbered_.range(1000, 1000));
  acknowledge(next(1000).up_to);
  now_ += 119;
  tidy_all();
  EXPECT_EQ(spool_->stats().chunks, 2u);
  EXPECT_EQ(spool_->stats().destinations[0].in_window, 1000u);
  now_ += 1;
  tidy_all();
  EXPECT_EQ(spool_->stats().chunks, 1u);
  EXPECT_EQ(pending(), counting(1000, 1000));
  EXPECT_THAT(spool_->take_drops(), IsEmpty());
}

TEST_F(SpoolTest, AfterARestartTheWindowBeginsAnew) {
  open();
  put(numbered_.range(0, 10));
  acknowledge(next(6).up_to);
  now_ += 1000;
  open();
  EXPECT_EQ(pending(), counting(6, 4));
  ASSERT_TRUE(spool_->rewind("a"));
  EXPECT_EQ(pending(), counting(0, 10)) << "too much does no harm, too little would";
}

// Hours, a day, ten years, both ways.
constexpr int64_t kSettings[] = {7'200,  86'400,  3650 * int64_t{86'400},
                                 -7'200, -86'400, -3650 * int64_t{86'400}};

TEST_F(SpoolTest, AClockThatIsSetNeitherEndsTheWindowNorKeepsItForEver) {
  for (const int64_t by : kSettings) {
    options_.path = folder_ + fmt::format("/window{}.db", by);
    open();
    put(numbered_.range(0, 3));
    acknowledge(next(3).up_to);
    set_clock(by);
    ASSERT_TRUE(spool_->tidy());
    EXPECT_EQ(spool_->in_window("a"), 3u) << by;
    now_ += 60;
    EXPECT_EQ(spool_->in_window("a"), 3u) << by;
    now_ += 61;
    EXPECT_EQ(spool_->in_window("a"), 0u) << by;
    tidy_all();
    now_ += 200;
    tidy_all();
    EXPECT_EQ(spool_->stats().chunks, 0u) << by;
  }
}

TEST_F(SpoolTest, AClockThatIsSetLeavesRefusedValuesTheirTime) {
  for (const int64_t by : kSettings) {
    options_.path = folder_ + fmt::format("/refused{}.db", by);
    open();
    put(numbered_.range(0, 3));
    ASSERT_TRUE(spool_->retry_later("a", next().ids, WallTime{std::chrono::seconds(now_ + 60)}));
    set_clock(by);
    EXPECT_THAT(pending(), IsEmpty()) << by;
    now_ += 61;
    EXPECT_EQ(pending(), counting(0, 3)) << by;
    EXPECT_THAT(spool_->take_drops(), IsEmpty()) << by;
  }
}

TEST_F(SpoolTest, AClockThatWasAheadWhenTheAgentStartedHoldsNoRefusedValueUp) {
  open();
  put(numbered_.range(0, 3));
  ASSERT_TRUE(spool_->retry_later("a", next().ids, WallTime{std::chrono::seconds(now_ + 60)}));
  spool_.reset();
  now_ -= 3650 * int64_t{86'400};
  open();
  now_ += options_.retry_max_age.count();
  EXPECT_EQ(pending(), counting(0, 3));
}

TEST_F(SpoolTest, AClockThatIsSetMakesNothingTooOldAndNothingYoungForEver) {
  for (const int64_t by : kSettings) {
    options_.path = folder_ + fmt::format("/age{}.db", by);
    open();
    put(numbered_.range(0, 3));
    tidy_all();
    set_clock(by);
    tidy_all();
    EXPECT_EQ(pending(), counting(0, 3)) << by;
    now_ += options_.max_age.count() / 2;
    tidy_all();
    EXPECT_EQ(pending(), counting(0, 3)) << by;
    now_ += options_.max_age.count() / 2 + 1;
    tidy_all();
    EXPECT_THAT(pending(), IsEmpty()) << by;
    EXPECT_EQ(spool_->take_drops().at(0).reason, DropReason::too_old) << by;
  }
}

// Refused values

TEST_F(SpoolTest, RefusedValuesComeAgainLaterUnderNewIdsAndForThatDestinationOnly) {
  open();
  ASSERT_TRUE(spool_->add_destination("b"));
  put(numbered_.range(0, 6));
  const SpoolPacket packet = next();
  const std::vector<uint64_t> refused{packet.ids[1], packet.ids[2], packet.ids[4]};
  ASSERT_TRUE(spool_->retry_later("a", refused, WallTime{std::chrono::seconds(now_ + 60)}));
  EXPECT_THAT(pending(), ElementsAre(0, 3, 5));
  acknowledge(packet.up_to);
  put(numbered_.range(6, 2));
  EXPECT_THAT(pending(), ElementsAre(6, 7)) << "others do not wait for them";
  EXPECT_EQ(spool_->stats().destinations[0].waiting, 3u);
  acknowledge(next().up_to);
  open();
  now_ += 60;
  put(numbered_.range(8, 1));
  const SpoolPacket later = next();
  EXPECT_THAT(numbers_of(later), ElementsAre(8, 1, 2, 4));
  EXPECT_TRUE(std::is_sorted(later.ids.begin(), later.ids.end()));
  EXPECT_GT(later.ids[0], packet.ids[5]);
  EXPECT_EQ(later.values[1], numbered_(1)) << "clock and ns are as they were";
  EXPECT_EQ(pending("b"), counting(0, 9));
  ASSERT_TRUE(spool_->rewind("a"));
  EXPECT_THAT(pending(), ElementsAre(0, 3, 5, 6, 7, 8, 1, 2, 4)) << "never again under their old ids";
}

TEST_F(SpoolTest, RefusedForTooLongTheyAreDroppedAndCounted) {
  options_.retry_max_age = std::chrono::seconds(100);
  open();
  put(numbered_.range(0, 3));
  for (int attempt = 0; attempt < 20; ++attempt) {
    const SpoolPacket packet = next();
    if (packet.values.empty()) break;
    ASSERT_TRUE(spool_->retry_later("a", packet.ids, WallTime{std::chrono::seconds(now_ + 30)}));
    acknowledge(packet.up_to);
    now_ += 30;
  }
  EXPECT_EQ(now_, kStart + 120);
  const auto drops = spool_->take_drops();
  ASSERT_EQ(drops.size(), 1u);
  EXPECT_EQ(drops[0].reason, DropReason::unknown);
  EXPECT_EQ(drops[0].values, 3u);
  EXPECT_EQ(drops[0].priority, 5);
  EXPECT_EQ(drops[0].destination, "a");
  EXPECT_EQ(spool_->stats().destinations[0].waiting, 0u);
}

TEST_F(SpoolTest, DroppedValuesAreGoneForThatDestinationAndCounted) {
  open();
  put(numbered_.range(0, 4));
  const SpoolPacket packet = next();
  ASSERT_TRUE(
      spool_->drop("a", std::vector{packet.ids[0], packet.ids[3], packet.ids[3] + 500}, DropReason::refused));
  EXPECT_THAT(pending(), ElementsAre(1, 2));
  ASSERT_TRUE(spool_->drop("a", std::vector{packet.ids[0]}, DropReason::refused)) << "again";
  open();
  EXPECT_THAT(pending(), ElementsAre(1, 2));
  EXPECT_EQ(spool_->stats().destinations[0].values, 2u);
}

TEST_F(SpoolTest, APacketOfNothingButRefusedValuesIsPassedOver) {
  open();
  put(numbered_.range(0, 4));
  const SpoolPacket packet = next();
  ASSERT_TRUE(spool_->drop("a", packet.ids, DropReason::refused));
  EXPECT_EQ(spool_->take_drops().at(0).values, 4u);
  EXPECT_EQ(next().up_to, 0u);
  now_ += 300;
  tidy_all();
  now_ += 300;
  tidy_all();
  EXPECT_EQ(spool_->stats().chunks, 0u);
}

// Bounds

TEST_F(SpoolTest, ALookForAnItemFindsWhatWaitsAndTheNewestValue) {
  options_.retry_max_age = std::chrono::hours{24};
  open();
  const auto look = [this](std::string_view key, size_t piece = kMany) {
    SpoolTrace trace;
    for (int pieces = 0; pieces < 1000 && !trace.complete; ++pieces) {
      EXPECT_TRUE(spool_->look_for("a", {"host", key}, piece, trace));
    }
    EXPECT_TRUE(trace.complete);
    return trace;
  };
  EXPECT_EQ(look("key 0").newest_id, 0u);
  for (uint64_t number = 0; number < 5000; number += 10) {
    std::vector<Value> values = numbered_.range(number, 9);
    values.push_back(numbered_(number + 9, 5, 1));
    now_ += 61;  // chunks of their own
    put(values);
  }
  for (const size_t piece : {size_t{1}, size_t{10'000}, kMany}) {
    const SpoolTrace trace = look("key 1", piece);
    EXPECT_EQ(trace.pending, 500u);
    EXPECT_EQ(trace.first_clock, kStart + 9);
    EXPECT_EQ(trace.ahead, 9u);
    EXPECT_EQ(trace.newest_text, "4999");
    EXPECT_EQ(trace.newest_clock, kStart + 4999);
  }
  EXPECT_EQ(look("no such key").pending, 0u);
  acknowledge(next(1000).up_to);
  EXPECT_EQ(look("key 1").pending, 400u);
  EXPECT_EQ(look("key 1").ahead, 9u);

  const SpoolPacket packet = next(10);
  ASSERT_TRUE(spool_->retry_later("a", std::vector<uint64_t>{packet.ids[9]},
                                  WallTime{std::chrono::seconds(now_ + 30)}));
  const SpoolTrace trace = look("key 1");
  EXPECT_EQ(trace.pending, 399u);
  EXPECT_EQ(trace.waiting, 1u);
  EXPECT_EQ(trace.not_before, now_ + 30);
  EXPECT_EQ(spool_->acknowledged("a"), packet.ids[0] - 1);
  acknowledge(next().up_to);
  EXPECT_EQ(look("key 1").pending, 0u);
  EXPECT_EQ(look("key 1").newest_text, "4999") << "within the window";
}

TEST_F(SpoolTest, WhenFullTheOldestOfTheLowestPriorityGoFirstAndAreCounted) {
  options_.max_bytes = 100'000;
  open();
  const std::string text(1000, 'x');
  const auto put_large = [&](uint64_t number, uint8_t priority) {
    std::vector<Value> values(10, numbered_(number, priority));
    for (Value& value : values) value.text = text;
    put(values);
  };
  for (uint64_t i = 0; i < 9; ++i) put_large(i, i % 3 == 0 ? 9 : 1);
  EXPECT_THAT(spool_->take_drops(), IsEmpty());
  for (uint64_t i = 9; i < 12; ++i) put_large(i, 9);
  const auto drops = spool_->take_drops();
  ASSERT_EQ(drops.size(), 1u);
  EXPECT_EQ(drops[0].reason, DropReason::full);
  EXPECT_EQ(drops[0].priority, 1);
  EXPECT_EQ(drops[0].values, 30u);
  EXPECT_EQ(drops[0].oldest_clock, kStart + 1);
  EXPECT_LE(spool_->stats().bytes, options_.max_bytes);
  std::vector<int64_t> left;
  for (const Value& value : next().values) {
    if (left.empty() || left.back() != value.clock - kStart) left.push_back(value.clock - kStart);
  }
  EXPECT_THAT(left, ElementsAre(0, 3, 5, 6, 7, 8, 9, 10, 11)) << "1, 2 and 4 are gone";
  EXPECT_EQ(spool_->stats().destinations[0].values, 90u);
  EXPECT_EQ(spool_->stats().dropped[1][static_cast<size_t>(DropReason::full)], 30u);
}

TEST_F(SpoolTest, WhenFullOfBetterThingsTheNewValuesAreDropped) {
  options_.max_bytes = 20'000;
  open();
  const std::string text(18'000, 'x');
  Value value = numbered_(1, 9);
  value.text = text;
  put({value});
  const auto range = spool_->put(numbered_.range(2, 1000, 1), Durability::normal);
  ASSERT_TRUE(range);
  EXPECT_EQ(range->dropped, 1000u);
  EXPECT_EQ(spool_->take_drops().at(0).values, 1000u);
  EXPECT_EQ(spool_->last_clock("host", "key 0"), kStart + 1) << "they may be read again";
}

TEST_F(SpoolTest, WhenFullWhatWaitsIsGoneTooWhenItIsCountedAsDropped) {
  options_.max_bytes = 20'000;
  open();
  const std::string text(9'000, 'x');
  Value value = numbered_(1, 1);
  value.text = text;
  put({value});
  const auto packet = next();
  ASSERT_TRUE(spool_->retry_later("a", packet.ids, WallTime{std::chrono::seconds(now_ + 60)}));
  acknowledge(packet.up_to);
  ASSERT_EQ(spool_->stats().destinations[0].waiting, 1u);
  const std::string larger(30'000, 'y');  // than all there may be
  value.text = larger;
  const auto range = spool_->put(std::vector{value}, Durability::normal);
  ASSERT_TRUE(range);
  EXPECT_EQ(range->dropped, 1u);
  uint64_t dropped = 0;
  for (const SpoolDrop& drop : spool_->take_drops()) dropped += drop.values;
  EXPECT_EQ(dropped, 2u);
  EXPECT_EQ(spool_->stats().destinations[0].waiting, 0u);
}

TEST_F(SpoolTest, WhenFullWhatIsAcknowledgedGoesBeforeWhatIsNot) {
  options_.max_bytes = 30'000;
  open();
  const std::string text(9'000, 'x');
  for (uint64_t i = 0; i < 4; ++i) {
    Value value = numbered_(i, static_cast<uint8_t>(9 - i));
    value.text = text;
    put({value});
    if (i == 0) acknowledge(next().up_to);
  }
  EXPECT_THAT(spool_->take_drops(), IsEmpty());
  EXPECT_EQ(next().values.size(), 3u);
}

TEST_F(SpoolTest, WhenFullAPutMayBeDroppedInsteadOfWhatIsStored) {
  options_.max_bytes = 20'000;
  open();
  const std::string text(4'000, 'x');
  const auto keep = [&](uint64_t number, uint8_t priority) {
    Value value = numbered_(number, priority);
    value.text = text;
    return spool_->put(std::vector{value}, Durability::full, WhenFull::keep);
  };
  for (uint64_t i = 0; i < 4; ++i) ASSERT_EQ(keep(i, 1)->dropped, 0u);
  EXPECT_EQ(keep(4, 1)->dropped, 1u);
  EXPECT_EQ(keep(5, 1)->dropped, 1u) << "as often as it is tried";
  EXPECT_THAT(spool_->take_drops(), IsEmpty()) << "the caller was told";
  EXPECT_EQ(next().values.size(), 4u);
  EXPECT_EQ(keep(6, 9)->dropped, 0u) << "lower priorities do go";
  ASSERT_EQ(spool_->take_drops().at(0).values, 1u);
  acknowledge(next(2).up_to);
  EXPECT_EQ(keep(7, 1)->dropped, 0u) << "and what is acknowledged";
  std::vector<int64_t> left;
  for (const Value& value : next().values) left.push_back(value.clock - kStart);
  EXPECT_THAT(left, ElementsAre(3, 6, 7));
}

TEST_F(SpoolTest, ValuesThatAreTooOldAreDroppedAndCounted) {
  open();
  put(numbered_.range(0, 10));
  now_ += 3 * 86'400;
  put(numbered_.range(10, 10));
  now_ += 5 * 86'400;
  tidy_all();
  EXPECT_EQ(pending(), counting(10, 10));
  const auto drops = spool_->take_drops();
  ASSERT_EQ(drops.size(), 1u);
  EXPECT_EQ(drops[0].reason, DropReason::too_old);
  EXPECT_EQ(drops[0].values, 10u);
}

TEST_F(SpoolTest, AMillionValuesInBoundedMemory) {
  open();
  const auto resident = [] {
    std::ifstream in("/proc/self/statm");
    uint64_t total = 0;
    uint64_t pages = 0;
    in >> total >> pages;
    return pages * 4096;
  };
  std::vector<std::string> keys;
  for (int i = 0; i < 1000; ++i)
    keys.push_back("aws.metric[AWS/EC2,CPUUtilization," + std::to_string(i) + "]");
  const uint64_t before = resident();
  for (int64_t round = 0; round < 1000; ++round) {
    std::vector<Value> values;
    for (const std::string& key : keys)
      values.push_back({"host", key, 1, kStart + round, 0, true, "0.125", 5, true});
    put(values);
  }
#if !defined(__SANITIZE_ADDRESS__)
  EXPECT_LT(resident(), before + (24 << 20));
#else
  (void)before;
#endif
  uint64_t seen = 0;
  for (;;) {
    const SpoolPacket packet = next(5000);
    if (packet.values.empty()) break;
    for (const Value& value : packet.values)
      ASSERT_EQ(value.clock, kStart + static_cast<int64_t>(seen++ / 1000));
    acknowledge(packet.up_to);
  }
  EXPECT_EQ(seen, 1'000'000u);
}

// Things that go wrong

TEST_F(SpoolTest, InMemoryNothingIsLeft) {
  options_.path.clear();
  open();
  put(numbered_.range(0, 10), Durability::full);
  acknowledge(next(3).up_to);
  EXPECT_EQ(pending(), counting(3, 7));
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(SpoolTest, AnotherHolderOfTheFileIsNamedAsSuch) {
  open();
  const auto second = try_open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::unavailable);
  EXPECT_THAT(second.error().message, HasSubstr("another process"));
  put(numbered_.range(0, 1));
  const pid_t child = ::fork();
  if (child == 0) {
    const auto third = try_open();
    ::_exit(!third && third.error().kind == ErrorKind::unavailable ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  put(numbered_.range(1, 1));
  EXPECT_EQ(pending(), counting(0, 2));
}

TEST_F(SpoolTest, AFolderThatIsNotThereIsAnErrorThatSaysSo) {
  options_.path = folder_ + "/missing/spool.db";
  const auto opened = try_open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::io);
  EXPECT_THAT(opened.error().message, HasSubstr(options_.path));
  EXPECT_THAT(opened.error().message, HasSubstr("directory must exist"));
}

TEST_F(SpoolTest, WhereNothingCanBeWrittenItMayWorkInMemoryAndSaysSo) {
  Numbered value;
  int64_t now = kStart;
  SpoolOptions options;
  options.path = "/proc/not-a-folder/spool.db";
  options.memory_if_unwritable = true;
  auto opened = Spool::open(options, [&] { return WallTime{std::chrono::seconds(now)}; });
  ASSERT_TRUE(opened) << opened.error().message;
  Spool& spool = **opened;
  EXPECT_TRUE(spool.in_memory());
  const auto warnings = spool.take_warnings();
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_THAT(warnings[0].message, HasSubstr("/proc/not-a-folder/spool.db"));
  EXPECT_THAT(warnings[0].message, HasSubstr("kept in memory"));
  ASSERT_TRUE(spool.add_destination("zabbix"));
  ASSERT_TRUE(spool.put(value.range(1, 3), Durability::normal));
  const auto packet = spool.next("zabbix", kMany, kMany);
  ASSERT_TRUE(packet);
  EXPECT_EQ(numbers_of(*packet), counting(1, 3));
}

TEST_F(SpoolTest, AFileOfALaterVersionOrOfSomebodyElsesIsLeftAlone) {
  open();
  spool_.reset();
  execute("PRAGMA user_version=2");
  auto opened = try_open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::invalid);
  EXPECT_THAT(opened.error().message, HasSubstr("version 2"));
  execute("PRAGMA application_id=1");
  opened = try_open();
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("not a spool"));
  EXPECT_THAT(files(), ElementsAre("spool.db"));
}

TEST_F(SpoolTest, AFileThatIsNoDatabaseIsSetAsideAndWorkGoesOn) {
  const std::string rubbish(10'000, 'r');
  std::ofstream(options_.path) << rubbish;
  open();
  const auto warnings = spool_->take_warnings();
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_THAT(warnings[0].message, HasSubstr("spool.db.damaged-20231114T221320Z"));
  EXPECT_EQ(fs::file_size(options_.path + ".damaged-20231114T221320Z"), rubbish.size());
  put(numbered_.range(0, 3));
  EXPECT_EQ(pending(), counting(0, 3));
}

TEST_F(SpoolTest, AFileDamagedDuringWorkIsSetAsideAndWorkGoesOn) {
  options_.max_bytes = uint64_t{1} << 40;
  open();
  const std::string session = *spool_->session("a");
  ASSERT_TRUE(spool_->set_root_host("a", "web-1"));
  const std::string text(3000, 'x');
  uint64_t last = 0;
  for (uint64_t i = 0; i < 2000; ++i) {
    std::vector<Value> values(5, numbered_(i));
    for (Value& value : values) value.text = text;
    last = put(values).last_id;
  }
  {
    std::fstream out(options_.path, std::ios::binary | std::ios::in | std::ios::out);
    const std::string rubbish(20 << 20, '\x5a');
    out.write(rubbish.data(), static_cast<std::streamsize>(rubbish.size()));
  }
  const SpoolPacket packet = next();
  put(numbered_.range(5000, 3));
  EXPECT_EQ(pending(), counting(5000, 3));
  EXPECT_EQ(spool_->root_host("a"), "web-1");
  EXPECT_GT(next().ids[0], last) << "ids go on";
  EXPECT_EQ(*spool_->session("a"), session);
  EXPECT_EQ(spool_->last_clock("host", "key 0"), kStart + 5002);
  EXPECT_FALSE(spool_->take_warnings().empty());
  uint64_t dropped = 0;
  for (const SpoolDrop& drop : spool_->take_drops()) {
    EXPECT_EQ(drop.reason, DropReason::damaged);
    dropped += drop.values;
  }
  EXPECT_EQ(dropped, 10'000u);
  open();
  EXPECT_EQ(pending(), counting(5000, 3));
  EXPECT_EQ(*spool_->session("a"), session);
}

TEST_F(SpoolTest, ABadChunkIsSetAsideAndTheOthersSurvive) {
  open();
  const std::string mark(4000, 'M');
  put(numbered_.range(0, 1000));
  Value marked = numbered_(1000);
  marked.text = mark;
  put({marked});
  put(numbered_.range(1001, 1000));
  spool_.reset();
  const size_t at = file().find(std::string(500, 'M'));
  ASSERT_NE(at, std::string::npos);
  {
    std::fstream out(options_.path, std::ios::binary | std::ios::in | std::ios::out);
    out.seekp(static_cast<std::streamoff>(at + 100));
    out.put('m');
  }
  open();
  std::vector<uint64_t> expected = counting(0, 1000);
  for (const uint64_t number : counting(1001, 1000)) expected.push_back(number);
  EXPECT_EQ(pending(), expected);
  const auto drops = spool_->take_drops();
  ASSERT_EQ(drops.size(), 1u);
  EXPECT_EQ(drops[0].reason, DropReason::damaged);
  EXPECT_EQ(drops[0].values, 1u);
  EXPECT_EQ(spool_->take_warnings().size(), 1u);
  EXPECT_THAT(files(), ElementsAre("spool.db", "spool.db-wal"));
}

TEST_F(SpoolTest, AByteFlippedAnywhereNeverCrashesNorMakesAValueUp) {
  open();
  ASSERT_TRUE(spool_->add_destination("b"));
  for (uint64_t i = 0; i < 20; ++i) put(numbered_.range(i * 100, 100));
  const SpoolPacket packet = next(300);
  ASSERT_TRUE(spool_->retry_later("a", std::vector{packet.ids[5], packet.ids[250]}, WallTime{}));
  acknowledge(packet.up_to);
  now_ += 30;
  tidy_all();
  spool_.reset();
  const std::string good = file();
  std::mt19937 random(3);
  int reported = 0;
  for (int round = 0; round < 250; ++round) {
    std::string bad = good;
    const size_t at = round < 100 ? static_cast<size_t>(round) : random() % good.size();
    bad[at] = static_cast<char>(bad[at] ^ (1 << (random() % 8)));
    fs::remove_all(folder_);
    fs::create_directory(folder_);
    std::ofstream(options_.path, std::ios::binary) << bad;
    auto spool = try_open();
    if (!spool) {
      EXPECT_EQ(spool.error().kind, ErrorKind::invalid) << at << ": " << spool.error().message;
      ++reported;
      continue;
    }
    for (const char* name : {"a", "b"}) {
      ASSERT_TRUE((*spool)->add_destination(name));
      auto read = (*spool)->next(name, kMany, kMany);
      ASSERT_TRUE(read) << at << ": " << read.error().message;
      uint64_t before = 0;
      for (size_t i = 0; i < read->values.size(); ++i) {
        const Value& value = read->values[i];
        ASSERT_EQ(value, numbered_(std::stoull(std::string(value.text)))) << at;
        ASSERT_GT(read->ids[i], before) << at;
        before = read->ids[i];
      }
    }
    auto range = (*spool)->put(numbered_.range(9000, 5), Durability::full);
    ASSERT_TRUE(range) << at << ": " << range.error().message;
    if (!(*spool)->take_warnings().empty()) ++reported;
  }
  EXPECT_GT(reported, 30) << "most of the file matters";
}

TEST_F(SpoolTest, AFullDiskIsAnErrorNothingIsHalfWrittenAndLaterItGoesOn) {
  open();
  put(numbered_.range(0, 100));
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit tight = before;
  tight.rlim_cur = 600'000;
  ::setrlimit(RLIMIT_FSIZE, &tight);
  const std::string text(10'000, 'x');
  uint64_t taken = 0;
  Result<SpoolRange> range;
  for (uint64_t i = 0; i < 1000; ++i) {
    std::vector<Value> values(7, numbered_(100 + i));
    for (Value& value : values) value.text = text;
    range = spool_->put(values, i % 2 == 0 ? Durability::full : Durability::normal);
    if (!range) break;
    taken += 7;
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  ASSERT_FALSE(range) << "the disk was not full";
  EXPECT_EQ(range.error().kind, ErrorKind::io);
  EXPECT_THAT(range.error().message, HasSubstr("space"));
  EXPECT_GT(taken, 0u);
  EXPECT_EQ(next().values.size(), 100 + taken);
  EXPECT_EQ(spool_->stats().destinations[0].values, 100 + taken);
  const int64_t clock = *spool_->last_clock("host", "key 0");
  EXPECT_EQ(clock, next().values.back().clock) << "the clock of a value that was not taken has not moved";
  put(numbered_.range(5000, 10));
  acknowledge(next().up_to - 10);
  EXPECT_EQ(pending(), counting(5000, 10));
  open();
  EXPECT_EQ(pending(), counting(5000, 10));
  EXPECT_THAT(spool_->take_warnings(), IsEmpty());
}

TEST_F(SpoolTest, KilledAtAnyMomentItHoldsExactlyWhatWasPutAndNotAcknowledged) {
  struct Shared {
    volatile uint64_t put;           // numbers below are in the spool
    volatile uint64_t trying;        // up to here a put may have succeeded
    volatile uint64_t acknowledged;  // numbers below are acknowledged
    volatile uint64_t acknowledging;
  };
  void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  auto* shared = static_cast<Shared*>(memory);
  std::mt19937 random(11);
  uint64_t first = 0;  // the first number that is pending
  uint64_t end = 0;
  for (int round = 0; round < 60; ++round) {
    shared->put = end;
    shared->trying = end;
    shared->acknowledged = first;
    shared->acknowledging = first;
    const auto seed = random();
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      std::mt19937 own(seed);
      open();
      for (uint64_t number = end;;) {
        now_ += own() % 3;
        const uint64_t count = 1 + own() % 400;
        shared->trying = number + count;
        std::vector<Value> values;
        for (uint64_t i = 0; i < count; ++i)
          values.push_back(numbered_(number + i, 5, static_cast<int>(i % 50)));
        if (!spool_->put(values, own() % 4 == 0 ? Durability::full : Durability::normal)) ::_exit(1);
        number += count;
        shared->put = number;
        auto packet = spool_->next("a", 1 + own() % 500, kMany);
        if (!packet) ::_exit(2);
        if (packet->values.empty()) continue;
        const uint64_t up_to = std::stoull(std::string(packet->values.back().text)) + 1;
        shared->acknowledging = up_to;
        if (!spool_->acknowledge("a", packet->up_to)) ::_exit(3);
        shared->acknowledged = up_to;
      }
    }
    // One in six may die while it opens the file, the others after a put.
    if (round % 6 != 0) {
      while (shared->put == end && ::waitpid(child, nullptr, WNOHANG) == 0) ::usleep(200);
    }
    ::usleep(static_cast<useconds_t>(random() % 20'000));
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);

    open();
    const std::vector<uint64_t> left = pending();
    const uint64_t begin = left.empty() ? shared->acknowledging : left.front();
    ASSERT_EQ(left, counting(begin, left.size())) << "each one once, none missing";
    EXPECT_GE(begin, shared->acknowledged);
    EXPECT_LE(begin, shared->acknowledging);
    const uint64_t stop = begin + left.size();
    EXPECT_GE(stop, shared->put);
    EXPECT_LE(stop, shared->trying);
    EXPECT_TRUE(stop == shared->put || stop == shared->trying) << "a put is there as a whole or not at all";
    if (stop > 0) {
      int64_t latest = 0;
      for (int series = 0; series < 50; ++series) {
        latest = std::max(latest, spool_->last_clock("host", "key " + std::to_string(series)).value_or(0));
      }
      EXPECT_EQ(latest, kStart + static_cast<int64_t>(stop) - 1) << "values and clocks agree";
    }
    EXPECT_THAT(spool_->take_warnings(), IsEmpty());
    spool_.reset();
    first = begin;
    end = stop;
  }
  EXPECT_GT(end, 1000u);
  ::munmap(memory, sizeof(Shared));
}

TEST_F(SpoolTest, APowerCutTakesNothingThatWasPutDurablyAndNeverHalfAPut) {
  std::mt19937 random(5);
  uint64_t puts = 0;
  uint64_t lost = 0;
  for (int round = 0; round < 15; ++round) {
    PowerDisk disk;
    options_.vfs = "power-disk";
    uint64_t first = 0;
    uint64_t highest_id = 0;
    open();
    for (int cut = 0; cut < 8; ++cut) {
      ASSERT_THAT(spool_->take_warnings(), IsEmpty());
      SpoolPacket packet = next();
      std::vector<uint64_t> left = numbers_of(packet);
      if (!left.empty()) first = left.front();
      uint64_t number = first + left.size();
      std::vector<uint64_t> ends{number};  // a cut may take the file back to one of these
      const bool some_durable = random() % 2 == 0;
      for (uint64_t step = 1 + random() % 60; step > 0; --step) {
        const uint64_t count = 1 + random() % 300;
        const bool full = some_durable && random() % 3 == 0;
        const SpoolRange range =
            put(numbered_.range(number, count), full ? Durability::full : Durability::normal);
        ASSERT_GT(range.first_id, highest_id) << "an id that was used before the cut";
        number += count;
        ++puts;
        if (full) ends.clear();
        ends.push_back(number);
        highest_id = range.last_id;
        if (random() % 5 == 0) {
          now_ += 11;
          ASSERT_TRUE(spool_->tidy());
        }
      }
      disk.cut(random, [&] { spool_.reset(); });
      auto again = try_open();
      ASSERT_TRUE(again) << again.error().message;
      ASSERT_THAT((*again)->take_warnings(), IsEmpty());
      auto after = (*again)->next("a", kMany, kMany);
      ASSERT_TRUE(after) << after.error().message;
      left = numbers_of(*after);
      ASSERT_EQ(left, counting(first, left.size()));
      const uint64_t end = first + left.size();
      ASSERT_TRUE(std::find(ends.begin(), ends.end(), end) != ends.end()) << end << " after " << ends.front();
      if (end < number) ++lost;
      if (end > 0) {
        ASSERT_EQ((*again)->last_clock("host", "key 0"), kStart + static_cast<int64_t>(end) - 1);
      }
      spool_ = std::move(*again);  // not closed in between: that would put things right
    }
    spool_.reset();
  }
  EXPECT_GT(puts, 500u);
  EXPECT_GT(lost, 5u) << "the cuts took nothing at all: they cut nothing";
}

}  // namespace
}  // namespace bakusoku::agent
