// expects: the_default_is_outside_the_bounds
#include "zbxmod/module.h"

static double share(double number) { return number; }

#ifdef RIGHT
constexpr zbxmod::Item items[] = {
    zbxmod::item<share>("my.share", zbxmod::number("share").between(0, 1).or_else(1)),
};
#else
constexpr zbxmod::Item items[] = {
    zbxmod::item<share>("my.share", zbxmod::number("share").between(0, 1).or_else(1.5)),
};
#endif
ZBXMOD_MODULE(items)
