#include "agent/delivery.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <numeric>
#include <utility>

#include "agent/spawn.h"

namespace bakusoku::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr seconds kLongestPause{5};  // between tries: once Zabbix is back, live values must not wait longer
constexpr seconds kUploadDisabled{60};
constexpr seconds kPeerWithin{5};
constexpr milliseconds kLook{100};
/// No server is killed and back in this time.
constexpr milliseconds kSure{200};
/// How often the witness is asked while nothing is delivered and what was acknowledged may not be stored yet.
constexpr seconds kLookEvery{10};
/// So many looks without an answer, while packets have theirs: values go without.
constexpr int kMostUnanswered = 5;

}  // namespace

Delivery::Delivery(Parts parts)
    : parts_(std::move(parts)),
      sending_({parts_.io, parts_.spool, parts_.alternatives, parts_.link, parts_.clock, parts_.kind,
                parts_.peer}),
      by_host_({parts_.io, parts_.spool, parts_.alternatives, parts_.clock, sending_, parts_.patience}) {}

void Delivery::start() {
  put_ = make_event(parts_.io);
  running_ = true;
  spawn_loop(parts_.io, "delivery", loop(), [this] { running_ = false; });
}

void Delivery::stop() {
  stopping_ = true;
  by_host_.stop();
  wake();
}

void Delivery::wake() {
  if (put_) put_->set();
}

asio::awaitable<void> Delivery::pause(milliseconds time) {
  asio::steady_timer timer(parts_.io, time);
  asio::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

// What is sent again is recognised only in the name it was sent in before: of a host that Zabbix knows, which
// answers about items tell.
asio::awaitable<void> Delivery::wait_for_peer() {
  if (parts_.peer == nullptr || parts_.kind != zabbix::DataKind::agent) co_return;
  const auto until = std::chrono::steady_clock::now() + kPeerWithin;
  const std::string before = parts_.spool.root_host(kSpoolDestination);
  parts_.peer->set_root_before(before);
  // It was no group of proxies.
  if (!before.empty()) starting_ = false;
  const auto is_open = [this] { return !parts_.peer->dialect || parts_.peer->root_is_open(); };
  while (!stopping_ && is_open() && std::chrono::steady_clock::now() < until) co_await pause(kLook);
  if (!starting_) parts_.peer->forget_asked();
}

// The answers to active checks tell when values are wanted again; asked for themselves they tell it as well.
asio::awaitable<void> Delivery::wait_for_upload() {
  const auto until = std::chrono::steady_clock::now() + kUploadDisabled;
  while (!stopping_ && sending_.upload_disabled() && std::chrono::steady_clock::now() < until)
    co_await pause(kLook);
}

asio::awaitable<void> Delivery::loop() {
  sending_.begin(parts_.spool.last_id());
  co_await wait_for_peer();
  // A start is like an outage of ours: the server may have died meanwhile.
  if (const auto begun = begin_again(); !begun) spdlog::error("{}", begun.error().message);
  milliseconds wait{0};
  for (;;) {
    if (wait.count() > 0) co_await pause(wait);
    co_await wait_for_upload();
    if (stopping_) co_return;
    const Result<bool> done = co_await deliver();
    if (!done) {
      if (trouble_.empty()) trouble_since_ = unix_seconds(parts_.clock());
      if (trouble_ != done.error().message) {
        trouble_ = done.error().message;
        spdlog::warn("values wait for Zabbix: {}", trouble_);
      }
      wait = std::clamp<milliseconds>(wait * 2, seconds(1), kLongestPause);
      sure_until_ = {};
      if (travels_by_host_ || sending_.upload_disabled() || (witness_.has_item() && !forgetful_)) continue;
      if (const auto begun = begin_again_if_few(); !begun) spdlog::error("{}", begun.error().message);
      continue;
    }
    if (!trouble_.empty()) spdlog::info("Zabbix takes values again");
    trouble_.clear();
    wait = milliseconds(0);
    if (*done) continue;
    put_ = make_event(parts_.io);
    const auto put = put_;
    (void)co_await put->wait(std::chrono::steady_clock::now() + seconds(1));
    if (const auto more = parts_.spool.tidy(); !more) spdlog::error("{}", more.error().message);
  }
}

Result<void> Delivery::begin_again() {
  fresh_from_ = std::max(fresh_from_, parts_.spool.acknowledged(kSpoolDestination) + 1);
  return parts_.spool.rewind(kSpoolDestination);
}

Result<bool> Delivery::begin_again_if_few() {
  const uint64_t values = parts_.spool.in_window(kSpoolDestination);
  if (values == 0 || sent_again_ + values > sending_.counters().delivered) return false;
  sent_again_ += values;
  if (auto begun = begin_again(); !begun) return fail(begun.error());
  return true;
}

uint64_t Delivery::signs() const {
  return sending_.counters().failures + (parts_.peer != nullptr ? parts_.peer->signs : 0);
}

bool Delivery::has_to_look() const { return steady_clock::now() >= sure_until_ || signs() != seen_signs_; }

asio::awaitable<Result<bool>> Delivery::look(bool sure) {
  const uint64_t signs_before = signs();
  if (forgetful_) {
    if (signs_before == seen_signs_) co_return false;
    seen_signs_ = signs_before;
    forgetful_ = false;  // it may be another one
    auto begun = begin_again_if_few();
    co_return begun;
  }
  if (!witness_.has_item()) co_return false;
  Sending::Reach anybody;
  const auto memory = co_await witness_.look(sending_, std::move(anybody));
  if (!memory) {
    if (sending_.upload_disabled() || ++unanswered_ < kMostUnanswered) co_return fail(memory.error());
    co_return false;
  }
  unanswered_ = 0;
  seen_signs_ = signs_before;
  const auto at = steady_clock::now();
  sure_until_ = at + kSure;
  look_at_ = at + kLookEvery;
  forgetful_ = *memory == Memory::forgetful;
  const uint64_t values = parts_.spool.in_window(kSpoolDestination);
  if (*memory == Memory::whole || forgetful_ || (*memory == Memory::begun && sure) || values == 0)
    co_return false;
  spdlog::info("Zabbix may have been started anew: the {} values that it took lately are sent again", values);
  if (auto begun = begin_again(); !begun) co_return fail(begun.error());
  co_return true;
}

bool Delivery::places_are_known(const SpoolPacket& packet) const {
  return std::all_of(packet.values.begin(), packet.values.end(),
                     [this](const Value& value) { return parts_.peer->asked(std::string(value.host)); });
}

asio::awaitable<Result<bool>> Delivery::deliver() {
  if (!travels_by_host_ && parts_.alternatives.redirects()) {
    spdlog::info("Zabbix redirects hosts to the proxies of a group: each host's values travel by themselves");
    travels_by_host_ = true;
    (void)parts_.spool.set_root_host(kSpoolDestination, {});
    // What one proxy took of all hosts may belong to others.
    if (!starting_) {
      by_host_.begin();
      if (auto begun = begin_again(); !begun) co_return fail(begun.error());
    }
  }
  if (travels_by_host_) co_return co_await by_host_.deliver(fresh_from_);
  auto next = next_packet(parts_.spool);
  if (!next) co_return fail(next.error());
  const auto packet = std::make_shared<const SpoolPacket>(std::move(*next));
  // A group of proxies shows itself host by host. 6.0 has none.
  if (starting_) {
    const bool asks = parts_.peer != nullptr && parts_.kind == zabbix::DataKind::agent;
    starting_ = asks && !(by_host_.settled() &&
                          (parts_.peer->dialect == zabbix::Dialect::v6 || places_are_known(*packet)));
    if (starting_) co_return co_await by_host_.deliver(fresh_from_);
    if (asks) parts_.peer->forget_asked();
  }
  if (packet->ids.empty()) {
    if (packet->up_to != 0) {
      if (auto passed = parts_.spool.acknowledge(kSpoolDestination, packet->up_to); !passed)
        co_return fail(passed.error());
      co_return true;
    }
    const bool waits = signs() == seen_signs_ && steady_clock::now() < look_at_;
    if (waits || parts_.spool.in_window(kSpoolDestination) == 0) co_return false;
    co_return co_await look(false);
  }
  if (has_to_look()) {
    const auto begun = co_await look(false);
    if (!begun || *begun) co_return begun;
  }
  // Of what was acknowledged before, a refusal tells nothing: the server has it. So the two kinds travel
  // apart.
  const bool again = packet->ids.front() < fresh_from_;
  const auto boundary = std::lower_bound(packet->ids.begin(), packet->ids.end(), fresh_from_);
  const size_t count = again ? static_cast<size_t>(boundary - packet->ids.begin()) : packet->ids.size();
  const uint64_t up_to = count < packet->ids.size() ? packet->ids[count - 1] : packet->up_to;
  Sending::Rows rows(count);
  std::iota(rows.begin(), rows.end(), size_t{0});
  Sending::Way anywhere;
  const auto outcome = co_await sending_.settle(packet, std::move(rows), again, std::move(anywhere));
  if (outcome.failed) co_return fail(*outcome.failed);
  if (outcome.redirected) co_return true;  // the same again, by host
  if (auto settled = parts_.spool.acknowledge(kSpoolDestination, up_to); !settled)
    co_return fail(settled.error());
  sending_.outcomes().note_acknowledged(up_to, unix_seconds(parts_.clock()));
  sure_until_ = steady_clock::now() + kSure;
  if (!witness_.has_item() && parts_.spool.resend_window().count() > 0) {
    const auto taken = std::find_if(packet->values.rbegin(), packet->values.rend(),
                                    [this](const Value& value) { return sending_.takes(value); });
    if (taken == packet->values.rend()) co_return true;
    witness_.choose(sending_.question_of(*taken, false));
    // Without an answer it looks when the next values go.
    (void)co_await look(true);
  }
  co_return true;
}

}  // namespace bakusoku::agent
