// expects: a handler returns text (std::string, std::string_view, const char*, zbxmod::Text)
#include "zbxmod/module.h"

#ifdef RIGHT
static std::string both() { return "1 2"; }
#else
static std::pair<int, int> both() { return {1, 2}; }
#endif

constexpr zbxmod::Item items[] = {zbxmod::item<both>("my.both")};
ZBXMOD_MODULE(items)
