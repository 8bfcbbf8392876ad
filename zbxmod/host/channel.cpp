#include "channel.h"

#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>

#include "zbxmod/deadline.h"

namespace zbxmod::host {
namespace {

constexpr size_t kMaxPacket = 32768;
constexpr size_t kMaxField = 8000;

}  // namespace

void send_event(int socket, EventKind kind, std::initializer_list<std::string_view> fields) {
  std::string packet(1, static_cast<char>(kind));
  for (const std::string_view field : fields) {
    const std::string_view kept = field.substr(0, kMaxField);
    for (const char c : kept) packet += c == '\0' ? '?' : c;
    packet += '\0';
  }
  packet.resize(std::min(packet.size(), kMaxPacket));
  uninterrupted([&] { return ::send(socket, packet.data(), packet.size(), MSG_NOSIGNAL); });
}

bool receive_event(int socket, Event& event) {
  std::string packet(kMaxPacket, '\0');
  const auto length =
      uninterrupted([&] { return ::recv(socket, packet.data(), packet.size(), MSG_DONTWAIT); });
  if (length <= 0) return false;
  packet.resize(static_cast<size_t>(length));
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
    case Step::leave_child:
      return "a forked child left through exit(), which runs the module's destructors";
    case Step::ask:
      return "the item was being asked";
    case Step::free_answer:
      return "Zabbix freed the answer and the request: strings of an answer must come from malloc, those of "
             "the request "
             "are Zabbix's";
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
