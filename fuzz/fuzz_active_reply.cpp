// What a Zabbix server or proxy answers to active checks; the items' intervals are read as well.
#include <cstdint>
#include <cstdlib>

#include "zabbix/active.h"
#include "zabbix/destination.h"
#include "zabbix/interval.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bakusoku::zabbix;
  const auto reply = decode_active_reply(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!reply) return 0;
  if (reply->head.verdict != Verdict::accepted && (reply->unchanged || !reply->items.empty())) std::abort();
  if ((reply->head.verdict == Verdict::redirected) != reply->head.redirect.has_value()) std::abort();
  if (reply->head.redirect) {
    Alternatives alternatives({Endpoint{"a"}, Endpoint{"b"}});
    const Alternatives::Time now{};
    const auto followed = alternatives.follow("h", Endpoint{"a"}, *reply->head.redirect, now);
    if (alternatives.redirects() != (followed && !reply->head.redirect->reset)) std::abort();
    if (alternatives.endpoints("h", now).size() < 2) std::abort();
  }
  for (const ActiveItem& item : reply->items) {
    if (item.key.empty() || item.key_orig.empty()) std::abort();
    (void)Interval::parse(item.delay);
  }
  return 0;
}
