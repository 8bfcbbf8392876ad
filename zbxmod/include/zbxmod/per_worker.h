// One object per worker process, made when the worker first asks for it. Zabbix loads modules in its main
// process and forks its workers later, so a connection or a cache made before the fork would be shared by all
// of them; and helper processes leave through exit(), which would run destructors in the wrong process. So
// the object belongs to the process whose pid made it, a forked child makes its own and leaves the inherited
// one untouched, and none is ever destroyed. Meant for static storage; trivially destructible on purpose.
#pragma once

#include <sys/types.h>

#include <type_traits>
#include <utility>

namespace zbxmod {

namespace detail {

/// getpid(), without the system call where the kernel can tell a forked child that its copy is stale.
[[nodiscard]] pid_t this_process() noexcept;

}  // namespace detail

template <typename T>
class PerWorker {
  static_assert(std::is_object_v<T> && !std::is_array_v<T> && !std::is_const_v<T>,
                "zbxmod: PerWorker<T> makes and keeps the object itself: T is a type such as Connection, no "
                "reference, array, function or const");

 public:
  constexpr PerWorker() = default;
  PerWorker(const PerWorker&) = delete;
  PerWorker& operator=(const PerWorker&) = delete;

  /// This process's object; `make()` returns it by value the first time. When it throws, nothing is kept, and
  /// the next call tries again.
  template <typename Make>
  T& get(Make&& make) {
    static_assert(
        std::is_invocable_r_v<T, Make>,
        "zbxmod: PerWorker<T>::get(make) calls make() without arguments, which must return a T by value");
    const pid_t pid = detail::this_process();
    if (owner_ != pid) {
      object_ = new T(std::forward<Make>(make)());
      owner_ = pid;
    }
    return *object_;
  }

  /// The same for what needs no argument.
  T& get() {
    static_assert(
        std::is_default_constructible_v<T>,
        "zbxmod: this T cannot be made from nothing: say how, PerWorker<T>::get([] { return T(...); })");
    return get([] { return T(); });
  }

 private:
  T* object_ = nullptr;
  pid_t owner_ = 0;
};

}  // namespace zbxmod
