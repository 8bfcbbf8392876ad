#include "zabbix/sender.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "base/json.h"
#include "base/utf8.h"
#include "zabbix/json_reader.h"

namespace bakusoku::zabbix {
namespace {

constexpr uint32_t kNanoseconds = 1'000'000'000;
constexpr uint64_t kLatestClock = std::numeric_limits<int32_t>::max();
constexpr size_t kTailBytes = 64;  // what finish() adds, at most

// Characters that stand for themselves in a JSON string and are one byte of UTF-8.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (size_t ch = 0x20; ch < 0x7F; ++ch) plain[ch] = ch != '"' && ch != '\\';
  return plain;
}();

// Nearly all keys and values are ASCII with a few quotes: copied a run at a time. Anything else goes the slow
// way, which checks each byte.
void append_string(std::string& out, std::string_view text) {
  const size_t before = out.size();
  std::string_view rest = text;
  out += '"';
  for (;;) {
    const auto end =
        std::find_if(rest.begin(), rest.end(), [](char ch) { return !kPlain[static_cast<uint8_t>(ch)]; });
    out.append(rest.begin(), end);
    rest.remove_prefix(static_cast<size_t>(end - rest.begin()));
    if (rest.empty()) {
      out += '"';
      return;
    }
    if (rest.front() != '"' && rest.front() != '\\') break;
    out += '\\';
    out += rest.front();
    rest.remove_prefix(1);
  }
  out.resize(before);
  if (text.find('\0') == std::string_view::npos) {
    append_json_string(out, text);
  } else {
    std::string without(text);
    std::replace(without.begin(), without.end(), '\0', '\xFF');  // no UTF-8 either
    append_json_string(out, without);
  }
}

void append_number(std::string& out, uint64_t number) {
  const fmt::format_int digits(number);
  out.append(digits.data(), digits.size());
}

void append_number(std::string& out, int64_t number) {
  const fmt::format_int digits(number);
  out.append(digits.data(), digits.size());
}

void append_row(std::string& out, const Row& row) {
  if (row.itemid != 0) {
    out += "{\"itemid\":";
    append_number(out, row.itemid);
  } else {
    out += "{\"host\":";
    append_string(out, row.host);
    out += ",\"key\":";
    append_string(out, row.key);
  }
  out += ",\"value\":";
  append_string(out, row.value);
  if (!row.supported) out += ",\"state\":1";
  if (row.id != 0) {
    out += ",\"id\":";
    append_number(out, row.id);
  }
  out += ",\"clock\":";
  append_number(out, row.clock);
  out += ",\"ns\":";
  append_number(out, uint64_t{row.ns});
  out += '}';
}

bool take(std::string_view& text, std::string_view start) {
  if (!text.starts_with(start)) return false;
  text.remove_prefix(start.size());
  return true;
}

template <typename Number>
bool take_number(std::string_view& text, Number& number) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(parsed.ptr - text.data()));
  return true;
}

// Zabbix does not look whether a request is UTF-8 before it has its values; simdjson refuses it as a whole.
// So what is none is marked, with characters that Unicode assigns to nobody, and each row is judged by
// itself. Measured on 6.0.14: a ? stands for each malformed sequence in a value; of a value with half a pair
// of surrogates nothing is kept; host and key are compared as they are, so that none is found; a number may
// have any number of digits.
constexpr std::string_view kMark = "\xEF\xB7\x90";      // U+FDD0, for a malformed sequence
constexpr std::string_view kHalfPair = "\xEF\xB7\x91";  // U+FDD1, for an escape such as \ud800 alone
constexpr char kReplacement = '?';
constexpr size_t kMostDigits = 18;  // that simdjson reads for sure

std::optional<uint32_t> read_hex(std::string_view text) {
  uint32_t number = 0;
  if (text.size() < 4) return std::nullopt;
  const auto parsed = std::from_chars(text.data(), text.data() + 4, number, 16);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + 4) return std::nullopt;
  return number;
}

// "\ud83d" and the like at the start of `text`: the number; nothing otherwise.
std::optional<uint32_t> read_escape(std::string_view text) {
  return text.starts_with("\\u") ? read_hex(text.substr(2)) : std::nullopt;
}

bool is_high(uint32_t code) { return code >= 0xD800 && code <= 0xDBFF; }
bool is_low(uint32_t code) { return code >= 0xDC00 && code <= 0xDFFF; }

// How many bytes one replacement of Zabbix's stands for: the first of a sequence with those that continue it,
// as many as it announces.
size_t malformed_length(std::string_view text) {
  const auto first = static_cast<uint8_t>(text.front());
  const size_t announced = first < 0xC0 || first >= 0xFE ? 1
                           : first < 0xE0                ? 2
                           : first < 0xF0                ? 3
                           : first < 0xF8                ? 4
                           : first < 0xFC                ? 5
                                                         : 6;
  size_t length = 1;
  while (length < announced && length < text.size() && (static_cast<uint8_t>(text[length]) & 0xC0) == 0x80)
    ++length;
  return length;
}

bool is_digit(char ch) { return ch >= '0' && ch <= '9'; }

// `payload` with a mark for each thing in a string that is no character, and numbers of many digits as text.
std::string with_marks(std::string_view payload) {
  std::string out;
  out.reserve(payload.size() + 64);
  bool in_string = false;
  while (!payload.empty()) {
    size_t length = utf8_length(payload);
    std::string_view mark;
    if (in_string && length == 0) {
      length = malformed_length(payload);
      mark = kMark;
    } else if (in_string && payload.front() == '\\') {
      length = std::min<size_t>(2, payload.size());
      if (const auto code = read_escape(payload); code && (is_high(*code) || is_low(*code))) {
        const auto next = read_escape(payload.substr(6));
        if (!(is_high(*code) && next && is_low(*next))) mark = kHalfPair;
        length = mark.empty() ? 12 : 6;
      }
    } else if (payload.front() == '"') {
      in_string = !in_string;
    } else if (!in_string && is_digit(payload.front())) {
      // Of integers only: a fraction of any length can be read. A sign before it goes into the text as well.
      const auto end = std::find_if_not(payload.begin(), payload.end(), is_digit);
      length = static_cast<size_t>(end - payload.begin());
      const bool is_whole = end == payload.end() || (*end != '.' && *end != 'e' && *end != 'E');
      const bool after_point =
          !out.empty() && (out.back() == '.' || out.back() == '+' || is_digit(out.back()) ||
                           out.back() == 'e' || out.back() == 'E');
      if (length > kMostDigits && payload.front() != '0' && is_whole && !after_point) {
        const bool negative = !out.empty() && out.back() == '-';
        if (negative) out.pop_back();
        out += fmt::format("\"{}{}\"", negative ? "-" : "", payload.substr(0, length));
        payload.remove_prefix(length);
        continue;
      }
    }
    length = std::max<size_t>(length, 1);
    out += mark.empty() ? payload.substr(0, length) : mark;
    payload.remove_prefix(length);
  }
  return out;
}

bool has(std::string_view text, std::string_view mark) { return text.find(mark) != std::string_view::npos; }

void replace_marks(std::string& text) {
  static_assert(kMark.size() == kHalfPair.size());
  for (const std::string_view mark : {kMark, kHalfPair}) {
    for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1))
      text.replace(at, mark.size(), 1, kReplacement);
  }
}

// What is wrong with a row of a request that has marks, or nothing.
const char* read_marks(const IntakeRow& row) {
  for (const std::string_view mark : {kMark, kHalfPair}) {
    if (has(row.host, mark) || has(row.key, mark)) return "its host or key is no UTF-8";
  }
  if (row.value && has(*row.value, kHalfPair))
    return "its value has half a pair of surrogates (\\ud800 to \\udfff)";
  return nullptr;
}

// The value as Zabbix would read it. False when it is neither text, number, boolean nor null.
bool read_value(simdjson::dom::element element, std::optional<std::string>& value) {
  switch (element.type()) {
    case simdjson::dom::element_type::STRING:
      value = std::string(*read_string(element));
      return true;
    case simdjson::dom::element_type::INT64:
      value = std::to_string(int64_t{element});
      return true;
    case simdjson::dom::element_type::UINT64:
      value = std::to_string(uint64_t{element});
      return true;
    case simdjson::dom::element_type::DOUBLE:
      value = fmt::format("{}", double{element});
      return true;
    case simdjson::dom::element_type::BOOL:
      value = bool{element} ? "true" : "false";
      return true;
    case simdjson::dom::element_type::NULL_VALUE:
      return true;
    case simdjson::dom::element_type::ARRAY:
    case simdjson::dom::element_type::OBJECT:
      break;
  }
  return false;
}

// The members of a row that are there; what is wrong with it, or nothing.
const char* read_row(simdjson::dom::element element, IntakeRow& row) {
  simdjson::dom::object object;
  if (element.get(object) != simdjson::SUCCESS) return "it is no object";
  bool has_host = false;
  bool has_key = false;
  std::optional<int64_t> time;
  for (const auto& [name, value] : object) {
    if (name == "host" || name == "key") {
      const auto text = read_string(value);
      if (!text || text->empty() || text->find('\0') != std::string_view::npos) {
        return name == "host" ? "\"host\" is no name" : "\"key\" is no item key";
      }
      (name == "host" ? has_host : has_key) = true;
      (name == "host" ? row.host : row.key) = *text;
    } else if (name == "value") {
      if (!read_value(value, row.value)) return "\"value\" is neither text nor a number";
    } else if (name == "clock") {
      const auto clock = read_unsigned(value);
      if (!clock || *clock > kLatestClock) return "\"clock\" is no Unix time";
      row.clock = static_cast<int64_t>(*clock);
    } else if (name == "time") {
      if (const auto clock = read_unsigned(value); clock && *clock <= kLatestClock)
        time = static_cast<int64_t>(*clock);
    } else if (name == "ns") {
      const auto ns = read_unsigned(value);
      if (!ns || *ns >= kNanoseconds) return "\"ns\" is not from 0 to 999999999";
      row.ns = static_cast<uint32_t>(*ns);
    } else if (name == "itemid") {
      row.itemid = read_unsigned(value).value_or(0);
    } else if (name == "id") {
      row.id = read_unsigned(value).value_or(0);
    } else if (name == "state") {
      row.supported = read_unsigned(value) != 1;
    }
  }
  if (row.itemid == 0 && !has_host) return "no \"host\"";
  if (row.itemid == 0 && !has_key) return "no \"key\"";
  if (!row.clock) row.clock = time;
  return nullptr;
}

// "row 3 of the request (host web-1, key status)", as far as they were read.
std::string place_of(size_t number, IntakeRow row) {
  constexpr size_t kShown = 200;
  std::string place = fmt::format("row {} of the request", number);
  std::string_view before = " (";
  for (const auto& [name, text] : {std::pair("host", &row.host), std::pair("key", &row.key)}) {
    if (text->empty()) continue;
    replace_marks(*text);
    place += fmt::format("{}{} {}", before, name, utf8_prefix(*text, kShown));
    before = ", ";
  }
  return before == ", " ? place + ")" : place;
}

}  // namespace

PacketBuilder::PacketBuilder(const PacketHead& head, size_t limit_bytes)
    : limit_bytes_(std::min(limit_bytes, kMaxPacketBytes)) {
  head_ = head.kind == DataKind::sender ? R"({"request":"sender data")" : R"({"request":"agent data")";
  const auto member = [this](std::string_view name, std::string_view value) {
    if (value.empty()) return;
    head_ += name;
    append_string(head_, value);
  };
  member(",\"session\":", head.session);
  member(",\"version\":", head.version);
  if (!head.version.empty()) head_ += ",\"variant\":1";
  member(",\"host\":", head.host);
  head_ += ",\"data\":[";
  text_ = head_;
}

PacketBuilder::Added PacketBuilder::add(const Row& row) {
  if (row.host.size() + row.key.size() + row.value.size() >= kMaxPacketBytes) return Added::too_large;
  const size_t before = text_.size();
  if (rows_ != 0) text_ += ',';
  append_row(text_, row);
  if (text_.size() + kTailBytes > limit_bytes_ &&
      (rows_ != 0 || text_.size() + kTailBytes > kMaxPacketBytes)) {
    const bool alone = rows_ == 0 || head_.size() + (text_.size() - before) + kTailBytes > kMaxPacketBytes;
    text_.resize(before);
    return alone ? Added::too_large : Added::full;
  }
  ++rows_;
  return Added::yes;
}

std::string PacketBuilder::finish(int64_t clock, uint32_t ns) {
  text_ += "],\"clock\":";
  append_number(text_, clock);
  text_ += ",\"ns\":";
  append_number(text_, uint64_t{ns});
  text_ += '}';
  std::string packet = std::move(text_);
  text_ = head_;
  text_.reserve(std::min(packet.size(), limit_bytes_) + kTailBytes);  // the next is likely as large
  rows_ = 0;
  return packet;
}

std::optional<SenderCounts> parse_counts(std::string_view info) {
  SenderCounts counts;
  if (!take(info, "processed: ") || !take_number(info, counts.processed) || !take(info, "; failed: ") ||
      !take_number(info, counts.failed) || !take(info, "; total: ") || !take_number(info, counts.total) ||
      !take(info, "; seconds spent: ") || !take_number(info, counts.seconds) || !info.empty() ||
      !std::isfinite(counts.seconds) || counts.seconds < 0) {
    return std::nullopt;
  }
  return counts;
}

Result<SenderReply> decode_sender_reply(std::string_view payload) {
  constexpr std::string_view kWhat = "cannot read the answer to the values sent";
  simdjson::dom::parser parser;
  const auto root = read_object(parser, payload, ErrorKind::corrupt);
  if (!root) return fail(root.error().with_context(kWhat));
  auto head = read_reply_head(*root);
  if (!head) return fail(head.error().with_context(kWhat));
  SenderReply reply;
  reply.head = std::move(*head);
  if (reply.head.verdict == Verdict::accepted) reply.counts = parse_counts(reply.head.info);
  return reply;
}

Result<IntakeRequest> decode_sender_request(std::string_view payload) {
  simdjson::dom::parser parser;
  auto root = read_object(parser, payload, ErrorKind::invalid);
  bool marked = false;
  if (!root) {
    const std::string readable = with_marks(payload);
    marked = readable != payload;
    if (marked) root = read_object(parser, readable, ErrorKind::invalid);  // which copies what it reads
  }
  if (!root) return fail(root.error());
  const auto name = read_string(*root, "request");
  if (!name) return fail(ErrorKind::invalid, "no string \"request\"");
  IntakeRequest request;
  if (*name == "agent data") {
    request.kind = DataKind::agent;
  } else if (*name != "sender data") {
    return fail(ErrorKind::invalid,
                "unknown request \"{}\": this port takes \"sender data\" and \"agent data\"",
                name->substr(0, 100));
  }
  simdjson::dom::array rows;
  if (root->at_key("data").get(rows) != simdjson::SUCCESS)
    return fail(ErrorKind::invalid, "no array \"data\"");
  request.session = read_string(*root, "session").value_or("");
  request.host = read_string(*root, "host").value_or("");
  request.version = read_string(*root, "version").value_or("");
  // The root's time says nothing about the values: a wrong one is as good as none.
  if (const auto clock = read_unsigned(*root, "clock"); clock && *clock <= kLatestClock)
    request.clock = static_cast<int64_t>(*clock);
  if (const auto ns = read_unsigned(*root, "ns"); ns && *ns < kNanoseconds)
    request.ns = static_cast<uint32_t>(*ns);
  size_t number = 0;
  for (const simdjson::dom::element element : rows) {
    ++number;
    IntakeRow row;
    const char* wrong = read_row(element, row);
    if (wrong == nullptr && marked) wrong = read_marks(row);
    if (wrong != nullptr) {
      if (request.refused++ == 0)
        request.refused_because = fmt::format("{}: {}", place_of(number, row), wrong);
      continue;
    }
    if (marked && row.value && has(*row.value, kMark)) {
      replace_marks(*row.value);
      if (request.replaced++ == 0) request.replaced_first = place_of(number, row);
    }
    request.rows.push_back(std::move(row));
  }
  return request;
}

std::string encode_sender_answer(const SenderCounts& counts) {
  return fmt::format(
      R"({{"response":"success","info":"processed: {}; failed: {}; total: {}; seconds spent: {:.6f}"}})",
      counts.processed, counts.failed, counts.total, counts.seconds);
}

std::string encode_sender_refusal(std::string_view info) {
  std::string out = R"({"response":"failed","info":)";
  append_json_string(out, info);
  return out + "}";
}

}  // namespace bakusoku::zabbix
