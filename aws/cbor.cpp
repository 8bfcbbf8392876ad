#include "aws/cbor.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/json.h"

namespace bakusoku::aws::cbor {
namespace {

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

bool is_ascii(std::string_view text) {
  constexpr uint64_t kHighBits = 0x8080808080808080;
  uint64_t all = 0;
  while (text.size() >= sizeof all) {
    uint64_t some = 0;
    std::memcpy(&some, text.data(), sizeof some);
    all |= some;
    text.remove_prefix(sizeof some);
  }
  for (const char ch : text) all |= static_cast<uint8_t>(ch);
  return (all & kHighBits) == 0;
}

}  // namespace

void Writer::long_head(uint8_t major, uint64_t argument) {
  const int exponent = argument <= UINT8_MAX    ? 0
                       : argument <= UINT16_MAX ? 1
                       : argument <= UINT32_MAX ? 2
                                                : 3;
  const size_t size = size_t{1} << exponent;
  *at_ = static_cast<char>(major << 5 | (24 + exponent));
  for (size_t at = 0; at < size; ++at) at_[size - at] = static_cast<char>(argument >> (8 * at) & 0xFF);
  at_ += 1 + size;
}

void Writer::text(std::string_view text) {
  if (!is_ascii(text)) {
    const std::string valid = valid_utf8(text);
    head(detail::kText, valid.size());
    if (static_cast<size_t>(end_ - at_) < valid.size()) make_room(valid.size());
    std::memcpy(at_, valid.data(), valid.size());
    at_ += valid.size();
    return;
  }
  if (static_cast<size_t>(end_ - at_) < kLongestHead + text.size()) make_room(kLongestHead + text.size());
  head(detail::kText, text.size());
  if (!text.empty()) std::memcpy(at_, text.data(), text.size());
  at_ += text.size();
}

std::string Writer::finish() {
  bytes_.resize(static_cast<size_t>(at_ - bytes_.data()));
  at_ = end_ = nullptr;
  return std::move(bytes_);
}

void Writer::make_room(size_t bytes) {
  const size_t used = at_ == nullptr ? 0 : static_cast<size_t>(at_ - bytes_.data());
  bytes_.resize(std::max(used + bytes, bytes_.size() * 2));
  at_ = bytes_.data() + used;
  end_ = bytes_.data() + bytes_.size();
}

// The argument stands in 1, 2, 4 or 8 bytes, or the length is not said.
Reader::Head Reader::take_rest(Head head) {
  if (head.info == detail::kIndefinite) {
    if (head.major < detail::kBytes || head.major > detail::kMap) return fail_head();
    return head;
  }
  if (head.info > 27) return fail_head();
  const size_t size = size_t{1} << (head.info - 24);
  if (static_cast<size_t>(end_ - at_) < size) return fail_head();
  head.argument = 0;
  for (size_t byte = 0; byte < size; ++byte) {
    head.argument = head.argument << 8 | static_cast<uint8_t>(at_[byte]);
  }
  at_ += size;
  return head;
}

std::string_view Reader::text_in_pieces() {
  joined_.clear();
  while (!ended()) {
    const Head part = take();
    if (part.major != detail::kText || part.info == detail::kIndefinite) return fail_text();
    joined_ += piece(part.argument);
    if (failed_) return {};
  }
  return failed_ ? std::string_view() : joined_;
}

double Reader::short_number() {
  const Head head = take();
  if (failed_) return 0;
  if (head.major == detail::kUnsigned) return static_cast<double>(head.argument);
  if (head.major == detail::kNegative) return -1 - static_cast<double>(head.argument);
  if (head.major == detail::kSimple) {
    if (head.info == 25) return half_to_double(head.argument);
    if (head.info == 26)
      return static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(head.argument)));
    if (head.info == 27) return std::bit_cast<double>(head.argument);
  }
  failed_ = true;
  return 0;
}

void Reader::skip(int depth) {
  const Head head = take();
  if (failed_ || depth > kDeepest) {
    failed_ = true;
    return;
  }
  switch (head.major) {
    case detail::kBytes:
    case detail::kText:
      if (head.info != detail::kIndefinite) {
        piece(head.argument);
        return;
      }
      while (!failed_ && !ended()) {
        const Head part = take();
        if (part.major != head.major || part.info == detail::kIndefinite) failed_ = true;
        piece(part.argument);
      }
      return;
    case detail::kArray:
    case detail::kMap: {
      Items items{head.argument, head.info == detail::kIndefinite};
      while (next(items)) {
        if (head.major == detail::kMap) skip(depth + 1);
        skip(depth + 1);
      }
      return;
    }
    case detail::kTag:
      skip(depth + 1);
      return;
    default:
      return;
  }
}

}  // namespace bakusoku::aws::cbor
