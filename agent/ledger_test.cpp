#include "agent/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

namespace bakusoku::agent {
namespace {

constexpr int64_t kDay = 86400;
constexpr int64_t kNoon = 1'764'504'000;  // 2025-11-30 12:00 UTC

class LedgerTest : public ::testing::Test {
 protected:
  LedgerTest() {
    folder_ = std::filesystem::temp_directory_path() / ("ledger-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  ~LedgerTest() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string path() const { return (folder_ / "ledger.sqlite").string(); }
  Result<std::unique_ptr<Ledger>> try_open(const std::string& path) {
    return Ledger::open(path, [this] { return WallTime(std::chrono::seconds(now_)); });
  }
  std::unique_ptr<Ledger> open(const std::string& path) {
    auto ledger = try_open(path);
    EXPECT_TRUE(ledger) << ledger.error().message;
    return ledger ? std::move(*ledger) : nullptr;
  }
  static uint64_t units(Ledger& ledger) {
    uint64_t sum = 0;
    const auto lines = ledger.lines(0, 100'000);
    EXPECT_TRUE(lines);
    for (const Ledger::Line& line : *lines) sum += line.units;
    return sum;
  }

  std::filesystem::path folder_;
  int64_t now_ = kNoon;
  const Charge ec2_{"", "eu-west-1", "GetMetricData", "AWS/EC2"};
  const Charge ebs_{"", "eu-west-1", "GetMetricData", "AWS/EBS"};
};

TEST_F(LedgerTest, AddsUpByDayAndWhatItWasFor) {
  const auto ledger = open("");
  ledger->add(ec2_, 500);
  ledger->add(ebs_, 100);
  ledger->add(ec2_, 1);
  now_ += kDay;
  ledger->add(ec2_, 400);
  const auto lines = ledger->lines(ledger->day() - 1, ledger->day());
  ASSERT_TRUE(lines);
  ASSERT_EQ(lines->size(), 3u);
  EXPECT_EQ((*lines)[0].charge, ebs_);
  EXPECT_EQ((*lines)[1].units, 501u);
  EXPECT_EQ((*lines)[2].day, ledger->day());
  EXPECT_EQ(ledger->yesterday().at(ec2_), 501u);
  EXPECT_EQ(ledger->today().at(ec2_), 400u);
  EXPECT_EQ(ledger->month().at(ec2_), 400u) << "December has begun";
  EXPECT_EQ(ledger->month().size(), 1u);
}

TEST_F(LedgerTest, MonthsAreThoseOfTheCalendar) {
  const int64_t day = kNoon / kDay;
  EXPECT_EQ(month_of(day).last, day);
  EXPECT_EQ(month_of(day).first, day - 29);
  EXPECT_EQ(month_of(day + 1).last, day + 31);
  EXPECT_EQ(month_of(19'782).last - month_of(19'782).first, 28) << "February 2024";
}

TEST_F(LedgerTest, SurvivesARestartAndAKill) {
  for (int round = 1; round <= 3; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      auto ledger = try_open(path());
      if (!ledger) ::_exit(1);
      (*ledger)->add(ec2_, 10);
      (*ledger)->add_shares((*ledger)->item("web", "key"), 60);
      if (!(*ledger)->write() || !(*ledger)->write_items()) ::_exit(2);
      (*ledger)->add(ec2_, 1'000'000);  // of the last second
      ::raise(SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
    const auto ledger = open(path());
    EXPECT_EQ(units(*ledger), static_cast<uint64_t>(round * 10));
    EXPECT_EQ(ledger->month().at(ec2_), static_cast<uint64_t>(round * 10));
    const auto items = ledger->items(0, 100'000, 10);
    ASSERT_TRUE(items);
    ASSERT_EQ(items->size(), 1u);
    EXPECT_EQ(items->front().host, "web");
    EXPECT_EQ(items->front().sixtieths, static_cast<uint64_t>(round * 60));
  }
}

TEST_F(LedgerTest, WhatWasNotWrittenIsWrittenAtTheEnd) {
  {
    const auto ledger = open(path());
    ledger->add(ec2_, 7);
    for (int at = 0; at < 5000; ++at) ledger->add_shares(ledger->item("h", std::to_string(at)), 12);
  }
  const auto ledger = open(path());
  EXPECT_EQ(units(*ledger), 7u);
  EXPECT_EQ(ledger->item_count(), 5000u);
  EXPECT_EQ(ledger->items(0, 100'000, 10'000)->size(), 5000u);
  EXPECT_EQ(ledger->since(), kNoon / kDay * kDay);
}

TEST_F(LedgerTest, OneAgentAtATime) {
  const auto first = open(path());
  const auto second = try_open(path());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::unavailable) << second.error().message;
}

TEST_F(LedgerTest, ADamagedFileIsKeptAside) {
  std::ofstream(path()) << std::string(8192, 'x');
  const auto ledger = open(path());
  EXPECT_THAT(ledger->take_warnings().at(0).message, testing::HasSubstr("is kept as"));
  EXPECT_TRUE(std::filesystem::exists(path() + ".damaged-" + std::to_string(kNoon)));
  ledger->add(ec2_, 1);
  EXPECT_TRUE(ledger->write());
}

TEST_F(LedgerTest, ANewerFileIsLeftAlone) {
  { open(path()); }
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path().c_str(), &database), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(database, "PRAGMA user_version=2", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(database);
  const auto ledger = try_open(path());
  ASSERT_FALSE(ledger);
  EXPECT_EQ(ledger.error().kind, ErrorKind::invalid);
  EXPECT_THAT(ledger.error().message, testing::HasSubstr("newer version"));
}

TEST_F(LedgerTest, NothingIsLostWhileTheDiskIsFull) {
  // Full by SQLite's own limit: what a full disk is to a file.
  const auto ledger = open(path());
  ledger->add(ec2_, 5);
  ASSERT_TRUE(ledger->write());
  for (int at = 0; at < 1000; ++at) {
    ledger->add({"", "eu-west-1", "GetMetricData", std::string(1000, 'n') + std::to_string(at)}, 1);
    ledger->add_shares(ledger->item("host", std::string(1000, 'k') + std::to_string(at)), 60);
  }
  sqlite3_hard_heap_limit64(sqlite3_memory_used() + 1000);
  const auto failed = ledger->write();
  const auto items_failed = ledger->write_items();
  sqlite3_hard_heap_limit64(0);
  EXPECT_FALSE(failed);
  EXPECT_FALSE(items_failed);
  EXPECT_EQ(ledger->month().size(), 1001u);
  EXPECT_EQ(units(*ledger), 1005u);
  EXPECT_TRUE(ledger->write());
  EXPECT_TRUE(ledger->write_items());
  EXPECT_EQ(units(*ledger), 1005u);
  EXPECT_EQ(ledger->items(0, 100'000, 5000)->size(), 1000u);
}

TEST_F(LedgerTest, ItemsShareABilledMetricExactly) {
  const auto ledger = open("");
  const auto cpu = ledger->item("web-1", "cpu");
  const auto disk = ledger->item("web-1", "disk");
  EXPECT_NE(cpu, disk);
  EXPECT_EQ(ledger->item("web-1", "cpu"), cpu);
  EXPECT_NE(ledger->item("web-2", "cpu"), cpu);
  ledger->add_shares(cpu, 60);
  ledger->add_shares(disk, 20);
  now_ += kDay;
  ledger->add_shares(disk, 20);
  const int64_t day = ledger->day();
  const auto both = ledger->items(day - 1, day, 10);
  ASSERT_TRUE(both);
  ASSERT_EQ(both->size(), 2u);
  EXPECT_EQ((*both)[0].key, "cpu");
  EXPECT_EQ((*both)[1].sixtieths, 40u);
  EXPECT_EQ(ledger->items(day, day, 10)->size(), 1u);
  EXPECT_EQ(ledger->items(day - 1, day - 1, 10)->at(1).sixtieths, 20u);
  EXPECT_EQ(ledger->items(day - 1, day, 1)->size(), 1u) << "the dearest only";
}

TEST_F(LedgerTest, ItemsAreForgottenAfterFiveWeeksAndTheirNumbersUsedAgain) {
  auto ledger = open(path());
  const auto old = ledger->item("gone", "key");
  ledger->add_shares(old, 60);
  const auto kept = ledger->item("kept", "key");
  for (int day = 0; day < 40; ++day) {
    ledger->add_shares(kept, 60);
    ASSERT_TRUE(ledger->write());
    ASSERT_TRUE(ledger->write_items());
    now_ += kDay;
  }
  EXPECT_EQ(ledger->item_count(), 1u);
  const auto all = ledger->items(0, 100'000, 10);
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 1u);
  EXPECT_EQ(all->front().host, "kept");
  EXPECT_EQ(all->front().sixtieths, 60u * 36) << "the last 35 days, and the one they were written on";
  EXPECT_EQ(ledger->item("new", "key"), old);
  ledger->add_shares(old, 1);
  ledger.reset();
  ledger = open(path());
  EXPECT_EQ(ledger->item("new", "key"), old);
  EXPECT_EQ(ledger->item("kept", "key"), kept);
}

TEST_F(LedgerTest, SumsAreKeptForThirteenMonths) {
  const auto ledger = open(path());
  ledger->add(ec2_, 1);
  now_ += 395 * kDay;
  (void)ledger->day();
  now_ += kDay;
  ledger->add(ec2_, 2);
  ASSERT_TRUE(ledger->write());
  ASSERT_TRUE(ledger->write_items());
  EXPECT_EQ(units(*ledger), 3u);
  now_ += 10 * kDay;
  ASSERT_TRUE(ledger->write_items());
  EXPECT_EQ(units(*ledger), 2u);
}

TEST_F(LedgerTest, AClockThatIsSetBackCountsOnTheDayItSays) {
  const auto ledger = open("");
  const auto item = ledger->item("h", "k");
  ledger->add(ec2_, 1);
  ledger->add_shares(item, 10);
  now_ += kDay;
  ledger->add(ec2_, 2);
  ledger->add_shares(item, 20);
  now_ -= kDay;
  ledger->add(ec2_, 4);
  ledger->add_shares(item, 40);
  EXPECT_EQ(ledger->today().at(ec2_), 5u);
  EXPECT_EQ(ledger->month().at(ec2_), 5u);
  EXPECT_EQ(ledger->items(ledger->day(), ledger->day(), 1)->at(0).sixtieths, 50u);
  ASSERT_TRUE(ledger->write_items());
  now_ += kDay;
  EXPECT_EQ(ledger->today().at(ec2_), 2u);
  EXPECT_EQ(ledger->items(ledger->day(), ledger->day(), 1)->at(0).sixtieths, 20u);
}

// A clock that is wrong for a minute, here or at the start, makes nothing old: what was spent is still known,
// and which items there are.
TEST_F(LedgerTest, AClockThatIsAheadForAWhileForgetsNothing) {
  for (const int64_t jump : {int64_t{3600}, kDay, 3653 * kDay, -3600 * int64_t{1}, -kDay, -3653 * kDay}) {
    std::filesystem::remove(path());
    now_ = kNoon;
    auto ledger = open(path());
    ASSERT_NE(ledger, nullptr);
    const auto item = ledger->item("h", "k");
    for (int day = 0; day < 10; ++day, now_ += kDay) {
      ledger->add(ec2_, 1);
      ledger->add_shares(item, 60);
      ASSERT_TRUE(ledger->write() && ledger->write_items());
    }
    for (const bool restart : {false, true}) {
      const int64_t before = now_;
      now_ += jump;
      if (restart) {
        ledger.reset();
        ledger = open(path());
      }
      ledger->add(ec2_, 1);
      ledger->add_shares(ledger->item("h", "k"), 60);
      ledger->add_shares(ledger->item("h", "meanwhile"), 60);
      ASSERT_TRUE(ledger->write() && ledger->write_items());
      now_ = before;
      ASSERT_TRUE(ledger->write() && ledger->write_items());
      EXPECT_TRUE(ledger->knows("h", "k")) << jump << restart;
      const auto lines = ledger->lines(kNoon / kDay, kNoon / kDay + 9);
      ASSERT_TRUE(lines);
      uint64_t days = 0;
      for (const auto& line : *lines) days += line.units > 0 ? 1 : 0;
      EXPECT_EQ(days, 10u) << jump << restart;
      const auto items = ledger->items(kNoon / kDay, kNoon / kDay + 9, 10);
      ASSERT_TRUE(items);
      ASSERT_FALSE(items->empty());
      EXPECT_GE(items->front().sixtieths, 600u) << jump << restart;
    }
    // What is old is forgotten all the same, once days pass.
    for (int day = 0; day < 40; ++day, now_ += kDay) {
      ledger->add_shares(ledger->item("h", "later"), 60);
      ASSERT_TRUE(ledger->write() && ledger->write_items());
    }
    EXPECT_FALSE(ledger->knows("h", "k")) << jump;
    EXPECT_FALSE(ledger->knows("h", "meanwhile")) << jump;
    EXPECT_EQ(ledger->item_count(), 1u) << jump;
    ledger.reset();
  }
}

TEST_F(LedgerTest, NamespacesThatSomebodyInventsAreCountedTogether) {
  const auto ledger = open("");
  for (int number = 0; number < 51'000; ++number) {
    ledger->add(Charge{"", "eu-west-1", "GetMetricData", "Invented" + std::to_string(number)}, 1);
  }
  EXPECT_LE(ledger->month().size(), 50'001u);
  uint64_t units = 0;
  for (const auto& [charge, count] : ledger->month()) units += count;
  EXPECT_EQ(units, 51'000u) << "none is lost";
  EXPECT_EQ(ledger->month().at(Charge{"", "eu-west-1", "GetMetricData", "(others)"}), 1000u);
}

TEST_F(LedgerTest, KeepsNotes) {
  {
    const auto ledger = open(path());
    EXPECT_EQ(ledger->note("stretch"), "");
    EXPECT_TRUE(ledger->set_note("stretch", "3"));
    EXPECT_TRUE(ledger->set_note("stretch", "4"));
  }
  EXPECT_EQ(open(path())->note("stretch"), "4");
}

TEST_F(LedgerTest, GarbageInAnItemsDayIsNotCounted) {
  {
    const auto ledger = open(path());
    ledger->add_shares(ledger->item("h", "k"), 60);
  }
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path().c_str(), &database), SQLITE_OK);
  const std::string sql = "UPDATE item_day SET shares = x'013cffffffffffffffffff01ff7f'";
  ASSERT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(database);
  const auto ledger = open(path());
  const auto items = ledger->items(0, 100'000, 10);
  ASSERT_TRUE(items);
  ASSERT_EQ(items->size(), 1u);
  EXPECT_EQ(items->front().sixtieths, 60u);
}

}  // namespace
}  // namespace bakusoku::agent
