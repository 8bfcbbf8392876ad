// Delivery: brings what is in a spool to one destination, oldest first, and keeps account of what became of
// it. Many hosts travel in one packet; once a proxy of a group has redirected a host, each host's values
// travel by themselves (agent/delivery_by_host.h). Before values go, and from time to time while what was
// acknowledged may not be stored yet, a witness is asked whether the server has been there all the time; when
// it was started anew, what it had acknowledged lately is sent again under the same session and ids. After a
// start of ours that is done without asking: a server that lived drops it. One coroutine per destination, on
// the agent's thread.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "agent/delivery_by_host.h"
#include "agent/event.h"
#include "agent/peer.h"
#include "agent/sending.h"
#include "agent/spool.h"
#include "agent/witness.h"
#include "base/clock.h"
#include "zabbix/destination.h"
#include "zabbix/exchange.h"
#include "zabbix/sender.h"

namespace bakusoku::agent {

class Delivery {
 public:
  struct Parts {
    asio::io_context& io;
    Spool& spool;
    zabbix::Alternatives& alternatives;  // shared with the active checks of the destination
    zabbix::Link link;
    Clock clock;
    zabbix::DataKind kind = zabbix::DataKind::agent;  // sender: values for trapper items, without a session
    Peer* peer = nullptr;                             // shared with the active checks; null: there are none
    Patience patience{};
  };

  explicit Delivery(Parts parts);
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  /// Starts delivering; for as long as the io_context runs.
  void start();
  /// Begins nothing new; what is under way goes on until ended().
  void stop();
  [[nodiscard]] bool ended() const { return !running_ && by_host_.ended(); }
  /// Connections are made so from now on.
  void set_link(const zabbix::Link& link) { sending_.set_link(link); }
  /// Something was put.
  void wake();

  [[nodiscard]] const DeliveryCounters& counters() const { return sending_.counters(); }
  [[nodiscard]] const Outcomes& outcomes() const { return sending_.outcomes(); }
  /// Why nothing is delivered at the moment; empty: it is. And since when, unix seconds.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }
  [[nodiscard]] int64_t trouble_since() const { return trouble_since_; }

 private:
  [[nodiscard]] asio::awaitable<void> loop();
  [[nodiscard]] asio::awaitable<void> pause(std::chrono::milliseconds time);
  /// Until the active checks have found out whom we talk to and in whose name, for a few seconds.
  [[nodiscard]] asio::awaitable<void> wait_for_peer();
  /// While Zabbix takes no values.
  [[nodiscard]] asio::awaitable<void> wait_for_upload();
  /// Sends what is next; false when there is nothing.
  [[nodiscard]] asio::awaitable<Result<bool>> deliver();
  /// Asks the witness; true when what was acknowledged lately is offered again. `sure`: the server was there
  /// a moment ago.
  [[nodiscard]] asio::awaitable<Result<bool>> look(bool sure);
  /// The next packet, when it is time to look before it goes.
  [[nodiscard]] bool has_to_look() const;
  [[nodiscard]] uint64_t signs() const;
  /// Offers again what was acknowledged lately.
  [[nodiscard]] Result<void> begin_again();
  /// The same where nobody can tell whether that is necessary: no more is sent again than was ever sent once.
  [[nodiscard]] Result<bool> begin_again_if_few();
  /// Whether every host with values in the packet has been asked for: else they may belong to several
  /// proxies.
  [[nodiscard]] bool places_are_known(const SpoolPacket& packet) const;

  Parts parts_;
  Sending sending_;
  DeliveryByHost by_host_;
  bool travels_by_host_ = false;
  bool starting_ = true;  // hosts with values from before the start may not have been asked for yet
  bool stopping_ = false;
  bool running_ = false;
  EventPtr put_;
  uint64_t fresh_from_ = 0;  // values with smaller ids have been acknowledged before
  Witness witness_;
  bool forgetful_ = false;  // the server has no sessions: the witness tells nothing
  int unanswered_ = 0;      // looks, in a row
  uint64_t seen_signs_ = 0;
  uint64_t sent_again_ = 0;  // without knowing whether it was necessary
  std::chrono::steady_clock::time_point sure_until_{};
  std::chrono::steady_clock::time_point look_at_{};  // although there is nothing to deliver
  std::string trouble_;  // why nothing is delivered at the moment, logged last; empty: it is
  int64_t trouble_since_ = 0;
};

}  // namespace bakusoku::agent
