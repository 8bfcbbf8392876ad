#include "zbxmod/deadline.h"

#include <poll.h>

#include <algorithm>

namespace zbxmod {

std::chrono::milliseconds Deadline::left() const {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(at_ - Clock::now());
  return std::max(left, std::chrono::milliseconds(0));
}

Wait wait_for(int fd, short events, const Deadline& deadline) {
  pollfd watched{fd, events, 0};
  for (;;) {
    const auto left = deadline.left();
    const int limit = static_cast<int>(std::min<std::chrono::milliseconds::rep>(left.count(), 3'600'000));
    const int ready = ::poll(&watched, 1, limit);
    if (ready > 0) return Wait::ready;
    if (ready == -1 && errno != EINTR) return Wait::failed;
    if (deadline.passed()) return Wait::timed_out;
  }
}

std::chrono::milliseconds usable_time(std::chrono::seconds timeout) {
  using std::chrono::milliseconds;
  const milliseconds whole = timeout;
  return whole - std::clamp<milliseconds>(whole / 10, milliseconds(50), milliseconds(500));
}

}  // namespace zbxmod
