// expects: the_lower_bound_is_above_the_upper_one
#include "zbxmod/module.h"

static int minutes(int number) { return number; }

#ifdef RIGHT
constexpr zbxmod::Item items[] = {
    zbxmod::item<minutes>("my.minutes", zbxmod::whole("minutes").at_least(1).at_most(15)),
};
#else
constexpr zbxmod::Item items[] = {
    zbxmod::item<minutes>("my.minutes", zbxmod::whole("minutes").at_least(15).at_most(1)),
};
#endif
ZBXMOD_MODULE(items)
