// One-shot notification between coroutines of the agent's thread: any number wait, each with its own
// deadline; one side sets it. Owned through EventPtr by whoever sets it and whoever waits.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <chrono>
#include <list>

#include "base/intrusive_ptr.h"

namespace bakusoku::agent {

using Deadline = std::chrono::steady_clock::time_point;

class Event : public RefCounted {
 public:
  explicit Event(asio::io_context& io) : io_(io) {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  /// Wakes all who wait; later waits return at once.
  void set() {
    set_ = true;
    for (asio::steady_timer& timer : waiting_) timer.cancel();
  }

  [[nodiscard]] bool is_set() const { return set_; }

  /// True when the event was set, false when the deadline came first. The caller keeps the event alive.
  [[nodiscard]] asio::awaitable<bool> wait(Deadline deadline) {
    if (set_) co_return true;
    const auto place = waiting_.emplace(waiting_.end(), io_);
    place->expires_at(deadline);
    asio::error_code ignored;
    co_await place->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    waiting_.erase(place);
    co_return set_;
  }

 private:
  asio::io_context& io_;
  std::list<asio::steady_timer> waiting_;
  bool set_ = false;
};

using EventPtr = IntrusivePtr<Event>;

[[nodiscard]] inline EventPtr make_event(asio::io_context& io) { return EventPtr(new Event(io)); }

}  // namespace bakusoku::agent
