// Replays a corpus through one fuzz target without libFuzzer: every file as it is, cut at each of its first
// bytes, and with each of those bytes flipped, so that the normal test run covers what the corpus holds and
// its near neighbours.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {
constexpr size_t kNearBytes = 256;

void run(const std::string& bytes) {
  // A copy of exact size, so that AddressSanitizer sees a read one past the end.
  const std::string exact(bytes.data(), bytes.size());
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(exact.data()), exact.size());
}
}  // namespace

int main(int argc, char** argv) {
  size_t files = 0;
  for (int i = 1; i < argc; ++i) {
    if (!std::filesystem::is_directory(argv[i])) {
      std::fprintf(stderr, "no corpus directory %s\n", argv[i]);
      return 1;
    }
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      std::ifstream in(entry.path(), std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(in), {}};
      ++files;
      run(bytes);
      const size_t near = std::min(bytes.size(), kNearBytes);
      for (size_t at = 0; at < near; ++at) {
        run(bytes.substr(0, at));
        std::string flipped = bytes;
        flipped[at] = static_cast<char>(~static_cast<unsigned char>(flipped[at]));
        run(flipped);
      }
    }
  }
  if (files == 0) {
    std::fprintf(stderr, "the corpus is empty\n");
    return 1;
  }
  std::printf("replayed %zu corpus files\n", files);
  return 0;
}
