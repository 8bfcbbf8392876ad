// Which of many names somebody may have meant who wrote another one (pure).
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bakusoku::agent {

/// At most `most` of `names` that are much like `wanted`, the most alike first. Upper and lower case, spaces
/// and quotes count little. Takes time in proportion to the length of all names.
[[nodiscard]] std::vector<std::string> similar_names(std::string_view wanted,
                                                     std::span<const std::string_view> names, size_t most);

}  // namespace bakusoku::agent
