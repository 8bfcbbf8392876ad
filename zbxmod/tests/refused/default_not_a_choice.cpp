// expects: the_default_is_none_of_the_words_of_one_of
#include "zbxmod/module.h"

static std::string_view same(std::string_view word) { return word; }

#ifdef RIGHT
constexpr zbxmod::Item items[] = {
    zbxmod::item<same>("my.word", zbxmod::text("word").one_of("rx", "tx").or_else("tx")),
};
#else
constexpr zbxmod::Item items[] = {
    zbxmod::item<same>("my.word", zbxmod::text("word").one_of("rx", "tx").or_else("all")),
};
#endif
ZBXMOD_MODULE(items)
