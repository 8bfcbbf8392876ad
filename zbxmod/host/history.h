// Rows of history as Zabbix hands them to a module's export callbacks, laid out as the interface documents
// them: a few of each type, ordinary and extreme. Behind the last row no byte may be touched, and once the
// callback has returned none of it, as Zabbix reuses the memory.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "guard.h"

namespace zbxmod::host {

inline constexpr const char* kHistoryNames[] = {"float", "integer", "string", "text", "log"};

class HistoryRows {
 public:
  explicit HistoryRows(int type);  // an index of kHistoryNames

  [[nodiscard]] const void* rows() const { return rows_.get(); }
  [[nodiscard]] int count() const { return count_; }
  /// Whether the address is behind the last row.
  [[nodiscard]] bool behind(uintptr_t address) const { return rows_.behind(address); }
  /// From here on whoever still looks at rows or their strings crashes.
  void revoke();
  [[nodiscard]] bool revoked(uintptr_t address) const {
    return rows_.inside(address) || texts_.inside(address);
  }

 private:
  int count_;
  Guarded rows_;
  Guarded texts_;
};

}  // namespace zbxmod::host
