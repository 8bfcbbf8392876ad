#include "agent/intake.h"

#include <spdlog/spdlog.h>
#include <zlib.h>

#include <algorithm>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "agent/spawn.h"

namespace bakusoku::agent {
namespace {

using asio::ip::tcp;
using std::chrono::steady_clock;

constexpr int64_t kSecond = 1'000'000'000;
constexpr size_t kFirstRead = 4096;  // most requests are whole then

constexpr uint32_t kPlacesInASecond = 1000;
constexpr uint32_t kNsOfAPlace = 1'000'000;

constexpr auto kNever = steady_clock::time_point::max();

}  // namespace

// Zabbix counts the rows of a request there, so that a second request of the same item and second replaces
// nothing and is lost. The text tells them apart; the same text again is the same value sent again.
uint32_t stable_ns(uint32_t before, std::string_view text, bool supported) {
  const auto hash =
      ::crc32_z(supported ? 0 : 1, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  return std::min(before, kPlacesInASecond - 1) * kNsOfAPlace + static_cast<uint32_t>(hash) % kNsOfAPlace;
}

class Intake::Receiving {
 public:
  explicit Receiving(std::shared_ptr<Load> load) : load_(std::move(load)) { ++load_->receiving; }
  ~Receiving() {
    if (--load_->receiving == 0 && load_->all_here) load_->all_here->set();
  }
  Receiving(const Receiving&) = delete;
  Receiving& operator=(const Receiving&) = delete;

 private:
  std::shared_ptr<Load> load_;
};

Result<void> Intake::open(const IntakeConfig& config) {
  if (config.listen.empty()) {
    port_.close();
    return {};
  }
  return port_.open(
      {"[intake]", config.listen, config.allow, "connection to the intake"},
      [this](tcp::socket& socket, Visits::Visit& visit) { return serve(socket, visit); },
      [this] { ++parts_.stats.intake_refused; });
}

asio::awaitable<void> Intake::serve(tcp::socket& socket, Visits::Visit& visit) {
  asio::error_code error;
  const auto peer = socket.remote_endpoint(error);
  const std::string sender = error ? "somebody" : peer.address().to_string();
  const auto frame = co_await receive(socket, visit);
  if (!frame) {
    if (frame.error().kind == ErrorKind::not_found) co_return;  // somebody's test of the port
    ++parts_.stats.intake_refused;
    if (const auto left_out = refusals_.may_log()) {
      spdlog::warn("the intake closes a connection from {}: {} ({} more)", sender, frame.error().message,
                   *left_out);
    }
    co_return;
  }
  visit.work();
  const std::string bytes = zabbix::encode_frame(co_await answer(frame->payload, sender), frame->flags);
  visit.wait_for_peer();
  const TimeLimit limit(parts_.io, socket, parts_.limits.send);
  co_await asio::async_write(socket, asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, error));
}

asio::awaitable<Result<zabbix::Frame>> Intake::receive(tcp::socket& socket, Visits::Visit& visit) {
  const Receiving receiving(load_);
  std::optional<TimeLimit> limit;
  limit.emplace(parts_.io, socket, parts_.limits.first);
  const auto cut = [&](const asio::error_code& error) {
    return !socket.is_open()
               ? Error{ErrorKind::timeout, "its request did not come in time, or others needed its room"}
               : Error{ErrorKind::unavailable, "it ended before its request: " + error.message()};
  };
  std::string received;
  std::optional<zabbix::FrameHeader> header;
  asio::error_code error;
  while (!header) {
    const size_t before = received.size();
    received.resize(before + kFirstRead);
    const size_t size = co_await socket.async_read_some(asio::buffer(received.data() + before, kFirstRead),
                                                        asio::redirect_error(asio::use_awaitable, error));
    received.resize(before + size);
    if (error == asio::error::eof && received.empty()) {
      co_return fail(ErrorKind::not_found, "it came and went without a word");
    }
    if (error) co_return fail(cut(error));
    if (before == 0) limit.emplace(parts_.io, socket, parts_.limits.receive);
    const auto parsed = zabbix::parse_frame_header(received, parts_.limits.request_bytes);
    if (!parsed) co_return fail(parsed.error());
    header = *parsed;
  }
  const size_t whole = zabbix::kFrameHeaderSize + header->length;
  if (!visit.hold(whole + header->reserved)) {
    co_return fail(ErrorKind::unavailable, "too many large requests at once");
  }
  std::string& request = visit.kept();
  request = std::move(received);
  if (size_t have = request.size(); have < whole) {
    request.resize(whole);
    while (have < whole) {
      have += co_await socket.async_read_some(asio::buffer(request.data() + have, whole - have),
                                              asio::redirect_error(asio::use_awaitable, error));
      if (error || !socket.is_open()) co_return fail(cut(error));
    }
  }
  auto payload = zabbix::decode_frame_body(
      *header, std::string_view(request).substr(zabbix::kFrameHeaderSize, header->length));
  std::string().swap(request);
  if (!payload) co_return fail(payload.error());
  co_return zabbix::Frame{header->flags, std::move(*payload), whole};
}

asio::awaitable<std::string> Intake::answer(const std::string& payload, std::string sender) {
  const auto started = steady_clock::now();
  const auto refuse = [&](const std::string& why) {
    if (const auto left_out = refusals_.may_log())
      spdlog::warn("the intake refuses a request of {}: {} ({} more)", sender, why, *left_out);
    return zabbix::encode_sender_refusal(why);
  };
  auto request = zabbix::decode_sender_request(payload);
  if (!request) {
    ++parts_.stats.intake_refused;
    co_return refuse(request.error().message);
  }
  if (!request->session.empty()) {
    ++parts_.stats.intake_refused;
    co_return refuse(
        "these are an agent's values for active items, and this port takes values for trapper items; set "
        "ServerActive of that agent to the Zabbix server or proxy");
  }
  zabbix::SenderCounts counts;
  counts.total = request->rows.size() + request->refused;
  std::erase_if(request->rows, [&](const zabbix::IntakeRow& row) {
    if (row.itemid == 0) return false;
    if (request->refused++ == 0)
      request->refused_because =
          fmt::format("it names item {} by its id instead of host and key", row.itemid);
    return true;
  });
  counts.failed = request->refused;
  counts.processed = counts.total - counts.failed;
  parts_.stats.intake_failed += counts.failed;
  if (counts.failed > 0) {
    if (const auto left_out = refusals_.may_log())
      spdlog::warn("the intake does not take {} of {} values of {}: {} ({} more such requests)",
                   counts.failed, counts.total, sender, request->refused_because, *left_out);
  }
  if (request->replaced > 0) {
    if (const auto left_out = replaced_.may_log())
      spdlog::warn(
          "{} of {} values of {} hold bytes that are no UTF-8, in the place of which a ? is kept, as "
          "Zabbix does; the first: {} ({} more such requests)",
          request->replaced, counts.total, sender, request->replaced_first, *left_out);
  }
  std::erase_if(request->rows, [](const zabbix::IntakeRow& row) { return !row.value; });
  if (!request->rows.empty()) {
    const auto stored = co_await store(std::move(*request));
    if (!stored) {
      parts_.stats.intake_failed += counts.processed;
      co_return zabbix::encode_sender_refusal("nothing of it is kept: " + stored.error().message);
    }
  }
  parts_.stats.intake_processed += counts.processed;
  counts.seconds = std::chrono::duration<double>(steady_clock::now() - started).count();
  co_return zabbix::encode_sender_answer(counts);
}

void Intake::stamp(zabbix::IntakeRequest& request) {
  std::map<std::tuple<std::string_view, std::string_view, int64_t>, uint32_t> places;
  const int64_t now =
      std::chrono::duration_cast<std::chrono::nanoseconds>(parts_.clock().time_since_epoch()).count();
  for (zabbix::IntakeRow& row : request.rows) {
    if (!row.clock) {
      last_stamp_ = std::max(now, last_stamp_ + 1);
      row.clock = last_stamp_ / kSecond;
      row.ns = static_cast<uint32_t>(last_stamp_ % kSecond);
    } else if (!row.ns) {
      row.ns = stable_ns(places[{row.host, row.key, *row.clock}]++, *row.value, row.supported);
    }
  }
}

asio::awaitable<Result<void>> Intake::store(zabbix::IntakeRequest request) {
  stamp(request);
  std::shared_ptr<Batch> batch = next_;
  if (!batch) {
    batch = std::make_shared<Batch>(parts_.io);
    spawn(parts_.io, "writing what the intake took", write(batch));
    next_ = batch;
  }
  batch->requests.push_back(std::move(request));
  [[maybe_unused]] const bool written = co_await batch->written.wait(kNever);
  co_return batch->outcome;
}

asio::awaitable<void> Intake::write(std::shared_ptr<Batch> batch) {
  // Who has connected during the last write is accepted first, then given the time to say what it has.
  for (int turn = 0; turn < 2; ++turn) co_await asio::post(parts_.io, asio::use_awaitable);
  if (load_->receiving > 0) {
    const auto here = make_event(parts_.io);
    load_->all_here = here;
    [[maybe_unused]] const bool all = co_await here->wait(steady_clock::now() + parts_.limits.company);
    load_->all_here.reset();
  }
  next_.reset();
  batch->outcome = put(batch->requests);
  if (batch->outcome) {
    ++parts_.stats.intake_commits;
    parts_.stored();
  } else if (const auto left_out = losses_.may_log()) {
    spdlog::error("the intake cannot keep values, and says so to their senders: {} ({} more such failures)",
                  batch->outcome.error().message, *left_out);
  }
  batch->written.set();
}

Result<void> Intake::put(const std::vector<zabbix::IntakeRequest>& requests) {
  if (parts_.spools.empty()) {
    return fail(ErrorKind::unavailable, "there is no spool for them at the moment ([zabbix] server)");
  }
  for (const Spool* const spool : parts_.spools) {
    if (parts_.on_disk && spool->in_memory()) {
      return fail(ErrorKind::io,
                  "its spool could not be made on disk when the agent started ([zabbix] state_dir)");
    }
  }
  std::vector<Value> values;
  for (const zabbix::IntakeRequest& request : requests) {
    for (const zabbix::IntakeRow& row : request.rows) {
      values.push_back(Value{.host = row.host,
                             .key = row.key,
                             .clock = *row.clock,
                             .ns = *row.ns,
                             .supported = row.supported,
                             .text = *row.value,
                             .priority = kIntakePriority});
    }
  }
  for (Spool* const spool : parts_.spools) {
    const auto range = spool->put(values, Durability::full, WhenFull::keep);
    if (!range) return fail(range.error());
    if (range->dropped > 0) {
      return fail(ErrorKind::unavailable,
                  "the spool is full of values that Zabbix has not taken yet ([zabbix] spool_size)");
    }
  }
  return {};
}

}  // namespace bakusoku::agent
