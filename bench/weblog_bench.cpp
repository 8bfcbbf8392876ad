// How many lines of an access log are counted in a second of CPU: read from a file, found to be of the
// combined format with a response time, and counted; beside only finding the ends of the same lines, and
// beside a regular expression for the same format.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "weblog/descriptor.h"
#include "weblog/follower.h"

namespace {

namespace weblog = bakusoku::weblog;

constexpr size_t kTurn = 256 * 1024;

double cpu_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

void write_log(const std::string& path, size_t lines) {
  std::mt19937 random(1);
  std::lognormal_distribution<double> seconds(-3, 1.5);
  std::ofstream out(path, std::ios::binary);
  for (size_t at = 0; at < lines; ++at) {
    out << fmt::format(
        "203.0.{}.{} - - [24/Nov/2026:{:02}:{:02}:{:02} +0000] \"GET /products/{}?from=list&page={} "
        "HTTP/1.1\" {} {} "
        "\"https://www.example.com/products\" \"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, "
        "like "
        "Gecko) Chrome/130.0.0.0 Safari/537.36\" {:.3f}\n",
        random() % 256, random() % 256, at / 3'600'000 % 24, at / 60'000 % 60, at / 1000 % 60,
        random() % 100'000, random() % 20, random() % 50 == 0 ? 500 : 200, random() % 50'000,
        seconds(random));
  }
}

struct Run {
  double lines_per_second = 0;
  double longest_turn = 0;
};

Run follow(const std::string& path, weblog::Format format, size_t lines) {
  weblog::Follower follower(
      {path, std::move(format), true, bakusoku::system_clock(), [](const std::string&) { return true; }});
  Run run;
  const double start = cpu_seconds();
  for (bool more = true; more;) {
    const auto before = std::chrono::steady_clock::now();
    more = follower.turn(kTurn);
    const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
    run.longest_turn = std::max(run.longest_turn, took);
  }
  run.lines_per_second = static_cast<double>(lines) / (cpu_seconds() - start);
  if (follower.tally().requests() != lines) {
    std::fprintf(stderr, "%llu of %zu lines were counted\n",
                 static_cast<unsigned long long>(follower.tally().requests()), lines);
    std::exit(1);
  }
  return run;
}

double find_ends(const std::string& path, size_t lines) {
  const weblog::Descriptor log(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::vector<char> buffer(kTurn);
  size_t found = 0;
  const double start = cpu_seconds();
  for (ssize_t got = 0; (got = ::read(log.get(), buffer.data(), buffer.size())) > 0;) {
    const char* at = buffer.data();
    const char* const end = at + got;
    while ((at = static_cast<const char*>(std::memchr(at, '\n', static_cast<size_t>(end - at)))) != nullptr) {
      ++found;
      if (++at == end) break;
    }
  }
  const double rate = static_cast<double>(lines) / (cpu_seconds() - start);
  return found == lines ? rate : 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string folder = argc > 1 ? argv[1] : std::filesystem::temp_directory_path().string();
  const size_t lines = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 2'000'000;
  const std::string path = folder + "/weblog_bench.log";
  write_log(path, lines);
  const auto bytes = static_cast<double>(std::filesystem::file_size(path));
  const auto expression = weblog::Format::make(
      {.format =
           R"re(^\S+ \S+ \S+ \[[^\]]+\] "[^"]*" (?<status>\d{3}) (?<bytes>\S+) "[^"]*" "[^"]*" (?<time>[\d.]+)$)re",
       .unit = "s"});
  if (!expression) return 1;
  const double ends = find_ends(path, lines);
  std::printf("%zu lines of %.0f bytes, per second of CPU:\n", lines, bytes / static_cast<double>(lines));
  std::printf("  %-34s %10.0f lines\n", "finding their ends", ends);
  for (const auto& [name, format] : {std::pair{"counted, combined format and time", weblog::Format{}},
                                     std::pair{"counted, by a regular expression", *expression}}) {
    const Run run = follow(path, format, lines);
    std::printf("  %-34s %10.0f lines   1/%.1f of the first; longest turn %.1f ms\n", name,
                run.lines_per_second, ends / run.lines_per_second, run.longest_turn * 1e3);
  }
  std::filesystem::remove(path);
  return 0;
}
