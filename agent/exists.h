// Whether CloudWatch has a metric, as far as the agent knows.
#pragma once

namespace bakusoku::agent {

enum class Exists { unknown, there, absent };

}  // namespace bakusoku::agent
