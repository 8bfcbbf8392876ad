// expects: one_of() takes 1 to 8 words
#include "zbxmod/module.h"

static std::string_view same(std::string_view word) { return word; }

#ifdef RIGHT
constexpr zbxmod::Item items[] = {zbxmod::item<same>("my.word", zbxmod::text("word").one_of("a", "b"))};
#else
constexpr zbxmod::Item items[] = {
    zbxmod::item<same>("my.word", zbxmod::text("word").one_of("a", "b", "c", "d", "e", "f", "g", "h", "i"))};
#endif
ZBXMOD_MODULE(items)
