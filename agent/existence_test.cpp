// Which metrics there are, as CloudWatch lists them: against a server that says so, and counts what it is
// asked.
#include "agent/existence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <cstdlib>
#include <mutex>

#include "agent/agent.h"
#include "aws/cbor_fixture.h"
#include "aws/scripted_server.h"
#include "base/log.h"

namespace bakusoku::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// As much of CloudWatch as ListMetrics is, and a GetMetricData without datapoints.
class CloudWatch {
 public:
  CloudWatch() : server_([this](const aws::SeenRequest& request) { return answer(request); }) {}

  void add(const std::string& metric, const std::string& instance = {}, const std::string& owner = {}) {
    const std::lock_guard lock(mutex_);
    Metric added{owner, R"("MetricName":")" + metric + "\"", {}};
    if (!instance.empty()) added.dimension = R"({"Name":"InstanceId","Value":")" + instance + "\"}";
    metrics_.push_back(std::move(added));
  }
  void clear() {
    const std::lock_guard lock(mutex_);
    metrics_.clear();
  }
  void fail_with(const std::string& code) {
    const std::lock_guard lock(mutex_);
    code_ = code;
  }
  void wait(milliseconds time) {
    const std::lock_guard lock(mutex_);
    wait_ = time;
  }
  void use_pages_of(size_t metrics) {
    const std::lock_guard lock(mutex_);
    page_ = metrics;
  }
  void repeat_pages() {
    const std::lock_guard lock(mutex_);
    repeats_ = true;
  }

  [[nodiscard]] std::string url() const { return server_.url(); }
  // The bodies of the calls of an action since the last look, in JSON.
  std::vector<std::string> take(const std::string& action) {
    std::vector<std::string> bodies;
    const auto seen = server_.seen();
    for (size_t at = looked_[action]; at < seen.size(); ++at) {
      if (seen[at].target.ends_with("/operation/" + action)) bodies.push_back(aws::json_of(seen[at].body));
    }
    looked_[action] = seen.size();
    return bodies;
  }

 private:
  struct Metric {
    std::string owner;
    std::string name;       // as JSON
    std::string dimension;  // as JSON
  };

  aws::Script answer(const aws::SeenRequest& request) {
    const std::lock_guard lock(mutex_);
    const std::string body = aws::json_of(request.body);
    if (request.target.ends_with("/operation/GetMetricData")) return data(body);
    const std::string error = R"({"__type":")" + code_ + R"(","message":"no"})";
    aws::Script script = code_.empty() ? list(body) : aws::reply(400, aws::cbor_of(error));
    script.wait_before = wait_;
    return script;
  }

  [[nodiscard]] aws::Script list(const std::string& body) const {
    std::vector<std::string> found;
    for (const Metric& metric : metrics_) {
      const bool same_owner = metric.owner.empty()
                                  ? body.find("OwningAccount") == std::string::npos
                                  : body.find(R"("OwningAccount":")" + metric.owner) != std::string::npos;
      const bool same_name =
          body.find("MetricName") == std::string::npos || body.find(metric.name) != std::string::npos;
      const bool same_dimension =
          body.find("Dimensions") == std::string::npos ||
          (!metric.dimension.empty() && body.find(metric.dimension) != std::string::npos);
      if (!same_owner || !same_name || !same_dimension) continue;
      found.push_back(R"({"Namespace":"N",)" + metric.name + R"(,"Dimensions":[)" + metric.dimension + "]}");
    }
    if (repeats_) return aws::reply(200, aws::cbor_of(R"({"Metrics":[],"NextToken":"5"})"));
    const size_t token = body.find(R"("NextToken":")");
    const size_t from = token == std::string::npos ? 0 : std::stoul(body.substr(token + 13));
    std::string reply = R"({"Metrics":[)";
    for (size_t at = from; at < std::min(from + page_, found.size()); ++at)
      reply += (at == from ? "" : ",") + found[at];
    reply += "]";
    if (from + page_ < found.size()) reply += R"(,"NextToken":")" + std::to_string(from + page_) + "\"";
    return aws::reply(200, aws::cbor_of(reply + "}"));
  }

  static aws::Script data(const std::string& body) {
    std::string reply = R"({"MetricDataResults":[)";
    for (size_t query = 0; body.find("\"Id\":\"q" + std::to_string(query) + "\"") != std::string::npos;
         ++query)
      reply += (query == 0 ? R"({"Id":"q)" : R"(,{"Id":"q)") + std::to_string(query) + R"("})";
    return aws::reply(200, aws::cbor_of(reply + "]}"));
  }

  std::mutex mutex_;
  std::vector<Metric> metrics_;
  std::string code_;
  milliseconds wait_{0};
  size_t page_ = 5;
  bool repeats_ = false;
  std::map<std::string, size_t> looked_;
  aws::ScriptedServer server_;
};

class ExistenceTest : public testing::Test {
 protected:
  ExistenceTest() {
    for (const char* name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"})
      ::unsetenv(name);
  }

  void start(const std::string& metrics = {}) {
    ASSERT_TRUE(set_up_log("off", false));
    auto config = parse_config("[metrics]\n" + metrics, "");
    ASSERT_TRUE(config);
    Environment environment;
    environment.variables = {{"AWS_ACCESS_KEY_ID", "AKID"},
                             {"AWS_SECRET_ACCESS_KEY", "secret"},
                             {"AWS_ENDPOINT_URL", aws_.url()},
                             {"AWS_REGION", "eu-west-1"},
                             {"AWS_MAX_ATTEMPTS", "1"},
                             {"AWS_CONFIG_FILE", "/nonexistent/config"},
                             {"AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials"}};
    auto agent = Agent::create(io_, std::move(*config), environment,
                               [this] { return std::chrono::system_clock::now() + later_; });
    ASSERT_TRUE(agent) << agent.error().message;
    agent_ = std::move(*agent);
  }

  Existence& existence() { return agent_->existence(); }

  Series& series_of(const std::string& key) {
    const auto wanted = agent_->items().metric_behind(key);
    EXPECT_TRUE(wanted && *wanted) << key;
    return *(**wanted).series;
  }
  Series& series(const std::string& metric, const std::string& instance = {},
                 const std::string& account = {}) {
    return series_of(fmt::format("aws.metric[N,{},{},Average,60,,{}]", metric,
                                 instance.empty() ? "" : "InstanceId=" + instance, account));
  }

  // True when the wait was over in time.
  bool learn(const std::vector<Series*>& series, milliseconds time = seconds(20)) {
    bool ended = false;
    const auto begun = std::chrono::steady_clock::now();
    asio::co_spawn(io_, existence().learn(*series.front()->group->target, series, begun + time),
                   [&](const std::exception_ptr& failure) {
                     EXPECT_FALSE(failure);
                     ended = true;
                     io_.stop();
                   });
    io_.restart();
    io_.run_for(time + seconds(10));
    EXPECT_TRUE(ended);
    return std::chrono::steady_clock::now() - begun < time;
  }

  // As the agent's loop does it, faster.
  template <typename Condition>
  void run_until(Condition&& condition) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(20);
    bool done = condition();
    for (; !done && std::chrono::steady_clock::now() < deadline; done = condition()) {
      existence().tick();
      io_.restart();
      io_.run_for(milliseconds(2));
    }
    EXPECT_TRUE(done) << "not in time";
  }
  void tick(const Series& until, Exists wanted) {
    run_until([&] { return existence().of(until) == wanted; });
  }
  [[nodiscard]] int64_t now() const { return unix_seconds(std::chrono::system_clock::now() + later_); }
  void run(milliseconds time) {
    io_.restart();
    io_.run_for(time);
  }

  CloudWatch aws_;
  seconds later_{0};
  asio::io_context io_;
  std::unique_ptr<Agent> agent_;
};

TEST_F(ExistenceTest, AFewMetricsAreLookedForByTheirDimensions) {
  aws_.add("There", "i-1");
  aws_.add("Other", "i-2");
  start();
  Series& there = series("There", "i-1");
  Series& gone = series("Gone", "i-1");
  EXPECT_EQ(existence().of(there), Exists::unknown);
  EXPECT_TRUE(learn({&there, &gone}));
  EXPECT_EQ(existence().of(there), Exists::there);
  EXPECT_EQ(existence().of(gone), Exists::absent);
  const auto calls = aws_.take("ListMetrics");
  ASSERT_EQ(calls.size(), 1u) << "both have the same dimensions";
  EXPECT_EQ(calls[0], R"({"Namespace":"N","Dimensions":[{"Name":"InstanceId","Value":"i-1"}]})");
  EXPECT_TRUE(learn({&there, &gone}));
  EXPECT_THAT(aws_.take("ListMetrics"), IsEmpty()) << "it is known";
}

TEST_F(ExistenceTest, ManyMetricsAreListedWithAllPages) {
  for (int at = 0; at < 23; ++at) aws_.add("M", "i-" + std::to_string(at));
  start();
  std::vector<Series*> all;
  for (int at = 0; at < 30; ++at) all.push_back(&series("M", "i-" + std::to_string(at)));
  EXPECT_TRUE(learn(all));
  for (size_t at = 0; at < all.size(); ++at)
    EXPECT_EQ(existence().of(*all[at]), at < 23 ? Exists::there : Exists::absent) << at;
  EXPECT_EQ(aws_.take("ListMetrics").size(), 5u);
  EXPECT_EQ(existence().metrics_there(), 23u);
  EXPECT_EQ(existence().metrics_absent(), 7u);
  // What the list is too fresh to doubt.
  Series& one_more = series("M", "i-30");
  EXPECT_TRUE(learn({&one_more}));
  EXPECT_EQ(existence().of(one_more), Exists::absent);
  EXPECT_THAT(aws_.take("ListMetrics"), IsEmpty());
}

// Where in a long list a metric is to be found is guessed.
TEST_F(ExistenceTest, EachMetricOfALongListIsFoundAndNoOther) {
  constexpr int kThere = 3000;
  for (int at = 0; at < kThere; ++at) aws_.add("M", "i-" + std::to_string(at));
  aws_.use_pages_of(500);
  start("list = \"6h\"\n[aws]\nquota_share = 1.0\n");
  std::vector<Series*> all;
  for (int at = 0; at < kThere + 300; ++at) all.push_back(&series("M", "i-" + std::to_string(at)));
  EXPECT_TRUE(learn(all));
  EXPECT_EQ(aws_.take("ListMetrics").size(), 6u);
  for (int at = 0; at < kThere + 300; ++at)
    EXPECT_EQ(existence().of(*all[static_cast<size_t>(at)]), at < kThere ? Exists::there : Exists::absent)
        << at;
  EXPECT_EQ(existence().metrics_there(), static_cast<size_t>(kThere));
}

TEST_F(ExistenceTest, WhatALongListHasSoFarIsReadAndTheRestWaitsForItsEnd) {
  for (int at = 0; at < 23; ++at) aws_.add("M", "i-" + std::to_string(at));
  aws_.wait(milliseconds(400));  // a page
  start();
  std::vector<Series*> all;
  for (int at = 0; at < 30; ++at) {
    all.push_back(&series("M", "i-" + std::to_string(at)));
    all.back()->fed = 1;  // an item of Zabbix's, for which nobody waits
    agent_->collect().want(*all.back(), true);
  }
  run_until([&] { return existence().of(*all[0]) == Exists::there; });
  EXPECT_EQ(existence().of(*all[22]), Exists::unknown);
  EXPECT_EQ(existence().of(*all[29]), Exists::unknown);
  run_until([&] { return std::none_of(all.begin(), all.end(), [](auto* one) { return one->reading; }); });
  std::string read;
  for (const std::string& body : aws_.take("GetMetricData")) read += body;
  for (int at = 0; at < 30; ++at) {
    const std::string id = "\"i-" + std::to_string(at) + "\"";
    EXPECT_EQ(read.find(id) != std::string::npos, at < 23) << id;
  }
}

TEST_F(ExistenceTest, WhoWaitsForAnAnswerHasItBeforeALongListEnds) {
  for (int at = 0; at < 23; ++at) aws_.add("M", "i-" + std::to_string(at));
  aws_.wait(milliseconds(600));
  start();
  for (int at = 0; at < 30; ++at) {
    Series& one = series("M", "i-" + std::to_string(at));
    one.fed = 1;
    agent_->collect().want(one, true);
  }
  Series& asked = series("M", "i-29");
  bool answered = false;
  asio::co_spawn(io_, agent_->collect().make_current(asked, std::chrono::steady_clock::now() + seconds(20)),
                 [&](const std::exception_ptr& failure, const Result<void>& result) {
                   answered = !failure && result.has_value();
                 });
  run_until([&] { return answered; });
  EXPECT_EQ(existence().metrics_absent(), 30u) << "the list has not ended: all are sought still";
}

TEST_F(ExistenceTest, WhatAppearsIsFoundAtAGrowingInterval) {
  aws_.add("Old", "i-1");
  start();
  Series& fresh = series("New", "i-1");
  learn({&fresh});
  ASSERT_EQ(existence().of(fresh), Exists::absent);
  for (const int64_t gap : {300, 600, 1200, 2400, 3600, 3600}) {
    const int64_t again = existence().looks_again(fresh);
    ASSERT_NEAR(static_cast<double>(again - now()), static_cast<double>(gap), 5)
        << "seconds, and the test's own";
    later_ += seconds(again - now());
    (void)learn({&fresh});  // somebody wants it still
    run_until([&] { return existence().looks_again(fresh) != again; });
  }
  EXPECT_EQ(aws_.take("ListMetrics").size(), 7u);
  aws_.add("New", "i-1");
  later_ += seconds(existence().looks_again(fresh) - now());
  tick(fresh, Exists::there);
  EXPECT_EQ(existence().looks_again(fresh), 0);
}

TEST_F(ExistenceTest, EachThatIsAbsentIsLookedForAtItsOwnTime) {
  start();
  Series& early = series("Early", "i-1");
  Series& late = series("Late", "i-2");
  learn({&early});
  later_ += seconds(100);
  learn({&late});
  ASSERT_EQ(existence().of(late), Exists::absent);
  ASSERT_LT(existence().looks_again(early), existence().looks_again(late));
  aws_.add("Early", "i-1");
  aws_.add("Late", "i-2");
  (void)aws_.take("ListMetrics");
  later_ += seconds(existence().looks_again(early) - now());
  tick(early, Exists::there);
  EXPECT_EQ(existence().of(late), Exists::absent) << "its time has not come";
  later_ += seconds(existence().looks_again(late) - now());
  tick(late, Exists::there);
  EXPECT_EQ(aws_.take("ListMetrics").size(), 2u);
}

TEST_F(ExistenceTest, WhatManyMissIsLookedForInTheListOfTheRecentlyActive) {
  for (int at = 0; at < 8; ++at) aws_.add("M", "i-" + std::to_string(at));
  start();
  std::vector<Series*> all;
  for (int at = 0; at < 20; ++at) all.push_back(&series("M", "i-" + std::to_string(at)));
  learn(all);
  EXPECT_EQ(aws_.take("ListMetrics").size(), 2u);
  aws_.add("M", "i-15");
  later_ += seconds(301);
  tick(*all[15], Exists::there);
  const auto calls = aws_.take("ListMetrics");
  ASSERT_EQ(calls.size(), 2u) << "two pages, not twelve instances";
  for (const auto& call : calls) EXPECT_THAT(call, HasSubstr("PT3H"));
  EXPECT_EQ(existence().of(*all[16]), Exists::absent);
}

TEST_F(ExistenceTest, WhatVanishesFromAWholeListIsAbsent) {
  aws_.add("M", "i-1");
  aws_.add("M", "i-2");
  start("list = \"2h\"");
  Series& stays = series("M", "i-1");
  Series& goes = series("M", "i-2");
  for (Series* one : {&stays, &goes}) existence().want(*one);
  tick(stays, Exists::there);
  const auto calls = aws_.take("ListMetrics");
  ASSERT_EQ(calls.size(), 1u) << "what is wanted regularly is worth a list";
  EXPECT_EQ(calls[0], R"({"Namespace":"N"})");
  aws_.clear();
  aws_.add("M", "i-1");
  later_ += seconds(6400);
  existence().tick();
  run(milliseconds(10));
  EXPECT_EQ(existence().of(goes), Exists::there);
  later_ += seconds(801);
  tick(goes, Exists::unknown);
  learn({&goes});
  EXPECT_EQ(existence().of(goes), Exists::absent);
  EXPECT_EQ(existence().of(stays), Exists::there);
  EXPECT_EQ(aws_.take("ListMetrics").size(), 1u) << "the list has just said so";
}

TEST_F(ExistenceTest, WhatNobodyWantsIsNotListedAgain) {
  aws_.add("M", "i-1");
  start();
  Series& one = series("M", "i-1");
  existence().want(one);
  tick(one, Exists::there);
  later_ += std::chrono::hours(25);
  existence().tick();
  EXPECT_EQ(existence().metrics_there(), 0u);
  aws_.take("ListMetrics");
  run(milliseconds(10));
  EXPECT_THAT(aws_.take("ListMetrics"), IsEmpty());
}

TEST_F(ExistenceTest, AFilterThatFindsMoreThanTwentyPagesSaysNothing) {
  for (int at = 0; at < 100; ++at) aws_.add("M" + std::to_string(at), "i-1");
  start("list = \"6h\"\n[aws]\nquota_share = 1.0\n");
  Series& there = series("M99", "i-1");
  Series& gone = series("Gone", "i-1");
  EXPECT_TRUE(learn({&there, &gone}));
  EXPECT_EQ(aws_.take("ListMetrics").size(), 20u) << "just so many pages";
  EXPECT_EQ(existence().of(there), Exists::there);
  EXPECT_EQ(existence().of(gone), Exists::absent);
  // One page more: the filter is given up, and the whole list, which tells all, is read instead.
  aws_.add("M100", "i-2");
  for (int at = 0; at < 101; ++at) aws_.add("N" + std::to_string(at), "i-2");
  Series& other = series("N100", "i-2");
  Series& other_gone = series("Gone", "i-2");
  EXPECT_TRUE(learn({&other, &other_gone}));
  EXPECT_EQ(existence().of(other), Exists::there);
  EXPECT_EQ(aws_.take("ListMetrics").size(), 20u + 41u);
  EXPECT_TRUE(learn({&other_gone}));
  EXPECT_EQ(existence().of(other_gone), Exists::absent);
  EXPECT_THAT(aws_.take("ListMetrics"), IsEmpty());
}

// What it cannot tell is read, where the whole list was read already.
TEST_F(ExistenceTest, WhatAFilterCannotTellAndNoListWillIsRead) {
  aws_.add("Other", "i-0");
  start("list = \"6h\"\n[aws]\nquota_share = 1.0\n");
  std::vector<Series*> first;
  for (int at = 0; at < 6; ++at) first.push_back(&series("Other", "i-" + std::to_string(at)));
  EXPECT_TRUE(learn(first));  // six filters are more than a list
  EXPECT_EQ(aws_.take("ListMetrics").size(), 1u);
  for (int at = 0; at < 101; ++at) aws_.add("M" + std::to_string(at), "i-7");
  later_ += seconds(120);
  Series& gone = series("Gone", "i-7");
  EXPECT_TRUE(learn({&gone, &series("GoneToo", "i-7")}));  // two of them: looked for by their dimensions
  EXPECT_EQ(aws_.take("ListMetrics").size(), 20u);
  EXPECT_EQ(existence().of(gone), Exists::there);
}

TEST_F(ExistenceTest, TheSamePageForEverIsAnError) {
  aws_.repeat_pages();
  start();
  Series& one = series("M", "i-1");
  EXPECT_TRUE(learn({&one}));
  EXPECT_EQ(existence().of(one), Exists::unknown) << "so it is read";
  EXPECT_EQ(aws_.take("ListMetrics").size(), 2u) << "the first page, and what claims to be the second";
}

TEST_F(ExistenceTest, HoldsGrowAndAreReset) {
  aws_.add("M", "i-1");
  start();
  Series& one = series("M", "i-1");
  aws_.fail_with("InternalFailure");
  for (const int hold : {60, 120, 240, 480, 960, 1920, 3600, 3600}) {
    EXPECT_TRUE(learn({&one}));
    EXPECT_EQ(aws_.take("ListMetrics").size(), 1u) << hold;
    later_ += seconds(hold - 8);
    EXPECT_TRUE(learn({&one}));
    EXPECT_THAT(aws_.take("ListMetrics"), IsEmpty()) << "before " << hold << " s have passed";
    later_ += seconds(9);
  }
  aws_.fail_with("");
  EXPECT_TRUE(learn({&one}));
  EXPECT_EQ(existence().of(one), Exists::there);
  EXPECT_EQ(aws_.take("ListMetrics").size(), 1u);
  // The next failure is the first again.
  later_ += seconds(120);
  aws_.add("M", "i-2");
  Series& next = series("M", "i-2");
  aws_.fail_with("InternalFailure");
  EXPECT_TRUE(learn({&next}));
  EXPECT_EQ(aws_.take("ListMetrics").size(), 1u);
  aws_.fail_with("");
  later_ += seconds(61);
  EXPECT_TRUE(learn({&next}));
  EXPECT_EQ(aws_.take("ListMetrics").size(), 1u);
  EXPECT_EQ(existence().of(next), Exists::there);
}

TEST_F(ExistenceTest, AFailureIsSaidOnceUntilItWorksAgain) {
  const auto said = [] {
    uint64_t times = 0;
    for (const Problem& problem : recent_problems()) {
      if (problem.text.find("which metrics of Said there are is not known") != std::string::npos)
        times += problem.times;
    }
    return times;
  };
  start();
  Series& one = series_of("aws.metric[Said,M,InstanceId=i-1,Average,60]");
  Series& other = series_of("aws.metric[Said,M,InstanceId=i-2,Average,60]");
  aws_.fail_with("InternalFailure");
  for (const int hold : {60, 120, 240}) {
    EXPECT_TRUE(learn({&one}));
    EXPECT_EQ(said(), 1u) << hold;
    later_ += seconds(hold + 1);
  }
  aws_.fail_with("ServiceUnavailable");
  EXPECT_TRUE(learn({&one}));
  EXPECT_EQ(said(), 2u) << "for another reason";
  later_ += seconds(481);
  aws_.fail_with("");
  EXPECT_TRUE(learn({&one}));
  later_ += seconds(120);
  aws_.fail_with("InternalFailure");
  EXPECT_TRUE(learn({&other}));
  EXPECT_EQ(said(), 3u) << "it had worked in between";
}

// What was found out by a clock that was ahead holds for no longer than by the right one.
TEST_F(ExistenceTest, AClockThatIsSetBackHidesNothing) {
  later_ = std::chrono::hours(10);
  start();
  Series& absent = series("Absent", "i-1");
  Series& listed = series("Listed", "i-2");
  learn({&absent});
  ASSERT_EQ(existence().of(absent), Exists::absent);
  aws_.add("Absent", "i-1");
  later_ = seconds(0);
  tick(absent, Exists::there);
  // Nor does a hold.
  later_ = std::chrono::hours(20);
  aws_.fail_with("AccessDeniedException");
  learn({&listed});
  aws_.add("Listed", "i-2");
  aws_.fail_with("");
  later_ = std::chrono::hours(10);
  learn({&listed});
  EXPECT_EQ(existence().of(listed), Exists::there);
  // Nor the age of the whole list.
  aws_.add("Extra", "i-3");
  existence().want(listed);
  run_until([&] { return existence().metrics_there() == 3; });
  (void)aws_.take("ListMetrics");
  aws_.add("Another", "i-3");
  later_ = seconds(0);
  run_until([&] { return existence().metrics_there() == 4; });
  EXPECT_THAT(aws_.take("ListMetrics"), testing::Contains(R"({"Namespace":"N"})"));
}

TEST_F(ExistenceTest, NamespacesThatNobodyHasGoBeforeThoseThatExist) {
  aws_.add("M", "i-1");
  start();
  Existence small(io_, seconds(6 * 3600), [this] { return std::chrono::system_clock::now() + later_; },
                  {8, 20});
  const auto learn_in = [&](const std::vector<Series*>& series) {
    bool ended = false;
    asio::co_spawn(
        io_,
        small.learn(*series.front()->group->target, series, std::chrono::steady_clock::now() + seconds(60)),
        [&](const std::exception_ptr&) { ended = true; });
    const auto deadline = std::chrono::steady_clock::now() + seconds(60);
    while (!ended && std::chrono::steady_clock::now() < deadline) run(milliseconds(2));
    EXPECT_TRUE(ended);
  };
  Series& real = series("M", "i-1");
  learn_in({&real});
  EXPECT_EQ(small.of(real), Exists::there);
  std::vector<Series*> invented;
  for (int number = 0; number < 24; ++number)
    invented.push_back(&series_of(fmt::format("aws.metric[X{},Y,Z=z,Average,60]", number)));
  aws_.clear();
  learn_in(invented);
  EXPECT_EQ(small.namespaces(), 25u);
  EXPECT_EQ(small.metrics_absent(), 24u);
  later_ += seconds(20);
  small.tick();
  EXPECT_LE(small.namespaces(), 9u);
  EXPECT_LE(small.metrics_absent(), 20u);
  EXPECT_EQ(small.of(real), Exists::there);
  later_ += seconds(3 * 3600 + 60);
  small.tick();
  run(milliseconds(50));
  EXPECT_EQ(small.namespaces(), 1u) << "what has nothing is not kept for a day";
}

TEST_F(ExistenceTest, MetricsThatNobodyHasAreBounded) {
  start();
  Existence small(io_, seconds(6 * 3600), [this] { return std::chrono::system_clock::now() + later_; },
                  {8, 40});
  for (int round = 0; round < 10; ++round) {
    std::vector<Series*> invented;
    for (int number = 0; number < 10; ++number)
      invented.push_back(&series("Y" + std::to_string(round), "i-" + std::to_string(number)));
    bool ended = false;
    asio::co_spawn(io_,
                   small.learn(*invented.front()->group->target, invented,
                               std::chrono::steady_clock::now() + seconds(60)),
                   [&](const std::exception_ptr&) { ended = true; });
    const auto deadline = std::chrono::steady_clock::now() + seconds(60);
    while (!ended && std::chrono::steady_clock::now() < deadline) run(milliseconds(2));
    EXPECT_TRUE(ended);
    later_ += seconds(11);
    small.tick();
    EXPECT_LE(small.metrics_absent(), 40u);
    EXPECT_EQ(small.of(*invented.front()), Exists::absent) << "the newest are known";
  }
}

// 32 listings of a target at once; the others wait, and those of which something is known go first.
TEST_F(ExistenceTest, InventedNamespacesDoNotHoldUpThoseThatExist) {
  aws_.add("M", "i-1");
  start("list = \"6h\"\n[aws]\nquota_share = 1.0\n");
  EXPECT_TRUE(learn({&series("M", "i-1")}));
  (void)aws_.take("ListMetrics");
  aws_.wait(milliseconds(200));
  std::vector<Series*> invented;
  for (int number = 0; number < 100; ++number)
    invented.push_back(&series_of(fmt::format("aws.metric[X{},Y,Z=z,Average,60]", number)));
  for (Series* one : invented) agent_->collect().want(*one, true);
  run(milliseconds(20));
  later_ += seconds(120);
  EXPECT_TRUE(learn({&series("M", "i-2")}, seconds(60)));
  EXPECT_LT(aws_.take("ListMetrics").size(), 80u) << "the others are not listed yet";
}

TEST_F(ExistenceTest, DeniedIsUnknownAndNotAskedAgainForAnHour) {
  aws_.fail_with("AccessDeniedException");
  start();
  Series& one = series("M", "i-1");
  EXPECT_TRUE(learn({&one})) << "nobody waits for what does not come";
  EXPECT_EQ(existence().of(one), Exists::unknown);
  EXPECT_EQ(aws_.take("ListMetrics").size(), 1u);
  existence().want(one);
  existence().tick();
  EXPECT_TRUE(learn({&one}));
  run(milliseconds(10));
  EXPECT_THAT(aws_.take("ListMetrics"), IsEmpty());
  aws_.fail_with("");
  aws_.add("M", "i-1");
  later_ += seconds(3601);
  existence().want(one);
  tick(one, Exists::there);
}

TEST_F(ExistenceTest, WhatWasAbsentIsNotBelievedForEver) {
  start();
  Series& one = series("M", "i-1");
  learn({&one});
  ASSERT_EQ(existence().of(one), Exists::absent);
  aws_.fail_with("AccessDeniedException");
  (void)aws_.take("ListMetrics");
  for (const int minutes : {6, 61}) {
    later_ += std::chrono::minutes(minutes);
    run_until([&] { return !aws_.take("ListMetrics").empty(); });
    run(milliseconds(20));
    EXPECT_EQ(existence().of(one), Exists::absent) << "for a while";
  }
  later_ += std::chrono::minutes(61);
  tick(one, Exists::unknown);
}

TEST_F(ExistenceTest, AnAnswerThatDoesNotComeHoldsNobodyUp) {
  aws_.wait(milliseconds(700));
  aws_.add("M", "i-1");
  start();
  Series& one = series("M", "i-1");
  EXPECT_FALSE(learn({&one}, milliseconds(50)));
  EXPECT_EQ(existence().of(one), Exists::unknown);
  EXPECT_TRUE(learn({&one})) << "it comes all the same";
  EXPECT_EQ(existence().of(one), Exists::there);
  EXPECT_EQ(aws_.take("ListMetrics").size(), 1u) << "one listing at a time";
}

TEST_F(ExistenceTest, LinkedAccountsHaveListsOfTheirOwn) {
  aws_.add("M", "i-1");
  aws_.add("M", "i-2", "111111111111");
  start();
  Series& own = series("M", "i-2");
  Series& linked = series("M", "i-2", "111111111111");
  learn({&own, &linked});
  EXPECT_EQ(existence().of(own), Exists::absent);
  EXPECT_EQ(existence().of(linked), Exists::there);
  const auto calls = aws_.take("ListMetrics");
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_THAT(calls[0] + calls[1],
              HasSubstr(R"("IncludeLinkedAccounts":true,"OwningAccount":"111111111111")"));
}

TEST_F(ExistenceTest, MetricMathIsThereWhenOneOfItsMetricsIs) {
  aws_.add("A", "i-1");
  start();
  const auto math = [&](const std::string& a, const std::string& b) -> Series& {
    return series_of(fmt::format(R"(aws.math[a+b,"a=N,{},InstanceId=i-1","b=N,{},InstanceId=i-1"])", a, b));
  };
  Series& half = math("A", "B");
  Series& none = math("B", "C");
  EXPECT_EQ(existence().of(half), Exists::unknown);
  learn({&half, &none});
  EXPECT_EQ(existence().of(half), Exists::there);
  EXPECT_EQ(existence().of(none), Exists::absent);
  EXPECT_NE(existence().looks_again(none), 0);
}

TEST_F(ExistenceTest, ZeroNeverLists) {
  start("list = 0");
  Series& one = series("M", "i-1");
  existence().want(one);
  existence().tick();
  EXPECT_TRUE(learn({&one}));
  EXPECT_EQ(existence().of(one), Exists::unknown);
  EXPECT_THAT(aws_.take("ListMetrics"), IsEmpty());
}

TEST_F(ExistenceTest, ZeroAtAReloadListsNothingMore) {
  aws_.add("M", "i-1");
  start();
  Series& one = series("M", "i-1");
  existence().want(one);
  tick(one, Exists::there);
  (void)aws_.take("ListMetrics");
  existence().configure(seconds(0));
  EXPECT_EQ(existence().of(one), Exists::unknown) << "so it is read";
  later_ += std::chrono::hours(7);
  existence().tick();
  run(milliseconds(100));
  EXPECT_THAT(aws_.take("ListMetrics"), IsEmpty());
  existence().configure(std::chrono::hours(6));
  EXPECT_EQ(existence().of(one), Exists::there) << "what was known stays known";
  run_until([&] { return !aws_.take("ListMetrics").empty(); });
}

// What the agent makes of it.
class AbsentMetrics : public ExistenceTest {
 protected:
  Answer ask(const std::string& key) {
    Answer answer;
    bool ended = false;
    asio::co_spawn(io_, agent_->items().answer(key, std::chrono::steady_clock::now() + seconds(20)),
                   [&](const std::exception_ptr& failure, Answer came) {
                     EXPECT_FALSE(failure);
                     answer = std::move(came);
                     ended = true;
                     io_.stop();
                   });
    io_.restart();
    io_.run_for(seconds(25));
    EXPECT_TRUE(ended) << key;
    return answer;
  }
};

TEST_F(AbsentMetrics, AreNotAskedFor) {
  aws_.add("There", "i-1");
  start();
  const Answer there = ask("aws.metric[N,There,InstanceId=i-1,Average,60,,,zero]");
  EXPECT_TRUE(there.supported) << there.text;
  const auto calls = aws_.take("GetMetricData");
  ASSERT_EQ(calls.size(), 1u);
  EXPECT_THAT(calls[0], HasSubstr("There"));
  const Answer absent = ask("aws.metric[N,Absent,InstanceId=i-1,Average,60]");
  EXPECT_FALSE(absent.supported);
  EXPECT_THAT(absent.text, HasSubstr("CloudWatch lists no metric N Absent (InstanceId=i-1)"));
  EXPECT_THAT(aws_.take("GetMetricData"), IsEmpty());
  const Answer zero = ask("aws.metric[N,Absent,InstanceId=i-1,Average,60,,,zero]");
  EXPECT_TRUE(zero.supported) << zero.text;
  EXPECT_EQ(zero.text, "0") << "as if CloudWatch had answered nothing";
  EXPECT_THAT(aws_.take("GetMetricData"), IsEmpty());
  EXPECT_EQ(agent_->collect().counters().metrics_billed, 1u);
}

TEST_F(AbsentMetrics, AreAskedForOnceTheyAppear) {
  start();
  const std::string key = "aws.metric[N,M,InstanceId=i-1,Average,60,,,zero]";
  EXPECT_EQ(ask(key).text, "0");
  EXPECT_THAT(aws_.take("GetMetricData"), IsEmpty());
  aws_.add("M", "i-1");
  later_ += seconds(301);
  tick(series_of(key), Exists::there);
  EXPECT_EQ(ask(key).text, "0");
  EXPECT_THAT(aws_.take("GetMetricData"), Not(IsEmpty()));
}

TEST_F(AbsentMetrics, AreAskedForWhenNobodyMayList) {
  aws_.fail_with("AccessDeniedException");
  start();
  EXPECT_EQ(ask("aws.metric[N,M,InstanceId=i-1,Average,60,,,zero]").text, "0");
  EXPECT_EQ(aws_.take("GetMetricData").size(), 1u);
}

}  // namespace
}  // namespace bakusoku::agent
