// How the processes of a run tell the watching one what happens: events are packets on a socket pair, and
// what a process is doing right now stands in memory shared with the process that watches it, where it can be
// read after a crash.
#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace zbxmod::host {

enum class EventKind : char { item = 'I', answer = 'A', fault = 'F', log = 'L', asked = 'N' };

struct Event {
  EventKind kind = EventKind::log;
  std::vector<std::string> fields;
};

/// Sends one event; fields are shortened to fit a packet.
void send_event(int socket, EventKind kind, std::initializer_list<std::string_view> fields);
/// False when there is none (now, or ever).
[[nodiscard]] bool receive_event(int socket, Event& event);

enum class Step : int {
  none,  // nothing of the module's is running
  load,
  api_version,
  init,
  item_list,
  write_item_list,
  item_timeout,
  leave_child,
  ask,
  free_answer,
  uninit,
  leave,
};
/// What the process is doing, as it fits into "... while <this>".
[[nodiscard]] const char* describe(Step step);

struct Stage {
  std::atomic<int> step{0};
  std::atomic<int64_t> since_ms{0};  // steady clock, when `step` began
  std::atomic<int> key{-1};
  std::atomic<uint64_t> round{0};
  std::atomic<uint64_t> asked{0};
  std::atomic<uintptr_t> bad_address{0};  // of a SIGSEGV or SIGBUS
};

[[nodiscard]] int64_t now_ms();
void enter(Stage& stage, Step step);

/// Anonymous memory shared with children, zeroed; null on failure.
[[nodiscard]] void* shared_memory(size_t bytes);

}  // namespace zbxmod::host
