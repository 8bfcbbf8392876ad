// How many milliseconds a handler is given.
#include "zbxmod/module.h"

namespace {

int64_t left(const zbxmod::Request& request) { return request.deadline().left().count(); }
constexpr zbxmod::Item items[] = {zbxmod::item<left>("deadline.left")};

}  // namespace

ZBXMOD_MODULE(items)
