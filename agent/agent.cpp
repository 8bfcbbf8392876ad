#include "agent/agent.h"

#include <malloc.h>
#include <spdlog/spdlog.h>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

namespace bakusoku::agent {
namespace {

constexpr std::chrono::seconds kTick{1};
constexpr int kTicksBetweenForgetting = 60;

}  // namespace

Result<std::unique_ptr<Agent>> Agent::create(asio::io_context& io, Config config,
                                             const Environment& environment, Clock clock) {
  auto targets = Targets::create(io, config, environment, clock);
  if (!targets) return fail(targets.error());
  return std::unique_ptr<Agent>(new Agent(io, std::move(config), std::move(*targets), std::move(clock)));
}

Agent::Agent(asio::io_context& io, Config config, std::unique_ptr<Targets> targets, Clock clock)
    : io_(io),
      config_(std::move(config)),
      clock_(clock),
      targets_(std::move(targets)),
      inventories_(io, config_.inventory.interval, clock),
      demand_(*targets_),
      collect_(io, demand_, config_.metrics, clock),
      items_(Items::Parts{*targets_, inventories_, demand_, collect_, stats_, clock}),
      socket_entrance_(io, items_, stats_),
      passive_entrance_(io, items_, stats_) {}

Result<void> Agent::open_entrances() {
  if (auto opened = socket_entrance_.open(config_.agent); !opened) return opened;
  return passive_entrance_.open(config_.agent);
}

void Agent::start() {
  asio::co_spawn(io_, targets_->find_default_region(), asio::detached);
  asio::co_spawn(io_, tick_loop(), asio::detached);
}

asio::awaitable<void> Agent::tick_loop() {
  asio::steady_timer timer(io_);
  for (int ticks = 1;; ++ticks) {
    timer.expires_after(kTick);
    asio::error_code stopped;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, stopped));
    if (stopped) co_return;
    inventories_.tick();
    collect_.tick();
    if (ticks % kTicksBetweenForgetting == 0) {
      forget_unasked();
      // Replies and replaced inventories leave holes that glibc keeps; give them back.
      malloc_trim(0);
    }
  }
}

}  // namespace bakusoku::agent
