// Sending: brings rows of a spool's packet to Zabbix and settles each of them: acknowledged, or put back
// because Zabbix does not take it. An answer only counts: which row was refused is found by asking again in
// halves. Knows the forms of packets: 7.0's, with the items' ids and the host in whose name they
// travel; 6.0's with host and key, which every version takes and which is used while nobody knows whom we
// talk to; and `sender data`. On the agent's thread.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/event.h"
#include "agent/outcomes.h"
#include "agent/peer.h"
#include "agent/refusals.h"
#include "agent/spool.h"
#include "base/clock.h"
#include "zabbix/destination.h"
#include "zabbix/exchange.h"
#include "zabbix/sender.h"

namespace bakusoku::agent {

/// The one destination of each spool file.
inline constexpr std::string_view kSpoolDestination = "zabbix";
/// What is taken from the spool for one packet.
inline constexpr size_t kPacketValues = 5000;
inline constexpr size_t kPacketBytes = size_t{4} << 20;

struct DeliveryCounters {
  uint64_t packets = 0;
  uint64_t delivered = 0;  // values acknowledged for the first time
  uint64_t resent = 0;     // values sent again after the destination was away
  uint64_t refused = 0;    // values put back or given up as unknown to Zabbix
  uint64_t failures = 0;   // exchanges without an answer
};

class Sending {
 public:
  struct Parts {
    asio::io_context& io;
    Spool& spool;
    zabbix::Alternatives& alternatives;
    zabbix::Link link;
    Clock clock;
    zabbix::DataKind kind = zabbix::DataKind::agent;
    Peer* peer = nullptr;  // null: nobody asks for active checks there
  };

  using PacketPtr = std::shared_ptr<const SpoolPacket>;
  using Rows = std::vector<size_t>;  // indexes into a packet, ascending

  struct Outcome {
    std::optional<Error> failed{};
    /// It concerns the host that was named only: somebody did answer.
    bool of_host = false;
    /// Zabbix wants the values of hosts at different places: they must travel by host.
    bool redirected = false;
    zabbix::Endpoint from{};  // who answered for the host that was named
  };

  explicit Sending(Parts parts) : parts_(std::move(parts)) {}
  Sending(const Sending&) = delete;
  Sending& operator=(const Sending&) = delete;

  /// Sends `rows` to where `host` belongs, all of which are its; with an empty name to whichever of the
  /// alternatives answers. With `again` they were acknowledged before, and a refusal tells nothing: the
  /// server has them. Without `until` each exchange has a minute.
  [[nodiscard]] asio::awaitable<Outcome> settle(PacketPtr packet, Rows rows, bool again, std::string host,
                                                std::optional<Deadline> until = std::nullopt);

  void set_link(zabbix::Link link) { parts_.link = std::move(link); }
  [[nodiscard]] bool upload_disabled() const {
    return parts_.peer != nullptr && parts_.peer->upload_disabled;
  }
  [[nodiscard]] Outcomes& outcomes() { return outcomes_; }
  [[nodiscard]] const Outcomes& outcomes() const { return outcomes_; }
  [[nodiscard]] DeliveryCounters& counters() { return counters_; }
  [[nodiscard]] const DeliveryCounters& counters() const { return counters_; }

 private:
  struct Part {  // of a packet: rows of one form
    PacketPtr packet;
    Rows rows;
    std::string host;
    std::optional<Deadline> until;
  };
  struct Reply {
    zabbix::SenderReply reply{};
    zabbix::Endpoint from{};
    std::optional<Error> astray{};
  };

  [[nodiscard]] bool by_id(const Value& value) const;
  [[nodiscard]] asio::awaitable<Outcome> settle_part(Part part, bool again);
  [[nodiscard]] asio::awaitable<Result<Reply>> send(const Part& part, size_t from, size_t until,
                                                    std::string session, bool own_ids);
  /// The indexes of the packet's values that Zabbix does not take.
  [[nodiscard]] asio::awaitable<Result<Rows>> find_refused(const Part& part);
  /// Remembers which of the rows were taken and which were refused.
  void note_outcomes(const Part& part, const Rows& refused, const std::string& info);
  [[nodiscard]] Result<void> put_back(const Part& part, const Rows& refused, const std::string& info);

  Parts parts_;
  DeliveryCounters counters_;
  Outcomes outcomes_;
  Refusals refusals_;
};

}  // namespace bakusoku::agent
