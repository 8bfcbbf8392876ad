// Sending: brings rows of a spool's packet to Zabbix and settles each of them: acknowledged, or put back
// because Zabbix does not take it. An answer only counts: which items are refused is found by asking in
// halves, without values, so that nothing is stored by it. Knows the forms of packets: by the items' ids, in
// the name of a host that Zabbix knows; by host and key, for items of whom no id was told; and `sender data`.
// What a row brings decides: a key that macros were expanded in, which comes with an id, is none that Zabbix
// takes. On the agent's thread.
#pragma once

#include <array>
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
/// What follows `after`, or what is acknowledged. Where many values of an item follow each other, as those
/// that were missed do, the end of a packet does not part them unless they are more than a packet: a server
/// takes packets in several processes, and may store the end of one behind the beginning of the next.
[[nodiscard]] Result<SpoolPacket> next_packet(Spool& spool, uint64_t after = 0);

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

  /// How long and whom to ask.
  struct Reach {
    std::optional<Deadline> until{};         // none: each exchange has a minute
    std::optional<zabbix::Endpoint> only{};  // nobody else is asked
  };
  /// Where rows go.
  struct Way : Reach {
    std::string host{};  // whose they all are: to where it belongs; empty: to whichever alternative answers
    uint64_t stay = 0;   // each has a session of its own; 0: the spool's
  };
  struct Outcome {
    std::optional<Error> failed{};
    /// It concerns the host that was named only: somebody did answer.
    bool of_host = false;
    /// Zabbix wants the values of hosts at different places: they must travel by host.
    bool redirected = false;
    /// The host that was named belongs elsewhere now, where nothing has been sent yet.
    bool moved = false;
    zabbix::Endpoint from{};  // who answered for the host that was named
  };
  /// An item that Zabbix is asked about without a value of it. With `root` by id, in that host's name.
  struct Question {
    std::string host{};
    std::string key{};
    uint64_t itemid = 0;
    std::string root{};
    bool of_host = false;  // it is asked where the host belongs
  };
  struct Told {
    std::optional<zabbix::SenderCounts> counts{};  // none: not counted
    zabbix::Endpoint from{};
    bool elsewhere = false;  // the host belongs to somebody who could not be asked
  };

  explicit Sending(Parts parts) : parts_(std::move(parts)) {}
  Sending(const Sending&) = delete;
  Sending& operator=(const Sending&) = delete;

  /// Sends `rows`. With `again` they were acknowledged before, and a refusal tells nothing: the server has
  /// them.
  [[nodiscard]] asio::awaitable<Outcome> settle(PacketPtr packet, Rows rows, bool again, Way way);

  /// The question that can be asked about the item of a value, which may travel by host or with others'.
  [[nodiscard]] Question question_of(const Value& value, bool by_host);
  /// Rows without a value, one for each id. Errors: nobody answered, or it takes no values at the moment.
  [[nodiscard]] asio::awaitable<Result<Told>> ask(Question question, std::array<uint64_t, 2> ids,
                                                  std::string session, Reach reach);
  /// 32 hexadecimal digits.
  [[nodiscard]] static std::string random_session();

  /// Zabbix has taken a value of the item, as far as is remembered.
  [[nodiscard]] bool takes(const Value& value) const;
  /// Values with larger ids have never been sent before; of the others nobody knows.
  void begin(uint64_t maybe_seen) { maybe_seen_ = maybe_seen; }
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
    Way way;
    std::string name;  // in which rows with ids travel; empty: theirs go by host and key
  };
  enum class Form {
    values,
    values_anew,  // under ids of their own
    questions,    // whether such values would be taken: without them, under ids of their own
  };
  /// What is sent of a part: which of its rows, how, in which session.
  struct Selection {
    Rows rows;  // indexes into the packet
    std::string session;
    Form form = Form::values;
  };
  struct Reply {
    zabbix::SenderReply reply{};
    zabbix::Endpoint from{};
    std::optional<Error> astray{};
    bool moved = false;
  };

  [[nodiscard]] bool by_id(const Value& value) const;
  /// In whose name rows with ids travel to where `host` belongs; empty: each host's in its own.
  [[nodiscard]] std::string name_for(const std::string& host) const;
  [[nodiscard]] asio::awaitable<Outcome> settle_parts(PacketPtr packet, Rows rows, bool again, Way way);
  /// Made of the spool's, so that nothing has to be kept for it.
  [[nodiscard]] Result<std::string> session_of(uint64_t stay) const;
  [[nodiscard]] asio::awaitable<Outcome> settle_part(Part part, bool again);
  [[nodiscard]] asio::awaitable<Result<Reply>> send(const Part& part, Selection selection);
  /// The indexes of the packet's values that Zabbix does not take, when it counted `failed` of the part.
  [[nodiscard]] asio::awaitable<Result<Rows>> find_refused(const Part& part, uint64_t failed);
  /// The same by asking for each item.
  [[nodiscard]] asio::awaitable<Result<Rows>> ask_for_refused(const Part& part);
  /// Remembers the items that values were taken of, and of values that were not acknowledged before, what may
  /// make hosts.
  void note_taken(const Part& part, const Rows& refused, bool for_the_first_time = false);
  /// Remembers what becomes of items that are refused.
  void note_outcomes(const Part& part, const Rows& refused, const std::string& info);
  [[nodiscard]] Result<void> put_back(const Part& part, const Rows& refused, const std::string& info);

  Parts parts_;
  DeliveryCounters counters_;
  Outcomes outcomes_;
  Refusals refusals_;
  uint64_t maybe_seen_ = UINT64_MAX;  // ids up to here may have been taken: no answer came
  /// Hashes of items that Zabbix has taken values of. One item in thirty is wrongly in it when it holds a
  /// hundred thousand, which matters only to an item that became known while an answer was lost.
  std::vector<bool> taken_ = std::vector<bool>(size_t{1} << 20);
};

}  // namespace bakusoku::agent
