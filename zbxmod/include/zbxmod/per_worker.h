// One object per worker process, made when the worker first asks for it. Zabbix loads modules in its main
// process and forks its workers later, so a connection or a cache made before the fork would be shared by all
// of them; and helper processes leave through exit(), which would run destructors in the wrong process. So
// the object belongs to the process whose pid made it, a forked child makes its own and leaves the inherited
// one untouched, and none is ever destroyed. Meant for static storage; trivially destructible on purpose.
#pragma once

#include <unistd.h>

#include <utility>

namespace zbxmod {

template <typename T>
class PerWorker {
 public:
  constexpr PerWorker() = default;
  PerWorker(const PerWorker&) = delete;
  PerWorker& operator=(const PerWorker&) = delete;

  /// This process's object; `make()` returns it by value the first time.
  template <typename Make>
  T& get(Make&& make) {
    const pid_t pid = ::getpid();
    if (owner_ != pid) {
      object_ = new T(std::forward<Make>(make)());
      owner_ = pid;
    }
    return *object_;
  }

  /// The same for what needs no argument.
  T& get() {
    return get([] { return T(); });
  }

 private:
  T* object_ = nullptr;
  pid_t owner_ = 0;
};

}  // namespace zbxmod
