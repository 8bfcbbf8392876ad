// For tests: what a simaws of the test's own is told while it runs.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>
#include <cstdint>
#include <string>

#include "agent/simulator_fixture.h"

namespace bakusoku::agent {

inline void control(const Simulator& simulator, const std::string& what, const std::string& text) {
  asio::io_context io;
  asio::ip::tcp::socket socket(io);
  const size_t colon = simulator.url().rfind(':');
  socket.connect({asio::ip::make_address("127.0.0.1"),
                  static_cast<uint16_t>(std::stoi(simulator.url().substr(colon + 1)))});
  asio::write(socket, asio::buffer(fmt::format("POST /simaws/{} HTTP/1.1\r\nHost: x\r\nConnection: "
                                               "close\r\nContent-Length: {}\r\n\r\n{}",
                                               what, text.size(), text)));
  std::string reply(16, '\0');
  asio::read(socket, asio::buffer(reply));
  EXPECT_THAT(reply, testing::HasSubstr(" 200 ")) << text;
}

/// What goes wrong from now on, as --fault says it; empty: nothing.
inline void set_faults(const Simulator& simulator, const std::string& faults) {
  control(simulator, "faults", faults);
}

}  // namespace bakusoku::agent
