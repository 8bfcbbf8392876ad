// Cannot start, and answers all the same.
#include "zbxmod/module.h"

namespace {

int one() { return 1; }
constexpr zbxmod::Item items[] = {zbxmod::item<one>("start.one")};
zbxmod::Result<void> start() { return zbxmod::not_supported("there is no /etc/start.conf"); }

}  // namespace

ZBXMOD_MODULE(items, .init = start)
