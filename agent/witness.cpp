#include "agent/witness.h"

#include <algorithm>
#include <array>
#include <utility>

namespace bakusoku::agent {
namespace {

constexpr size_t kSessions = 4;  // so many answers may be lost in a row

}  // namespace

void Witness::forget() {
  question_.reset();
  sessions_.clear();
}

asio::awaitable<Result<uint64_t>> Witness::ask(Sending& sending, Session& session, Sending::Reach reach) {
  session.in_doubt = true;
  ++session.last;
  // Named: GCC 12 destroys what is made in the call a second time.
  const std::array<uint64_t, 2> ids{1, session.last};
  Sending::Question question = *question_;
  const auto told = co_await sending.ask(std::move(question), ids, session.token, std::move(reach));
  if (!told) co_return fail(told.error());
  session.in_doubt = false;
  co_return told->counts ? told->counts->processed : 0;
}

asio::awaitable<Result<Memory>> Witness::begin(Sending& sending, Sending::Reach reach) {
  Session session{Sending::random_session()};
  const auto taken = co_await ask(sending, session, reach);
  if (!taken) co_return fail(taken.error());
  const auto again = co_await ask(sending, session, reach);
  if (!again) co_return fail(again.error());
  if (*taken == 2 && *again == 2) co_return Memory::forgetful;
  if (*taken != 2 || *again != 1) {
    forget();  // Zabbix does not take the item any more; the next one's turn
    co_return Memory::begun;
  }
  sessions_.push_back(std::move(session));
  co_await add(sending, std::move(reach));
  co_return Memory::begun;
}

asio::awaitable<void> Witness::add(Sending& sending, Sending::Reach reach) {
  if (sessions_.size() >= kSessions) co_return;
  Session another{Sending::random_session()};
  const auto taken = co_await ask(sending, another, std::move(reach));
  if (taken && *taken == 2) sessions_.push_back(std::move(another));
}

asio::awaitable<Result<Memory>> Witness::look(Sending& sending, Sending::Reach reach) {
  if (sessions_.empty()) {
    const auto begun = co_await begin(sending, std::move(reach));
    co_return begun;
  }
  for (size_t at = 0; at < sessions_.size(); ++at) {
    const bool in_doubt = sessions_[at].in_doubt;
    const auto taken = co_await ask(sending, sessions_[at], reach);
    if (!taken) co_return fail(taken.error());
    if (*taken == 2) {  // which has begun the session anew
      Session session = std::move(sessions_[at]);
      sessions_.clear();
      sessions_.push_back(std::move(session));
      co_await add(sending, std::move(reach));
      co_return Memory::lost;
    }
    if (*taken != 1) {
      forget();  // the item is gone
      co_return Memory::lost;
    }
    if (in_doubt) {
      sessions_[at].in_doubt = true;
      continue;
    }
    for (Session& session : sessions_) session.in_doubt = false;
    co_await add(sending, std::move(reach));
    co_return Memory::whole;
  }
  // Nobody can tell what was before. All of them have been answered now, so from here on they tell again:
  // ones begun at the next look would tell nothing then, and what was taken would be sent once more.
  for (Session& session : sessions_) session.in_doubt = false;
  co_await add(sending, std::move(reach));
  co_return Memory::lost;
}

}  // namespace bakusoku::agent
