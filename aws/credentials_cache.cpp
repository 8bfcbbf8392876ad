#include "aws/credentials_cache.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <exception>
#include <random>

#include "aws/credentials_json.h"

namespace bakusoku::aws {
namespace {
// Between a fetch and the next one because AWS refused what it gave: doubled each time, as the source may go
// on to give the same, up to the longest, so that new keys are found within a minute. Forgotten after a while
// without a refusal.
constexpr std::chrono::seconds kFirstSettled{5};
constexpr std::chrono::seconds kLongestSettled{20};
constexpr std::chrono::minutes kRefusalsForgotten{10};
}  // namespace

struct CachedCredentials::State {
  State(asio::io_context& context, Clock clock_in, std::unique_ptr<CredentialsProvider> source_in,
        CacheTimes times_in)
      : io(context),
        clock(std::move(clock_in)),
        source(std::move(source_in)),
        times(times_in),
        fetched(context, asio::steady_timer::time_point::max()) {}

  [[nodiscard]] bool may_fetch(WallTime now) const {
    // A clock set back must not stretch the pause.
    return !error || now >= retry_at || now < failed_at;
  }

  void succeed(Credentials credentials, WallTime now);
  void fail_with(Error failure, WallTime now);

  asio::io_context& io;
  Clock clock;
  std::unique_ptr<CredentialsProvider> source;
  CacheTimes times;
  asio::steady_timer fetched;  // never fires; cancelled to wake those who wait
  asio::cancellation_signal stop;

  std::optional<Credentials> current;
  WallTime fetched_at{};
  WallTime advisory_at = WallTime::max();
  WallTime mandatory_at = WallTime::max();
  bool stale = false;
  bool fetching = false;
  std::optional<Error> error;  // of the last fetch
  int failures = 0;
  WallTime failed_at{};
  WallTime retry_at{};
  WallTime refused_at{};  // that a refusal led to a new fetch
  std::chrono::seconds settled = kFirstSettled;
  std::minstd_rand random{std::random_device{}()};
};

void CachedCredentials::State::succeed(Credentials credentials, WallTime now) {
  advisory_at = WallTime::max();
  mandatory_at = WallTime::max();
  if (credentials.expires) {
    const auto left = *credentials.expires - now;
    advisory_at = *credentials.expires - std::min<WallTime::duration>(times.advisory, left / 4);
    mandatory_at = *credentials.expires - std::min<WallTime::duration>(times.mandatory, left / 6);
    const auto spread = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::min<WallTime::duration>(times.spread, (mandatory_at - advisory_at) / 2));
    if (spread.count() > 0) {
      advisory_at +=
          std::chrono::milliseconds(std::uniform_int_distribution<int64_t>(0, spread.count())(random));
    }
  }
  current = std::move(credentials);
  fetched_at = now;
  stale = false;
  error.reset();
  failures = 0;
}

void CachedCredentials::State::fail_with(Error failure, WallTime now) {
  const int doublings = std::min(failures, 16);
  const auto pause =
      std::min<std::chrono::milliseconds>(times.first_pause * (1 << doublings), times.longest_pause);
  ++failures;
  failed_at = now;
  retry_at = now + pause;
  if (current && !stale && now < mandatory_at) {
    spdlog::warn("credentials of {} could not be renewed, the old ones are valid until {}: {}",
                 source->name(), format_timestamp(*current->expires), failure.message);
  }
  error = std::move(failure);
}

namespace {

template <typename State>
asio::awaitable<void> fetch(std::shared_ptr<State> state) {
  Result<Credentials> got = fail(ErrorKind::io, "fetching credentials was cancelled");
  try {
    got = co_await state->source->get();
  } catch (const std::exception& exception) {
    got = fail(ErrorKind::io, "fetching credentials failed: {}", exception.what());
  }
  const WallTime now = state->clock();
  if (got && got->expires && *got->expires <= now) {
    got = fail(ErrorKind::denied,
               "{} gave credentials that expired at {}: see why it gives old ones, and whether this "
               "machine's clock is right",
               state->source->name(), format_timestamp(*got->expires));
  }
  if (got) {
    state->succeed(std::move(*got), now);
  } else {
    state->fail_with(std::move(got.error()), now);
  }
  state->fetching = false;
  state->fetched.cancel();
}

template <typename State>
void start_fetch(const std::shared_ptr<State>& state) {
  state->fetching = true;
  asio::co_spawn(state->io, fetch(state), asio::bind_cancellation_slot(state->stop.slot(), asio::detached));
}

template <typename State>
asio::awaitable<Result<Credentials>> get_from(std::shared_ptr<State> state) {
  const WallTime now = state->clock();
  if (state->current && !state->stale && now < state->mandatory_at) {
    if (now >= state->advisory_at && !state->fetching && state->may_fetch(now)) start_fetch(state);
    co_return *state->current;
  }
  if (!state->fetching) {
    if (!state->may_fetch(now)) co_return fail(*state->error);
    start_fetch(state);
  }
  while (state->fetching) {
    std::error_code woken;
    co_await state->fetched.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  }
  if (state->error) co_return fail(*state->error);
  co_return *state->current;
}

}  // namespace

CachedCredentials::CachedCredentials(asio::io_context& io, Clock clock,
                                     std::unique_ptr<CredentialsProvider> source, CacheTimes times)
    : state_(std::make_shared<State>(io, std::move(clock), std::move(source), times)) {}

CachedCredentials::~CachedCredentials() { state_->stop.emit(asio::cancellation_type::terminal); }

asio::awaitable<Result<Credentials>> CachedCredentials::get() { return get_from(state_); }

void CachedCredentials::invalidate() {
  const WallTime now = state_->clock();
  State& state = *state_;
  if (now < state.refused_at || now - state.refused_at > kRefusalsForgotten) state.settled = kFirstSettled;
  if (state.fetching || (now >= state.fetched_at && now - state.fetched_at < state.settled)) return;
  state.settled =
      state.refused_at == WallTime{} ? state.settled : std::min(state.settled * 2, kLongestSettled);
  state.refused_at = now;
  state.stale = true;
  state_->source->invalidate();
}

std::string CachedCredentials::name() const { return state_->source->name(); }

}  // namespace bakusoku::aws
