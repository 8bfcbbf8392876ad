// expects: the_least_count_of_parameters_is_above_the_most_or_below_zero
#include "zbxmod/module.h"

static int count(const zbxmod::Request& request) { return request.count(); }

#ifdef RIGHT
constexpr zbxmod::Item items[] = {zbxmod::item<count>("my.count", zbxmod::parameters(1, 2))};
#else
constexpr zbxmod::Item items[] = {zbxmod::item<count>("my.count", zbxmod::parameters(2, 1))};
#endif
ZBXMOD_MODULE(items)
