// How bakusoku.so and `bakusoku get` ask the agent: one AF_UNIX SOCK_SEQPACKET connection, one question at a
// time.
//
//   question, one packet:   version u8 = 1 | kind u8   | reserved u16 = 0 | timeout_ms u32 | item key, UTF-8,
//   no NUL answer, one or more:    version u8 = 1 | status u8 | flags u16        | total u32      | bytes
//
// Kind 1 asks for an item. Kind 2, with an empty key, asks for the board (ask/board.h): the answer is an
// empty value that brings two descriptors (SCM_RIGHTS), the board's and the marks', or it is not supported.
//
// Integers are little-endian. `status` 0: the bytes are the value; 1: not supported, the bytes are the
// message. An answer longer than kMaxPacketPayload comes in several packets of one status and total; all but
// the last carry kMoreFlag. A side that sees anything else closes the connection, and so does an asker whose
// time is up: the next question goes over a new connection, so that a late answer can never be taken for the
// wrong question's.
//
// Pure: no sockets here. Built into the module, so: nothing but the standard library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace bakusoku::ask {

inline constexpr uint8_t kVersion = 1;
inline constexpr uint8_t kKindItem = 1;
inline constexpr uint8_t kKindBoard = 2;
inline constexpr uint16_t kMoreFlag = 1;
inline constexpr size_t kHeaderSize = 8;
inline constexpr size_t kMaxKeyBytes = 16384;         // Zabbix's own limit on a key is 2048 characters
inline constexpr size_t kMaxPacketPayload = 60000;    // below the default socket buffer
inline constexpr size_t kMaxAnswerBytes = 64u << 20;  // a discovery of some hundred thousand resources
inline constexpr const char* kDefaultSocket = "/run/bakusoku/agent.sock";
inline constexpr const char* kSocketVariable = "BAKUSOKU_SOCKET";

enum class Status : uint8_t { value = 0, not_supported = 1 };

struct Question {
  uint32_t timeout_ms = 0;
  std::string_view key;  // into the packet
};

struct AnswerPart {
  Status status = Status::value;
  bool more = false;
  uint32_t total = 0;
  std::string_view bytes;  // into the packet
};

/// Replaces `packet` by an encoded question. The caller has refused keys longer than kMaxKeyBytes or with a
/// NUL: the other side takes such a packet for no question.
void encode_question(std::string& packet, uint32_t timeout_ms, std::string_view key);
/// Nothing when the packet is not a question for an item.
[[nodiscard]] std::optional<Question> decode_question(std::string_view packet);

/// Replaces `packet` by the question for the board.
void encode_board_question(std::string& packet);
[[nodiscard]] bool is_board_question(std::string_view packet);

/// Replaces `packet` by the answer part that starts at `offset` of `bytes`; returns the offset of the next
/// part (bytes.size() when this was the last). An answer longer than kMaxAnswerBytes becomes one part, not
/// supported, that says so.
size_t encode_answer_part(std::string& packet, Status status, std::string_view bytes, size_t offset);
/// Nothing when the packet is not part of an answer.
[[nodiscard]] std::optional<AnswerPart> decode_answer_part(std::string_view packet);

/// Puts the parts of one answer together.
class AnswerReader {
 public:
  enum class State { more, complete, corrupt };

  /// Takes the next packet. After `complete` or `corrupt` the reader wants no more packets until clear().
  [[nodiscard]] State add(std::string_view packet);
  /// Of the parts seen so far.
  [[nodiscard]] Status status() const { return status_; }
  /// The whole answer, once complete.
  [[nodiscard]] std::string take() { return std::move(bytes_); }
  void clear();

 private:
  bool first_ = true;
  Status status_ = Status::value;
  uint32_t total_ = 0;
  std::string bytes_{};
};

}  // namespace bakusoku::ask
