// Metrics that AWS publishes a few times a day at most: asked with a shorter period they look as if they were
// not there. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace bakusoku::agent {

/// A sentence for one that is asked with a period that is too short; empty: the period is no reason.
[[nodiscard]] std::string rare_metric_words(std::string_view name_space, std::string_view metric,
                                            int64_t period);

}  // namespace bakusoku::agent
