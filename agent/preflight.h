// Whether the agent can start: everything that the configuration alone decides, one row each in a table.
// `bakusoku run` goes through it first, and `bakusoku check` tells it; what stages refuse when they are
// opened they refuse by the same functions, so what the one refuses the other finds. Nothing is made,
// written or locked; ports are listened on for the moment of the look.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config.h"
#include "base/environment.h"
#include "base/result.h"

namespace bakusoku::agent {

/// What the agent that answers on the configured socket says of itself.
struct RunningAgent {
  std::string version{};
  int64_t pid = 0;
  std::string file{};  // its configuration's, whole path
  std::string listen{};
  std::string intake{};
  std::string state_dir{};  // whole path; empty: in memory
};

/// Of the answer to bakusoku.status. Nothing: it does not say, as versions before did not.
[[nodiscard]] std::optional<RunningAgent> read_running_agent(std::string_view status);

struct Finding {
  enum class Verdict {
    good,
    doubtful,  // it works, and should be put right
    harmful,   // the agent starts, and does not do what it should
    refused,   // the agent does not start
  };
  Verdict verdict = Verdict::good;
  std::string about{};  // "[agent] listen"
  std::string text{};
  ErrorKind kind = ErrorKind::invalid;  // of what is refused
};

enum class Purpose {
  start,  // an agent is about to start: one that runs is in its way
  look    // an agent of this configuration may run: what it holds is no fault
};

/// In the order in which the agent opens things. What `running` holds is named once: the socket's row tells
/// of it.
[[nodiscard]] std::vector<Finding> preflight(const Config& config, const Environment& environment,
                                             const std::optional<RunningAgent>& running, Purpose purpose);

/// Whether it is the file that is wrong, not what the machine grants.
[[nodiscard]] bool blames_configuration(const Finding& finding);

/// As RunningAgent has paths: absolute, without symbolic links.
[[nodiscard]] std::string whole_path(const std::string& file);
/// The same of the configuration's file; where there is none, of the one that would be read.
[[nodiscard]] std::string configuration_path(const Config& config);

}  // namespace bakusoku::agent
