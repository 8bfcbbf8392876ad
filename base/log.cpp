#include "base/log.h"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/utf8.h"

namespace bakusoku {
namespace {

constexpr size_t kMostProblems = 30;
constexpr size_t kLongestProblem = 500;  // bytes

// Remembers problems beside the log's own output.
class ProblemSink : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  [[nodiscard]] const std::vector<Problem>& problems() const { return problems_; }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    std::string text(
        utf8_prefix(std::string_view(message.payload.data(), message.payload.size()), kLongestProblem));
    Problem problem{message.time, message.time, 1, message.level >= spdlog::level::err, std::move(text)};
    const auto same = std::find_if(problems_.begin(), problems_.end(),
                                   [&](const Problem& known) { return known.text == problem.text; });
    if (same != problems_.end()) {
      problem.first = same->first;
      problem.times += same->times;
      problems_.erase(same);
    } else if (problems_.size() == kMostProblems) {
      problems_.erase(problems_.begin());
    }
    problems_.push_back(std::move(problem));
  }
  void flush_() override {}

  std::vector<Problem> problems_;
};

// Messages hold text from outside: of AWS, Zabbix, senders, files. All of them pass here, so that none makes
// lines of its own or moves a terminal.
class CleanLogger : public spdlog::logger {
 public:
  using spdlog::logger::logger;

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const std::string text = printable(std::string_view(message.payload.data(), message.payload.size()));
    spdlog::details::log_msg clean = message;
    clean.payload = text;
    spdlog::logger::sink_it_(clean);
  }
};

Result<spdlog::level::level_enum> level_of(std::string_view level) {
  constexpr std::array<std::pair<std::string_view, spdlog::level::level_enum>, 6> kLevels{{
      {"trace", spdlog::level::trace},
      {"debug", spdlog::level::debug},
      {"info", spdlog::level::info},
      {"warning", spdlog::level::warn},
      {"error", spdlog::level::err},
      {"off", spdlog::level::off},
  }};
  for (const auto& [name, value] : kLevels) {
    if (name == level) return value;
  }
  return fail(ErrorKind::invalid, "log level '{}': use trace, debug, info, warning, error or off", level);
}

}  // namespace

Result<void> set_up_log(std::string_view level, bool plain) {
  const auto value = level_of(level);
  if (!value) return fail(value.error());
  auto output = std::make_shared<spdlog::sinks::stderr_color_sink_st>();
  auto problems = std::make_shared<ProblemSink>();
  output->set_level(*value);
  problems->set_level(spdlog::level::warn);
  auto logger =
      std::make_shared<CleanLogger>("bakusoku", spdlog::sinks_init_list{std::move(output), problems});
  if (plain) {
    logger->set_pattern("%l: %v");
  } else {
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%l%$: %v", spdlog::pattern_time_type::utc);
  }
  logger->set_level(std::min(*value, spdlog::level::warn));
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
  return {};
}

Result<void> check_log_level(std::string_view level) {
  if (const auto value = level_of(level); !value) return fail(value.error());
  return {};
}

void set_log_level(std::string_view level) {
  const auto value = level_of(level);
  if (!value) return;
  spdlog::logger& logger = *spdlog::default_logger();
  for (const auto& sink : logger.sinks()) {
    if (dynamic_cast<const ProblemSink*>(sink.get()) == nullptr) sink->set_level(*value);
  }
  logger.set_level(std::min(*value, spdlog::level::warn));
}

std::vector<Problem> recent_problems() {
  for (const auto& sink : spdlog::default_logger()->sinks()) {
    if (const auto* problems = dynamic_cast<const ProblemSink*>(sink.get())) return problems->problems();
  }
  return {};
}

}  // namespace bakusoku
