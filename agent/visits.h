// Visits: who is connected to an entrance, and how many bytes are held for each: requests that have come in
// part, answers that are not read yet. Both have a bound. When it is reached, the one who takes most makes
// room: of its connections the one that has kept us waiting longest is closed. So who fills an entrance harms
// itself, and somebody else is still served. On the agent's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>

namespace bakusoku::agent {

class Visits {
 private:
  struct Entry {
    std::string peer;
    size_t bytes = 0;
    uint64_t waits_since = 0;  // in the order of moments; 0: it waits for us
    bool closed = false;       // it was told to go, and counts no more
    std::string kept{};
    std::function<void()> close{};  // empty: not yet to be closed
  };
  struct State;

 public:
  struct Limits {
    size_t connections = 1024;
    size_t bytes = size_t{64} << 20;  // one answer may be larger if it is alone
  };

  /// One connection, as long as it lives. May outlive Visits.
  class Visit {
   public:
    Visit(Visit&& other) noexcept : state_(std::move(other.state_)), entry_(other.entry_) {}
    Visit& operator=(Visit&&) = delete;
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;
    ~Visit();

    /// How the connection is closed, which ends what is under way on it. `close` is called at most once.
    void closes_by(std::function<void()> close);
    /// From now on we wait for the other side: for a question, or until it has read an answer.
    void wait_for_peer();
    /// From now on the other side waits for us.
    void work() { entry_->waits_since = 0; }
    /// So many bytes are held for it from now on. False: there is no room, and nobody who could make some.
    [[nodiscard]] bool hold(size_t bytes);
    /// Where what is held for it lies. Empty once its connection was closed to make room: a coroutine on it
    /// ends only later, after others have come, and the room must be there for them at once. So who has
    /// waited looks whether the connection is open still.
    [[nodiscard]] std::string& kept() { return entry_->kept; }

   private:
    friend class Visits;
    Visit(std::shared_ptr<State> state, std::list<Entry>::iterator entry)
        : state_(std::move(state)), entry_(entry) {}

    std::shared_ptr<State> state_;
    std::list<Entry>::iterator entry_;
  };

  explicit Visits(Limits limits);
  Visits(const Visits&) = delete;
  Visits& operator=(const Visits&) = delete;

  /// Somebody has connected. Nothing: there is no room, because all who are there wait for us.
  [[nodiscard]] std::optional<Visit> admit(std::string peer);

  [[nodiscard]] size_t open() const;
  [[nodiscard]] size_t held_bytes() const;
  /// How many connections were closed to make room.
  [[nodiscard]] uint64_t closed() const;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace bakusoku::agent
