// How the processes of a run tell the watching one what happens. All of it is memory shared with the watching
// process and no descriptor, as a module may close or overwrite every descriptor it finds: what a process is
// doing right now (Stage), which can be read after a crash, and what it found out (events, in a ring of bytes
// with one writer and one reader).
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace zbxmod::host {

enum class EventKind : char { item = 'I', question = 'Q', answer = 'A', fault = 'F', note = 'N', log = 'L' };

struct Event {
  EventKind kind = EventKind::log;
  std::vector<std::string> fields;
};

enum class Step : int {
  none,  // nothing of the module's is running
  load,
  api_version,
  init,
  item_list,
  write_item_list,
  item_timeout,
  history_callbacks,
  leave_child,
  ask,
  free_answer,
  history,
  uninit,
  leave,
};
/// What the process is doing, as it fits into "... while <this>".
[[nodiscard]] const char* describe(Step step);

/// How a process came to leave without being told to.
enum class Left : int { no, by_exit, by_quick_exit };

// The return addresses of one thread, as its own signal handler wrote them.
struct Stack {
  static constexpr int kMaxFrames = 32;
  std::atomic<int> count{0};
  std::atomic<int> own_frames{0};  // the first ones are of the signal handler
  void* frames[kMaxFrames];
};

struct Stage {
  std::atomic<pid_t> owner{0};  // the process this stage and its events are of
  std::atomic<int> step{0};
  std::atomic<int64_t> since_ms{0};  // steady clock, when `step` began
  std::atomic<int64_t> beat_ms{0};   // steady clock, when the process was last seen going on by itself
  std::atomic<int> key{-1};
  std::atomic<uint64_t> round{0};
  std::atomic<uint64_t> asked{0};
  std::atomic<bool> finished{false};  // it has done all it was to do
  std::atomic<int> left{0};           // Left
  std::atomic<int> left_with{0};
  std::atomic<bool> child_came_back{false};  // a process forked by the module returned from it
  std::atomic<pid_t> signal_from{0};         // who sent the main process a signal to stop
  std::atomic<int> signal{0};
  std::atomic<uintptr_t> bad_address{0};  // of a SIGSEGV or SIGBUS
  std::atomic<uint64_t> memory_kb{0};     // what it had allocated at a fatal signal
  Stack stack;

  // Events: bytes between `taken` and `put`, which only grow.
  static constexpr size_t kRing = size_t{128} * 1024;
  std::atomic<uint64_t> put{0};
  std::atomic<uint64_t> taken{0};
  std::atomic<bool> writing{false};
  char ring[kRing];
};

/// Makes the stage the calling process's own, with nothing running.
void own(Stage& stage);

/// Sends one event of the calling process; nothing when the stage is another's. Fields are shortened to fit.
/// Waits for room, but not for ever.
void send_event(Stage& stage, EventKind kind, std::initializer_list<std::string_view> fields);
/// For the watching process; false when there is none.
[[nodiscard]] bool receive_event(Stage& stage, Event& event);

[[nodiscard]] int64_t now_ms();
void enter(Stage& stage, Step step);

/// Anonymous memory shared with children, zeroed; null on failure.
[[nodiscard]] void* shared_memory(size_t bytes);

}  // namespace zbxmod::host
