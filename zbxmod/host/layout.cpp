#include "layout.h"

#include <algorithm>
#include <iterator>

namespace zbxmod::host {
namespace {

constexpr Layout layouts[] = {
    {"2.2", "2.2, 2.4", 1, 40, 56, true, true, false, "2.2"},
    {"3.0", "3.0", 1, 40, 64, false, true, false, "3.0"},
    {"3.2", "3.2, 3.4", 2, 40, 64, false, false, false, "3.2"},
    {"4.0", "4.0.0 to 4.0.20, 4.2, 4.4.0 to 4.4.8", 2, 40, 64, false, false, false, "4.0"},
    {"5.0.0", "5.0.0", 2, 40, 64, false, false, false, "4.0"},
    {"5.0", "4.0.21, 4.4.9, 5.0.1 and later, 5.2", 2, 48, 64, false, false, false, "4.0"},
    {"6.0", "5.4, 6.0, 6.2", 2, 48, 64, false, false, false, "6.0"},
    {"6.4", "6.4", 2, 48, 64, false, false, false, "6.4"},
    {"7.0", "7.0, 7.2, 7.4", 2, 56, 72, false, false, true, "7.0"},
};

}  // namespace

const Layout* find_layout(std::string_view name) {
  const auto found = std::find_if(std::begin(layouts), std::end(layouts),
                                  [&](const Layout& each) { return each.name == name; });
  return found == std::end(layouts) ? nullptr : found;
}

std::vector<const Layout*> all_layouts() {
  std::vector<const Layout*> all;
  for (const Layout& each : layouts) {
    if (!each.old_result) all.push_back(&each);
  }
  return all;
}

}  // namespace zbxmod::host
