#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <memory>

namespace bakusoku {

Result<void> set_up_log(std::string_view level, bool plain) {
  constexpr std::array<std::pair<std::string_view, spdlog::level::level_enum>, 6> kLevels{{
      {"trace", spdlog::level::trace},
      {"debug", spdlog::level::debug},
      {"info", spdlog::level::info},
      {"warning", spdlog::level::warn},
      {"error", spdlog::level::err},
      {"off", spdlog::level::off},
  }};
  for (const auto& [name, value] : kLevels) {
    if (name != level) continue;
    auto logger =
        std::make_shared<spdlog::logger>("bakusoku", std::make_shared<spdlog::sinks::stderr_color_sink_st>());
    if (plain) {
      logger->set_pattern("%l: %v");
    } else {
      logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%l%$: %v", spdlog::pattern_time_type::utc);
    }
    logger->set_level(value);
    logger->flush_on(spdlog::level::trace);
    spdlog::set_default_logger(std::move(logger));
    return {};
  }
  return fail(ErrorKind::invalid, "log level '{}': use trace, debug, info, warning, error or off", level);
}

}  // namespace bakusoku
