// A sequence of answer packets as the module reads them. Input: per packet a u16 length (little-endian) and
// its bytes.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "ask/protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bakusoku::ask;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  AnswerReader reader;
  std::string sent;
  size_t at = 0;
  while (size - at >= 2) {
    const size_t wanted = static_cast<size_t>(data[at] | data[at + 1] << 8);
    const std::string_view packet = input.substr(at + 2, wanted);
    at += 2 + packet.size();
    if (const auto part = decode_answer_part(packet)) sent += part->bytes;
    switch (reader.add(packet)) {
      case AnswerReader::State::more:
        continue;
      case AnswerReader::State::corrupt:
        return 0;
      case AnswerReader::State::complete: {
        const Status status = reader.status();
        const std::string answer = reader.take();
        if (answer != sent) std::abort();
        AnswerReader second;
        std::string packet_again;
        size_t offset = 0;
        for (;;) {
          offset = encode_answer_part(packet_again, status, answer, offset);
          const AnswerReader::State state = second.add(packet_again);
          if (state == AnswerReader::State::corrupt) std::abort();
          if ((state == AnswerReader::State::complete) != (offset == answer.size())) std::abort();
          if (offset == answer.size()) break;
        }
        if (second.status() != status || second.take() != answer) std::abort();
        return 0;
      }
    }
  }
  return 0;
}
