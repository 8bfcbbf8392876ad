#include "aws/spoken.h"

#include "aws/retry.h"

namespace bakusoku::aws {
namespace {

constexpr int64_t kTriedAgain = 86400;
constexpr int64_t kTrying = 60;  // others go on meanwhile

// A map, of a known length or not.
bool is_cbor_map(std::string_view body) {
  return !body.empty() && static_cast<unsigned char>(body.front()) >> 5 == 5;
}

// What servers say of an operation that they do not know under this address.
bool is_unknown_operation(std::string_view code) {
  return code.starts_with("UnknownOperation") || code == "InvalidAction";
}

}  // namespace

Spoken::Wire Spoken::next(std::string_view endpoint, int64_t now) {
  if (fixed_) return *fixed_;
  const auto found = endpoints_.find(endpoint);
  if (found == endpoints_.end() || found->second.wire == Wire::cbor) return Wire::cbor;
  Known& known = found->second;
  // A clock that was set back would put it off.
  if (known.noted <= now && now - known.noted < kTriedAgain) return Wire::json;
  known.noted = now - kTriedAgain + kTrying;
  return Wire::cbor;
}

bool Spoken::note(std::string_view endpoint, Wire wire, int64_t now) {
  const auto found = endpoints_.find(endpoint);
  if (found == endpoints_.end()) {
    endpoints_.emplace(endpoint, Known{wire, now});
    return true;
  }
  const bool changed = found->second.wire != wire;
  found->second = Known{wire, now};
  return changed;
}

void Spoken::doubt(std::string_view endpoint) {
  if (const auto found = endpoints_.find(endpoint); found != endpoints_.end()) endpoints_.erase(found);
}

bool Spoken::log_alarms(std::string_view endpoint, int64_t now) const {
  const auto found = no_log_alarms_.find(endpoint);
  return found == no_log_alarms_.end() || found->second > now || now - found->second >= kTriedAgain;
}

void Spoken::note_no_log_alarms(std::string_view endpoint, int64_t now) {
  no_log_alarms_.insert_or_assign(std::string(endpoint), now);
}

std::optional<Spoken::Wire> Spoken::of(std::string_view endpoint) const {
  if (fixed_) return fixed_;
  const auto found = endpoints_.find(endpoint);
  return found == endpoints_.end() ? std::nullopt : std::optional(found->second.wire);
}

Heard heard(int status, std::string_view body, std::string_view content_type,
            std::string_view smithy_protocol, std::string_view code) {
  if (status >= 200 && status <= 299) return is_cbor_map(body) ? Heard::cbor : Heard::other;
  if (is_unknown_operation(code)) return Heard::other;
  const bool called_cbor = content_type.starts_with("application/cbor") || smithy_protocol == "rpc-v2-cbor";
  if (is_cbor_map(body) || (body.empty() && called_cbor)) return Heard::cbor;
  // A throttle, a denial and a signature that is refused are answered before anybody looks at the protocol.
  const RetryClass retry = classify(code, status);
  const ErrorKind kind = kind_of(code, status);
  if (retry == RetryClass::throttled || retry == RetryClass::refused_credentials ||
      retry == RetryClass::clock_skew || kind == ErrorKind::denied) {
    return Heard::nothing;
  }
  // Those pass: time-outs, and gateways whose servers are away.
  if (status < 400 || status == 407 || status == 408 || status == 429 || status == 502 || status == 503 ||
      status == 504) {
    return Heard::nothing;
  }
  return Heard::other;
}

}  // namespace bakusoku::aws
