// Intake: a TCP port that takes values for trapper items as a Zabbix server's trapper does, from
// zabbix_sender, fluentd and the like, one request a connection. It answers "processed" when the values are
// on disk in the spool of every destination. Those that come while others are being written are written
// together, so that clients with a connection per record share the price of a disk's synchronisation. Runs on
// the agent's thread.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/config.h"
#include "agent/event.h"
#include "agent/log_limit.h"
#include "agent/port.h"
#include "agent/spool.h"
#include "agent/stats.h"
#include "base/clock.h"
#include "base/result.h"
#include "zabbix/frame.h"
#include "zabbix/sender.h"

namespace bakusoku::agent {

/// A value whose sender has been told that it is kept goes after those that the agent collected itself.
inline constexpr uint8_t kIntakePriority = 1;

struct IntakeLimits {
  size_t request_bytes = size_t{16} << 20;  // as announced, on the wire and inflated
  size_t connections = 1024;
  size_t held_bytes = size_t{64} << 20;       // of all requests at once
  std::chrono::milliseconds first{5'000};     // until a request begins
  std::chrono::milliseconds receive{30'000};  // for the whole of it, from then on
  std::chrono::milliseconds send{30'000};
  std::chrono::milliseconds company{1};  // how long values wait for requests that are being received
};

class Intake {
 public:
  struct Parts {
    asio::io_context& io;
    Stats& stats;
    Clock clock;
    std::vector<Spool*> spools;    // one a destination
    std::function<void()> stored;  // called after each commit
    IntakeLimits limits{};
    bool on_disk = true;  // a spool that is in memory takes nothing
  };

  explicit Intake(Parts parts)
      : parts_(std::move(parts)), port_(parts_.io, {parts_.limits.connections, parts_.limits.held_bytes}) {}
  Intake(const Intake&) = delete;
  Intake& operator=(const Intake&) = delete;

  /// Listens; called again, as the configuration says then, or no more. Errors: invalid (address, allow
  /// list), denied, io.
  [[nodiscard]] Result<void> open(const IntakeConfig& config);
  /// Where values go from now on.
  void set_spools(std::vector<Spool*> spools) { parts_.spools = std::move(spools); }

 private:
  /// Requests that are written together.
  struct Batch {
    explicit Batch(asio::io_context& io) : written(io) {}
    std::vector<zabbix::IntakeRequest> requests;
    Event written;
    Result<void> outcome{};
  };
  /// What is under way. Connections share it: those that are left when the loop has ended outlive the intake.
  struct Load {
    size_t receiving = 0;  // connections whose request is not whole
    EventPtr all_here;     // set when there is none; null: nobody waits for that
  };
  class Receiving;

  [[nodiscard]] asio::awaitable<void> serve(asio::ip::tcp::socket& socket, Visits::Visit& visit);
  [[nodiscard]] asio::awaitable<Result<zabbix::Frame>> receive(asio::ip::tcp::socket& socket,
                                                               Visits::Visit& visit);
  [[nodiscard]] asio::awaitable<std::string> answer(const std::string& payload, std::string sender);
  /// Done when the values are on disk, or why they are not.
  [[nodiscard]] asio::awaitable<Result<void>> store(zabbix::IntakeRequest request);
  [[nodiscard]] asio::awaitable<void> write(std::shared_ptr<Batch> batch);
  [[nodiscard]] Result<void> put(const std::vector<zabbix::IntakeRequest>& requests);
  /// Gives each value the clock and ns that it is stored with.
  void stamp(zabbix::IntakeRequest& request);

  Parts parts_;
  Port port_;
  std::shared_ptr<Batch> next_;  // open for company; null: none
  std::shared_ptr<Load> load_ = std::make_shared<Load>();
  int64_t last_stamp_ = 0;  // ns since 1970, given to a value that came without a time
  LogLimit refusals_;
  LogLimit replaced_;
  LogLimit losses_;
};

/// The ns of a value that came with whole seconds only: the same whenever the same request is sent again,
/// others for other values of an item in one second, rising within a request. `before`: values of the same
/// item and second earlier in the request.
[[nodiscard]] uint32_t stable_ns(uint32_t before, std::string_view text, bool supported);

}  // namespace bakusoku::agent
