// expects: a handler returns text (std::string, std::string_view, const char*, zbxmod::Text)
#include "zbxmod/module.h"

#ifdef RIGHT
static zbxmod::Result<int> touch() { return 1; }
#else
static zbxmod::Result<void> touch() { return {}; }
#endif

constexpr zbxmod::Item items[] = {zbxmod::item<touch>("my.touch")};
ZBXMOD_MODULE(items)
