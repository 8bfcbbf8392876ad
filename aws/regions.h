// The names of AWS's regions, as far as this version knows them, and how names of further ones look. Pure.
// Source: botocore 1.43 data/endpoints.json (2026-11).
#pragma once

#include <string_view>

namespace bakusoku::aws {

/// One of AWS's regions of today, in any partition.
[[nodiscard]] bool is_known_region(std::string_view name);

/// Written as all of AWS's regions are: letters, a word or two, a number, with hyphens between them:
/// "eu-west-1", "us-gov-west-1".
[[nodiscard]] bool looks_like_region(std::string_view name);

}  // namespace bakusoku::aws
