// expects: calls make() without arguments, which must return a T by value
#include <string>

#include "zbxmod/per_worker.h"

constinit zbxmod::PerWorker<std::string> name;

const std::string& get() {
#ifdef RIGHT
  return name.get([] { return std::string("x"); });
#else
  return name.get([](int) { return std::string("x"); });
#endif
}
