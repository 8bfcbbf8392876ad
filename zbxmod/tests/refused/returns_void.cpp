// expects: a handler returns text (std::string, std::string_view, const char*, zbxmod::Text)
#include "zbxmod/module.h"

#ifdef RIGHT
static int touch() { return 1; }
#else
static void touch() {}
#endif

constexpr zbxmod::Item items[] = {zbxmod::item<touch>("my.touch")};
ZBXMOD_MODULE(items)
