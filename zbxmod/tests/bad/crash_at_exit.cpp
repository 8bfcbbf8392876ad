// Has a destructor that fails in every process but the one that made the object.
#include <unistd.h>

#include "bad.h"

struct Connection {
  pid_t owner = ::getpid();
  ~Connection() {
    if (::getpid() != owner) std::abort();
  }
};
static Connection connection;

MODULE_VERSION
MODULE_INIT
static int item(bad::Request*, bad::Result* result) { return bad::give(result, "1"); }
MODULE_ITEM(item)
