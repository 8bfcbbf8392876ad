// Numbers in log lines. For the readers of this folder only.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace bakusoku::weblog {

inline constexpr uint64_t kSecond = 1'000'000'000;  // nanoseconds, as all units
inline constexpr uint64_t kMillisecond = 1'000'000;

[[nodiscard]] inline bool is_digit(char ch) { return ch >= '0' && ch <= '9'; }

[[nodiscard]] std::optional<uint64_t> read_whole(std::string_view text);

/// Three digits.
[[nodiscard]] std::optional<uint16_t> read_status(std::string_view text);

/// A count of bytes; "-" and nothing are 0.
[[nodiscard]] std::optional<uint64_t> read_bytes(std::string_view text);

/// A time of so many units (nanoseconds each), with or without a fraction, in microseconds; the sum of
/// several, as nginx writes those of several upstream servers: "0.010, 0.002", "0.010 : 0.002". A part "-" is
/// none of them. Nothing when there is no number, anything else, or more than a hundred days.
[[nodiscard]] std::optional<uint64_t> read_time(std::string_view text, uint64_t unit);

}  // namespace bakusoku::weblog
