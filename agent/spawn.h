// Starts a coroutine that nobody waits for. It is not meant to end by an exception; one that does is logged,
// not swallowed. Being out of memory ends the agent. On the agent's thread.
#pragma once

#include <spdlog/spdlog.h>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <exception>
#include <new>
#include <string_view>
#include <utility>

namespace bakusoku::agent {

inline void log_exception(std::string_view what, const std::exception_ptr& failure) {
  try {
    if (failure) std::rethrow_exception(failure);
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& exception) {
    spdlog::error("{}: {}", what, exception.what());
  } catch (...) {
    spdlog::error("{}: an unknown exception", what);
  }
}

/// `ended` is called when the coroutine has ended in any way, but not when the io_context is destroyed first:
/// what it touches may be gone by then. `what` is for the log, a literal.
template <typename Ended>
void spawn(asio::io_context& io, std::string_view what, asio::awaitable<void> coroutine, Ended ended) {
  asio::co_spawn(io, std::move(coroutine),
                 [what, ended = std::move(ended)](const std::exception_ptr& failure) mutable {
                   log_exception(what, failure);
                   ended();
                 });
}

inline void spawn(asio::io_context& io, std::string_view what, asio::awaitable<void> coroutine) {
  spawn(io, what, std::move(coroutine), [] {});
}

}  // namespace bakusoku::agent
