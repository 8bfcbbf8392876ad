// expects: the_key_has_a_character_other_than_letters_digits_dot_dash_and_underscore
#include "zbxmod/module.h"

static int one() { return 1; }

#ifdef RIGHT
constexpr zbxmod::Item items[] = {zbxmod::item<one>("my-one_1.X")};
#else
constexpr zbxmod::Item items[] = {zbxmod::item<one>("my.one[]")};
#endif
ZBXMOD_MODULE(items)
