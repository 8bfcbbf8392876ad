// Memory that ends where a structure of Zabbix's ends: the page behind it may not be touched, so that a
// module that reads or writes a member which this version does not have stops right there. What lies before
// is checked for changes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace zbxmod::host {

class Guarded {
 public:
  explicit Guarded(size_t bytes);  // a multiple of 8, at most a page
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded();

  [[nodiscard]] void* get() const { return start_; }
  [[nodiscard]] size_t size() const { return bytes_; }
  void clear();
  /// Whether something wrote in front of the structure.
  [[nodiscard]] bool front_touched() const;
  /// Whether the address lies in the page behind the structure.
  [[nodiscard]] bool behind(uintptr_t address) const;
  /// Whether the address lies in the structure's own page.
  [[nodiscard]] bool inside(uintptr_t address) const;
  /// Nobody may touch the structure any more.
  void revoke();

 private:
  size_t bytes_;
  size_t page_;
  unsigned char* pages_;
  unsigned char* start_;
};

}  // namespace zbxmod::host
