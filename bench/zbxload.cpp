// zbxload: keeps passive checks of a Zabbix agent in flight and measures them.
//
// One check is what a Zabbix server does for one item: connect, send the framed key, read the framed answer
// to its stated length, close. Each thread runs its own epoll loop over its share of the slots; a slot starts
// its next check as soon as it has finished the last (closed loop). Latency runs from before socket() to the
// answer's last byte and is kept for every answered check, so percentiles are exact. Linux only; one process,
// --threads threads, no shared state while they run.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/json.h"

namespace {

using Steady = std::chrono::steady_clock;

constexpr std::string_view kMagic{"ZBXD\1", 5};
constexpr size_t kHeaderBytes = 13;  // magic, length u32, reserved u32
constexpr size_t kMaxAnswerBytes = 64u << 20;
constexpr std::string_view kNotSupported = "ZBX_NOTSUPPORTED";
constexpr int kGiveUpAfter = 2000;  // failed connects in a row, per thread

struct Options {
  std::string host = "127.0.0.1";
  uint16_t port = 10050;
  unsigned threads = 1;
  unsigned in_flight = 8;
  double seconds = 5;
  uint64_t checks = 0;  // 0: run for `seconds`
  double warmup_seconds = 0;
  unsigned timeout_ms = 30000;
  unsigned sources = 1;
  std::string expect;
  std::vector<std::string> keys;
};

struct Outcome {
  uint64_t good = 0;
  uint64_t not_supported = 0;
  uint64_t unexpected = 0;  // an answer other than --expect
  uint64_t no_answer = 0;   // cut, closed empty, not a frame
  uint64_t timed_out = 0;
  uint64_t not_connected = 0;
  std::string first_problem;
  std::vector<uint32_t> latency_100ns;

  void add(Outcome&& other) {
    good += other.good;
    not_supported += other.not_supported;
    unexpected += other.unexpected;
    no_answer += other.no_answer;
    timed_out += other.timed_out;
    not_connected += other.not_connected;
    if (first_problem.empty()) first_problem = std::move(other.first_problem);
    latency_100ns.insert(latency_100ns.end(), other.latency_100ns.begin(), other.latency_100ns.end());
  }
};

std::string framed(std::string_view key) {
  std::string frame(kMagic);
  for (unsigned shift = 0; shift < 64; shift += 8) {
    frame += static_cast<char>(shift < 32 ? key.size() >> shift & 0xff : 0);
  }
  return frame.append(key);
}

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { reset(); }
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    reset(std::exchange(other.fd_, -1));
    return *this;
  }
  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void reset(int fd = -1) {
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

// One thread's share of the load. `next_check` is shared: it numbers the checks, and the number chooses the
// key.
class Worker {
 public:
  Worker(const Options& options, unsigned slots, std::atomic<uint64_t>& next_check)
      : options_(options), slots_(slots), epoll_(epoll_create1(EPOLL_CLOEXEC)), next_check_(next_check) {
    for (const auto& key : options.keys) frames_.push_back(framed(key));
    address_.sin_family = AF_INET;
    address_.sin_port = htons(options.port);
    inet_pton(AF_INET, options.host.c_str(), &address_.sin_addr);
  }

  // Runs until `end` or until all checks are done; checks before `counted_from` are not counted.
  Outcome run(Steady::time_point counted_from, Steady::time_point end) {
    counted_from_ = counted_from;
    std::vector<epoll_event> events(slots_.size());
    auto next_sweep = Steady::now();
    while (!dead_) {
      const auto now = Steady::now();
      if (now >= end) break;
      if (now >= next_sweep) {  // time limits, and slots that failed at once
        for (auto& slot : slots_) {
          if (slot.fd && now - slot.started > std::chrono::milliseconds(options_.timeout_ms)) {
            problem(slot, outcome_.timed_out, "no answer in time");
          }
          if (!slot.fd) start(slot);
        }
        next_sweep = now + std::chrono::milliseconds(5);
        if (idle() && exhausted_) break;
      }
      const int ready = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 5);
      for (int i = 0; i < ready; ++i) {
        auto& slot = *static_cast<Slot*>(events[static_cast<size_t>(i)].data.ptr);
        if (!slot.fd) continue;
        step(slot);
        if (!slot.fd) start(slot);
      }
    }
    return std::move(outcome_);
  }

  [[nodiscard]] bool dead() const { return dead_; }

 private:
  struct Slot {
    Fd fd;
    bool sent = false;
    size_t key = 0;
    Steady::time_point started;
    std::string answer;
  };

  [[nodiscard]] bool idle() const {
    return std::none_of(slots_.begin(), slots_.end(),
                        [](const Slot& slot) { return static_cast<bool>(slot.fd); });
  }

  void start(Slot& slot) {
    if (exhausted_) return;
    const uint64_t number = next_check_.fetch_add(1, std::memory_order_relaxed);
    if (options_.checks != 0 && number >= options_.checks) {
      exhausted_ = true;
      return;
    }
    slot.sent = false;
    slot.answer.clear();
    slot.key = number % frames_.size();
    slot.started = Steady::now();
    slot.fd.reset(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!slot.fd) return problem(slot, outcome_.not_connected, "socket");
    if (options_.sources > 1) {
      const int on = 1;
      setsockopt(slot.fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
      sockaddr_in from{};
      from.sin_family = AF_INET;
      from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + static_cast<uint32_t>(number % options_.sources));
      if (bind(slot.fd.get(), reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0) {
        return problem(slot, outcome_.not_connected, "bind");
      }
    }
    if (connect(slot.fd.get(), reinterpret_cast<const sockaddr*>(&address_), sizeof address_) != 0 &&
        errno != EINPROGRESS) {
      return problem(slot, outcome_.not_connected, "connect");
    }
    // A connection over loopback is complete when connect() returns: then the key goes out without a wake-up.
    const auto& frame = frames_[slot.key];
    slot.sent =
        send(slot.fd.get(), frame.data(), frame.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(frame.size());
    if (!slot.sent && errno != EAGAIN && errno != ENOTCONN) {
      return problem(slot, outcome_.not_connected, "connect");
    }
    epoll_event event{};
    event.events = slot.sent ? EPOLLIN : EPOLLOUT;
    event.data.ptr = &slot;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, slot.fd.get(), &event) != 0) {
      problem(slot, outcome_.not_connected, "epoll_ctl");
    }
  }

  void step(Slot& slot) {
    if (!slot.sent) {
      const auto& frame = frames_[slot.key];
      if (send(slot.fd.get(), frame.data(), frame.size(), MSG_NOSIGNAL) !=
          static_cast<ssize_t>(frame.size())) {
        return problem(slot, outcome_.not_connected, "connect");
      }
      slot.sent = true;
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.ptr = &slot;
      epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, slot.fd.get(), &event);
      return;
    }
    char bytes[65536];
    const ssize_t got = recv(slot.fd.get(), bytes, sizeof bytes, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
      if (got == 0) errno = 0;
      return problem(slot, outcome_.no_answer, got == 0 ? "closed before the answer was whole" : "recv");
    }
    refusals_ = 0;
    slot.answer.append(bytes, static_cast<size_t>(got));
    if (slot.answer.size() < kHeaderBytes) return;
    size_t length = 0;
    for (size_t i = 0; i < 4; ++i) length |= size_t{static_cast<uint8_t>(slot.answer[5 + i])} << 8 * i;
    if (slot.answer.compare(0, kMagic.size(), kMagic) != 0 || length > kMaxAnswerBytes) {
      errno = 0;
      return problem(slot, outcome_.no_answer, "not a Zabbix frame");
    }
    if (slot.answer.size() < kHeaderBytes + length) return;
    finish(slot, std::string_view(slot.answer).substr(kHeaderBytes, length));
  }

  void finish(Slot& slot, std::string_view value) {
    const auto now = Steady::now();
    slot.fd.reset();
    if (slot.started < counted_from_) return;
    using Tick = std::chrono::duration<uint64_t, std::ratio<1, 10'000'000>>;
    const auto ticks = std::chrono::duration_cast<Tick>(now - slot.started).count();
    outcome_.latency_100ns.push_back(static_cast<uint32_t>(std::min<uint64_t>(ticks, UINT32_MAX)));
    if (value.starts_with(kNotSupported)) {
      ++outcome_.not_supported;
    } else if (!options_.expect.empty() && value != options_.expect) {
      ++outcome_.unexpected;
    } else {
      ++outcome_.good;
      return;
    }
    note(options_.keys[slot.key] + " -> " + std::string(value));
  }

  void problem(Slot& slot, uint64_t& counter, const char* what) {
    const int error = errno;
    slot.fd.reset();
    if (&counter == &outcome_.not_connected && ++refusals_ >= kGiveUpAfter) dead_ = true;
    if (slot.started < counted_from_) return;
    ++counter;
    note(options_.keys[slot.key] + ": " + what +
         (error != 0 ? std::string(": ") + strerror(error) : std::string()));
  }

  void note(std::string text) {
    if (!outcome_.first_problem.empty()) return;
    std::replace(text.begin(), text.end(), '\0', ' ');
    outcome_.first_problem = std::move(text);
  }

  const Options& options_;
  std::vector<Slot> slots_;
  std::vector<std::string> frames_;
  Fd epoll_;
  std::atomic<uint64_t>& next_check_;
  sockaddr_in address_{};
  Steady::time_point counted_from_;
  Outcome outcome_;
  int refusals_ = 0;
  bool exhausted_ = false;
  bool dead_ = false;
};

double quantile_us(const std::vector<uint32_t>& sorted, double q) {
  if (sorted.empty()) return 0;
  const auto rank = static_cast<size_t>(std::ceil(q * static_cast<double>(sorted.size())));
  return sorted[std::clamp<size_t>(rank, 1, sorted.size()) - 1] / 10.0;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  std::string keys_file;
  bool as_json = false;
  CLI::App app{"Keeps passive checks of a Zabbix agent in flight and measures them."};
  app.add_option("--host", options.host, "the agent's IPv4 address")
      ->check(CLI::ValidIPV4)
      ->capture_default_str();
  app.add_option("--port", options.port, "the agent's port")->capture_default_str();
  app.add_option("--threads", options.threads, "load-generating threads")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--in-flight", options.in_flight, "checks in flight, over all threads")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  app.add_option("--seconds", options.seconds, "how long to count")
      ->check(CLI::Range(0.05, 1e6))
      ->capture_default_str();
  app.add_option("--checks", options.checks, "run exactly this many checks instead");
  app.add_option("--warmup", options.warmup_seconds,
                 "seconds that are run first and not counted (without --checks)");
  app.add_option("--timeout", options.timeout_ms, "milliseconds one check may take")->capture_default_str();
  app.add_option("--sources", options.sources, "connect from 127.0.0.1 to 127.0.0.N in turn")
      ->check(CLI::Range(1, 250))
      ->capture_default_str();
  app.add_option("--expect", options.expect, "the answer every check must give");
  app.add_flag("--json", as_json, "report one JSON object");
  app.add_option("--keys-file", keys_file, "more item keys, one a line")->check(CLI::ExistingFile);
  app.add_option("key", options.keys, "item keys, asked in turn");
  CLI11_PARSE(app, argc, argv);
  std::ifstream more(keys_file);
  for (std::string key; std::getline(more, key);) {
    if (!key.empty()) options.keys.push_back(key);
  }
  if (options.keys.empty()) {
    std::fputs("zbxload: name at least one item key (see --help)\n", stderr);
    return 2;
  }

  const unsigned threads = std::min(options.threads, options.in_flight);
  std::atomic<uint64_t> next_check{0};
  const auto seconds = [](double s) {
    return std::chrono::duration_cast<Steady::duration>(std::chrono::duration<double>(s));
  };
  const auto begin = Steady::now();
  const auto counted_from = options.checks != 0 ? begin : begin + seconds(options.warmup_seconds);
  const auto end = options.checks != 0 ? Steady::time_point::max() : counted_from + seconds(options.seconds);

  std::vector<Outcome> outcomes(threads);
  std::atomic<bool> dead{false};
  {
    std::vector<std::thread> running;
    for (unsigned i = 0; i < threads; ++i) {
      const unsigned slots = options.in_flight / threads + (i < options.in_flight % threads ? 1 : 0);
      running.emplace_back([&, slots, i] {
        Worker worker(options, slots, next_check);
        outcomes[i] = worker.run(counted_from, end);
        if (worker.dead()) dead = true;
      });
    }
    for (auto& thread : running) thread.join();
  }
  const double elapsed = std::chrono::duration<double>(Steady::now() - counted_from).count();

  Outcome all;
  for (auto& outcome : outcomes) all.add(std::move(outcome));
  auto& latency = all.latency_100ns;
  std::sort(latency.begin(), latency.end());
  const auto answered = static_cast<double>(latency.size());
  const uint64_t failed =
      all.not_supported + all.unexpected + all.no_answer + all.timed_out + all.not_connected;

  if (as_json) {
    std::string problem = bakusoku::json_string(all.first_problem);
    std::printf(
        "{\"answered\":%zu,\"seconds\":%.4f,\"per_second\":%.2f,\"good\":%llu,\"not_supported\":%llu,"
        "\"unexpected\":%llu,"
        "\"no_answer\":%llu,\"timed_out\":%llu,\"not_connected\":%llu,\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_"
        "us\":%.1f,"
        "\"p999_us\":%.1f,\"max_us\":%.1f,\"generator_cpu_seconds\":%.3f,\"first_problem\":%s}\n",
        latency.size(), elapsed, answered / elapsed, static_cast<unsigned long long>(all.good),
        static_cast<unsigned long long>(all.not_supported), static_cast<unsigned long long>(all.unexpected),
        static_cast<unsigned long long>(all.no_answer), static_cast<unsigned long long>(all.timed_out),
        static_cast<unsigned long long>(all.not_connected), quantile_us(latency, 0.5),
        quantile_us(latency, 0.9), quantile_us(latency, 0.99), quantile_us(latency, 0.999),
        quantile_us(latency, 1), cpu_seconds(), problem.c_str());
  } else {
    std::printf("%.0f checks/s (%zu answers in %.2f s, %u in flight, %u threads)\n", answered / elapsed,
                latency.size(), elapsed, options.in_flight, threads);
    std::printf("latency: p50 %.0f us, p90 %.0f us, p99 %.0f us, p99.9 %.0f us, max %.0f us\n",
                quantile_us(latency, 0.5), quantile_us(latency, 0.9), quantile_us(latency, 0.99),
                quantile_us(latency, 0.999), quantile_us(latency, 1));
    std::printf(
        "failed: %llu (not supported %llu, unexpected %llu, no answer %llu, timed out %llu, not connected "
        "%llu)\n",
        static_cast<unsigned long long>(failed), static_cast<unsigned long long>(all.not_supported),
        static_cast<unsigned long long>(all.unexpected), static_cast<unsigned long long>(all.no_answer),
        static_cast<unsigned long long>(all.timed_out), static_cast<unsigned long long>(all.not_connected));
    if (!all.first_problem.empty()) std::printf("first problem: %s\n", all.first_problem.c_str());
  }
  if (dead) return 2;
  return failed == 0 ? 0 : 1;
}
