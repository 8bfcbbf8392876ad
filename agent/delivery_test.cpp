// What Zabbix is sent of a spool, byte by byte where the bytes matter, and what becomes of it when Zabbix
// refuses, redirects, pauses, is away or slow.
#include "agent/delivery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/ip/tcp.hpp>
#include <atomic>
#include <map>
#include <random>
#include <thread>

#include "agent/scripted_zabbix.h"
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

std::string accepted(size_t processed, size_t failed = 0) {
  return zabbix::encode_sender_answer({processed, failed, processed + failed, 0.000055});
}
size_t rows_of(const std::string& packet) {
  const auto request = zabbix::decode_sender_request(packet);
  return request ? request->rows.size() : 0;
}
std::string takes_all(const std::string& packet) { return accepted(rows_of(packet)); }
std::string redirect(int revision, const std::string& address) {
  return R"({"redirect":{"revision":)" + std::to_string(revision) + R"(,"address":")" + address +
         R"("},"response":"failed"})";
}

// A port of this machine on which nobody listens.
zabbix::Endpoint closed_port() {
  asio::io_context io;
  const asio::ip::tcp::acceptor acceptor(io, asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  return {"127.0.0.1", acceptor.local_endpoint().port()};
}

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
    delivery_.emplace(Delivery::Parts{io_,
                                      *spool_,
                                      *alternatives_,
                                      {},
                                      clock(),
                                      kind,
                                      dialect ? &peer_ : nullptr,
                                      Patience{500ms, 20ms, 200ms, 100ms},
                                      &peer_.discoveries});
    delivery_->start();
  }
  // The value and its clock are `number`.
  void put(const std::string& host, int number, uint64_t itemid = 0, bool supported = true) {
    const std::string text = std::to_string(number);
    const std::string key = "k[\"" + host + "\"]";
    const Value value{host, key, itemid, kStart + number, 0, supported, text, 5, true};
    ASSERT_TRUE(spool_->put(std::span(&value, 1), Durability::normal));
    if (delivery_) delivery_->wake();
  }
  [[nodiscard]] bool everything_acknowledged() {
    const auto stats = spool_->stats().destinations.front();
    return stats.values == 0 && stats.waiting == 0;
  }
  [[nodiscard]] std::string tail() const { return R"(],"clock":)" + std::to_string(now_) + R"(,"ns":0})"; }

  int64_t now_ = kStart + 1000;
  asio::io_context io_;
  std::unique_ptr<Spool> spool_;
  std::string session_;
  std::optional<zabbix::Alternatives> alternatives_;
  Peer peer_{"probe"};
  std::optional<Delivery> delivery_;
};

TEST_F(DeliveryTest, SendsItemsWithoutIdsOfManyHostsByHostAndKey) {
  ScriptedZabbix server(takes_all);
  put("web-1", 1);
  put("web-2", 2, 0, false);
  start({server.endpoint()}, Dialect::v6);
  ASSERT_TRUE(run_until(io_, [&] { return everything_acknowledged(); }));
  EXPECT_THAT(
      server.requests(),
      ElementsAre(
          R"({"request":"agent data","session":")" + session_ +
          R"(","data":[{"host":"web-1","key":"k[\"web-1\"]","value":"1","id":1,"clock":1700000001,"ns":0},)"
          R"({"host":"web-2","key":"k[\"web-2\"]","value":"2","state":1,"id":2,"clock":1700000002,"ns":0})" +
          tail()));
  EXPECT_EQ(delivery_->counters().delivered, 2u);
}

TEST_F(DeliveryTest, Sends70ManyHostsByItemidInTheNameOfAKnownHost) {
  ScriptedZabbix server(takes_all);
  peer_.set_known("another", true);
  peer_.set_known("probe", true);
  put("web-1", 1, 20005);
  put("web-2", 2, 20006, false);
  start({server.endpoint()}, Dialect::v7);
  ASSERT_TRUE(run_until(io_, [&] { return everything_acknowledged(); }));
  EXPECT_THAT(server.requests(),
              ElementsAre(R"({"request":"agent data","session":")" + session_ +
                          R"(","version":"7.0.0","variant":1,"host":"probe","data":[)"
                          R"({"itemid":20005,"value":"1","id":1,"clock":1700000001,"ns":0},)"
                          R"({"itemid":20006,"value":"2","state":1,"id":2,"clock":1700000002,"ns":0})" +
                          tail()));
}

TEST_F(DeliveryTest, WithoutAnItemidGoesTheOldWayInItsTurn) {
  ScriptedZabbix server(takes_all);
  peer_.set_known("probe", true);
  put("web-1", 1, 20005);
  put("web-1", 2);
  put("web-1", 3, 20005);
  start({server.endpoint()}, Dialect::v7);
  ASSERT_TRUE(run_until(io_, [&] { return everything_acknowledged(); }));
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_THAT(requests[0], HasSubstr(R"("host":"probe","data":[{"itemid":20005,"value":"1","id":1,)"));
  EXPECT_THAT(requests[1], HasSubstr(R"("data":[{"host":"web-1","key":"k[\"web-1\"]","value":"2","id":2,)"));
  EXPECT_THAT(requests[1], Not(HasSubstr("version")));
  EXPECT_THAT(requests[2], HasSubstr(R"("itemid":20005,"value":"3","id":3,)"));
}

// Its key may be one that macros were expanded in, which Zabbix does not take.
TEST_F(DeliveryTest, WhoeverTellsIdsIsSentIdsWhateverItSpeaks) {
  ScriptedZabbix server(takes_all);
  peer_.set_known("probe", true);
  put("web-1", 1, 20005);
  start({server.endpoint()}, Dialect::v6);
  ASSERT_TRUE(run_until(io_, [&] { return everything_acknowledged(); }));
  EXPECT_THAT(server.requests(), ElementsAre(HasSubstr(R"("host":"probe","data":[{"itemid":20005,)")));
}

TEST_F(DeliveryTest, WhileZabbixKnowsNoHostEachHostsOwnNameIsTried) {
  ScriptedZabbix server([](const std::string& packet) {
    return packet.find(R"("host":"gone")") != std::string::npos
               ? R"({"response":"success","info":"unknown host 'gone'"})"
               : takes_all(packet);
  });
  put("web-1", 1, 20005);
  put("gone", 2, 20006);
  put("web-1", 3, 20005);
  put("web-2", 4);
  start({server.endpoint()}, Dialect::v7);
  ASSERT_TRUE(run_until(io_, [&] { return delivery_->counters().delivered == 3; }));
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
  ScriptedZabbix server([](const std::string& packet) {
    return packet.find(R"("host":"probe")") != std::string::npos
               ? R"({"response":"success","info":"unknown host 'probe'"})"
               : takes_all(packet);
  });
  peer_.set_known("probe", true);
  put("web-1", 1, 20005);
  put("web-2", 2, 20006);
  start({server.endpoint()}, Dialect::v7);
  ASSERT_TRUE(run_until(io_, [&] { return everything_acknowledged(); }));
  EXPECT_THAT(server.requests(), ElementsAre(HasSubstr(R"("host":"probe")"), HasSubstr(R"("host":"web-1")"),
                                             HasSubstr(R"("host":"web-2")")));
  EXPECT_EQ(delivery_->counters().refused, 0u);
}

TEST_F(DeliveryTest, RefusalsOfTwoItemsWithOneKeyAreApart) {
  ScriptedZabbix server([](const std::string& packet) {
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
  ASSERT_TRUE(run_until(io_, [&] { return delivery_->counters().refused == 1; }));
  const std::string key = "k[\"web-1\"]";
  EXPECT_EQ(delivery_->outcomes().refusal({"web-1", key, 20005}), nullptr);
  EXPECT_NE(delivery_->outcomes().refusal({"web-1", key, 20006}), nullptr);
}

// Zabbix may make hosts of it.
TEST_F(DeliveryTest, CountsTheDiscoveriesThatZabbixHasTaken) {
  bool takes = false;
  ScriptedZabbix server(
      [&](const std::string& packet) { return takes ? takes_all(packet) : accepted(0, rows_of(packet)); });
  const auto put_text = [&](const std::string& text, bool supported = true) {
    const Value value{"web-1", "any.key", 0, kStart, 0, supported, text, 5, false};
    ASSERT_TRUE(spool_->put(std::span(&value, 1), Durability::normal));
    delivery_->wake();
  };
  start({server.endpoint()}, std::nullopt, zabbix::DataKind::sender);
  put_text(R"([{"{#ID}":"i-1"}])");
  ASSERT_TRUE(run_until(io_, [&] { return delivery_->counters().refused == 1; }));
  EXPECT_EQ(peer_.discoveries, 0u);
  takes = true;
  now_ += 31;
  ASSERT_TRUE(run_until(io_, [&] { return everything_acknowledged(); }));
  EXPECT_EQ(peer_.discoveries, 1u);
  put_text("[]");
  put_text("1");
  put_text(R"([{"{#ID}": no)", false);
  ASSERT_TRUE(run_until(io_, [&] { return everything_acknowledged(); }));
  EXPECT_EQ(peer_.discoveries, 1u);
}

TEST_F(DeliveryTest, TheNameOfAHostThatZabbixForgotIsReplacedByAnothers) {
  ScriptedZabbix server([](const std::string& packet) {
    return packet.find(R"("host":"probe")") != std::string::npos
               ? R"({"response":"success","info":"unknown host 'probe'"})"
               : takes_all(packet);
  });
  peer_.set_known("probe", true);
  peer_.set_known("web-1", true);
  put("web-1", 1, 20005);
  start({server.endpoint()}, Dialect::v7);
  ASSERT_TRUE(run_until(io_, [&] { return everything_acknowledged(); }));
  EXPECT_THAT(server.requests(), ElementsAre(HasSubstr(R"("host":"probe")"), HasSubstr(R"("host":"web-1")")));
  EXPECT_EQ(delivery_->counters().refused, 0u);
}

TEST_F(DeliveryTest, SendsTrapperValuesWithoutSession) {
  ScriptedZabbix server(takes_all);
  put("web-1", 1, 0);
  start({server.endpoint()}, std::nullopt, zabbix::DataKind::sender);
  ASSERT_TRUE(run_until(io_, [&] { return everything_acknowledged(); }));
  ASSERT_EQ(server.count(), 1u);
  EXPECT_THAT(server.requests()[0],
              testing::StartsWith(R"({"request":"sender data","data":[{"host":"web-1",)"));
}

TEST_F(DeliveryTest, WaitsWhileUploadIsDisabledAndGoesOnWhenItIsNot) {
  const std::string paused =
      R"({"response":"failed","upload":"disabled","info":"data collection has been paused"})";
  ScriptedZabbix server([&](const std::string&) { return paused; });
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
  ASSERT_TRUE(run_until(io_, [&] { return everything_acknowledged(); }));
  EXPECT_EQ(delivery_->counters().delivered, 2u);
  EXPECT_EQ(delivery_->counters().refused, 0u);
}

TEST_F(DeliveryTest, FindsWhatIsRefusedInHalvesAndTriesItAgainUnderNewIds) {
  bool knows = false;
  std::vector<std::pair<std::string, uint64_t>> stored;
  ScriptedZabbix server([&](const std::string& packet) {
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
  ASSERT_TRUE(run_until(io_, [&] { return delivery_->counters().delivered == 19; }));
  EXPECT_EQ(delivery_->counters().refused, 1u);
  EXPECT_EQ(spool_->stats().destinations.front().waiting, 1u);
  EXPECT_LE(server.count(), 12u) << "one packet, and two questions for each halving";
  for (const std::string& request : server.requests()) {
    if (request != server.requests().front()) {
      EXPECT_THAT(request, Not(HasSubstr(session_))) << "ids of the session are seen once";
    }
  }
  put("web-1", 21);
  ASSERT_TRUE(run_until(io_, [&] { return delivery_->counters().delivered == 20; }));
  knows = true;
  now_ += 31;
  ASSERT_TRUE(run_until(io_, [&] { return everything_acknowledged(); }));
  EXPECT_EQ(stored.back().first, "13");
  EXPECT_GT(stored.back().second, 21u) << "a server takes no id below the last it saw";
  EXPECT_EQ(stored.size(), 21u);
}

TEST_F(DeliveryTest, SendsAgainWhatWasAcknowledgedShortlyBeforeAnOutage) {
  ScriptedZabbix server(takes_all);
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
  ScriptedZabbix standby([](const std::string&) { return ""; });
  ScriptedZabbix server(takes_all);
  put("web-1", 1);
  start({standby.endpoint(), closed_port(), server.endpoint()}, Dialect::v6);
  ASSERT_TRUE(run_until(io_, [&] { return everything_acknowledged(); }));
  put("web-1", 2);
  ASSERT_TRUE(run_until(io_, [&] { return everything_acknowledged(); }));
  EXPECT_EQ(standby.count(), 1u);
  EXPECT_EQ(server.count(), 2u);
}

// Proxies of a group, each of which takes the values of its own hosts and redirects others as 7.0 does, by
// the host in whose name a packet travels. Values are stored once, by session and id.
class Group {
 public:
  explicit Group(size_t proxies) {
    for (size_t at = 0; at < proxies; ++at) {
      proxies_.push_back(std::make_unique<ScriptedZabbix>(
          [this, at](const std::string& packet) { return answer(at, packet); }));
    }
  }
  ~Group() { proxies_.clear(); }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  void assign(const std::string& host, size_t proxy) {
    const std::lock_guard lock(mutex_);
    owner_[host] = proxy;
    ++revision_;
  }
  void set_away(size_t proxy, bool away) {
    const std::lock_guard lock(mutex_);
    away_[proxy] = away;
  }
  void set_flaky(unsigned percent) {
    const std::lock_guard lock(mutex_);
    flaky_ = percent;
  }
  [[nodiscard]] ScriptedZabbix& proxy(size_t at) { return *proxies_.at(at); }
  [[nodiscard]] std::vector<std::string> stored(const std::string& host) {
    const std::lock_guard lock(mutex_);
    return stored_[host];
  }
  [[nodiscard]] size_t stored() {
    const std::lock_guard lock(mutex_);
    size_t all = 0;
    for (const auto& [host, values] : stored_) all += values.size();
    return all;
  }

 private:
  std::string answer(size_t at, const std::string& packet) {
    const std::lock_guard lock(mutex_);
    if (away_[at] || chance_() % 100 < flaky_) return "";
    const auto request = zabbix::decode_sender_request(packet);
    const std::string& looked_at = request->host.empty() ? request->rows.front().host : request->host;
    if (!owner_.contains(looked_at))
      return R"({"response":"success","info":"unknown host ')" + looked_at + "'\"}";
    if (owner_[looked_at] != at) {
      return redirect(revision_, proxies_[owner_[looked_at]]->address());
    }
    size_t taken = 0;
    for (const auto& row : request->rows) {
      uint64_t& last = last_id_[looked_at + request->session];
      if (host_of(row) != looked_at || row.id <= last) continue;
      last = row.id;
      auto& values = stored_[looked_at];
      if (std::find(values.begin(), values.end(), *row.value) == values.end()) values.push_back(*row.value);
      ++taken;
    }
    std::string reply = accepted(taken, request->rows.size() - taken);
    return chance_() % 100 < flaky_ ? std::string() : reply;  // taken, and the answer is lost
  }
  // Items of host "h<n>" have the id n.
  static std::string host_of(const zabbix::IntakeRow& row) {
    return row.itemid == 0 ? row.host : "h" + std::to_string(row.itemid);
  }

  std::mutex mutex_;
  std::map<std::string, size_t> owner_;
  std::map<size_t, bool> away_;
  unsigned flaky_ = 0;
  int revision_ = 1;
  std::minstd_rand chance_{7};
  std::map<std::string, uint64_t> last_id_;
  std::map<std::string, std::vector<std::string>> stored_;
  std::vector<std::unique_ptr<ScriptedZabbix>> proxies_;
};

class GroupDeliveryTest : public DeliveryTest {
 protected:
  void put_to(int host, int number) { put("h" + std::to_string(host), number, static_cast<uint64_t>(host)); }
  void know(int hosts) {
    for (int host = 1; host <= hosts; ++host) peer_.set_known("h" + std::to_string(host), true);
  }
};

TEST_F(GroupDeliveryTest, EachHostsValuesTravelToItsOwnProxy) {
  Group group(2);
  group.assign("h1", 1);
  group.assign("h2", 0);
  know(2);
  put_to(1, 1);
  put_to(2, 2);
  put_to(1, 3);
  start({group.proxy(0).endpoint()}, Dialect::v7);
  ASSERT_TRUE(run_until(io_, [&] { return everything_acknowledged(); }));
  EXPECT_THAT(group.stored("h1"), ElementsAre("1", "3"));
  EXPECT_THAT(group.stored("h2"), ElementsAre("2"));
  EXPECT_THAT(group.proxy(1).requests(),
              ElementsAre(R"({"request":"agent data","session":")" + session_ +
                          R"(","version":"7.0.0","variant":1,"host":"h1","data":[)"
                          R"({"itemid":1,"value":"1","id":1,"clock":1700000001,"ns":0},)"
                          R"({"itemid":1,"value":"3","id":3,"clock":1700000003,"ns":0})" +
                          tail()));
  put_to(1, 4);
  put_to(2, 5);
  ASSERT_TRUE(run_until(io_, [&] { return everything_acknowledged(); }));
  EXPECT_EQ(group.proxy(0).count(), 3u) << "the redirect, and what is its own";
  EXPECT_EQ(delivery_->counters().delivered, 5u);
  EXPECT_EQ(delivery_->counters().refused, 0u);
}

TEST_F(GroupDeliveryTest, AProxyThatIsAwayHoldsUpItsOwnHostsOnlyAndNothingIsLostOrTwice) {
  Group group(3);
  group.assign("h1", 1);
  group.assign("h2", 0);
  know(2);
  put_to(1, 1);
  put_to(2, 2);
  start({group.proxy(0).endpoint()}, Dialect::v7);
  ASSERT_TRUE(run_until(io_, [&] { return everything_acknowledged(); }));
  group.set_away(1, true);
  for (int number = 3; number <= 12; ++number) {
    put_to(number % 2 == 1 ? 1 : 2, number);
    ASSERT_TRUE(run_until(io_, [&] { return group.stored("h2").size() >= static_cast<size_t>(number / 2); }));
  }
  EXPECT_EQ(group.stored("h1").size(), 1u);
  EXPECT_GT(spool_->stats().destinations.front().values, 0u) << "what is held stays in the spool";
  group.assign("h1", 2);  // the group has noticed
  ASSERT_TRUE(run_until(io_, [&] { return everything_acknowledged(); }));
  EXPECT_THAT(group.stored("h1"), ElementsAre("1", "3", "5", "7", "9", "11"));
  EXPECT_THAT(group.stored("h2"), ElementsAre("2", "4", "6", "8", "10", "12"));
  EXPECT_GE(delivery_->counters().resent, 1u) << "what the proxy took shortly before it went away";
  EXPECT_EQ(delivery_->counters().refused, 0u);
  put_to(1, 13);
  ASSERT_TRUE(run_until(io_, [&] { return everything_acknowledged(); }));
  EXPECT_EQ(group.stored("h1").back(), "13");
}

TEST_F(GroupDeliveryTest, AProxyThatDoesNotAnswerHoldsUpOthersForItsPatienceOnly) {
  Group group(2);
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
  EXPECT_TRUE(run_until(io_, [&] { return group.stored("h2").size() == 10; }));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 15s) << "an exchange may take a minute";
  EXPECT_GT(spool_->stats().destinations.front().values, 0u);
  hangs = false;
  EXPECT_TRUE(run_until(io_, [&] { return everything_acknowledged(); }));
}

TEST_F(GroupDeliveryTest, WhateverFailsEachHostsValuesArriveOnceAndInOrder) {
  constexpr int kHosts = 6;
  Group group(3);
  know(kHosts);
  for (int host = 1; host <= kHosts; ++host)
    group.assign("h" + std::to_string(host), static_cast<size_t>(host) % 3);
  start({group.proxy(0).endpoint(), group.proxy(1).endpoint(), group.proxy(2).endpoint()}, Dialect::v7);
  ASSERT_TRUE(alternatives_->follow("h1", group.proxy(0).endpoint(),
                                    {.revision = 1, .address = group.proxy(1).address()},
                                    std::chrono::steady_clock::now()));
  group.set_flaky(10);
  std::minstd_rand chance(11);
  int number = 0;
  for (int round = 0; round < 40; ++round) {
    for (int host = 1; host <= kHosts; ++host) put_to(host, ++number);
    if (round % 10 == 5) group.assign("h" + std::to_string(1 + round % kHosts), chance() % 3);
    run_for(io_, 20ms);
    now_ += 1;
  }
  group.set_flaky(0);
  ASSERT_TRUE(run_until(io_, [&] { return group.stored() == 40u * kHosts; })) << group.stored();
  for (int host = 1; host <= kHosts; ++host) {
    std::vector<std::string> wanted;
    for (int round = 0; round < 40; ++round) wanted.push_back(std::to_string(round * kHosts + host));
    EXPECT_EQ(group.stored("h" + std::to_string(host)), wanted) << "host " << host;
  }
}

}  // namespace
}  // namespace bakusoku::agent
