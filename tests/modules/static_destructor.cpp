// A module that tells in which of Zabbix's processes its code runs at the end: it appends a line "<what>
// <pid>" to the file named by the environment variable STATIC_DESTRUCTOR_FILE. Written without the SDK, as a
// module of another's would be.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace {

void append_line(const char* what) {
  const char* path = std::getenv("STATIC_DESTRUCTOR_FILE");
  const int file = path != nullptr ? ::open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666) : -1;
  if (file < 0) return;
  char line[64];
  const int size = std::snprintf(line, sizeof line, "%s %d\n", what, static_cast<int>(::getpid()));
  if (::write(file, line, static_cast<size_t>(size)) < 0) std::abort();
  ::close(file);
}

struct Object {
  Object() { append_line("constructor"); }
  ~Object() { append_line("destructor"); }
} object;

}  // namespace

extern "C" {

__attribute__((visibility("default"))) int zbx_module_api_version() { return 2; }

__attribute__((visibility("default"))) int zbx_module_init() {
  return std::atexit([] { append_line("atexit"); });
}

__attribute__((visibility("default"))) int zbx_module_uninit() {
  append_line("uninit");
  return 0;
}
}
