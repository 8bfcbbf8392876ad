// expects: on_float
#include "zbxmod/module.h"

#ifdef RIGHT
static void floats(std::span<const zbxmod::HistoryFloat>) {}
#else
static void floats(std::span<const zbxmod::HistoryText>) {}
#endif

ZBXMOD_MODULE(zbxmod::no_items)
ZBXMOD_HISTORY(.on_float = floats)
