// PackedText: a text that does not change, in one block of its own length behind one pointer; an empty one
// has no block. For those of which there are many: a std::string takes 32 bytes beside its block.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string_view>

namespace bakusoku {

class PackedText {
 public:
  PackedText() = default;
  /// Throws std::length_error for texts of four gigabytes and more.
  explicit PackedText(std::string_view text) {
    if (text.empty()) return;
    if (text.size() > std::numeric_limits<uint32_t>::max()) throw std::length_error("PackedText");
    const auto size = static_cast<uint32_t>(text.size());
    block_ = std::make_unique_for_overwrite<char[]>(sizeof size + text.size());
    std::memcpy(block_.get(), &size, sizeof size);
    std::memcpy(block_.get() + sizeof size, text.data(), text.size());
  }

  /// Good until the text is assigned to or goes.
  [[nodiscard]] std::string_view view() const {
    if (!block_) return {};
    uint32_t size = 0;
    std::memcpy(&size, block_.get(), sizeof size);
    return {block_.get() + sizeof size, size};
  }
  [[nodiscard]] bool empty() const { return !block_; }

 private:
  std::unique_ptr<char[]> block_;  // its size in the first four bytes
};

}  // namespace bakusoku
