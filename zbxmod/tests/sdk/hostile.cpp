// What goes wrong in a handler, and answers that are too long or no text.
#include <limits>
#include <stdexcept>

#include "zbxmod/module.h"

namespace {

int throws() { throw std::runtime_error("oops"); }
std::string long_answer() { return std::string(10'000'000, 'x'); }
std::string latin() { return "caf\xE9"; }
std::string with_nul() { return std::string("a\0b", 3); }
double nan_answer() { return std::numeric_limits<double>::quiet_NaN(); }
size_t size_of(std::string_view text) { return text.size(); }

constexpr zbxmod::Item items[] = {
    zbxmod::item<throws>("hostile.throws"),
    zbxmod::item<long_answer>("hostile.long"),
    zbxmod::item<latin>("hostile.latin"),
    zbxmod::item<with_nul>("hostile.nul"),
    zbxmod::item<nan_answer>("hostile.nan"),
    zbxmod::item<size_of>("hostile.size", zbxmod::text("text")).test("x"),
};

}  // namespace

ZBXMOD_MODULE(items)
