// The state of a followed log: any bytes are an error, or a state that is written as it was read.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "weblog/follower.h"
#include "weblog/logs.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bakusoku;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)weblog::decode_state(bytes);
  const auto make = [] {
    return weblog::Follower({"/nonexistent/log", weblog::Format{}, false, system_clock(),
                             [](const std::string&) { return false; }});
  };
  weblog::Follower follower = make();
  std::string_view rest = bytes;
  if (!follower.read(rest)) return 0;
  std::string first;
  follower.write(first);
  weblog::Follower again = make();
  std::string_view written = first;
  if (!again.read(written) || !written.empty()) std::abort();
  std::string second;
  again.write(second);
  if (first != second) std::abort();
  (void)follower.tally().times().of(1'795'523'100, weblog::kLongestWindow);
  return 0;
}
