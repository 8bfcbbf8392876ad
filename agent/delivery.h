// Delivery: brings what is in a spool to one destination, oldest first, in packets, and keeps account of what
// became of it. An answer only counts: which row was refused is found by asking again in halves. What a
// server acknowledged shortly before it went away is sent again under the same session and ids, so that one
// that lived drops it and one that died takes it. One coroutine per destination, on the agent's thread.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/event.h"
#include "agent/outcomes.h"
#include "agent/spool.h"
#include "base/clock.h"
#include "zabbix/destination.h"
#include "zabbix/exchange.h"
#include "zabbix/sender.h"

namespace bakusoku::agent {

/// The one destination of each spool file.
inline constexpr std::string_view kSpoolDestination = "zabbix";

struct DeliveryCounters {
  uint64_t packets = 0;
  uint64_t delivered = 0;  // values acknowledged for the first time
  uint64_t resent = 0;     // values sent again after the destination was away
  uint64_t refused = 0;    // values put back or given up as unknown to Zabbix
  uint64_t failures = 0;   // exchanges without an answer
};

class Delivery {
 public:
  struct Parts {
    asio::io_context& io;
    Spool& spool;
    zabbix::Alternatives& alternatives;  // shared with the active checks of the destination
    zabbix::Link link;
    Clock clock;
    zabbix::DataKind kind = zabbix::DataKind::agent;  // sender: values for trapper items, without a session
  };

  explicit Delivery(Parts parts) : parts_(std::move(parts)) {}
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  /// Starts delivering; for as long as the io_context runs.
  void start();
  /// Something was put.
  void wake();

  [[nodiscard]] const DeliveryCounters& counters() const { return counters_; }
  [[nodiscard]] const Outcomes& outcomes() const { return outcomes_; }
  /// Why nothing is delivered at the moment; empty: it is. And since when, unix seconds.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }
  [[nodiscard]] int64_t trouble_since() const { return trouble_since_; }

 private:
  [[nodiscard]] asio::awaitable<void> loop();
  [[nodiscard]] asio::awaitable<void> pause(std::chrono::milliseconds time);
  /// Sends what is next; false when there is nothing.
  [[nodiscard]] asio::awaitable<Result<bool>> deliver();
  [[nodiscard]] asio::awaitable<Result<zabbix::SenderReply>> send(std::string session,
                                                                  const SpoolPacket& packet, size_t from,
                                                                  size_t until, bool own_ids);
  /// The indexes of the values of [0, count) that Zabbix does not take.
  [[nodiscard]] asio::awaitable<Result<std::vector<size_t>>> find_refused(const SpoolPacket& packet,
                                                                          size_t count);
  /// Offers again what was acknowledged lately.
  [[nodiscard]] Result<void> begin_again();
  /// Remembers which of the values of [0, count) were taken and which were refused.
  void note_outcomes(const SpoolPacket& packet, size_t count, const std::vector<size_t>& refused,
                     const std::string& info);
  void report_refused(const SpoolPacket& packet, const std::vector<size_t>& refused, const std::string& info);

  Parts parts_;
  std::shared_ptr<Event> put_;
  uint64_t fresh_from_ = 0;  // values with smaller ids have been acknowledged before
  std::string trouble_;      // why nothing is delivered at the moment, logged last; empty: it is
  int64_t trouble_since_ = 0;
  DeliveryCounters counters_;
  Outcomes outcomes_;
};

}  // namespace bakusoku::agent
