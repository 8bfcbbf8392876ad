// expects: the row describes more or fewer parameters than the handler takes
#include "zbxmod/module.h"

static int answer() { return 42; }

#ifdef RIGHT
constexpr zbxmod::Item items[] = {zbxmod::item<answer>("my.answer")};
#else
constexpr zbxmod::Item items[] = {zbxmod::item<answer>("my.answer", zbxmod::text("question"))};
#endif
ZBXMOD_MODULE(items)
