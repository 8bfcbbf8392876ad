// The answer of a low-level discovery item: rows of macros, as JSON.
//
//   zbxmod::Discovery disks;
//   for (const Disk& disk : all) disks.add({{"DISK", disk.name}, {"SIZE", disk.bytes}});
//   return disks;                               [{"{#DISK}":"sda","{#SIZE}":512110190592}]
//
// Zabbix takes an empty list for "there are none any more" and deletes what it had discovered: a list that
// could not be read is an error, zbxmod::not_supported(), and never an empty Discovery.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include "zbxmod/text.h"

namespace zbxmod {

/// One macro of one row; a view that lives as long as the call of Discovery::add().
class Macro {
 public:
  Macro(std::string_view name, std::string_view value) : name_(name), value_(value) {}
  template <std::integral T>
  Macro(std::string_view name, T value) : name_(name) {
    if constexpr (std::signed_integral<T>) {
      value_ = static_cast<int64_t>(value);
    } else {
      value_ = static_cast<uint64_t>(value);
    }
  }
  Macro(std::string_view name, double value) : name_(name), value_(value) {}

 private:
  friend class Discovery;
  std::string_view name_;
  std::variant<std::string_view, int64_t, uint64_t, double> value_{};
};

class Discovery {
 public:
  Discovery();

  /// One row. A name is written with or without braces, "DISK" or "{#DISK}", and may hold letters (which
  /// become capitals), digits, '_' and '.'; any other name, and a number that is not finite, makes the whole
  /// item not supported, with a message that tells which it was. Text is escaped and made valid UTF-8.
  Discovery& add(std::initializer_list<Macro> row) { return add(row.begin(), row.size()); }
  Discovery& add(const Macro* row, size_t count);

  [[nodiscard]] size_t rows() const { return rows_; }
  /// Empty when all rows were in order.
  [[nodiscard]] const std::string& error() const { return error_; }
  /// The JSON: an array from Zabbix 4.2 on, {"data":[...]} for hosts that are or may be older (see Host).
  [[nodiscard]] Text take();

 private:
  Text json_{};
  size_t rows_ = 0;
  std::string error_{};
};

}  // namespace zbxmod
