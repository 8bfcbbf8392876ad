// Which protocol each endpoint of CloudWatch speaks: CBOR, which costs the least CPU and is what is tried
// first, or AWS JSON 1.0, which emulators and gateways know that have no CBOR. Found out by calls that are
// made anyway, once per endpoint, and shared by all accounts that ask it. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "aws/cloudwatch_codec.h"

namespace bakusoku::aws {

class Spoken {
 public:
  using Wire = cloudwatch::Wire;

  /// Nothing is found out any more: this is spoken everywhere; nothing: as found out.
  void fix(std::optional<Wire> wire) { fixed_ = wire; }
  [[nodiscard]] std::optional<Wire> fixed() const { return fixed_; }

  /// What the next call to that endpoint is written in. Where JSON is spoken CBOR is tried again after a day,
  /// by one call while the others go on. `now`: unix seconds.
  [[nodiscard]] Wire next(std::string_view endpoint, int64_t now);
  /// An answer has shown that this is spoken there. True when something else was known, or nothing.
  bool note(std::string_view endpoint, Wire wire, int64_t now);
  /// Somebody else answers there now, it seems: it is found out anew.
  void doubt(std::string_view endpoint);
  /// What an answer has shown; nothing: none has.
  [[nodiscard]] std::optional<Wire> of(std::string_view endpoint) const;

  /// Whether alarms of CloudWatch Logs may be asked for: an endpoint that refuses them is left alone for a
  /// day.
  [[nodiscard]] bool log_alarms(std::string_view endpoint, int64_t now) const;
  void note_no_log_alarms(std::string_view endpoint, int64_t now);

  /// All is found out anew.
  void forget() {
    endpoints_.clear();
    no_log_alarms_.clear();
  }

 private:
  struct Known {
    Wire wire = Wire::cbor;
    int64_t noted = 0;
  };

  std::optional<Wire> fixed_{};
  std::map<std::string, Known, std::less<>> endpoints_{};
  std::map<std::string, int64_t, std::less<>> no_log_alarms_{};  // since when
};

/// How a reply is written, as far as that says whether CBOR is spoken.
enum class Heard {
  nothing,  // no reply, or one that says nothing of it: a throttle, a denial, a passing trouble
  cbor,     // in CBOR
  other,    // as something answers that does not know CBOR
};
/// Of a reply to a call in CBOR. `code`: of the error in it, empty when there is none.
[[nodiscard]] Heard heard(int status, std::string_view body, std::string_view content_type,
                          std::string_view smithy_protocol, std::string_view code);

}  // namespace bakusoku::aws
