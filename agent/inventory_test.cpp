#include "agent/inventory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <optional>

#include "agent/discovery.h"
#include "agent/items.h"
#include "agent/services_ec2.h"
#include "base/log.h"

namespace bakusoku::agent {
namespace {

aws::ec2::Instance instance(std::string id, std::string name, std::string state = "running") {
  aws::ec2::Instance made;
  made.id = std::move(id);
  made.type = "t3.micro";
  made.state = std::move(state);
  made.availability_zone = "eu-west-1a";
  if (!name.empty()) made.tags.push_back({"Name", std::move(name)});
  return made;
}

class SnapshotTest : public testing::Test {
 protected:
  void read(const std::vector<aws::ec2::Instance>& instances) {
    for (const auto& one : instances) add_instance(snapshot_, one);
    snapshot_.finish(WallTime{});
  }
  Snapshot snapshot_;
};

TEST_F(SnapshotTest, FindsByNameAndById) {
  read({instance("i-1", "web-1"), instance("i-2", "web-2"), instance("i-3", "")});
  ASSERT_NE(snapshot_.only_by_name("web-2"), nullptr);
  EXPECT_EQ(snapshot_.only_by_name("web-2")->id, "i-2");
  EXPECT_EQ(snapshot_.only_by_name("web-3"), nullptr);
  EXPECT_EQ(snapshot_.only_by_name(""), nullptr);
  EXPECT_EQ(snapshot_.by_id("i-3")->find("type"), "t3.micro");
  EXPECT_EQ(snapshot_.by_id("i-9"), nullptr);
}

TEST_F(SnapshotTest, ANameThatTwoInstancesHaveIsNobodys) {
  read({instance("i-2", "db"), instance("i-1", "db")});
  EXPECT_EQ(snapshot_.only_by_name("db"), nullptr);
  const auto found = snapshot_.by_name("db");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0]->id, "i-1");
}

TEST_F(SnapshotTest, ATerminatedInstanceDoesNotHoldItsName) {
  read({instance("i-old", "web-1", "terminated"), instance("i-new", "web-1")});
  ASSERT_NE(snapshot_.only_by_name("web-1"), nullptr);
  EXPECT_EQ(snapshot_.only_by_name("web-1")->id, "i-new");
  EXPECT_EQ(snapshot_.by_id("i-old")->find("state"), "terminated");
}

TEST_F(SnapshotTest, TellsFieldsAndTagsApart) {
  auto tagged = instance("i-1", "web-1");
  tagged.tags.push_back({"state", "tagged"});
  tagged.tags.push_back({"dimension.state", "odd"});
  read({tagged});
  const Resource& resource = *snapshot_.by_id("i-1");
  EXPECT_EQ(resource.find("state"), "running");
  EXPECT_EQ(resource.find("tag.state"), "tagged");
  EXPECT_EQ(resource.find("public_ip"), std::nullopt);
  EXPECT_EQ(resource.find("tag.none"), std::nullopt);
  EXPECT_EQ(resource.find("tag.dimension.state"), "odd") << "a tag may bear any name";
  EXPECT_EQ(resource.find("dimension.state"), std::nullopt);
}

TEST_F(SnapshotTest, ConditionsFindThemInAnyOrderOfTheAnswer) {
  std::vector<aws::ec2::Instance> instances;
  for (const int number : {7, 3, 9, 1, 5, 8, 2, 6, 4}) {
    instances.push_back(instance("i-" + std::to_string(number), "web-" + std::to_string(number),
                                 number % 3 == 0 ? "stopped" : "running"));
  }
  instances.push_back(instance("i-0", "web-3", "terminated"));
  read(instances);
  for (int time = 0; time < 2; ++time) {  // sorted, and sorted already
    for (int number = 1; number <= 9; ++number) {
      const auto found = snapshot_.matching({{"name", "web-" + std::to_string(number)}});
      ASSERT_EQ(found.size(), 1u) << number;
      EXPECT_EQ(found[0]->id, "i-" + std::to_string(number));
    }
    std::vector<std::string_view> stopped;
    for (const Resource* const one : snapshot_.matching({{"state", "stopped"}, {"type", "t3.micro"}}))
      stopped.push_back(one->id);
    EXPECT_THAT(stopped, testing::UnorderedElementsAre("i-3", "i-9", "i-6"));
    EXPECT_TRUE(snapshot_.matching({{"state", "terminated"}}).empty()) << "what is gone is none of them";
    EXPECT_TRUE(snapshot_.matching({{"name", "web-3"}, {"state", "running"}}).empty());
  }
}

TEST_F(SnapshotTest, BecomesDiscoveryRowsWithMacrosAndTags) {
  auto odd = instance("i-1", "a \"b\"");
  odd.tags.push_back({"env", "prod"});
  odd.tags.push_back({"ENV", "Prod"});
  odd.tags.push_back({"コスト", "1"});
  read({odd, instance("i-2", "gone", "terminated")});
  Account account;
  const Target target{&account, "eu-west-1"};
  EXPECT_EQ(
      discovery_json(*find_service("ec2"), snapshot_, target, {}),
      R"x([{"{#ID}":"i-1","{#NAME}":"a \"b\"","{#LABEL}":"a \"b\" (i-1)","{#REGION}":"eu-west-1","{#ACCOUNT}":"","{#STATE}":"running",)x"
      R"("{#TYPE}":"t3.micro","{#ZONE}":"eu-west-1a","{#TAG.NAME}":"a \"b\"","{#TAG.ENV_F4F52AA7}":"prod","{#TAG.ENV}":"Prod",)"
      R"("{#TAG.24EE9534}":"1","tags":{"Name":"a \"b\"","env":"prod","ENV":"Prod","コスト":"1"}}])");
}

TEST_F(SnapshotTest, WithoutResourcesIsAnEmptyList) {
  read({});
  Account account;
  EXPECT_EQ(discovery_json(*find_service("ec2"), snapshot_, Target{&account, "eu-west-1"}, {}), "[]");
}

TEST(Value, IsWrittenAsZabbixTakesIt) {
  EXPECT_EQ(format_value(0), "0");
  EXPECT_EQ(format_value(-0.0), "0");
  EXPECT_EQ(format_value(12), "12");
  EXPECT_EQ(format_value(1e15), "1000000000000000");
  EXPECT_EQ(format_value(0.1), "0.1");
  EXPECT_EQ(format_value(1.0 / 3), "0.3333333333333333");
  EXPECT_EQ(format_value(1e-9), "1e-09");
}

TEST_F(SnapshotTest, NoConditionTakesTheRoomOfAnother) {
  auto tagged = instance("i-1", "web-1");
  for (int number = 0; number < 100; ++number) tagged.tags.push_back({"t" + std::to_string(number), "x"});
  read({tagged, instance("i-2", "web-2")});
  // More fields than it is sorted by, there or not, at once and one after the other.
  Filter all;
  for (int number = 0; number < 100; ++number) all.push_back({"tag.t" + std::to_string(number), "x"});
  EXPECT_EQ(snapshot_.matching(all).size(), 1u);
  for (int number = 0; number < 200; ++number) {
    EXPECT_EQ(snapshot_.matching({{"tag.t" + std::to_string(number), "x"}}).size(), number < 100 ? 1u : 0u);
    EXPECT_EQ(snapshot_.matching({{"type", "t3.micro"}, {"tag.none", "x"}}).size(), 0u);
    EXPECT_EQ(snapshot_.matching({{"type", "t3.micro"}}).size(), 2u);
  }
}

// A service whose readings the test answers.
struct Answers {
  int readings = 0;
  std::optional<Error> failure{};
  std::string id = "r-1";
  asio::steady_timer* gate = nullptr;  // a reading waits for it
};
Answers answers;

asio::awaitable<Result<std::shared_ptr<Snapshot>>> read_answers(const Target&) {
  ++answers.readings;
  const std::string id = answers.id;
  const auto failure = answers.failure;
  if (answers.gate != nullptr) {
    asio::error_code ignored;
    co_await answers.gate->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  if (failure) co_return fail(*failure);
  auto snapshot = std::make_shared<Snapshot>();
  Resource resource;
  resource.id = snapshot->keep(id);
  snapshot->add(resource);
  co_return snapshot;
}

class InventoryTest : public testing::Test {
 protected:
  InventoryTest() {
    EXPECT_TRUE(set_up_log("off", false));
    answers = Answers();
    account_.name = "a";
    InventoryConfig config;
    config.interval = seconds(100);
    inventories_ = std::make_unique<Inventories>(io_, config, system_clock(), [this] { return at_; });
  }
  static const Service& service() {
    static const Service kService{"thing", "thing", {}, &kTags, seconds(0), "", &read_answers};
    return kService;
  }
  Inventory& inventory() { return inventories_->of(service(), target_); }
  void run() {
    io_.restart();
    while (io_.poll() > 0) {
    }
  }
  // As the agent does it each second.
  void pass(int by) {
    for (int second = 0; second < by; ++second) {
      at_ += seconds(1);
      inventories_->tick();
      run();
    }
  }
  // The ids, or the error's words.
  std::string get() {
    std::string found = "nothing";
    const auto deadline = std::chrono::steady_clock::now() + seconds(60);
    asio::co_spawn(io_, inventory().get(deadline),
                   [&](const std::exception_ptr& failure, const Result<Inventory::Snap>& snapshot) {
                     EXPECT_FALSE(failure);
                     if (!snapshot) {
                       found = snapshot.error().message;
                     } else {
                       EXPECT_NE(*snapshot, nullptr);
                       found = (*snapshot)->resources().front().id;
                     }
                   });
    run();
    return found;
  }

  // The seconds at which it is read, while somebody asks all the time.
  std::vector<int> tries_of(int time) {
    std::vector<int> tries;
    int before = answers.readings;
    const auto look = [&](int second) {
      if (answers.readings != before) tries.push_back(second);
      before = answers.readings;
    };
    for (int second = 0; second <= time; ++second) {
      (void)get();
      look(second);
      pass(1);
      look(second + 1);
    }
    return tries;
  }
  // For a name that `seen` does not hold.
  Inventory::Snap newer_than(const Inventory::Snap& seen) {
    Inventory::Snap found;
    asio::co_spawn(io_, inventory().newer_than(seen, std::chrono::steady_clock::now() + seconds(60)),
                   [&](const std::exception_ptr& failure, const Result<Inventory::Snap>& snapshot) {
                     EXPECT_FALSE(failure);
                     if (snapshot) found = *snapshot;
                   });
    run();
    return found;
  }
  void use_interval(int interval) {
    InventoryConfig config;
    config.interval = seconds(interval);
    inventories_->configure(config);
  }

  using seconds = std::chrono::seconds;
  std::chrono::steady_clock::time_point at_ = std::chrono::steady_clock::now();
  asio::io_context io_;
  Account account_;
  Target target_{&account_, "eu-west-1"};
  std::unique_ptr<Inventories> inventories_;
};

TEST_F(InventoryTest, IsReadOncePerIntervalWhileSomebodyAsks) {
  EXPECT_EQ(get(), "r-1");
  EXPECT_EQ(get(), "r-1");
  EXPECT_EQ(answers.readings, 1);
  answers.id = "r-2";
  pass(99);
  EXPECT_EQ(get(), "r-1");
  pass(1);
  EXPECT_EQ(answers.readings, 2);
  EXPECT_EQ(get(), "r-2");
  pass(99);
  EXPECT_EQ(answers.readings, 2);
  pass(1);
  EXPECT_EQ(answers.readings, 3) << "counted from the last reading, not from the first";
}

TEST_F(InventoryTest, AStaleListEndsAfterThreeIntervals) {
  EXPECT_EQ(get(), "r-1");
  answers.failure = Error{ErrorKind::unavailable, "EC2 is away", {}};
  for (int interval = 0; interval < 3; ++interval) {
    EXPECT_EQ(get(), "r-1");
    EXPECT_EQ(inventory().failure().has_value(), interval > 0);
    pass(interval == 2 ? 99 : 100);
  }
  EXPECT_EQ(get(), "r-1") << "a second before";
  pass(1);
  EXPECT_THAT(get(), testing::HasSubstr("EC2 is away"));
  answers.failure.reset();
  answers.id = "r-2";
  pass(100);
  EXPECT_EQ(get(), "r-2") << "and begins again";
}

TEST_F(InventoryTest, CredentialsThatAreRefusedAreTriedAgainEveryHalfMinute) {
  answers.failure = Error{ErrorKind::denied, "the keys are nobody's", {}};
  EXPECT_THAT(tries_of(150), testing::ElementsAre(0, 5, 15, 35, 65, 95, 125))
      << "they may be mended any moment";
}

TEST_F(InventoryTest, AFailureIsTriedAgainAfterLongerAndLonger) {
  answers.failure = Error{ErrorKind::unavailable, "EC2 is away", {}};
  EXPECT_THAT(tries_of(200), testing::ElementsAre(0, 5, 15, 35, 75, 155)) << "then once per interval";
  answers.failure.reset();
  pass(100);
  EXPECT_EQ(get(), "r-1");
  // The next failure begins anew.
  answers.failure = Error{ErrorKind::unavailable, "EC2 is away", {}};
  pass(54);  // the next is a hundred seconds after the one that succeeded
  const int readings = answers.readings;
  pass(4);
  EXPECT_EQ(answers.readings, readings);
  pass(1);
  EXPECT_EQ(answers.readings, readings + 1);
}

TEST_F(InventoryTest, AReadingOfTheOldAccountIsDropped) {
  asio::steady_timer gate(io_, std::chrono::steady_clock::time_point::max());
  answers.gate = &gate;
  std::string found;
  const auto ask = [&](std::string& into) {
    asio::co_spawn(io_, inventory().get(std::chrono::steady_clock::now() + seconds(60)),
                   [&into](const std::exception_ptr& failure, const Result<Inventory::Snap>& snapshot) {
                     EXPECT_FALSE(failure);
                     into = snapshot ? std::string((*snapshot)->resources().front().id)
                                     : snapshot.error().message;
                   });
    run();
  };
  ask(found);
  inventories_->forget([](const Target&) { return true; });
  answers.id = "new";
  answers.gate = nullptr;
  gate.cancel();
  run();
  EXPECT_EQ(found, "new") << "who waited has the list of the account as it is now, at once";
  EXPECT_EQ(get(), "new");
  EXPECT_EQ(answers.readings, 2);
}

TEST_F(InventoryTest, WhatWasReadOfTheOldAccountIsForgotten) {
  EXPECT_EQ(get(), "r-1");
  inventories_->forget([](const Target& target) { return target.region == "us-east-1"; });
  EXPECT_EQ(get(), "r-1");
  EXPECT_EQ(answers.readings, 1);
  answers.id = "new";
  (void)inventories_->take_renewed();
  inventories_->forget([](const Target&) { return true; });
  EXPECT_EQ(inventories_->take_renewed().size(), 1u) << "what is posted of it is withdrawn";
  EXPECT_EQ(inventory().now(), nullptr);
  EXPECT_EQ(get(), "new");
}

// It was a null list, and the asker crashed.
TEST_F(InventoryTest, WhoWaitsWhileTheAccountChangesHasAList) {
  std::string found;
  asio::co_spawn(io_, inventory().get(std::chrono::steady_clock::now() + seconds(60)),
                 [&](const std::exception_ptr& failure, const Result<Inventory::Snap>& snapshot) {
                   EXPECT_FALSE(failure);
                   found = !snapshot ? snapshot.error().message : *snapshot ? "a list" : "a null list";
                 });
  io_.restart();
  while (!inventory().now()) ASSERT_EQ(io_.poll_one(), 1u);
  ASSERT_EQ(found, "") << "the reading has ended, and the asker was not woken yet";
  inventories_->forget([](const Target&) { return true; });
  run();
  EXPECT_EQ(found, "a list") << "read anew";
}

TEST_F(InventoryTest, ListsNobodyAsksForEnd) {
  EXPECT_EQ(get(), "r-1");
  pass(299);
  EXPECT_EQ(answers.readings, 3);
  pass(1000);
  EXPECT_EQ(answers.readings, 3) << "nobody has asked for three intervals";
  EXPECT_FALSE(inventory().is_idle());
  answers.id = "r-2";
  EXPECT_EQ(get(), "r-2") << "the old list is not given to who comes back";
  EXPECT_EQ(answers.readings, 4);
  at_ += std::chrono::minutes(59);
  inventories_->forget_idle([](const Inventory&) { FAIL(); });
  EXPECT_EQ(inventories_->size(), 1u);
  at_ += std::chrono::minutes(1);
  int gone = 0;
  inventories_->forget_idle([&](const Inventory&) { ++gone; });
  EXPECT_EQ(gone, 1);
  EXPECT_EQ(inventories_->size(), 0u);
  EXPECT_EQ(get(), "r-2");
}

TEST_F(InventoryTest, WhoDoesNotWaitStartsOneReadingAtATime) {
  asio::steady_timer gate(io_, std::chrono::steady_clock::time_point::max());
  answers.gate = &gate;
  for (int time = 0; time < 3; ++time) {
    EXPECT_EQ(inventory().now_or_start(), nullptr);
    run();
  }
  EXPECT_EQ(answers.readings, 1);
  answers.gate = nullptr;
  gate.cancel();
  run();
  for (int time = 0; time < 3; ++time) {
    EXPECT_NE(inventory().now_or_start(), nullptr);
    run();
  }
  EXPECT_EQ(answers.readings, 1) << "it is there";
  // After a failure it waits as the others do.
  inventories_->forget([](const Target&) { return true; });
  answers.failure = Error{ErrorKind::unavailable, "EC2 is away", {}};
  EXPECT_EQ(inventory().now_or_start(), nullptr);
  run();
  at_ += seconds(4);
  EXPECT_EQ(inventory().now_or_start(), nullptr);
  run();
  EXPECT_EQ(answers.readings, 2);
  at_ += seconds(1);
  EXPECT_EQ(inventory().now_or_start(), nullptr);
  run();
  EXPECT_EQ(answers.readings, 3);
}

TEST_F(InventoryTest, AnotherIntervalIsCountedFromTheLastReading) {
  EXPECT_EQ(get(), "r-1");
  pass(10);
  use_interval(60);
  pass(49);
  EXPECT_EQ(answers.readings, 1);
  pass(1);
  EXPECT_EQ(answers.readings, 2);
  pass(60);
  EXPECT_EQ(answers.readings, 3);
  EXPECT_EQ(get(), "r-1");
  use_interval(200);
  pass(199);
  EXPECT_EQ(answers.readings, 3);
  pass(1);
  EXPECT_EQ(answers.readings, 4);
}

TEST_F(InventoryTest, ANameThatIsNotInItHasItReadOncePerInterval) {
  EXPECT_EQ(get(), "r-1");
  const Inventory::Snap first = inventory().newest();
  answers.id = "r-2";
  const Inventory::Snap second = newer_than(first);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(second->resources().front().id, "r-2");
  EXPECT_EQ(newer_than(first), second) << "another who has seen the old one has the new one at once";
  EXPECT_EQ(newer_than(second), second) << "it was read early a moment ago";
  EXPECT_EQ(answers.readings, 2);
  at_ += seconds(99);
  EXPECT_EQ(newer_than(second), second);
  at_ += seconds(1);
  EXPECT_NE(newer_than(second), second);
  EXPECT_EQ(answers.readings, 3);
  EXPECT_EQ(inventories_->counters().early, 2u);
}

TEST_F(InventoryTest, AnAnswerIsGoodUntilTheNextListButNotBeyondThreeIntervals) {
  const auto good_for = [this] {
    const Span span = inventory().current_span();
    return int64_t{span.until} - int64_t{span.from};
  };
  EXPECT_EQ(get(), "r-1");
  EXPECT_EQ(good_for(), 130) << "half a minute for the next reading";
  pass(40);
  EXPECT_EQ(good_for(), 90);
  answers.failure = Error{ErrorKind::unavailable, "EC2 is away", {}};
  pass(60);
  EXPECT_EQ(good_for(), 35) << "the next try is in 5 s";
  pass(155);  // tried at 105, 115, 135, 175 and 255 s
  EXPECT_EQ(good_for(), 45) << "the next try would be in 100 s";
  pass(44);
  EXPECT_EQ(good_for(), 1);
}

TEST_F(InventoryTest, WhatIsReadFromTheBoardIsAsked) {
  EXPECT_EQ(get(), "r-1");
  for (int time = 0; time < 10; ++time) {
    pass(100);
    inventory().note_asked();
  }
  EXPECT_EQ(answers.readings, 11);
}

}  // namespace
}  // namespace bakusoku::agent
