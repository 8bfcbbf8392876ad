// Witness: finds out whether the Zabbix at one place has been there all the time since it was last asked. A
// server that is killed forgets the sessions of its agents, and loses what it had acknowledged and not yet
// stored; it may be back before anybody notices. So it is sent two rows in a session of the witness's own,
// the first and a new one: one that lived has seen the first and counts it as failed, one that was started
// anew takes both. The rows have no values, so nothing is stored by them. After an answer that was lost the
// session tells nothing, because the question may have begun it anew: then another one is asked. On the
// agent's thread.
#pragma once

#include <asio/awaitable.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/sending.h"
#include "base/result.h"
#include "zabbix/destination.h"

namespace bakusoku::agent {

enum class Memory {
  whole,      // it has been there since the last look
  begun,      // nobody had looked before, or could now
  lost,       // it has been started anew, or nobody can tell
  forgetful,  // it has no sessions: looking tells nothing
};

class Witness {
 public:
  /// Whether there is an item to ask with; else one has to be chosen, of which Zabbix takes values.
  [[nodiscard]] bool has_item() const { return question_.has_value(); }
  void choose(Sending::Question question) { question_ = std::move(question); }
  /// Errors: nobody answered.
  [[nodiscard]] asio::awaitable<Result<Memory>> look(Sending& sending, Sending::Reach reach);

 private:
  struct Session {
    std::string token;
    uint64_t last = 1;
    bool in_doubt = false;  // an answer was lost: it has seen the first row now, whatever it had before
  };

  /// How many of the two rows it took. Nothing: neither, or it did not count.
  [[nodiscard]] asio::awaitable<Result<uint64_t>> ask(Sending& sending, Session& session,
                                                      Sending::Reach reach);
  [[nodiscard]] asio::awaitable<Result<Memory>> begin(Sending& sending, Sending::Reach reach);
  [[nodiscard]] asio::awaitable<void> add(Sending& sending, Sending::Reach reach);
  void forget();

  std::optional<Sending::Question> question_;
  std::vector<Session> sessions_;
};

}  // namespace bakusoku::agent
