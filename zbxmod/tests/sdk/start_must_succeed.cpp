// Cannot start, and wants Zabbix not to start either.
#include <stdexcept>

#include "zbxmod/module.h"

namespace {

int one() { return 1; }
constexpr zbxmod::Item items[] = {zbxmod::item<one>("start.one")};
zbxmod::Result<void> start() { throw std::runtime_error("there is no /etc/start.conf"); }

}  // namespace

ZBXMOD_MODULE(items, .init = start, .init_must_succeed = true)
