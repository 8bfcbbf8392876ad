// Delays: how long after its end a period is final in CloudWatch, learnt for each namespace and class of
// period (pure). Every reading looks back over some periods, so a second look is free: a datapoint that was
// not there, or another one, when its period was first read shows that the delay was too short. A late one is
// repaired by the look-back, so the delay goes half the way up; a revised one has been delivered wrong, so it
// goes up to the age at which the value was right. It comes down in small steps, one for twenty minutes (or
// ten periods) without either; when a step was one too many, it is taken back, and not tried again for a day,
// doubled each time that is found again. So a delay that has settled is longer than it need be by no more
// than a step, unless datapoints were revised.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/schedule.h"
#include "aws/cloudwatch_codec.h"

namespace bakusoku::agent {

/// Periods that CloudWatch publishes alike.
enum class PeriodClass { seconds, minutes, hours, days };
[[nodiscard]] PeriodClass period_class(int64_t period);
/// "periods below a minute", for messages.
[[nodiscard]] std::string_view to_string(PeriodClass of);
/// "seconds", "minutes", "hours", "days".
[[nodiscard]] std::string_view name_of(PeriodClass of);

/// What a second look at a period showed; ages are seconds from the period's end to the look.
struct Evidence {
  enum class Kind { same, late, revised };
  Kind kind = Kind::same;
  int64_t first_age = 0;
  int64_t age = 0;
};

/// The newest periods of one series, as they were when they were first read.
class Sample {
 public:
  /// Takes a reading made at `now` and tells what it shows of those before. A period without a datapoint is
  /// no evidence as long as it has none.
  [[nodiscard]] std::vector<Evidence> look(std::span<const aws::cloudwatch::Datapoint> points,
                                           const Window& window, int64_t period, int64_t now);

 private:
  struct First {
    uint32_t clock = 0;  // 0: nothing kept
    uint32_t age = 0;
    double value = 0;
    bool there = false;
    bool told = false;
  };
  static constexpr size_t kKept = 6;
  std::array<First, kKept> kept_{};  // by the period's number
};

/// The delay of one namespace and class of period.
class Delay {
 public:
  explicit Delay(PeriodClass of) : class_(of) {}

  [[nodiscard]] int64_t seconds() const { return configured_.value_or(learnt_); }
  [[nodiscard]] bool is_configured() const { return configured_.has_value(); }
  /// True when it changed; `period` is that of the series.
  bool observe(const Evidence& evidence, int64_t period, int64_t now);

  /// Series whose datapoints are looked at twice.
  size_t sampled = 0;

 private:
  friend class Delays;
  void reset(int64_t now);

  PeriodClass class_;
  std::optional<int64_t> configured_{};
  bool read_ = false;       // since the start
  int64_t looked_day_ = 0;  // the newest on which there was evidence; 0: never
  int64_t learnt_ = 0;
  int64_t floor_ = 0;  // not below it ...
  int64_t floor_until_ = 0;
  int64_t hold_ = 0;   // ... for so long
  int64_t since_ = 0;  // evidence is counted; 0: not yet
  int64_t seen_ = 0;
  int64_t wrong_ = 0;
  int64_t needed_ = 0;  // what would have been long enough
  bool revised_ = false;
  int64_t good_ = 0;  // what was long enough until it was last made shorter; 0: it was not made shorter
};

class Delays {
 public:
  /// What is configured wins over what is learnt: that of the namespace, else `all`.
  void configure(std::optional<int64_t> all, std::map<std::string, int64_t, std::less<>> by_namespace);

  /// Stays where it is.
  [[nodiscard]] Delay& of(std::string_view name_space, int64_t period);

  /// Those of the namespaces that are read.
  struct Known {
    std::string_view name_space;
    PeriodClass of = PeriodClass::minutes;
    int64_t seconds = 0;
    int64_t at_first = 0;  // what it starts from where nothing is known
    bool configured = false;
  };
  [[nodiscard]] std::vector<Known> all() const;

  /// What has been learnt, as text of a line each; it differs from one day to the next at most while nothing
  /// is learnt. What there was no evidence of for five weeks is not in it, nor more than kMostKept of them:
  /// those looked at last are.
  [[nodiscard]] std::string text(int64_t now) const;
  /// Goes on with what text() said. The number of lines that are not understood, which are left out.
  [[nodiscard]] size_t learn(std::string_view text, int64_t now);
  static constexpr size_t kMostKept = 2000;
  /// Forgets those that are not in `used` and have learnt nothing.
  void forget_unused(const std::set<const Delay*>& used);
  [[nodiscard]] size_t size() const { return delays_.size(); }

 private:
  [[nodiscard]] std::optional<int64_t> configured(std::string_view name_space) const;

  std::map<std::pair<std::string, PeriodClass>, Delay> delays_;
  std::optional<int64_t> for_all_;
  std::map<std::string, int64_t, std::less<>> by_namespace_;
};

}  // namespace bakusoku::agent
