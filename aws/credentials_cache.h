// Credentials kept until shortly before they expire, in front of any provider. Fetches in a coroutine of its
// own on the agent's io_context, one at a time however many wait. Owned by whoever asks; may be destroyed
// while a fetch runs (the fetch is then cancelled).
#pragma once

#include <asio/io_context.hpp>
#include <chrono>
#include <memory>

#include "aws/credentials.h"
#include "base/clock.h"

namespace bakusoku::aws {

struct CacheTimes {
  // Before expiry. From then on the old ones are still handed out while one fetch runs in the background; a
  // failure is logged and tried again later.
  std::chrono::seconds advisory{15 * 60};
  // From then on askers wait for new ones, and a failure is theirs. Of short-lived credentials both are a
  // share of the time they had left when fetched (1/4 and 1/6), so that no fetch leads at once to the next.
  std::chrono::seconds mandatory{10 * 60};
  // The advisory moment is later by up to this much, at random, so that accounts whose credentials were
  // fetched together are not all renewed at once; by half the time up to the mandatory moment at most.
  std::chrono::seconds spread{150};
  // After a failure nothing is fetched for first_pause, doubling up to longest_pause; who must wait gets the
  // last error.
  std::chrono::milliseconds first_pause{1000};
  std::chrono::milliseconds longest_pause{60000};
};

class CachedCredentials final : public CredentialsProvider {
 public:
  CachedCredentials(asio::io_context& io, Clock clock, std::unique_ptr<CredentialsProvider> source,
                    CacheTimes times = {});
  ~CachedCredentials() override;
  CachedCredentials(const CachedCredentials&) = delete;
  CachedCredentials& operator=(const CachedCredentials&) = delete;

  [[nodiscard]] asio::awaitable<Result<Credentials>> get() override;
  /// Ignored for 5 s after a fetch, up to 20 s where fetching does not help: the many calls that one refused
  /// key fails ask for a new one once.
  void invalidate() override;
  [[nodiscard]] std::string name() const override;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace bakusoku::aws
