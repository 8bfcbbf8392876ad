// expects: PerWorker<T> makes and keeps the object itself
#include "zbxmod/per_worker.h"

#ifdef RIGHT
constinit zbxmod::PerWorker<int> counter;
#else
constinit zbxmod::PerWorker<int&> counter;
#endif
