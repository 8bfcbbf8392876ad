// What Zabbix is sent of a spool, byte by byte where the bytes matter, and what becomes of it when Zabbix
// refuses, redirects, pauses, is away or slow.
#include "agent/delivery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/ip/tcp.hpp>
#include <atomic>
#include <map>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

#include "agent/scripted_group.h"
#include "base/log.h"
#include "zabbix/sender.h"

namespace bakusoku::agent {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using zabbix::Dialect;

constexpr int64_t kStart = 1'700'000'000;

size_t rows_of(const std::string& packet) {
  const auto request = zabbix::decode_sender_request(packet);
  return request ? request->rows.size() : 0;
}
std::string takes_all(const std::string& packet) { return accepted(rows_of(packet)); }

// The host in whose name a packet comes.
ScriptedZabbix::Answer knows_all_but(const std::string& host) {
  return [host](const std::string& packet) {
    return packet.find("\"host\":\"" + host + "\",\"data\"") != std::string::npos
               ? R"({"response":"success","info":"unknown host ')" + host + "'\"}"
               : takes_all(packet);
  };
}

// A server as a function says; what it is only asked, without values, is answered like the rest and left out
// here.
class Server : public ScriptedZabbix {
 public:
  using ScriptedZabbix::ScriptedZabbix;
  [[nodiscard]] std::vector<std::string> requests() const {
    std::vector<std::string> requests = ScriptedZabbix::requests();
    std::erase_if(requests,
                  [](const std::string& request) { return request.find("\"value\"") == std::string::npos; });
    return requests;
  }
  [[nodiscard]] size_t count() const { return requests().size(); }
};

class DeliveryTest : public testing::Test {
 protected:
  DeliveryTest() {
    (void)set_up_log("off", false);
    auto opened = Spool::open({}, clock());
    spool_ = std::move(*opened);
    (void)spool_->add_destination(kSpoolDestination);
    session_ = *spool_->session(kSpoolDestination);
  }
  Clock clock() {
    return [this] { return WallTime{std::chrono::seconds(now_)}; };
  }

  void start(std::vector<zabbix::Endpoint> to, std::optional<Dialect> dialect,
             zabbix::DataKind kind = zabbix::DataKind::agent) {
    alternatives_.emplace(std::move(to), 300ms);
    peer_.dialect = dialect;
    for (const char* host : {"web-1", "web-2"}) peer_.set_known(host, peer_.knows(host));
    const bool has_peer = dialect || kind == zabbix::DataKind::sender;
    delivery_.emplace(Delivery::Parts{
        io_, *spool_, *alternatives_, {}, clock(), kind, has_peer ? &peer_ : nullptr, patience_});
    delivery_->start();
  }
  // The value and its clock are `number`.
  void put(const std::string& host, int number, uint64_t itemid = 0, bool supported = true) {
    put_of(host, "k[\"" + host + "\"]", number, itemid, supported);
  }
  void put_of(const std::string& host, const std::string& key, int number, uint64_t itemid = 0,
              bool supported = true) {
    const std::string text = std::to_string(number);
    const Value value{host, key, itemid, kStart + number, 0, supported, text, 5, true};
    ASSERT_TRUE(spool_->put(std::span(&value, 1), Durability::normal));
    if (delivery_) delivery_->wake();
  }
  [[nodiscard]] bool everything_acknowledged() {
    const auto stats = spool_->stats().destinations.front();
    return stats.values == 0 && stats.waiting == 0;
  }
  /// Waits for it.
  [[nodiscard]] bool all_is_acknowledged() {
    return run_until(io_, [&] { return everything_acknowledged(); });
  }
  [[nodiscard]] bool is_refused(uint64_t values) {
    return run_until(io_, [&] { return delivery_->counters().refused == values; });
  }
  [[nodiscard]] bool is_resent(uint64_t values) {
    return run_until(io_, [&] { return delivery_->counters().resent == values; });
  }
  [[nodiscard]] bool is_delivered(uint64_t values) {
    return run_until(io_, [&] { return delivery_->counters().delivered == values; });
  }
  [[nodiscard]] std::string tail() const { return R"(],"clock":)" + std::to_string(now_) + R"(,"ns":0})"; }

  int64_t now_ = kStart + 1000;
  asio::io_context io_;
  std::unique_ptr<Spool> spool_;
  std::string session_;
  std::optional<zabbix::Alternatives> alternatives_;
  Peer peer_{"probe"};
  Patience patience_{500ms, 20ms, 200ms, 100ms, 500ms};
  std::optional<Delivery> delivery_;
};

TEST_F(DeliveryTest, SendsItemsWithoutIdsOfManyHostsByHostAndKey) {
  Server server(takes_all);
  put("web-1", 1);
  put("web-2", 2, 0, false);
  start({server.endpoint()}, Dialect::v6);
  ASSERT_TRUE(all_is_acknowledged());
  EXPECT_THAT(
      server.requests(),
      ElementsAre(
          R"({"request":"agent data","session":")" + session_ +
          R"(","data":[{"host":"web-1","key":"k[\"web-1\"]","value":"1","id":1,"clock":1700000001,"ns":0},)"
          R"({"host":"web-2","key":"k[\"web-2\"]","value":"2","state":1,"id":2,"clock":1700000002,"ns":0})" +
          tail()));
  EXPECT_EQ(delivery_->counters().delivered, 2u);
}

TEST_F(DeliveryTest, WhatAnItemMissedIsNotPartedByTheEndOfAPacket) {
  Server server(takes_all);
  std::vector<Value> values;
  const auto add = [&](std::string_view host, size_t count) {
    for (size_t at = 0; at < count; ++at)
      values.push_back(Value{host, "k", 0, kStart + static_cast<int64_t>(at), 0, true, "1", 5, true});
  };
  add("web-1", kPacketValues - 28);
  add("web-2", 125);
  add("web-1", kPacketValues + 10);  // more than a packet
  ASSERT_TRUE(spool_->put(values, Durability::normal));
  start({server.endpoint()}, Dialect::v6);
  ASSERT_TRUE(all_is_acknowledged());
  std::vector<size_t> rows;
  for (const std::string& request : server.requests()) rows.push_back(rows_of(request));
  EXPECT_THAT(rows, ElementsAre(kPacketValues - 28, 125, kPacketValues, 10));
  EXPECT_EQ(delivery_->counters().delivered, values.size());
}

TEST_F(DeliveryTest, Sends70ManyHostsByItemidInTheNameOfAKnownHost) {
  Server server(takes_all);
  peer_.set_known("another", true);
  peer_.set_known("probe", true);
  put("web-1", 1, 20005);
  put("web-2", 2, 20006, false);
  start({server.endpoint()}, Dialect::v7);
  ASSERT_TRUE(all_is_acknowledged());
  EXPECT_THAT(server.requests(),
              ElementsAre(R"({"request":"agent data","session":")" + session_ +
                          R"(","version":"7.0.0","variant":1,"host":"probe","data":[)"
                          R"({"itemid":20005,"value":"1","id":1,"clock":1700000001,"ns":0},)"
                          R"({"itemid":20006,"value":"2","state":1,"id":2,"clock":1700000002,"ns":0})" +
                          tail()));
}

TEST_F(DeliveryTest, WithoutAnItemidGoesTheOldWayInItsTurn) {
  Server server(takes_all);
  peer_.set_known("probe", true);
  put("web-1", 1, 20005);
  put("web-1", 2);
  put("web-1", 3, 20005);
  start({server.endpoint()}, Dialect::v7);
  ASSERT_TRUE(all_is_acknowledged());
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_THAT(requests[0], HasSubstr(R"("host":"probe","data":[{"itemid":20005,"value":"1","id":1,)"));
  EXPECT_THAT(requests[1], HasSubstr(R"("data":[{"host":"web-1","key":"k[\"web-1\"]","value":"2","id":2,)"));
  EXPECT_THAT(requests[1], Not(HasSubstr("version")));
  EXPECT_THAT(requests[2], HasSubstr(R"("itemid":20005,"value":"3","id":3,)"));
}

// Its key may be one that macros were expanded in, which Zabbix does not take.
TEST_F(DeliveryTest, WhoeverTellsIdsIsSentIdsWhateverItSpeaks) {
  Server server(takes_all);
  peer_.set_known("probe", true);
  put("web-1", 1, 20005);
  start({server.endpoint()}, Dialect::v6);
  ASSERT_TRUE(all_is_acknowledged());
  EXPECT_THAT(server.requests(), ElementsAre(HasSubstr(R"("host":"probe","data":[{"itemid":20005,)")));
}

TEST_F(DeliveryTest, WhileZabbixKnowsNoHostEachHostsOwnNameIsTried) {
  Server server(knows_all_but("gone"));
  put("web-1", 1, 20005);
  put("gone", 2, 20006);
  put("web-1", 3, 20005);
  put("web-2", 4);
  start({server.endpoint()}, Dialect::v7);
  ASSERT_TRUE(is_delivered(3));
  EXPECT_THAT(
      server.requests(),
      ElementsAre(HasSubstr(R"("host":"gone","data":[{"itemid":20006,"value":"2","id":2,)"),
                  testing::AllOf(HasSubstr(R"("host":"web-1","data":[{"itemid":20005,"value":"1","id":1,)"),
                                 HasSubstr(R"({"itemid":20005,"value":"3","id":3,)")),
                  HasSubstr(R"("data":[{"host":"web-2","key":)")));
  EXPECT_EQ(delivery_->counters().refused, 1u);
  EXPECT_EQ(spool_->stats().destinations.front().waiting, 1u) << "it may be made yet";
}

TEST_F(DeliveryTest, WhenTheLastKnownHostIsGoneEachHostsOwnNameIsTried) {
  Server server(knows_all_but("probe"));
  peer_.set_known("probe", true);
  put("web-1", 1, 20005);
  put("web-2", 2, 20006);
  start({server.endpoint()}, Dialect::v7);
  ASSERT_TRUE(all_is_acknowledged());
  EXPECT_THAT(server.requests(), ElementsAre(HasSubstr(R"("host":"probe")"), HasSubstr(R"("host":"web-1")"),
                                             HasSubstr(R"("host":"web-2")")));
  EXPECT_EQ(delivery_->counters().refused, 0u);
}

TEST_F(DeliveryTest, RefusalsOfTwoItemsWithOneKeyAreApart) {
  Server server([](const std::string& packet) {
    size_t failed = 0;
    for (size_t at = packet.find("\"itemid\":20006"); at != std::string::npos;
         at = packet.find("\"itemid\":20006", at + 1)) {
      ++failed;
    }
    return accepted(rows_of(packet) - failed, failed);
  });
  peer_.set_known("probe", true);
  put("web-1", 1, 20005);
  put("web-1", 2, 20006);
  start({server.endpoint()}, Dialect::v7);
  ASSERT_TRUE(is_refused(1));
  const std::string key = "k[\"web-1\"]";
  EXPECT_EQ(delivery_->outcomes().refusal({"web-1", key, 20005}), nullptr);
  EXPECT_NE(delivery_->outcomes().refusal({"web-1", key, 20006}), nullptr);
}

// One that had no answer is not settled by the next one's.
TEST_F(DeliveryTest, WhileEachHostsOwnNameIsTriedOneWithoutAnAnswerHoldsUpThePacket) {
  std::vector<std::string> stored;
  bool silent = true;
  Server server([&](const std::string& packet) -> std::string {
    const auto request = zabbix::decode_sender_request(packet);
    if (request->host == "web-1" && std::exchange(silent, false)) return "";
    for (const auto& row : request->rows) {
      if (row.value) stored.push_back(*row.value);
    }
    return takes_all(packet);
  });
  put("web-1", 1, 20005);
  put("web-2", 2, 20006);
  start({server.endpoint()}, Dialect::v7);
  ASSERT_TRUE(is_delivered(2));
  EXPECT_THAT(stored, ElementsAre("1", "2"));
}

TEST_F(DeliveryTest, TriesAgainAfterASecondThenTwoAndTellsSinceWhen) {
  Server server([](const std::string&) { return ""; });
  put("web-1", 1);
  const auto begin = std::chrono::steady_clock::now();
  start({server.endpoint()}, Dialect::v6);
  ASSERT_TRUE(run_until(io_, [&] { return !delivery_->trouble().empty(); }));
  const int64_t since = now_;
  now_ += 100;
  ASSERT_TRUE(run_until(io_, [&] { return server.count() == 2; }));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 1s);
  ASSERT_TRUE(run_until(io_, [&] { return server.count() == 3; }));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 3s);
  EXPECT_FALSE(delivery_->trouble().empty());
  EXPECT_EQ(delivery_->trouble_since(), since);
  server.now_answers(takes_all);
  ASSERT_TRUE(all_is_acknowledged());
  EXPECT_TRUE(run_until(io_, [&] { return delivery_->trouble().empty(); }));
  EXPECT_EQ(delivery_->counters().delivered, 1u);
}

// Zabbix may make hosts of it.
TEST_F(DeliveryTest, CountsTheDiscoveriesThatZabbixHasTaken) {
  bool takes = false;
  Server server(
      [&](const std::string& packet) { return takes ? takes_all(packet) : accepted(0, rows_of(packet)); });
  const auto put_text = [&](const std::string& text, bool supported = true) {
    const Value value{"web-1", "any.key", 0, kStart, 0, supported, text, 5, false};
    ASSERT_TRUE(spool_->put(std::span(&value, 1), Durability::normal));
    delivery_->wake();
  };
  start({server.endpoint()}, std::nullopt, zabbix::DataKind::sender);
  put_text(R"([{"{#ID}":"i-1"}])");
  ASSERT_TRUE(is_refused(1));
  EXPECT_EQ(peer_.discoveries, 0u);
  takes = true;
  now_ += 31;
  ASSERT_TRUE(all_is_acknowledged());
  EXPECT_EQ(peer_.discoveries, 1u);
  put_text("[]");
  put_text("1");
  put_text(R"([{"{#ID}": no)", false);
  ASSERT_TRUE(all_is_acknowledged());
  EXPECT_EQ(peer_.discoveries, 1u);
}

TEST_F(DeliveryTest, TheNameOfAHostThatZabbixForgotIsReplacedByAnothers) {
  Server server(knows_all_but("probe"));
  peer_.set_known("probe", true);
  peer_.set_known("web-1", true);
  put("web-1", 1, 20005);
  start({server.endpoint()}, Dialect::v7);
  ASSERT_TRUE(all_is_acknowledged());
  EXPECT_THAT(server.requests(), ElementsAre(HasSubstr(R"("host":"probe")"), HasSubstr(R"("host":"web-1")")));
  EXPECT_EQ(delivery_->counters().refused, 0u);
}

// 6.0 knows them by it when they come again, 7.0 ignores it.
TEST_F(DeliveryTest, SendsTrapperValuesWithASessionToo) {
  Server server(takes_all);
  put("web-1", 1, 0);
  start({server.endpoint()}, std::nullopt, zabbix::DataKind::sender);
  ASSERT_TRUE(all_is_acknowledged());
  ASSERT_EQ(server.count(), 1u);
  EXPECT_THAT(server.requests()[0], testing::StartsWith(R"({"request":"sender data","session":")" + session_ +
                                                        R"(","data":[{"host":"web-1",)"));
}

TEST_F(DeliveryTest, WaitsWhileUploadIsDisabledAndGoesOnWhenItIsNot) {
  const std::string paused =
      R"({"response":"failed","upload":"disabled","info":"data collection has been paused"})";
  Server server([&](const std::string&) { return paused; });
  peer_.set_known("probe", true);
  put("web-1", 1, 20005);
  start({server.endpoint()}, Dialect::v7);
  ASSERT_TRUE(run_until(io_, [&] { return peer_.upload_disabled; }));
  const size_t asked = server.count();
  put("web-1", 2, 20005);
  server.now_answers(takes_all);
  run_for(io_, 1500ms);
  EXPECT_EQ(server.count(), asked) << "values were sent although Zabbix takes none";
  EXPECT_EQ(spool_->stats().destinations.front().values, 2u);
  peer_.upload_disabled = false;  // an answer to active checks
  ASSERT_TRUE(all_is_acknowledged());
  EXPECT_EQ(delivery_->counters().delivered, 2u);
  EXPECT_EQ(delivery_->counters().refused, 0u);
}

TEST_F(DeliveryTest, FindsWhatIsRefusedInHalvesAndTriesItAgainUnderNewIds) {
  bool knows = false;
  std::vector<std::pair<std::string, uint64_t>> stored;
  Server server([&](const std::string& packet) {
    const auto request = zabbix::decode_sender_request(packet);
    size_t failed = 0;
    for (const auto& row : request->rows) {
      const bool refused = row.host == "doomed" && !knows;
      failed += refused ? 1 : 0;
      if (!refused && request->session == session_) stored.emplace_back(*row.value, row.id);
    }
    return accepted(request->rows.size() - failed, failed);
  });
  for (int number = 1; number <= 20; ++number) put(number == 13 ? "doomed" : "web-1", number);
  start({server.endpoint()}, Dialect::v6);
  ASSERT_TRUE(is_delivered(19));
  EXPECT_EQ(delivery_->counters().refused, 1u);
  EXPECT_EQ(spool_->stats().destinations.front().waiting, 1u);
  EXPECT_LE(server.count(), 12u) << "one packet, and two questions for each halving";
  for (const std::string& request : server.requests()) {
    if (request != server.requests().front()) {
      EXPECT_THAT(request, Not(HasSubstr(session_))) << "ids of the session are seen once";
    }
  }
  const Outcomes::Item doomed{"doomed", "k[\"doomed\"]", 0};
  ASSERT_NE(delivery_->outcomes().refusal(doomed), nullptr);
  EXPECT_EQ(delivery_->outcomes().refusal(doomed)->taken, 0);
  put("web-1", 21);
  ASSERT_TRUE(is_delivered(20));
  EXPECT_EQ(delivery_->outcomes().refusals(), 1u);
  knows = true;
  now_ += 31;
  ASSERT_TRUE(all_is_acknowledged());
  EXPECT_EQ(delivery_->outcomes().refusal(doomed)->taken, now_);
  EXPECT_EQ(stored.back().first, "13");
  EXPECT_GT(stored.back().second, 21u) << "a server takes no id below the last it saw";
  EXPECT_EQ(stored.size(), 21u);
}

TEST_F(DeliveryTest, SendsAgainWhatWasAcknowledgedShortlyBeforeAnOutage) {
  Server server(takes_all);
  start({server.endpoint()}, Dialect::v6);
  put("web-1", 1);
  ASSERT_TRUE(run_until(io_, [&] { return server.count() == 1 && everything_acknowledged(); }));
  now_ += 121;  // out of the window
  put("web-1", 2);
  ASSERT_TRUE(run_until(io_, [&] { return server.count() == 2 && everything_acknowledged(); }));
  now_ += 60;
  server.now_answers([](const std::string&) { return ""; });
  put("web-1", 3);
  ASSERT_TRUE(run_until(io_, [&] { return server.count() == 3; }));
  // One that lived has seen the id: it counts a failure, which tells nothing.
  server.now_answers([](const std::string& packet) {
    return packet.find(R"("value":"2")") != std::string::npos ? accepted(0, rows_of(packet))
                                                              : takes_all(packet);
  });
  ASSERT_TRUE(
      run_until(io_, [&] { return everything_acknowledged() && delivery_->counters().delivered == 3; }));
  const auto requests = server.requests();
  const std::string again = requests[requests.size() - 2];
  EXPECT_EQ(again.substr(0, again.find(R"("clock":)" + std::to_string(now_))),
            requests[1].substr(0, requests[1].find(R"("clock":)" + std::to_string(now_ - 60))))
      << "session, id, clock and ns as before";
  EXPECT_EQ(rows_of(again), 1u);
  EXPECT_EQ(delivery_->counters().resent, 1u);
  EXPECT_EQ(delivery_->counters().refused, 0u);
}

TEST_F(DeliveryTest, GoesOnToTheNodeThatIsNoStandby) {
  Server standby([](const std::string&) { return ""; });
  Server server(takes_all);
  put("web-1", 1);
  start({standby.endpoint(), zabbix::closed_port(), server.endpoint()}, Dialect::v6);
  ASSERT_TRUE(all_is_acknowledged());
  put("web-1", 2);
  ASSERT_TRUE(all_is_acknowledged());
  EXPECT_EQ(standby.count(), 1u);
  EXPECT_EQ(server.count(), 2u);
}

// What a server forgets when it is killed, and what gets lost on the way.
class LossTest : public DeliveryTest {
 protected:
  void end() {
    delivery_->stop();
    ASSERT_TRUE(run_until(io_, [&] { return delivery_->ended(); }));
    delivery_.reset();
  }
  // Values of ten hosts, one each: `count` of them in all, numbered on.
  void put_more(int count) {
    for (int i = 0; i < count; ++i) {
      ++number_;
      put("web-" + std::to_string(number_ % 10), number_);
    }
  }
  [[nodiscard]] bool everything_stored(ScriptedServer& server) {
    return everything_acknowledged() && server.history().values() == static_cast<size_t>(number_);
  }
  // After the first packet the witness begins its session by two questions, and one more in reserve. Of an
  // outage before that nobody can tell whether the server lived.
  [[nodiscard]] bool witness_has_begun(ScriptedServer& server) {
    return run_until(io_, [&] { return server.count() >= 4; });
  }

  int number_ = 0;
};

TEST_F(LossTest, AServerThatIsKilledAndBackAtOnceLosesNothingThatItAcknowledged) {
  ScriptedServer server(300ms);
  start({server.endpoint()}, Dialect::v6);
  for (int kill = 0; kill < 5; ++kill) {
    put_more(20);
    ASSERT_TRUE(all_is_acknowledged());
    ASSERT_TRUE(witness_has_begun(server));
    server.kill();
    run_for(io_, 250ms);  // no server is back before that
    put_more(5);
    ASSERT_TRUE(all_is_acknowledged());
  }
  ASSERT_TRUE(run_until(io_, [&] { return everything_stored(server); }))
      << server.history().values() << " of " << number_;
  EXPECT_GE(delivery_->counters().resent, 50u);
  EXPECT_EQ(delivery_->counters().refused, 0u);
}

TEST_F(LossTest, AnAgentThatHasNothingToDeliverFindsOutToo) {
  ScriptedServer server(60s);
  start({server.endpoint()}, Dialect::v6);
  put_more(20);
  ASSERT_TRUE(all_is_acknowledged());
  ASSERT_TRUE(witness_has_begun(server));
  const size_t asked = server.count();
  run_for(io_, 1500ms);
  EXPECT_EQ(server.count(), asked) << "without a sign it looks rarely";
  server.kill();
  ++peer_.signs;  // such as a heartbeat that was refused
  ASSERT_TRUE(is_resent(20));
  const size_t looked = server.count();
  run_for(io_, 1500ms);
  EXPECT_EQ(server.count(), looked) << "one look at a sign";
}

// The first id tells whether the server was there before, the new one that it takes the item at all.
TEST_F(LossTest, TheWitnessAsksWithTheFirstIdOfASessionOfItsOwnAndANewOne) {
  ScriptedServer server(60s);
  start({server.endpoint()}, Dialect::v6);
  put_more(20);
  ASSERT_TRUE(all_is_acknowledged());
  ASSERT_TRUE(witness_has_begun(server));
  ++peer_.signs;
  ASSERT_TRUE(run_until(io_, [&] { return server.count() >= 5; }));
  server.kill();
  ++peer_.signs;
  ASSERT_TRUE(is_resent(20));
  std::map<std::string, uint64_t> newest;
  size_t looks = 0;
  for (const std::string& packet : server.requests()) {
    const auto request = zabbix::decode_sender_request(packet);
    if (request->rows.front().value) {
      EXPECT_EQ(request->session, session_);
      continue;
    }
    ++looks;
    EXPECT_NE(request->session, session_);
    EXPECT_EQ(request->session.size(), 32u);
    ASSERT_EQ(request->rows.size(), 2u);
    uint64_t& last = newest.emplace(request->session, 1).first->second;
    EXPECT_EQ(request->rows[0].id, 1u);
    EXPECT_EQ(request->rows[1].id, ++last);
    EXPECT_EQ(request->rows[0].host, request->rows[1].host);
    EXPECT_EQ(request->rows[0].key, request->rows[1].key);
    EXPECT_FALSE(request->rows[1].value);
  }
  EXPECT_GE(looks, 5u);
  EXPECT_GE(newest.size(), 2u) << "and one in reserve";
}

// Two hosts with one key are two items, of which one is refused.
TEST_F(LossTest, TheWitnessAsksForAnItemThatIsTaken) {
  ScriptedServer server(60s);
  server.set_known("web-2", false);
  put_of("web-1", "k", 1);
  put_of("web-2", "k", 2);
  start({server.endpoint()}, Dialect::v6);
  ASSERT_TRUE(is_refused(1));
  const auto witness_of = [&] {
    std::vector<std::string> hosts;
    for (const std::string& packet : server.requests()) {
      const auto request = zabbix::decode_sender_request(packet);
      if (!request->rows.front().value && request->rows.size() == 2 &&
          request->rows[0].host == request->rows[1].host) {
        hosts.push_back(request->rows[0].host);
      }
    }
    return hosts;
  };
  ASSERT_TRUE(run_until(io_, [&] { return witness_of().size() == 3; }));
  EXPECT_THAT(witness_of(), testing::Each("web-1"));
}

// Each acknowledgement shows that the server is there: it was not away within the time a restart takes.
TEST_F(LossTest, WhileValuesAreAcknowledgedNobodyLooks) {
  std::mutex mutex;
  auto newest = std::chrono::steady_clock::now();          // when values came last
  std::vector<std::chrono::steady_clock::duration> looks;  // so long after that
  Taking taking;
  ScriptedZabbix server([&](const std::string& packet) {
    const auto now = std::chrono::steady_clock::now();
    const std::lock_guard lock(mutex);
    const auto request = zabbix::decode_sender_request(packet);
    if (request->rows.front().value) {
      newest = now;
    } else {
      looks.push_back(now - newest);
    }
    const auto counts = taking.take(*request, [](const std::string&) { return true; });
    return accepted(counts.taken, counts.failed);
  });
  start({server.endpoint()}, Dialect::v6);
  put_more(1);
  ASSERT_TRUE(run_until(io_, [&] { return server.count() == 4; }));  // it has begun
  run_for(io_, 20ms);
  const auto end = std::chrono::steady_clock::now() + 1s;
  for (uint64_t delivered = 2; std::chrono::steady_clock::now() < end; ++delivered) {
    put_more(1);
    ASSERT_TRUE(is_delivered(delivered));
  }
  const std::lock_guard lock(mutex);
  for (size_t at = 3; at < looks.size(); ++at) EXPECT_GE(looks[at], 200ms) << at;
}

TEST_F(LossTest, AServerThatLivedIsSentNothingAgain) {
  ScriptedServer server;
  start({server.endpoint()}, Dialect::v6);
  put_more(50);
  ASSERT_TRUE(run_until(io_, [&] { return everything_stored(server); }));
  ASSERT_TRUE(witness_has_begun(server));
  for (int outage = 0; outage < 2; ++outage) {
    server.set_away(true);
    put_more(1);
    ++peer_.signs;
    run_for(io_, 1200ms);
    server.set_away(false);
    ASSERT_TRUE(run_until(io_, [&] { return everything_stored(server); }));
  }
  EXPECT_EQ(delivery_->counters().resent, 0u);
  EXPECT_EQ(server.history().doubles(), 0u);
}

TEST_F(LossTest, WhenNobodyCanTellItIsSentAgainOnceAndNotAtTheNextLookToo) {
  Taking taking;
  std::atomic<int> questions = 0;
  ScriptedZabbix server([&](const std::string& packet) -> std::string {
    const auto request = zabbix::decode_sender_request(packet);
    const auto counts = taking.take(*request, [](const std::string&) { return true; });
    if (!request->rows.front().value) {
      ++questions;
      // The answers to the session in reserve, and to the first look after that.
      if (questions == 3 || questions == 4) return "";
    }
    return accepted(counts.taken, counts.failed);
  });
  start({server.endpoint()}, Dialect::v6);
  put_more(50);
  ASSERT_TRUE(run_until(io_, [&] { return everything_acknowledged() && questions == 3; }));
  run_for(io_, 250ms);  // it is not sure any more
  put_more(1);
  ASSERT_TRUE(is_delivered(51));
  EXPECT_EQ(delivery_->counters().resent, 50u);
  for (uint64_t delivered = 52; delivered < 55; ++delivered) {
    run_for(io_, 250ms);
    put_more(1);
    ASSERT_TRUE(is_delivered(delivered));
  }
  EXPECT_EQ(delivery_->counters().resent, 50u);
}

TEST_F(LossTest, WhoDidNotAnswerTheFirstQuestionMayHaveBeenStartedAnew) {
  Taking taking;
  std::atomic<int> questions = 0;
  ScriptedZabbix server([&](const std::string& packet) -> std::string {
    const auto request = zabbix::decode_sender_request(packet);
    const auto counts = taking.take(*request, [](const std::string&) { return true; });
    if (!request->rows.front().value && ++questions == 1) return "";
    return accepted(counts.taken, counts.failed);
  });
  start({server.endpoint()}, Dialect::v6);
  put_more(20);
  EXPECT_TRUE(is_resent(20));
  EXPECT_TRUE(is_delivered(20));
}

TEST_F(LossTest, WhateverIsLostOnTheWayNothingIsLostOrStoredTwiceOrSentMuchMoreThanOnce) {
  ScriptedServer server;
  start({server.endpoint()}, Dialect::v6);
  put_more(2000);
  ASSERT_TRUE(run_until(io_, [&] { return everything_stored(server); }));
  server.set_lost(10, 2);
  for (int second = 0; second < 12; ++second) {
    put_more(2000);
    ASSERT_TRUE(all_is_acknowledged());
    run_for(io_, 210ms);
  }
  server.set_lost(0, 0);
  ASSERT_TRUE(run_until(io_, [&] { return everything_stored(server); }))
      << server.history().values() << " of " << number_;
  EXPECT_EQ(server.history().doubles(), 0u) << "also where history has no primary keys";
  EXPECT_LE(server.rows(), 2u * static_cast<size_t>(number_));
  EXPECT_GT(delivery_->counters().failures, 0u);
  EXPECT_EQ(delivery_->counters().delivered, static_cast<uint64_t>(number_));
}

TEST_F(LossTest, AnswersGetLostWhileTheServerIsKilled) {
  ScriptedServer server(200ms);
  start({server.endpoint()}, Dialect::v6);
  put_more(20);
  ASSERT_TRUE(all_is_acknowledged());
  server.set_lost(15, 0);
  for (int kill = 0; kill < 4; ++kill) {
    put_more(20);
    ASSERT_TRUE(all_is_acknowledged());
    server.kill();
    run_for(io_, 250ms);
  }
  server.set_lost(0, 0);
  ++peer_.signs;
  ASSERT_TRUE(run_until(io_, [&] { return everything_stored(server); }))
      << server.history().values() << " of " << number_;
}

TEST_F(LossTest, OneWithoutSessionsIsSentNoMoreAgainThanItWasSentOnce) {
  ScriptedServer server;
  server.set_sessions(false);
  start({server.endpoint()}, std::nullopt, zabbix::DataKind::sender);
  put_more(1000);
  ASSERT_TRUE(run_until(io_, [&] { return everything_stored(server); }));
  for (int outage = 0; outage < 3; ++outage) {
    server.set_away(true);
    put_more(1);
    run_for(io_, 300ms);
    server.set_away(false);
    ASSERT_TRUE(all_is_acknowledged());
  }
  EXPECT_GE(delivery_->counters().resent, 1000u) << "at the first sign";
  EXPECT_LE(server.rows(), 2u * static_cast<size_t>(number_) + 20);
}

TEST_F(LossTest, WhatTheServerLostWhileTheAgentWasDownTooIsSentAgain) {
  ScriptedServer server(60s);
  start({server.endpoint()}, Dialect::v6);
  put_more(50);
  ASSERT_TRUE(all_is_acknowledged());
  end();
  server.kill();
  start({server.endpoint()}, Dialect::v6);
  ASSERT_TRUE(is_resent(50));
  end();
  const size_t rows = server.rows();
  start({server.endpoint()}, Dialect::v6);
  ASSERT_TRUE(is_resent(50)) << "a start does not know what became of the server";
  EXPECT_LE(server.rows() - rows, 60u);
}

// What is sent again after a start tells which item can be asked about, and from when on.
TEST_F(LossTest, AfterAStartAServerThatIsKilledIsNoticedThoughNothingNewWasPut) {
  ScriptedServer server(60s);
  start({server.endpoint()}, Dialect::v6);
  put_more(50);
  ASSERT_TRUE(all_is_acknowledged());
  end();
  const size_t asked = server.count();
  start({server.endpoint()}, Dialect::v6);
  ASSERT_TRUE(is_resent(50));
  ASSERT_TRUE(run_until(io_, [&] { return server.count() >= asked + 4; }))
      << "the packet, and three questions";
  server.kill();
  ++peer_.signs;
  EXPECT_TRUE(is_resent(100));
  EXPECT_EQ(delivery_->counters().delivered, 0u);
}

TEST_F(LossTest, WhatWasOnTheWayWhenTheAgentWasKilledIsStoredOnce) {
  ScriptedServer server;
  start({server.endpoint()}, Dialect::v6);
  put_more(50);
  ASSERT_TRUE(run_until(io_, [&] { return everything_stored(server); }));
  server.set_silent(true);
  put_more(50);
  ASSERT_TRUE(run_until(io_, [&] { return delivery_->counters().failures > 0; }));
  end();
  server.set_silent(false);
  put_more(50);
  start({server.endpoint()}, Dialect::v6);
  ASSERT_TRUE(run_until(io_, [&] { return everything_stored(server); }));
  EXPECT_EQ(server.history().doubles(), 0u) << "also where history has no primary keys";
  EXPECT_EQ(delivery_->counters().refused, 0u);
}

// Zabbix does not know the root host; the first that it knows lends its name, which another one would at the
// next start.
TEST_F(LossTest, AfterAStartValuesTravelInTheSameNameAsBefore) {
  ScriptedServer server;
  for (const Dialect dialect : {Dialect::v6, Dialect::v7}) {
    peer_ = Peer("probe");
    peer_.set_known("h5", true);
    peer_.set_known("probe", false);
    start({server.endpoint()}, dialect);
    for (int i = 0; i < 20; ++i) put("h5", ++number_, 5);
    ASSERT_TRUE(run_until(io_, [&] { return everything_stored(server); }));
    end();
    peer_ = Peer("probe");
    peer_.set_known("h2", true);
    start({server.endpoint()}, dialect);
    for (int i = 0; i < 20; ++i) put("h2", ++number_, 2);
    run_for(io_, 300ms);
    EXPECT_EQ(server.history().doubles(), 0u);
    peer_.set_known("h5", true);
    ASSERT_TRUE(run_until(io_, [&] { return everything_stored(server); }));
    EXPECT_EQ(server.history().doubles(), 0u);
    EXPECT_GE(delivery_->counters().resent, 20u);
    end();
  }
}

// Rows without ids have no name that could be kept.
TEST_F(LossTest, WhileZabbixKnowsNoHostTheNameThatIsKeptStays) {
  ScriptedServer server;
  ASSERT_TRUE(spool_->set_root_host(kSpoolDestination, "h5"));
  peer_.set_known("h5", false);
  start({server.endpoint()}, Dialect::v6);
  put("h2", ++number_);
  put("h3", ++number_, 3);
  ASSERT_TRUE(run_until(io_, [&] { return everything_stored(server); }));
  EXPECT_EQ(spool_->root_host(kSpoolDestination), "h5");
}

TEST_F(LossTest, AHostWhoseNameValuesTravelledInMayBeGoneAfterAStart) {
  ScriptedServer server;
  peer_.set_known("h5", true);
  start({server.endpoint()}, Dialect::v6);
  put("h5", ++number_, 5);
  ASSERT_TRUE(run_until(io_, [&] { return everything_stored(server); }));
  EXPECT_EQ(spool_->root_host(kSpoolDestination), "h5");
  end();
  peer_ = Peer("probe");
  peer_.set_known("probe", true);
  peer_.set_known("h5", false);
  start({server.endpoint()}, Dialect::v6);
  put("h2", ++number_, 2);
  ASSERT_TRUE(run_until(io_, [&] { return everything_stored(server); }));
  EXPECT_EQ(spool_->root_host(kSpoolDestination), "probe");
}

TEST_F(LossTest, WhatIsRefusedIsFoundWithoutStoringTheOthersTwice) {
  ScriptedServer server;
  server.set_known("web-3", false);
  start({server.endpoint()}, Dialect::v6);
  run_for(io_, 10ms);
  put_more(40);
  ASSERT_TRUE(is_refused(4));
  EXPECT_EQ(server.history().doubles(), 0u);
  for (const std::string& request : server.requests()) {
    if (request == server.requests().front()) continue;
    EXPECT_THAT(request, Not(HasSubstr(session_))) << "ids of the session are seen once";
  }
  server.set_known("web-3", true);
  now_ += 31;
  ASSERT_TRUE(run_until(io_, [&] { return everything_stored(server); }));
  EXPECT_EQ(server.history().doubles(), 0u);
}

// More refused items than it asks for: those it does not get to count as refused, and come again.
TEST_F(LossTest, ForWhatIsRefusedItAsksSixtyFourTimesInAllAndNothingIsLost) {
  ScriptedServer server;
  constexpr int kItems = 400;
  for (int item = 1; item <= kItems; ++item) {
    const std::string host = "host-" + std::to_string(item);
    if (item % 2 == 0) server.set_known(host, false);
    peer_.set_known(host, false);
    put(host, ++number_);
  }
  start({server.endpoint()}, Dialect::v6);
  ASSERT_TRUE(run_until(io_, [&] { return delivery_->counters().refused > 0; }));
  size_t questions = 0;
  for (const std::string& packet : server.requests()) {
    const auto request = zabbix::decode_sender_request(packet);
    const bool is_witness = request->rows.size() == 2 && request->rows[0].host == request->rows[1].host;
    if (!request->rows.front().value && !is_witness) ++questions;
  }
  EXPECT_EQ(questions, 64u);
  EXPECT_GE(delivery_->counters().refused, 200u);
  EXPECT_GT(delivery_->counters().delivered, 0u);
  for (int item = 2; item <= kItems; item += 2) server.set_known("host-" + std::to_string(item), true);
  now_ += 31;
  EXPECT_TRUE(run_until(io_, [&] { return everything_stored(server); }));
}

// Whether a lost answer hid a refusal nobody can tell: an item of which nothing was ever taken is sent its
// values again.
TEST_F(LossTest, AnItemThatBecomesKnownWhileAnAnswerIsLostKeepsItsValue) {
  ScriptedServer server;
  server.set_known("h1", false);
  server.set_silent(true);
  for (const char* host : {"h1", "h2"}) peer_.set_known(host, true);
  start({server.endpoint()}, Dialect::v7);
  run_for(io_, 10ms);  // of what is put after the start nothing has been sent before
  for (const char* host : {"h1", "h2"}) {
    ++number_;
    put(host, number_, static_cast<uint64_t>(number_));
  }
  ASSERT_TRUE(run_until(io_, [&] { return delivery_->counters().failures > 0; }));
  server.set_known("h1", true);
  server.set_silent(false);
  ASSERT_TRUE(run_until(io_, [&] { return everything_stored(server); }));
  for (const std::string& packet : server.requests()) {
    const auto request = zabbix::decode_sender_request(packet);
    if (request->session == session_) continue;
    EXPECT_TRUE(request->rows.front().value) << "the values go at once, and nothing is asked before";
    break;
  }
}

class GroupDeliveryTest : public DeliveryTest {
 protected:
  void put_to(int host, int number) { put("h" + std::to_string(host), number, static_cast<uint64_t>(host)); }
  void know(int hosts) {
    for (int host = 1; host <= hosts; ++host) peer_.set_known("h" + std::to_string(host), true);
  }
  // A value of each host, numbered on: value n is of host 1 + (n - 1) % hosts.
  void put_round() {
    for (int host = 1; host <= kHosts; ++host) put_to(host, ++number_);
  }
  // Rounds of values for so long.
  void put_for(std::chrono::milliseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end) {
      put_round();
      run_for(io_, 20ms);
    }
  }
  void begin(ScriptedGroup& group) {
    know(kHosts);
    for (int host = 1; host <= kHosts; ++host)
      group.assign("h" + std::to_string(host), static_cast<size_t>(host) % 2);
    start({group.proxy(0).endpoint(), group.proxy(1).endpoint()}, Dialect::v7);
    put_for(100ms);
  }
  [[nodiscard]] testing::AssertionResult all_arrives(ScriptedGroup& group) {
    const bool all = run_until(io_, [&] {
      return everything_acknowledged() && group.history().values() == static_cast<size_t>(number_);
    });
    if (all) return testing::AssertionSuccess();
    const auto left = spool_->stats().destinations.front();
    return testing::AssertionFailure() << group.history().values() << " of " << number_ << ", " << left.values
                                       << " stuck, " << left.waiting << " refused";
  }

  static constexpr int kHosts = 6;
  int number_ = 0;
};

TEST_F(GroupDeliveryTest, EachHostsValuesTravelToItsOwnProxy) {
  ScriptedGroup group(2);
  group.assign("h1", 1);
  group.assign("h2", 0);
  know(2);
  put_to(1, 1);
  put_to(2, 2);
  put_to(1, 3);
  start({group.proxy(0).endpoint()}, Dialect::v7);
  ASSERT_TRUE(all_is_acknowledged());
  EXPECT_THAT(group.history().of("h1"), ElementsAre("1", "3"));
  EXPECT_THAT(group.history().of("h2"), ElementsAre("2"));
  EXPECT_THAT(group.proxy(1).requests(),
              testing::Contains(R"({"request":"agent data","session":")" + session_ +
                                R"(","version":"7.0.0","variant":1,"host":"h1","data":[)"
                                R"({"itemid":1,"value":"1","id":1,"clock":1700000001,"ns":0},)"
                                R"({"itemid":1,"value":"3","id":3,"clock":1700000003,"ns":0})" +
                                tail()));
  put_to(1, 4);
  put_to(2, 5);
  ASSERT_TRUE(all_is_acknowledged());
  EXPECT_EQ(delivery_->counters().delivered, 5u);
  EXPECT_EQ(delivery_->counters().refused, 0u);
  EXPECT_EQ(group.history().doubles(), 0u);
}

// 1,129 of 1,240 values were refused by proxies that they did not belong to.
TEST_F(GroupDeliveryTest, AtTheStartValuesOfHostsThatWereNotAskedForTravelByHost) {
  ScriptedGroup group(2);
  peer_.set_known("probe", true);
  group.assign("probe", 0);  // in whose name they would be refused, without a redirect
  for (int host = 1; host <= kHosts; ++host)
    group.assign("h" + std::to_string(host), static_cast<size_t>(host) % 2);
  for (int round = 0; round < 20; ++round) put_round();
  start({group.proxy(0).endpoint()}, Dialect::v7);
  EXPECT_TRUE(all_arrives(group));
  EXPECT_EQ(delivery_->counters().refused, 0u);
  EXPECT_EQ(group.history().doubles(), 0u);
}

TEST_F(GroupDeliveryTest, WhatIsNoGroupTakesManyHostsInAPacketWhenAllHaveBeenAskedFor) {
  Server server(takes_all);
  put_to(1, 1);
  start({server.endpoint()}, Dialect::v7);
  ASSERT_TRUE(all_is_acknowledged());
  EXPECT_THAT(server.requests(), ElementsAre(HasSubstr(R"("host":"h1","data":[{"itemid":1,)")));
  know(2);
  peer_.set_known("probe", true);
  run_for(io_, 50ms);
  put_to(1, 2);
  ASSERT_TRUE(all_is_acknowledged());
  EXPECT_THAT(server.requests().back(), HasSubstr(R"("host":"probe","data":[{"itemid":1,)"));
}

TEST_F(GroupDeliveryTest, AProxyThatIsAwayHoldsUpItsOwnHostsOnlyAndNothingIsLostOrTwice) {
  ScriptedGroup group(3);
  group.assign("h1", 1);
  group.assign("h2", 0);
  know(2);
  put_to(1, 1);
  put_to(2, 2);
  start({group.proxy(0).endpoint()}, Dialect::v7);
  ASSERT_TRUE(all_is_acknowledged());
  group.set_away(1, true);
  for (int number = 3; number <= 12; ++number) {
    put_to(number % 2 == 1 ? 1 : 2, number);
    ASSERT_TRUE(
        run_until(io_, [&] { return group.history().of("h2").size() >= static_cast<size_t>(number / 2); }));
  }
  EXPECT_EQ(group.history().of("h1").size(), 1u);
  EXPECT_GT(spool_->stats().destinations.front().values, 0u) << "what is held stays in the spool";
  group.assign("h1", 2);  // the group has noticed
  ASSERT_TRUE(all_is_acknowledged());
  EXPECT_THAT(group.history().of("h1"), ElementsAre("1", "1", "3", "5", "7", "9", "11"))
      << "what the one took shortly before its hosts went to another, goes there too";
  EXPECT_THAT(group.history().of("h2"), ElementsAre("2", "4", "6", "8", "10", "12"));
  EXPECT_EQ(delivery_->counters().refused, 0u);
  put_to(1, 13);
  ASSERT_TRUE(all_is_acknowledged());
  EXPECT_EQ(group.history().of("h1").back(), "13");
}

TEST_F(GroupDeliveryTest, AProxyThatDoesNotAnswerHoldsUpOthersForItsPatienceOnly) {
  ScriptedGroup group(2);
  group.assign("h1", 1);
  group.assign("h2", 0);
  know(2);
  std::atomic<bool> hangs = true;
  group.proxy(1).now_answers([&](const std::string& packet) {
    while (hangs) std::this_thread::sleep_for(5ms);
    return takes_all(packet);
  });
  put_to(1, 1);
  put_to(2, 2);
  start({group.proxy(0).endpoint()}, Dialect::v7);
  const auto begin = std::chrono::steady_clock::now();
  for (int number = 3; number <= 20; ++number) {
    put_to(number % 2 == 1 ? 1 : 2, number);
    run_for(io_, 20ms);
  }
  EXPECT_TRUE(run_until(io_, [&] { return group.history().of("h2").size() == 10; }));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 25s) << "an exchange may take a minute";
  EXPECT_GT(spool_->stats().destinations.front().values, 0u);
  hangs = false;
  EXPECT_TRUE(all_is_acknowledged());
}

// The proxy answers, and takes the others' values.
// The same when it had answered before, so that its witness is asked: first although nothing new is put, then
// before the values of its own host.
TEST_F(GroupDeliveryTest, AProxyThatDoesNotAnswerALookHoldsUpOthersForItsPatienceOnly) {
  ScriptedGroup group(2);
  begin(group);
  ASSERT_TRUE(all_is_acknowledged());
  std::atomic<bool> hangs = true;
  const size_t asked = group.proxy(1).count();
  group.proxy(1).now_answers([&](const std::string& packet) {
    while (hangs) std::this_thread::sleep_for(5ms);
    return takes_all(packet);
  });
  run_for(io_, 1500ms);
  size_t arrived = group.history().of("h2").size();
  const auto comes_soon = [&](int number) {
    put_to(2, number);
    ++arrived;
    const auto begin = std::chrono::steady_clock::now();
    return run_until(io_, [&] { return group.history().of("h2").size() == arrived; }) &&
           std::chrono::steady_clock::now() - begin < 25s;
  };
  EXPECT_TRUE(comes_soon(++number_)) << "an exchange may take a minute";
  put_to(1, ++number_);
  run_for(io_, 50ms);
  EXPECT_TRUE(comes_soon(++number_));
  hangs = false;
  EXPECT_TRUE(all_is_acknowledged());
  EXPECT_GT(group.proxy(1).count(), asked) << "it was looked at";
}

TEST_F(GroupDeliveryTest, AHostThatItsProxyRefusesWaitsByItself) {
  ScriptedGroup group(2);
  for (const char* host : {"h1", "h3"}) group.assign(host, 1);
  group.assign("h2", 0);
  know(3);
  std::atomic<int> tries = 0;
  group.proxy(1).now_answers([&](const std::string& packet) -> std::string {
    if (packet.find(R"("host":"h1")") == std::string::npos) return takes_all(packet);
    ++tries;
    return R"({"response":"failed","info":"not now"})";
  });
  patience_.astray = 1h;
  for (int number = 1; number <= 3; ++number) put_to(number, number);
  start({group.proxy(0).endpoint()}, Dialect::v7);
  for (uint64_t delivered = 2; delivered < 20; ++delivered) {
    ASSERT_TRUE(is_delivered(delivered));
    put_to(static_cast<int>(delivered) % 2 == 0 ? 2 : 3, 100 + static_cast<int>(delivered));
    put_to(1, 200 + static_cast<int>(delivered));
  }
  EXPECT_EQ(tries, 1) << "an hour has not passed";
  EXPECT_GT(spool_->stats().destinations.front().values, 18u) << "what is held stays in the spool";
}

TEST_F(GroupDeliveryTest, AHostThatItsProxyRefusedIsTriedAgain) {
  ScriptedGroup group(2);
  group.assign("h1", 1);
  group.assign("h2", 0);
  know(2);
  std::atomic<int> tries = 0;
  std::vector<std::string> stored;
  group.proxy(1).now_answers([&](const std::string& packet) -> std::string {
    if (++tries <= 3) return R"({"response":"failed","info":"not now"})";
    const auto request = zabbix::decode_sender_request(packet);
    for (const auto& row : request->rows) {
      if (row.value) stored.push_back(*row.value);
    }
    return takes_all(packet);
  });
  for (int number = 1; number <= 6; ++number) put_to(1 + number % 2, number);
  start({group.proxy(0).endpoint()}, Dialect::v7);
  ASSERT_TRUE(all_is_acknowledged());
  EXPECT_THAT(stored, ElementsAre("2", "4", "6"));
  EXPECT_EQ(delivery_->counters().refused, 0u);
}

TEST_F(GroupDeliveryTest, NothingIsSentByHostWhileUploadIsDisabledAndAllOfItAfter) {
  ScriptedGroup group(2);
  begin(group);
  ASSERT_TRUE(all_is_acknowledged());
  const uint64_t before = delivery_->counters().delivered;
  group.set_away(1, true);
  put_round();
  ASSERT_TRUE(is_delivered(before + 3)) << "what is the other proxy's is held";
  const size_t asked = group.proxy(1).count();
  ASSERT_TRUE(run_until(io_, [&] { return group.proxy(1).count() > asked; })) << "and tried again";
  peer_.upload_disabled = true;  // an answer to active checks
  run_for(io_, 300ms);           // what was under way
  group.set_away(1, false);
  put_round();
  const size_t first = group.proxy(0).count();
  const size_t second = group.proxy(1).count();
  run_for(io_, 1000ms);
  EXPECT_EQ(group.proxy(0).count(), first);
  EXPECT_EQ(group.proxy(1).count(), second);
  EXPECT_EQ(delivery_->counters().delivered, before + 3);
  peer_.upload_disabled = false;
  EXPECT_TRUE(all_arrives(group));
}

// While it is being found out what became of its value: nothing newer may come there before what came before.
TEST_F(GroupDeliveryTest, AHostThatIsMovedWhileItIsAskedGetsItsValuesThereInTheirOrder) {
  std::mutex mutex;
  std::vector<std::string> at_second;
  const auto to = [](int revision, const ScriptedZabbix& proxy) {
    return R"({"redirect":{"revision":)" + std::to_string(revision) + R"(,"address":")" + proxy.address() +
           R"("},"response":"failed"})";
  };
  ScriptedZabbix second([&](const std::string& packet) {
    const std::lock_guard lock(mutex);
    const auto request = zabbix::decode_sender_request(packet);
    for (const auto& row : request->rows) {
      if (row.value) at_second.push_back(*row.value);
    }
    return takes_all(packet);
  });
  int of_two = 0;
  ScriptedZabbix first([&](const std::string& packet) -> std::string {
    if (packet.find(R"("itemid":102)") == std::string::npos) return takes_all(packet);
    // Its answer is lost; when it comes again, a failure is counted; then the host is somebody else's.
    ++of_two;
    return of_two == 1 ? "" : of_two == 2 ? accepted(0, rows_of(packet)) : to(2, second);
  });
  ScriptedZabbix front([&](const std::string&) { return to(1, first); });
  put_of("h1", "one", 1, 101);
  start({front.endpoint()}, Dialect::v7);
  ASSERT_TRUE(all_is_acknowledged());
  put_of("h1", "two", 2, 102);
  ASSERT_TRUE(run_until(io_, [&] {
    const std::lock_guard lock(mutex);
    return at_second.size() >= 2 && everything_acknowledged();
  }));
  const std::lock_guard lock(mutex);
  EXPECT_THAT(at_second, ElementsAre("1", "2"));
}

// A proxy reads its configuration every 10 s, here 300 ms, and the server has its values a little later.
TEST_F(GroupDeliveryTest, ARebalanceLosesNothing) {
  ScriptedGroup group(2, 300ms, 50ms);
  begin(group);
  for (int move = 0; move < 6; ++move) {
    group.assign("h" + std::to_string(1 + move % kHosts), static_cast<size_t>(move) % 2);
    put_for(200ms);
  }
  EXPECT_TRUE(all_arrives(group));
  EXPECT_EQ(delivery_->counters().refused, 0u);
}

// There and back before the first proxy has handed on what it took: the server drops it, the proxy has seen
// it.
TEST_F(GroupDeliveryTest, AHostThatComesBackToItsProxyLosesNothing) {
  ScriptedGroup group(2, 0ms, 50ms);
  begin(group);
  for (int move = 0; move < 15; ++move) {
    put_for(std::chrono::milliseconds(40 + 10 * (move / 2 % 4)));
    group.assign("h1", static_cast<size_t>(move) % 2);
  }
  put_round();
  EXPECT_TRUE(all_arrives(group));
  EXPECT_EQ(delivery_->counters().refused, 0u);
}

// A host that stays where it is has one session, however many answers are lost: nothing is there twice.
TEST_F(GroupDeliveryTest, WhatOneProxyTakesAgainAfterALostAnswerIsThereOnce) {
  ScriptedGroup group(2);
  begin(group);
  ASSERT_TRUE(all_is_acknowledged());
  group.set_flaky(30);
  for (int round = 0; round < 10; ++round) put_for(50ms);
  group.set_flaky(0);
  EXPECT_TRUE(all_arrives(group));
  EXPECT_EQ(group.history().doubles(), 0u);
}

// The proxy that took its values last is asked first, and says where it is now.
TEST_F(GroupDeliveryTest, AHostThatMovesIsFollowedAndNothingHasFailed) {
  ScriptedGroup group(2);
  begin(group);
  for (int move = 0; move < 6; ++move) {
    ASSERT_TRUE(all_is_acknowledged());
    group.assign("h" + std::to_string(1 + move % 2), static_cast<size_t>(move / 2) % 2);
    put_round();
    run_for(io_, 20ms);
    put_round();
  }
  EXPECT_TRUE(all_arrives(group));
  EXPECT_EQ(delivery_->counters().failures, 0u);
  EXPECT_EQ(delivery_->counters().refused, 0u);
}

TEST_F(GroupDeliveryTest, AProxyThatIsCutOffLosesNothing) {
  ScriptedGroup group(2, 100ms, 50ms);
  begin(group);
  group.set_away(1, true);
  put_for(300ms);
  for (int host = 1; host <= kHosts; host += 2) group.assign("h" + std::to_string(host), 0);
  put_for(300ms);
  EXPECT_TRUE(all_arrives(group));
  EXPECT_EQ(delivery_->counters().refused, 0u);
}

TEST_F(GroupDeliveryTest, AProxyThatIsKilledAndBackAtOnceLosesNothing) {
  ScriptedGroup group(2, 0ms, 400ms);
  begin(group);
  for (int kill = 0; kill < 3; ++kill) {
    put_for(100ms);
    ASSERT_TRUE(all_is_acknowledged());
    group.kill(1);
    run_for(io_, 250ms);  // no proxy is back before that
  }
  put_for(100ms);
  EXPECT_TRUE(all_arrives(group));
  EXPECT_EQ(delivery_->counters().refused, 0u);
}

// Nothing new is put, so nothing new tells it.
TEST_F(GroupDeliveryTest, AProxyThatIsKilledAfterTheLastValueLosesNothing) {
  ScriptedGroup group(2, 0ms, 2s);
  begin(group);
  ASSERT_TRUE(all_is_acknowledged());
  run_for(io_, 250ms);  // no proxy is back before that
  group.kill(1);
  EXPECT_TRUE(all_arrives(group));
  EXPECT_GT(delivery_->counters().resent, 0u);
}

// Its proxy took it by a map that was old, and the server dropped it; active checks are told the new one.
TEST_F(GroupDeliveryTest, AHostThatMovedWithItsLastValueLosesNothing) {
  ScriptedGroup group(2, 400ms);
  begin(group);
  ASSERT_TRUE(all_is_acknowledged());
  group.read_maps();
  group.assign("h1", 0);
  put_to(1, ++number_);
  ASSERT_TRUE(all_is_acknowledged());
  const zabbix::Redirect redirect{false, 1000, group.proxy(0).address()};
  ASSERT_TRUE(
      alternatives_->follow("h1", group.proxy(1).endpoint(), redirect, std::chrono::steady_clock::now()));
  EXPECT_TRUE(all_arrives(group));
}

TEST_F(GroupDeliveryTest, AHostThatLeavesItsGroupIsAskedForAtTheConfiguredAddresses) {
  ScriptedGroup group(3, 0ms, 50ms);
  know(kHosts);
  for (int host = 1; host <= kHosts; ++host) group.assign("h" + std::to_string(host), 1);
  start({group.proxy(0).endpoint(), group.proxy(2).endpoint()}, Dialect::v7);
  put_for(100ms);
  ASSERT_TRUE(all_is_acknowledged());
  group.leave("h1", 2);
  put_for(200ms);
  EXPECT_TRUE(all_arrives(group));
  EXPECT_EQ(delivery_->counters().refused, 0u);
}

TEST_F(GroupDeliveryTest, AMapWhoseRevisionGoesBackStrandsNoHost) {
  ScriptedGroup group(2, 0ms, 50ms);
  group.set_revision(1000);
  begin(group);
  ASSERT_TRUE(all_is_acknowledged());
  group.set_revision(0);
  for (int host = 1; host <= kHosts; ++host)
    group.assign("h" + std::to_string(host), static_cast<size_t>(host + 1) % 2);
  put_for(200ms);
  EXPECT_TRUE(all_arrives(group));
  EXPECT_EQ(delivery_->counters().refused, 0u);
}

TEST_F(GroupDeliveryTest, WhateverFailsEachHostsValuesArriveAndInOrder) {
  ScriptedGroup group(2, 50ms);
  begin(group);
  group.set_flaky(10);
  for (int move = 0; move < 4; ++move) {
    put_for(150ms);
    group.assign("h" + std::to_string(1 + move), static_cast<size_t>(move) % 2);
    now_ += 1;
  }
  group.set_flaky(0);
  run_for(io_, 100ms);  // whatever map a proxy has after that, it is the newest
  put_round();
  EXPECT_TRUE(all_arrives(group));
  for (int host = 1; host <= kHosts; ++host) {
    std::vector<int> first;  // when each value came the first time
    for (const std::string& value : group.history().of("h" + std::to_string(host))) {
      const int number = std::stoi(value);
      if (std::find(first.begin(), first.end(), number) == first.end()) first.push_back(number);
    }
    EXPECT_TRUE(std::is_sorted(first.begin(), first.end())) << "host " << host;
  }
}

}  // namespace
}  // namespace bakusoku::agent
