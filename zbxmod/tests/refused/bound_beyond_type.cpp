// expects: a_bound_or_default_does_not_fit_the_type_of_the_handlers_parameter
#include "zbxmod/module.h"

#ifdef RIGHT
static int count(int number) { return number; }
#else
static unsigned count(unsigned number) { return number; }
#endif

constexpr zbxmod::Item items[] = {
    zbxmod::item<count>("my.count", zbxmod::whole("number").at_least(-1)),
};
ZBXMOD_MODULE(items)
