// Delivery: brings what is in a spool to one destination, oldest first, and keeps account of what became of
// it. Many hosts travel in one packet; once a proxy of a group has redirected a host, each host's values
// travel by themselves (agent/delivery_by_host.h). What a server acknowledged shortly before it went away is
// sent again under the same session and ids, so that one that lived drops it and one that died takes it. One
// coroutine per destination, on the agent's thread.
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
    uint64_t* discoveries = nullptr;  // as of Sending
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
  /// Until the active checks have found out whom we talk to, for a few seconds.
  [[nodiscard]] asio::awaitable<void> wait_for_dialect();
  /// While Zabbix takes no values.
  [[nodiscard]] asio::awaitable<void> wait_for_upload();
  /// Sends what is next; false when there is nothing.
  [[nodiscard]] asio::awaitable<Result<bool>> deliver();
  /// Offers again what was acknowledged lately.
  [[nodiscard]] Result<void> begin_again();

  Parts parts_;
  Sending sending_;
  DeliveryByHost by_host_;
  bool travels_by_host_ = false;
  bool stopping_ = false;
  bool running_ = false;
  std::shared_ptr<Event> put_;
  uint64_t fresh_from_ = 0;  // values with smaller ids have been acknowledged before
  std::string trouble_;      // why nothing is delivered at the moment, logged last; empty: it is
  int64_t trouble_since_ = 0;
};

}  // namespace bakusoku::agent
