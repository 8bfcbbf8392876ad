// expects: the_default_is_outside_the_bounds
#include "zbxmod/module.h"

static int minutes(int number) { return number; }

#ifdef RIGHT
constexpr zbxmod::Item items[] = {
    zbxmod::item<minutes>("my.minutes", zbxmod::whole("minutes").between(1, 15).or_else(15)),
};
#else
constexpr zbxmod::Item items[] = {
    zbxmod::item<minutes>("my.minutes", zbxmod::whole("minutes").between(1, 15).or_else(60)),
};
#endif
ZBXMOD_MODULE(items)
