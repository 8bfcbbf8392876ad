// Values on their way to Zabbix, and, for an intake port, from others on their way through us:
//
//   {"request":"sender
//   data","data":[{"host":"h","key":"k","value":"v","clock":1,"ns":2},...],"clock":3,"ns":4}
//   {"request":"agent data","session":"<32 hex>","data":[{"host":"h","key":"k","value":"v","id":1,"clock":1,
//    "ns":2},...],"clock":3,"ns":4}
//   7.0's agent data: with "version", "variant" and "host" at the root, and "itemid" instead of host and key
//
// A row with "state":1 makes its item not supported; the value is the reason. Server and proxy answer
// {"response":"success","info":"processed: 1; failed: 0; total: 1; seconds spent: 0.000055"} and never say
// which row they did not take. Pure values: no sockets, no clocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "zabbix/reply.h"

namespace bakusoku::zabbix {

/// What we ever put into one packet: the oldest servers' limit.
inline constexpr size_t kMaxPacketBytes = size_t{128} << 20;

enum class DataKind { sender, agent };

/// What stands once in a packet. Empty or 0: left out.
struct PacketHead {
  DataKind kind = DataKind::sender;
  std::string session{};  // 32 hexadecimal digits, with increasing ids in the rows
  std::string host{};     // 7.0's agent data; only selects the session there, rows may be of other hosts
  std::string version{};  // with variant 1
};

/// One value. The text that views refer to need only live during the call.
struct Row {
  std::string_view host{};
  std::string_view key{};  // as configured in Zabbix, macros not expanded
  uint64_t itemid = 0;     // instead of host and key
  std::string_view value{};
  bool supported = true;  // else the value says why not
  uint64_t id = 0;
  int64_t clock = 0;  // Unix seconds
  uint32_t ns = 0;
};

/// One packet, row after row, up to a size. Bytes of a value that are no UTF-8, and NUL, at which Zabbix
/// would cut it, become U+FFFD.
class PacketBuilder {
 public:
  enum class Added {
    yes,
    full,      // finish this packet; the row belongs into the next
    too_large  // the row alone is beyond kMaxPacketBytes: in no packet
  };

  /// `limit_bytes` is kept unless the first row alone is larger; at most kMaxPacketBytes.
  explicit PacketBuilder(const PacketHead& head, size_t limit_bytes = kMaxPacketBytes);

  [[nodiscard]] Added add(const Row& row);
  [[nodiscard]] size_t rows() const { return rows_; }
  [[nodiscard]] size_t size_bytes() const { return text_.size(); }

  /// The packet, stamped with the time it is sent at, for encode_frame(). The builder is empty then, and
  /// ready for the next packet of the same head.
  [[nodiscard]] std::string finish(int64_t clock, uint32_t ns);

 private:
  std::string head_;
  std::string text_;
  size_t limit_bytes_;
  size_t rows_ = 0;
};

struct SenderCounts {
  uint64_t processed = 0;
  uint64_t failed = 0;
  uint64_t total = 0;
  double seconds = 0;

  friend bool operator==(const SenderCounts&, const SenderCounts&) = default;
};

struct SenderReply {
  ReplyHead head{};
  /// What became of the rows. None although accepted: nothing was processed, head.info says why (7.0's
  /// "unknown host 'x'").
  std::optional<SenderCounts> counts{};
};

/// "processed: 1; failed: 0; total: 1; seconds spent: 0.000055"; nothing when it reads otherwise.
[[nodiscard]] std::optional<SenderCounts> parse_counts(std::string_view info);

/// A refusal is a value too. Fails (`corrupt`) on what is no answer.
[[nodiscard]] Result<SenderReply> decode_sender_reply(std::string_view payload);

/// A value that somebody sent to us.
struct IntakeRow {
  std::string host{};
  std::string key{};
  uint64_t itemid = 0;                 // instead of host and key
  std::optional<std::string> value{};  // none: nothing to store, which is no failure
  bool supported = true;
  uint64_t id = 0;
  std::optional<int64_t> clock{};  // or "time", as fluent-plugin-zabbix names it; none: the time of receipt
  std::optional<uint32_t> ns{};
};

struct IntakeRequest {
  DataKind kind = DataKind::sender;
  std::string session{};
  std::string host{};
  std::string version{};
  std::optional<int64_t> clock{};  // the sender's, when it sent
  std::optional<uint32_t> ns{};
  std::vector<IntakeRow> rows{};
  size_t refused = 0;             // rows that are none: to be counted as failed
  std::string refused_because{};  // the first of them, in words
  size_t replaced = 0;  // rows with bytes in their values that were no UTF-8, each of which is a ? now
  std::string replaced_first{};  // the first of them: which row, host and key
};

/// What zabbix_sender and its like send. Numbers and booleans become the text they are written as (a fraction
/// the shortest that reads the same). Fails (`invalid`) with what to answer by encode_sender_refusal().
[[nodiscard]] Result<IntakeRequest> decode_sender_request(std::string_view payload);

[[nodiscard]] std::string encode_sender_answer(const SenderCounts& counts);
[[nodiscard]] std::string encode_sender_refusal(std::string_view info);

}  // namespace bakusoku::zabbix
