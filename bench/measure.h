// What the measuring programs share: how they end in an error, the CPU they have used, and the simulator's
// key.
#pragma once

#include <errno.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

namespace bakusoku::bench {

/// Says why on standard error, after the program's name, and ends with status 1.
[[noreturn]] inline void die(const std::string& message) {
  std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, message.c_str());
  std::exit(1);
}

/// Of this process so far.
inline double cpu_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

inline std::string variable_or(const char* name, const char* otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr ? otherwise : value;
}

/// The key that simaws takes, unless the environment says which it was told.
inline std::string simulator_key_id() { return variable_or("AWS_ACCESS_KEY_ID", "AKIASIMAWS0000000000"); }
inline std::string simulator_secret_key() {
  return variable_or("AWS_SECRET_ACCESS_KEY", "simaws/not/a/real/secret/0000000000000000");
}

}  // namespace bakusoku::bench
