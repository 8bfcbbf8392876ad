/* Timers of the machine's own beside libfaketime's time of day (simulated_clock.py): preloaded before it.
 * libfaketime takes every absolute timer for one by the clock it simulates. Asio sets those that are due at
 * once to one nanosecond of the monotonic clock, which libfaketime moves by as much as its time of day is
 * behind: on a machine that has been up for less, they do not fire until it has been up for so long. */
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

int timerfd_settime(int timer, int flags, const struct itimerspec* next, struct itimerspec* before) {
  return (int)syscall(SYS_timerfd_settime, timer, flags, next, before);
}
