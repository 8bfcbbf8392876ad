#include "simaws/cbor.h"

#include <bit>
#include <cmath>

namespace bakusoku::simaws::cbor {
namespace {

constexpr int kDeepest = 32;
constexpr uint8_t kUnsigned = 0;
constexpr uint8_t kNegative = 1;
constexpr uint8_t kBytes = 2;
constexpr uint8_t kText = 3;
constexpr uint8_t kArray = 4;
constexpr uint8_t kMap = 5;
constexpr uint8_t kTag = 6;
constexpr uint8_t kIndefinite = 31;
constexpr uint8_t kBreak = 0xFF;
constexpr uint64_t kTimeTag = 1;

double half_to_double(uint64_t half) {
  const auto exponent = static_cast<int>(half >> 10 & 31);
  const auto mantissa = static_cast<double>(half & 1023);
  double out = 0;
  if (exponent == 0) {
    out = std::ldexp(mantissa, -24);
  } else if (exponent == 31) {
    out = mantissa == 0 ? HUGE_VAL : std::nan("");
  } else {
    out = std::ldexp(mantissa + 1024, exponent - 25);
  }
  return (half & 0x8000) != 0 ? -out : out;
}

class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : rest_(bytes) {}

  bool value(Value& out, int depth) {
    uint8_t major = 0;
    uint8_t info = 0;
    uint64_t argument = 0;
    if (depth > kDeepest || !head(major, info, argument)) return false;
    switch (major) {
      case kUnsigned:
      case kNegative:
        return integer(out, major == kNegative, info, argument);
      case kBytes:
      case kText:
        out.kind = major == kText ? Value::Kind::text : Value::Kind::bytes;
        return string(out.text, major, info, argument);
      case kArray:
        return array(out, info, argument, depth);
      case kMap:
        return map(out, info, argument, depth);
      case kTag:
        if (info == kIndefinite || out.tag) return false;
        out.tag = argument;
        return value(out, depth + 1);
      default:
        return simple(out, info, argument);
    }
  }
  [[nodiscard]] bool done() const { return rest_.empty(); }

 private:
  bool head(uint8_t& major, uint8_t& info, uint64_t& argument) {
    if (rest_.empty()) return false;
    const auto first = static_cast<uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
    major = static_cast<uint8_t>(first >> 5);
    info = first & 31;
    argument = info;
    if (info < 24) return true;
    if (info == kIndefinite) return major >= kBytes && major != kTag;
    if (info > 27) return false;
    const size_t size = size_t{1} << (info - 24);
    if (rest_.size() < size) return false;
    argument = 0;
    for (size_t at = 0; at < size; ++at) argument = argument << 8 | static_cast<uint8_t>(rest_[at]);
    rest_.remove_prefix(size);
    return true;
  }

  // True at the end of an indefinite length, whose mark is consumed.
  bool ended() {
    if (rest_.empty() || static_cast<uint8_t>(rest_[0]) != kBreak) return false;
    rest_.remove_prefix(1);
    return true;
  }

  static bool integer(Value& out, bool negative, uint8_t info, uint64_t argument) {
    if (info == kIndefinite || argument > static_cast<uint64_t>(INT64_MAX)) return false;
    out.kind = Value::Kind::integer;
    out.integer = negative ? -1 - static_cast<int64_t>(argument) : static_cast<int64_t>(argument);
    return true;
  }

  bool string(std::string& out, uint8_t major, uint8_t info, uint64_t argument) {
    if (info != kIndefinite) {
      if (argument > rest_.size()) return false;
      out += rest_.substr(0, static_cast<size_t>(argument));
      rest_.remove_prefix(static_cast<size_t>(argument));
      return true;
    }
    while (!ended()) {
      uint8_t part = 0;
      if (!head(part, info, argument) || part != major || info == kIndefinite) return false;
      if (!string(out, major, info, argument)) return false;
    }
    return true;
  }

  bool array(Value& out, uint8_t info, uint64_t argument, int depth) {
    out.kind = Value::Kind::array;
    if (info == kIndefinite) {
      while (!ended()) {
        if (!value(out.items.emplace_back(), depth + 1)) return false;
      }
      return true;
    }
    if (argument > rest_.size()) return false;
    for (uint64_t at = 0; at < argument; ++at) {
      if (!value(out.items.emplace_back(), depth + 1)) return false;
    }
    return true;
  }

  bool member(Value& out, int depth) {
    Value key;
    if (!value(key, depth + 1) || key.kind != Value::Kind::text) return false;
    return value(out.members.emplace_back(std::move(key.text), Value()).second, depth + 1);
  }

  bool map(Value& out, uint8_t info, uint64_t argument, int depth) {
    out.kind = Value::Kind::map;
    if (info == kIndefinite) {
      while (!ended()) {
        if (!member(out, depth)) return false;
      }
      return true;
    }
    if (argument > rest_.size()) return false;
    for (uint64_t at = 0; at < argument; ++at) {
      if (!member(out, depth)) return false;
    }
    return true;
  }

  static bool simple(Value& out, uint8_t info, uint64_t argument) {
    if (info == 20 || info == 21) {
      out.kind = Value::Kind::boolean;
      out.truth = info == 21;
      return true;
    }
    if (info == 22 || info == 23) {
      out.kind = Value::Kind::null;
      return true;
    }
    out.kind = Value::Kind::real;
    if (info == 25) {
      out.real = half_to_double(argument);
    } else if (info == 26) {
      out.real = static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(argument)));
    } else if (info == 27) {
      out.real = std::bit_cast<double>(argument);
    } else {
      return false;
    }
    return true;
  }

  std::string_view rest_;
};

void append_big_endian(std::string& out, uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 255);
}

void append_head(std::string& out, uint8_t major, uint64_t argument) {
  const auto top = static_cast<uint8_t>(major << 5);
  if (argument < 24) {
    out += static_cast<char>(top | argument);
    return;
  }
  const int exponent = argument <= UINT8_MAX    ? 0
                       : argument <= UINT16_MAX ? 1
                       : argument <= UINT32_MAX ? 2
                                                : 3;
  out += static_cast<char>(top | (24 + exponent));
  append_big_endian(out, argument, 1 << exponent);
}

}  // namespace

std::optional<Value> read(std::string_view bytes) {
  Decoder decoder(bytes);
  Value out;
  if (!decoder.value(out, 0) || !decoder.done()) return std::nullopt;
  return out;
}

void append_map(std::string& out, size_t members) { append_head(out, kMap, members); }
void append_array(std::string& out, size_t items) { append_head(out, kArray, items); }

void append_text(std::string& out, std::string_view text) {
  append_head(out, kText, text.size());
  out += text;
}

void append_boolean(std::string& out, bool value) { out += value ? '\xF5' : '\xF4'; }
void append_integer(std::string& out, uint64_t value) { append_head(out, kUnsigned, value); }

void append_double(std::string& out, double value) {
  out += '\xFB';
  append_big_endian(out, std::bit_cast<uint64_t>(value), 8);
}

void append_time(std::string& out, int64_t unix_seconds) {
  append_head(out, kTag, kTimeTag);
  append_double(out, static_cast<double>(unix_seconds));
}

}  // namespace bakusoku::simaws::cbor
