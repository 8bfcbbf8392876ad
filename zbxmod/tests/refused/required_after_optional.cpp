// expects: a_required_parameter_follows_an_optional_one_give_it_a_default_with_or_else
#include "zbxmod/module.h"

static int area(int width, int height) { return width * height; }

#ifdef RIGHT
constexpr zbxmod::Item items[] = {
    zbxmod::item<area>("my.area", zbxmod::whole("width"), zbxmod::whole("height").or_else(1)),
};
#else
constexpr zbxmod::Item items[] = {
    zbxmod::item<area>("my.area", zbxmod::whole("width").or_else(1), zbxmod::whole("height")),
};
#endif
ZBXMOD_MODULE(items)
