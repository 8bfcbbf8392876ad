// For tests: asks for item keys at once and waits for all answers.
#pragma once

#include <gtest/gtest.h>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "agent/items.h"

namespace bakusoku::agent {

inline std::vector<Answer> ask_all(asio::io_context& io, Items& items, const std::vector<std::string>& keys,
                                   std::chrono::milliseconds timeout) {
  std::vector<Answer> answers(keys.size());
  size_t open = keys.size();
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (size_t at = 0; at < keys.size(); ++at) {
    asio::co_spawn(io, items.answer(keys[at], deadline),
                   [&, at](const std::exception_ptr& failure, Answer answer) {
                     EXPECT_FALSE(failure);
                     answers[at] = std::move(answer);
                     if (--open == 0) io.stop();
                   });
  }
  io.restart();
  io.run_for(timeout + std::chrono::seconds(5));
  EXPECT_EQ(open, 0u) << "unanswered after its deadline";
  return answers;
}

}  // namespace bakusoku::agent
