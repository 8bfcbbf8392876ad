// expects: this T cannot be made from nothing: say how
#include <string>

#include "zbxmod/per_worker.h"

struct Connection {
  explicit Connection(const std::string& path) : size(path.size()) {}
  size_t size;
};
constinit zbxmod::PerWorker<Connection> connection;

size_t size() {
#ifdef RIGHT
  return connection.get([] { return Connection("/run/x.sock"); }).size;
#else
  return connection.get().size;
#endif
}
