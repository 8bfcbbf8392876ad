// expects: takes the name of a function
#include "zbxmod/module.h"

#ifdef RIGHT
static int answer() { return 42; }
#else
constexpr int answer = 42;
#endif

constexpr zbxmod::Item items[] = {zbxmod::item<answer>("my.answer")};
ZBXMOD_MODULE(items)
