// The items of the module that Zabbix's documentation begins with: dummy.ping is always 1, dummy.echo[text]
// is the text, dummy.random[low,high] is a whole number from low to high.
#include <sys/random.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "zbxmod/module.h"

namespace {

using zbxmod::not_supported;
using zbxmod::Result;

int ping();
std::string_view echo(std::string_view text);
Result<int64_t> random_number(int64_t low, int64_t high);

constexpr zbxmod::Item items[] = {
    zbxmod::item<ping>("dummy.ping"),
    zbxmod::item<echo>("dummy.echo", zbxmod::text("text").may_be_empty()).test("a message"),
    zbxmod::item<random_number>("dummy.random", zbxmod::whole("low"), zbxmod::whole("high")).test("1,1000"),
};

int ping() { return 1; }

std::string_view echo(std::string_view text) { return text; }

Result<int64_t> random_number(int64_t low, int64_t high) {
  if (low > high) return not_supported("low must not be above high");
  // The kernel's numbers need no seed. One that was set before the fork would give all workers the same ones.
  uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != ssize_t{sizeof number}) {
    return not_supported(std::string("getrandom: ") + std::strerror(errno));
  }
  const uint64_t span = static_cast<uint64_t>(high) - static_cast<uint64_t>(low) + 1;  // 0: all 2^64
  return static_cast<int64_t>(static_cast<uint64_t>(low) + (span == 0 ? number : number % span));
}

}  // namespace

ZBXMOD_MODULE(items)
