#include "aws/credentials_cache.h"

#include <algorithm>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <vector>

#include "aws/credentials_fixture.h"

namespace bakusoku::aws {
namespace {

using namespace std::chrono_literals;

// Hands out what it is told, after a moment, and counts.
class Source final : public CredentialsProvider {
 public:
  explicit Source(asio::io_context& io) : io_(io) {}

  asio::awaitable<Result<Credentials>> get() override {
    ++asked;
    asio::steady_timer timer(io_, delay);
    std::error_code ignored;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    if (error) co_return fail(*error);
    Credentials credentials;
    credentials.access_key_id = "AKID" + std::to_string(asked);
    credentials.secret_access_key = Secret("secret");
    credentials.expires = expires;
    co_return credentials;
  }
  void invalidate() override { ++invalidated; }
  std::string name() const override { return "the source"; }

  int asked = 0;
  int invalidated = 0;
  std::optional<WallTime> expires;
  std::optional<Error> error;
  std::chrono::milliseconds delay{2};

 private:
  asio::io_context& io_;
};

class CacheTest : public CredentialsFixture {
 protected:
  CacheTest() {
    auto source = std::make_unique<Source>(io_);
    source_ = source.get();
    CacheTimes times;
    times.spread = 0s;
    cache_ = std::make_unique<CachedCredentials>(
        io_, [this] { return now_; }, std::move(source), times);
  }

  std::string id() {
    const auto credentials = get(*cache_);
    return credentials ? credentials->access_key_id : "error: " + credentials.error().message;
  }

  Source* source_ = nullptr;
  std::unique_ptr<CachedCredentials> cache_;
};

TEST_F(CacheTest, AsksOnceHoweverManyWait) {
  source_->expires = now_ + 1h;
  std::vector<std::optional<Result<Credentials>>> answers(500);
  for (auto& answer : answers) start(*cache_, answer);
  run();
  for (const auto& answer : answers) {
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ((*answer)->access_key_id, "AKID1");
  }
  EXPECT_EQ(source_->asked, 1);
}

TEST_F(CacheTest, KeepsLongLivedKeysForEver) {
  EXPECT_EQ(id(), "AKID1");
  now_ += 24h * 365;
  EXPECT_EQ(id(), "AKID1");
}

TEST_F(CacheTest, RenewsInTheBackgroundFrom15MinutesBeforeExpiry) {
  source_->expires = now_ + 1h;
  EXPECT_EQ(id(), "AKID1");
  now_ += 44min;
  EXPECT_EQ(id(), "AKID1");
  EXPECT_EQ(source_->asked, 1);
  now_ += 2min;
  source_->expires = now_ + 1h;
  EXPECT_EQ(id(), "AKID1");  // the old ones, while the new ones are on their way
  EXPECT_EQ(source_->asked, 2);
  EXPECT_EQ(id(), "AKID2");
}

TEST_F(CacheTest, WaitsForNewOnesFrom10MinutesBeforeExpiry) {
  source_->expires = now_ + 1h;
  EXPECT_EQ(id(), "AKID1");
  now_ += 51min;
  source_->expires = now_ + 1h;
  EXPECT_EQ(id(), "AKID2");
}

TEST_F(CacheTest, ThoseFetchedTogetherAreRenewedApart) {
  source_->expires = now_ + 1h;
  std::vector<std::unique_ptr<CachedCredentials>> caches;
  std::vector<Source*> sources;
  for (int at = 0; at < 100; ++at) {
    auto source = std::make_unique<Source>(io_);
    source->expires = now_ + 1h;
    sources.push_back(source.get());
    caches.push_back(std::make_unique<CachedCredentials>(
        io_, [this] { return now_; }, std::move(source)));
    ASSERT_TRUE(get(*caches.back()));
  }
  const auto renewed = [&] {
    for (const auto& cache : caches) EXPECT_TRUE(get(*cache));
    return std::count_if(sources.begin(), sources.end(), [](const Source* one) { return one->asked > 1; });
  };
  now_ += 44min + 59s;
  EXPECT_EQ(renewed(), 0);
  now_ += 76s;  // half of the two and a half minutes
  const auto half = renewed();
  EXPECT_GT(half, 10);
  EXPECT_LT(half, 90);
  now_ += 75s;
  EXPECT_EQ(renewed(), 100);
}

TEST_F(CacheTest, KeepsTheOldOnesWhenARenewalInTheBackgroundFailsAndPauses) {
  source_->expires = now_ + 1h;
  EXPECT_EQ(id(), "AKID1");
  source_->error = Error{ErrorKind::unavailable, "the source is away", {}};
  now_ += 46min;
  EXPECT_EQ(id(), "AKID1");
  EXPECT_EQ(id(), "AKID1");
  EXPECT_EQ(source_->asked, 2);  // the second did not ask: a pause
  now_ += 2s;
  EXPECT_EQ(id(), "AKID1");
  EXPECT_EQ(source_->asked, 3);
  now_ += 5min;
  EXPECT_EQ(id(), "error: the source is away");
  source_->error.reset();
  source_->expires = now_ + 1h;
  EXPECT_EQ(id(), "error: the source is away");  // still within the pause
  now_ += 3min;
  source_->expires = now_ + 1h;
  EXPECT_EQ(id(), "AKID5");
}

TEST_F(CacheTest, DoesNotRenewShortLivedOnesInALoop) {
  source_->expires = now_ + 12min;
  for (int minute = 0; minute < 8; ++minute) {
    EXPECT_EQ(id(), "AKID1");
    now_ += 1min;
  }
  EXPECT_EQ(source_->asked, 1);
  now_ += 90s;  // 2.5 minutes left of 12
  source_->expires = now_ + 12min;
  EXPECT_EQ(id(), "AKID1");
  EXPECT_EQ(source_->asked, 2);
  EXPECT_EQ(id(), "AKID2");
}

TEST_F(CacheTest, SaysWhenTheSourceGivesExpiredOnes) {
  source_->expires = now_ - 1s;
  const auto credentials = get(*cache_);
  ASSERT_FALSE(credentials.has_value());
  EXPECT_NE(credentials.error().message.find("clock"), std::string::npos);
}

TEST_F(CacheTest, FetchesNewOnesAfterInvalidateButNotForEachCallThatFailed) {
  EXPECT_EQ(id(), "AKID1");
  cache_->invalidate();
  EXPECT_EQ(id(), "AKID1");  // fetched this moment
  now_ += 10s;
  cache_->invalidate();
  cache_->invalidate();
  EXPECT_EQ(id(), "AKID2");
  cache_->invalidate();
  EXPECT_EQ(id(), "AKID2");
}

TEST_F(CacheTest, InvalidateReachesTheSource) {
  EXPECT_EQ(id(), "AKID1");
  cache_->invalidate();
  EXPECT_EQ(source_->invalidated, 0) << "fetched this moment";
  now_ += 6s;
  cache_->invalidate();
  EXPECT_EQ(source_->invalidated, 1);
}

TEST_F(CacheTest, KeysThatStayRefusedAreFetchedEvery20SecondsAndNoOftener) {
  EXPECT_EQ(id(), "AKID1");
  for (int second = 0; second < 600; ++second) {
    now_ += 1s;
    for (int call = 0; call < 5; ++call) {
      cache_->invalidate();
      ASSERT_EQ(id().substr(0, 4), "AKID");
    }
  }
  EXPECT_GE(source_->asked, 28);
  EXPECT_LE(source_->asked, 34);
  // After a quiet time the first refusal is believed soon again.
  now_ += 11min;
  cache_->invalidate();
  (void)id();
  const int before = source_->asked;
  now_ += 6s;
  cache_->invalidate();
  (void)id();
  now_ += 6s;
  cache_->invalidate();
  (void)id();
  EXPECT_EQ(source_->asked, before + 1);
}

TEST_F(CacheTest, PausesAfterFailuresDoubleUpToAMinute) {
  source_->error = Error{ErrorKind::unavailable, "the source is away", {}};
  std::vector<int> asked_at;
  for (int second = 0; second < 300; ++second) {
    const int before = source_->asked;
    EXPECT_EQ(id(), "error: the source is away");
    if (source_->asked > before) asked_at.push_back(second);
    now_ += 1s;
  }
  EXPECT_EQ(asked_at, (std::vector<int>{0, 1, 3, 7, 15, 31, 63, 123, 183, 243}));
  source_->error.reset();
  now_ += 1min;
  EXPECT_EQ(id().substr(0, 4), "AKID");
  // The next failure begins with the short pause again.
  source_->error = Error{ErrorKind::unavailable, "the source is away", {}};
  now_ += 6s;
  cache_->invalidate();
  const int before = source_->asked;
  EXPECT_EQ(id(), "error: the source is away");
  now_ += 1s;
  EXPECT_EQ(id(), "error: the source is away");
  EXPECT_EQ(source_->asked, before + 2);
}

TEST_F(CacheTest, MayGoWhileAFetchRuns) {
  source_->delay = 10min;
  std::optional<Result<Credentials>> answer;
  start(*cache_, answer);
  io_.restart();
  io_.run_for(20ms);
  EXPECT_FALSE(answer.has_value());
  cache_.reset();
  run();  // ends at once: what was awaited is cancelled
  EXPECT_TRUE(answer.has_value());
}

}  // namespace
}  // namespace bakusoku::aws
