#include "base/watchdog.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <ctime>
#include <system_error>
#include <utility>

#include "base/log_output.h"
#include "base/time_text.h"

namespace bakusoku {
namespace {

int64_t number_of(const Environment& environment, const char* name) {
  const auto text = environment.get(name);
  int64_t number = 0;
  if (!text) return 0;
  const auto read = std::from_chars(text->data(), text->data() + text->size(), number);
  return read.ec == std::errc() ? number : 0;
}

// The log belongs to the loop's thread, which may be in it.
void end_process(const std::string& line) {
  const std::string text =
      fmt::format("{} error: {}\n", utc_text(std::time(nullptr), "%Y-%m-%dT%H:%M:%SZ"), line);
  (void)write_without_waiting(STDERR_FILENO, false, text);
  ::_exit(1);
}

}  // namespace

Watchdog::Settings Watchdog::settings_of(const Environment& environment) {
  Settings settings;
  settings.notify_socket = environment.get("NOTIFY_SOCKET").value_or("");
  const int64_t pid = number_of(environment, "WATCHDOG_PID");
  const int64_t wanted = pid == 0 || pid == ::getpid() ? number_of(environment, "WATCHDOG_USEC") : 0;
  if (wanted > 0) {
    // Told three times in the time after which systemd would end us.
    const std::chrono::milliseconds third(std::max<int64_t>(wanted / 3000, 1));
    settings.look = std::min(settings.look, third);
  }
  return settings;
}

Watchdog::Watchdog(std::vector<const Heart*> hearts, Settings settings) : settings_(std::move(settings)) {
  for (const Heart* const heart : hearts) watched_.push_back(Watched{heart, heart->beats(), {}});
  if (!settings_.end) settings_.end = end_process;
  notify("READY=1");
  // Signals are for the loop's thread.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { watch(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Watchdog::watch() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, settings_.look, [this] { return over_; })) {
    bool well = true;
    for (Watched& one : watched_) {
      const uint64_t beats = one.heart->beats();
      if (beats != std::exchange(one.beats, beats)) {
        one.still = {};
        continue;
      }
      one.still += settings_.look;
      well = well && one.still < settings_.patience / 4;
      if (one.still < settings_.patience) continue;
      settings_.end(
          fmt::format("the agent stands still: '{}' has not turned for {} s. It ends here, so that "
                      "the service manager starts it again; nothing that was stored is lost",
                      one.heart->of(), std::chrono::duration_cast<std::chrono::seconds>(one.still).count()));
      return;
    }
    if (well) notify("WATCHDOG=1");
  }
}

// The protocol of sd_notify(3): a datagram to a Unix socket; '@' stands for an abstract name.
void Watchdog::notify(std::string_view state) const {
  const std::string& name = settings_.notify_socket;
  sockaddr_un address{};
  if (name.size() < 2 || name.size() >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, name.data(), name.size());
  if (name.front() == '@') address.sun_path[0] = '\0';
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  (void)::sendto(fd, state.data(), state.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&address), size);
  ::close(fd);
}

}  // namespace bakusoku
