// expects: the row describes a parameter as another type than the handler takes
#include "zbxmod/module.h"

#ifdef RIGHT
static int on(int flag) { return flag; }
#else
static int on(int* flag) { return *flag; }
#endif

constexpr zbxmod::Item items[] = {zbxmod::item<on>("my.on", zbxmod::whole("flag"))};
ZBXMOD_MODULE(items)
