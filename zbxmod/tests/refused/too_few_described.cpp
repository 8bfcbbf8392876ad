// expects: the row describes more or fewer parameters than the handler takes
#include "zbxmod/module.h"

static int area(int width, int height) { return width * height; }

#ifdef RIGHT
constexpr zbxmod::Item items[] = {
    zbxmod::item<area>("my.area", zbxmod::whole("width"), zbxmod::whole("height")),
};
#else
constexpr zbxmod::Item items[] = {zbxmod::item<area>("my.area", zbxmod::whole("width"))};
#endif
ZBXMOD_MODULE(items)
