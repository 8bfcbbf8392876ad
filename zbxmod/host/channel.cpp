#include "channel.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>

namespace zbxmod::host {
namespace {

constexpr size_t kMaxPacket = 32768;
constexpr size_t kMaxField = 8000;
constexpr int64_t kMaxWaitMs = 5000;  // for a watching process that was stopped

void copy_in(Stage& stage, uint64_t at, const char* bytes, size_t length) {
  const size_t start = at % Stage::kRing;
  const size_t first = std::min(length, Stage::kRing - start);
  std::memcpy(stage.ring + start, bytes, first);
  std::memcpy(stage.ring, bytes + first, length - first);
}

void copy_out(const Stage& stage, uint64_t at, char* bytes, size_t length) {
  const size_t start = at % Stage::kRing;
  const size_t first = std::min(length, Stage::kRing - start);
  std::memcpy(bytes, stage.ring + start, first);
  std::memcpy(bytes + first, stage.ring, length - first);
}

}  // namespace

void own(Stage& stage) {
  stage.owner.store(::getpid());
  stage.finished.store(false);
  stage.left.store(static_cast<int>(Left::no));
  stage.bad_address.store(0);
  stage.memory_kb.store(0);
  stage.stack.count.store(0);
  stage.writing.store(false);
  enter(stage, Step::none);
}

void send_event(Stage& stage, EventKind kind, std::initializer_list<std::string_view> fields) {
  if (stage.owner.load() != ::getpid()) return;
  std::string packet(sizeof(uint32_t), '\0');
  packet += static_cast<char>(kind);
  for (const std::string_view field : fields) {
    for (const char c : field.substr(0, kMaxField)) packet += c == '\0' ? '?' : c;
    packet += '\0';
  }
  packet.resize(std::min(packet.size(), kMaxPacket));
  const auto length = static_cast<uint32_t>(packet.size() - sizeof(uint32_t));
  std::memcpy(packet.data(), &length, sizeof length);

  // A module may log from several threads.
  const int64_t limit = now_ms() + kMaxWaitMs;
  while (stage.writing.exchange(true)) {
    if (now_ms() > limit) return;
    ::usleep(100);
  }
  while (stage.put.load() + packet.size() - stage.taken.load() > Stage::kRing) {
    if (now_ms() > limit) {
      stage.writing.store(false);
      return;
    }
    ::usleep(100);
  }
  copy_in(stage, stage.put.load(), packet.data(), packet.size());
  stage.put.fetch_add(packet.size());
  stage.writing.store(false);
}

bool receive_event(Stage& stage, Event& event) {
  const uint64_t taken = stage.taken.load();
  const uint64_t available = stage.put.load() - taken;
  uint32_t length = 0;
  if (available < sizeof length) return false;
  copy_out(stage, taken, reinterpret_cast<char*>(&length), sizeof length);
  if (length == 0 || length > kMaxPacket || available < sizeof length + length) {
    stage.taken.store(stage.put.load());  // the module wrote over it
    return false;
  }
  std::string packet(length, '\0');
  copy_out(stage, taken + sizeof length, packet.data(), length);
  stage.taken.store(taken + sizeof length + length);
  event.kind = static_cast<EventKind>(packet[0]);
  event.fields.clear();
  for (size_t at = 1; at < packet.size();) {
    const size_t end = std::min(packet.find('\0', at), packet.size());
    event.fields.push_back(packet.substr(at, end - at));
    at = end + 1;
  }
  return true;
}

const char* describe(Step step) {
  switch (step) {
    case Step::none:
      return "nothing of the module's was running";
    case Step::load:
      return "the module was being loaded (its constructors ran)";
    case Step::api_version:
      return "zbx_module_api_version ran";
    case Step::init:
      return "zbx_module_init ran";
    case Step::item_list:
      return "zbx_module_item_list ran";
    case Step::write_item_list:
      return "Zabbix set the flags in the item list, which therefore must not be const and must end with a "
             "null key";
    case Step::item_timeout:
      return "zbx_module_item_timeout ran";
    case Step::history_callbacks:
      return "zbx_module_history_write_cbs ran";
    case Step::leave_child:
      return "a forked child left through exit(), which runs the module's destructors";
    case Step::ask:
      return "the item was being asked";
    case Step::free_answer:
      return "Zabbix freed the answer and the request: strings of an answer must come from malloc, those of "
             "the request are Zabbix's";
    case Step::history:
      return "the history callback ran";
    case Step::uninit:
      return "zbx_module_uninit ran";
    case Step::leave:
      return "the main process left through exit(), which runs the module's destructors";
  }
  return "something unknown ran";
}

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void enter(Stage& stage, Step step) {
  stage.since_ms.store(now_ms());
  stage.step.store(static_cast<int>(step));
}

void* shared_memory(size_t bytes) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

}  // namespace zbxmod::host
