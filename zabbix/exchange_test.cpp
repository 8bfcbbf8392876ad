#include "zabbix/exchange.h"

#include <gtest/gtest.h>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <chrono>
#include <optional>
#include <string>

#include "zabbix/active.h"
#include "zabbix/frame.h"
#include "zabbix/scripted_peer.h"

namespace bakusoku::zabbix {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using std::chrono::steady_clock;

constexpr auto kLong = 30s;  // for what should end by itself

template <typename Coroutine>
Result<std::string> run(asio::io_context& io, Coroutine coroutine) {
  std::optional<Result<std::string>> out;
  asio::co_spawn(io, std::move(coroutine),
                 [&](const std::exception_ptr& failure, Result<std::string> result) {
                   if (!failure) out = std::move(result);
                 });
  io.restart();
  io.run();
  if (!out) return fail(ErrorKind::io, "ended by an exception");
  return *out;
}

Result<std::string> ask(const Endpoint& endpoint, const std::string& request,
                        std::chrono::milliseconds within = kLong, Link link = {},
                        Expect expect = Expect::reply) {
  asio::io_context io;
  std::string frame = encode_request_frame(request);
  return run(io,
             exchange(io, endpoint, std::move(link), std::move(frame), steady_clock::now() + within, expect));
}

std::string error_of(const Result<std::string>& result, ErrorKind kind) {
  if (result) return "no error";
  EXPECT_EQ(result.error().kind, kind) << result.error().message;
  return result.error().message;
}

bool holds(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(Exchange, SendsAFrameAndReturnsTheAnswer) {
  std::string got;
  {
    ScriptedPeer peer([&](Wire& wire) {
      got = wire.read_frame();
      wire.write(encode_frame("the answer"));
    });
    const auto answer = ask(peer.endpoint(), "a question");
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(*answer, "the answer");
  }
  EXPECT_EQ(got, "a question");
}

TEST(Exchange, CarriesLargePacketsCompressedBothWays) {
  std::string large;
  for (int i = 0; large.size() < (20u << 20); ++i) large += "{\"itemid\":" + std::to_string(i) + "},";
  ScriptedPeer peer([](Wire& wire) { wire.write(encode_request_frame(wire.read_frame())); });
  const auto answer = ask(peer.endpoint(), large);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(*answer == large, true);
  ScriptedPeer plain([](Wire& wire) { wire.write(encode_frame(wire.read_frame())); });
  const auto same = ask(plain.endpoint(), large);
  ASSERT_TRUE(same);
  EXPECT_EQ(*same == large, true);
}

TEST(Exchange, TakesAnAnswerThatComesByteByByte) {
  ScriptedPeer peer([](Wire& wire) {
    wire.read_frame();
    for (const char ch : encode_frame("slow")) {
      wire.write(std::string(1, ch));
      std::this_thread::sleep_for(1ms);
    }
  });
  EXPECT_EQ(ask(peer.endpoint(), "q").value_or("error"), "slow");
}

TEST(Exchange, ResolvesNames) {
  ScriptedPeer peer([](Wire& wire) { wire.write(encode_frame(wire.read_frame())); });
  // It may stand for ::1 as well, where nobody listens: each address is tried.
  EXPECT_EQ(ask({"localhost", peer.endpoint().port}, "q").value_or("error"), "q");
}

TEST(Exchange, ConnectsFromTheSourceAddress) {
  std::string from;
  {
    ScriptedPeer peer([&](Wire& wire) {
      sockaddr_in address{};
      socklen_t length = sizeof address;
      ::getpeername(wire.fd(), reinterpret_cast<sockaddr*>(&address), &length);
      from = ::inet_ntoa(address.sin_addr);
      wire.write(encode_frame(wire.read_frame()));
    });
    EXPECT_EQ(ask(peer.endpoint(), "q", kLong, {.source_ip = "127.0.0.7"}).value_or("error"), "q");
  }
  EXPECT_EQ(from, "127.0.0.7");
  const Endpoint nobody = closed_port();
  EXPECT_TRUE(holds(error_of(ask(nobody, "q", kLong, {.source_ip = "192.0.2.1"}), ErrorKind::invalid),
                    "cannot connect from source_ip 192.0.2.1"));
  EXPECT_TRUE(holds(error_of(ask(nobody, "q", kLong, {.source_ip = "::1"}), ErrorKind::invalid),
                    "no address of the same kind"));
  EXPECT_TRUE(holds(error_of(ask(nobody, "q", kLong, {.source_ip = "eth0"}), ErrorKind::invalid),
                    "is no IP address"));
}

TEST(Exchange, OfAHeartbeatNeedsNoAnswer) {
  std::string got;
  {
    ScriptedPeer peer([&](Wire& wire) { got = wire.read_frame(); });
    const auto sent = ask(peer.endpoint(), encode_heartbeat("h", 60s, "7.0.22"), kLong, {}, Expect::nothing);
    ASSERT_TRUE(sent) << sent.error().message;
    EXPECT_EQ(*sent, "");
    while (peer.connections() == 0) std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(
      got,
      R"({"request":"active check heartbeat","host":"h","heartbeat_freq":60,"version":"7.0.22","variant":1})");
}

TEST(Exchange, WithNobodyThereSaysSo) {
  const Endpoint nobody = closed_port();
  const std::string message = error_of(ask(nobody, "q"), ErrorKind::unavailable);
  EXPECT_TRUE(
      message.starts_with("Zabbix at " + to_string(nobody) + ": cannot connect: Connection refused; "))
      << message;
}

TEST(Exchange, WithANameThatIsNoneSaysSo) {
  const auto result = ask({"no-such-host.invalid", 1}, "q");
  ASSERT_FALSE(result);
  EXPECT_TRUE(result.error().kind == ErrorKind::not_found || result.error().kind == ErrorKind::unavailable);
  EXPECT_TRUE(
      result.error().message.starts_with("Zabbix at no-such-host.invalid:1: cannot resolve its name: "))
      << result.error().message;
}

TEST(Exchange, CutAtAnyByteOfTheAnswerIsAnError) {
  const std::string whole = encode_frame("the answer", kFrameCompressed);
  size_t cut = 0;
  ScriptedPeer peer([&](Wire& wire) {
    wire.read_frame();
    wire.write(whole.substr(0, cut));
  });
  for (cut = 0; cut < whole.size(); ++cut) {
    const std::string message = error_of(ask(peer.endpoint(), "q"), ErrorKind::unavailable);
    EXPECT_TRUE(holds(message, cut == 0 ? "no answer: the connection was closed"
                                        : "the answer was cut short after " + std::to_string(cut) + " bytes"))
        << message;
  }
}

TEST(Exchange, WithGarbageForAnAnswerIsAnErrorAtOnce) {
  std::string garbage;
  ScriptedPeer peer([&](Wire& wire) {
    wire.read_frame();
    wire.write(garbage);
    wire.wait_for_end();
  });
  const struct {
    std::string bytes;
    const char* part;
  } cases[] = {
      {"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak Zabbix's protocol"},
      {"ZBXD\x05\0\0\0\0"s, "unsupported flags 0x05"},
      {"ZBXD\x01\xFF\xFF\xFF\x7F\0\0\0\0"s, "announces 2147483647 bytes"},
      {"ZBXD\x03\x04\0\0\0\x04\0\0\0abcd"s, "cannot be inflated"},
      {"ZBXD\x03\x04\0\0\0\xFF\xFF\0\0"s, "cannot inflate to the announced 65535"},
  };
  for (const auto& [bytes, part] : cases) {
    garbage = bytes;
    const std::string message = error_of(ask(peer.endpoint(), "q"), ErrorKind::corrupt);
    EXPECT_TRUE(holds(message, part)) << message;
  }
  garbage = encode_frame(std::string(1001, 'x'));
  EXPECT_TRUE(holds(error_of(ask(peer.endpoint(), "q", kLong, {.max_reply_bytes = 1000}), ErrorKind::corrupt),
                    "announces 1001 bytes, at most 1000"));
}

TEST(Exchange, WithAPeerThatResetsIsAnError) {
  ScriptedPeer peer([](Wire& wire) {
    wire.read_frame();
    wire.reset();
  });
  EXPECT_TRUE(
      holds(error_of(ask(peer.endpoint(), "q"), ErrorKind::unavailable), "no answer: Connection reset"));
}

TEST(Exchange, EndsAtItsDeadlineAndSaysWhatHangs) {
  ScriptedPeer silent([](Wire& wire) { wire.wait_for_end(); });
  EXPECT_TRUE(holds(error_of(ask(silent.endpoint(), "q", 500ms), ErrorKind::timeout),
                    "it took the request and did not answer"));
  ScriptedPeer half([](Wire& wire) {
    wire.read_frame();
    wire.write("ZBXD\x01\x05");
    wire.wait_for_end();
  });
  EXPECT_TRUE(holds(error_of(ask(half.endpoint(), "q", 500ms), ErrorKind::timeout), "did not answer"));
  // More than the buffers of both ends hold, and of noise, so that it stays so.
  std::string noise;
  uint32_t state = 1;
  while (noise.size() < (32u << 20)) noise += static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  std::atomic<bool> asked = false;
  {
    ScriptedPeer deaf([&](Wire&) {
      while (!asked) std::this_thread::sleep_for(1ms);
    });
    EXPECT_TRUE(holds(error_of(ask(deaf.endpoint(), noise, 1s), ErrorKind::timeout),
                      "it did not take the whole request"));
    asked = true;
  }
  EXPECT_TRUE(holds(error_of(ask(silent.endpoint(), "q", -1s), ErrorKind::timeout), "nothing within"));
}

TEST(Exchange, CancelledEndsAtOnce) {
  ScriptedPeer silent([](Wire& wire) { wire.wait_for_end(); });
  asio::io_context io;
  asio::cancellation_signal cancel;
  std::optional<Result<std::string>> out;
  asio::co_spawn(
      io, exchange(io, silent.endpoint(), {}, encode_frame("q"), steady_clock::now() + 1h),
      asio::bind_cancellation_slot(cancel.slot(), [&](const std::exception_ptr&, Result<std::string> result) {
        out = std::move(result);
      }));
  asio::steady_timer timer(io, 50ms);
  timer.async_wait([&](const asio::error_code&) { cancel.emit(asio::cancellation_type::terminal); });
  io.run();
  ASSERT_TRUE(out);
  EXPECT_TRUE(holds(error_of(*out, ErrorKind::timeout), "cancelled"));
}

TEST(Exchange, IsDroppedWithItsLoopAndLeaksNothing) {
  ScriptedPeer silent([](Wire& wire) { wire.wait_for_end(); });
  asio::io_context io;
  asio::co_spawn(io, exchange(io, silent.endpoint(), {}, encode_frame("q"), steady_clock::now() + 1h),
                 asio::detached);
  io.run_for(50ms);
}

TEST(ExchangeWithAny, TakesTheFirstThatAnswersAndRemembersIt) {
  ScriptedPeer good([](Wire& wire) { wire.write(encode_frame(wire.read_frame())); });
  ScriptedPeer standby([](Wire&) {});
  const Endpoint nobody = closed_port();
  Alternatives cluster({nobody, standby.endpoint(), good.endpoint()});
  asio::io_context io;
  for (int i = 0; i < 3; ++i) {
    const auto answer =
        run(io, exchange_with_any(io, cluster, {}, encode_frame("q"), steady_clock::now() + kLong));
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(cluster.current(), good.endpoint());
  }
  EXPECT_EQ(standby.connections(), 1);
  EXPECT_EQ(good.connections(), 3);
}

TEST(ExchangeWithAny, NamesEveryErrorWhenAllFail) {
  ScriptedPeer silent([](Wire& wire) { wire.wait_for_end(); });
  const Endpoint nobody = closed_port();
  Alternatives cluster({silent.endpoint(), nobody});
  asio::io_context io;
  const auto answer =
      run(io, exchange_with_any(io, cluster, {}, encode_frame("q"), steady_clock::now() + 1s));
  const std::string message = error_of(answer, ErrorKind::timeout);
  EXPECT_TRUE(holds(message, to_string(silent.endpoint()) + ": nothing within")) << message;
  EXPECT_TRUE(holds(message, to_string(nobody) + ": cannot connect")) << message;
  EXPECT_EQ(cluster.current(), silent.endpoint());
}

Result<Answered> run_for_host(asio::io_context& io, Alternatives& alternatives, const std::string& host,
                              std::chrono::milliseconds within = kLong) {
  std::optional<Result<Answered>> out;
  asio::co_spawn(
      io, exchange_for_host(io, alternatives, host, {}, encode_frame("q"), steady_clock::now() + within),
      [&](const std::exception_ptr& failure, Result<Answered> result) {
        if (!failure) out = std::move(result);
      });
  io.restart();
  io.run();
  if (!out) return fail(ErrorKind::io, "ended by an exception");
  return *out;
}

std::string redirect_to(const Endpoint& endpoint, int revision) {
  return encode_frame(R"({"redirect":{"revision":)" + std::to_string(revision) + R"(,"address":")" +
                      to_string(endpoint) + R"("},"response":"failed"})");
}
const std::string kReset = encode_frame(R"({"redirect":{"reset":true},"response":"failed"})");

TEST(ExchangeForHost, FollowsARedirectOnceAndRemembersItForThatHost) {
  ScriptedPeer own([](Wire& wire) { wire.write(encode_frame(wire.read_frame())); });
  ScriptedPeer first([&](Wire& wire) {
    wire.read_frame();
    wire.write(redirect_to(own.endpoint(), 5));
  });
  Alternatives group({first.endpoint()});
  asio::io_context io;
  for (int i = 0; i < 3; ++i) {
    const auto answer = run_for_host(io, group, "web-1");
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_FALSE(answer->astray);
    EXPECT_EQ(answer->payload, "q");
    EXPECT_EQ(answer->from, own.endpoint());
  }
  EXPECT_EQ(first.connections(), 1);
  EXPECT_EQ(own.connections(), 3);
}

TEST(ExchangeForHost, SequentialRedirectsAreAnError) {
  int revision = 1;
  Endpoint me;
  ScriptedPeer circle([&](Wire& wire) {
    wire.read_frame();
    wire.write(redirect_to(me, ++revision));
  });
  me = circle.endpoint();
  Alternatives group({me});
  asio::io_context io;
  const auto answer = run_for_host(io, group, "web-1");
  ASSERT_TRUE(answer);
  ASSERT_TRUE(answer->astray);
  EXPECT_TRUE(holds(answer->astray->message, "sequential redirects")) << answer->astray->message;
  EXPECT_EQ(circle.connections(), 2);
}

TEST(ExchangeForHost, AResetGoesOnToTheNextOneAtOnce) {
  ScriptedPeer gone([](Wire& wire) {
    wire.read_frame();
    wire.write(kReset);
  });
  ScriptedPeer good([](Wire& wire) { wire.write(encode_frame(wire.read_frame())); });
  Alternatives group({gone.endpoint(), good.endpoint()});
  asio::io_context io;
  const auto answer = run_for_host(io, group, "web-1");
  ASSERT_TRUE(answer && !answer->astray);
  EXPECT_EQ(answer->from, good.endpoint());
  EXPECT_EQ(group.current(), good.endpoint());
}

TEST(ExchangeForHost, AnOlderRedirectIsNotFollowed) {
  ScriptedPeer first([&](Wire& wire) {
    wire.read_frame();
    wire.write(redirect_to(closed_port(), 4));
  });
  Alternatives group({first.endpoint()});
  ASSERT_TRUE(group.follow("web-1", first.endpoint(), {.revision = 5, .address = to_string(first.endpoint())},
                           steady_clock::now()));
  asio::io_context io;
  const auto answer = run_for_host(io, group, "web-1");
  ASSERT_TRUE(answer && answer->astray);
  EXPECT_TRUE(holds(answer->astray->message, "older (revision 4)")) << answer->astray->message;
}

const std::string kUnknown = encode_frame(R"({"response":"failed","info":"host [web-1] not found"})");

TEST(ExchangeForHost, AHostThatHasLeftItsGroupIsAskedForAtTheConfiguredAddresses) {
  std::atomic<bool> left = false;
  ScriptedPeer own([&](Wire& wire) {
    const std::string asked = wire.read_frame();
    wire.write(left ? kUnknown : encode_frame(asked));
  });
  ScriptedPeer first([&](Wire& wire) {
    wire.read_frame();
    wire.write(left ? kUnknown : redirect_to(own.endpoint(), 5));
  });
  ScriptedPeer alone([](Wire& wire) { wire.write(encode_frame(wire.read_frame())); });
  Alternatives group({first.endpoint(), alone.endpoint()});
  asio::io_context io;
  const auto before = run_for_host(io, group, "web-1");
  ASSERT_TRUE(before && before->from == own.endpoint());
  left = true;
  const auto answer = run_for_host(io, group, "web-1");
  ASSERT_TRUE(answer && !answer->astray);
  EXPECT_EQ(answer->from, alone.endpoint());
  EXPECT_EQ(answer->payload, "q");
  EXPECT_EQ(group.route("web-1"), nullptr);
}

TEST(ExchangeForHost, AMapWhoseRevisionWentBackIsFollowed) {
  ScriptedPeer now([](Wire& wire) { wire.write(encode_frame(wire.read_frame())); });
  ScriptedPeer before([&](Wire& wire) {
    wire.read_frame();
    wire.write(redirect_to(now.endpoint(), 3));
  });
  ScriptedPeer other([&](Wire& wire) {
    wire.read_frame();
    wire.write(redirect_to(now.endpoint(), 3));
  });
  Alternatives group({before.endpoint(), other.endpoint()});
  ASSERT_TRUE(group.follow("web-1", other.endpoint(),
                           {.revision = 1000, .address = to_string(before.endpoint())}, steady_clock::now()));
  asio::io_context io;
  const auto answer = run_for_host(io, group, "web-1");
  ASSERT_TRUE(answer && !answer->astray);
  EXPECT_EQ(answer->from, now.endpoint());
}

TEST(ExchangeForHost, WithOnlyNobodyElseIsSentAnything) {
  ScriptedPeer other([](Wire& wire) { wire.write(encode_frame(wire.read_frame())); });
  ScriptedPeer own([&](Wire& wire) {
    wire.read_frame();
    wire.write(redirect_to(other.endpoint(), 5));
  });
  Alternatives group({own.endpoint(), other.endpoint()});
  asio::io_context io;
  std::optional<Result<Answered>> out;
  asio::co_spawn(io,
                 exchange_for_host(io, group, "web-1", {}, encode_frame("q"), steady_clock::now() + kLong,
                                   own.endpoint()),
                 [&](const std::exception_ptr& failure, Result<Answered> result) {
                   if (!failure) out = std::move(result);
                 });
  io.run();
  ASSERT_TRUE(out && *out);
  EXPECT_TRUE((*out)->moved);
  EXPECT_EQ(other.connections(), 0);
  ASSERT_NE(group.route("web-1"), nullptr);
  EXPECT_EQ(*group.route("web-1"), other.endpoint());
}

TEST(ExchangeForHost, AnAddressThatDoesNotAnswerIsNotTriedForEveryHost) {
  const Endpoint dead = closed_port();
  ScriptedPeer first([&](Wire& wire) {
    wire.read_frame();
    wire.write(redirect_to(dead, 5));
  });
  Alternatives group({first.endpoint()});
  asio::io_context io;
  const auto one = run_for_host(io, group, "web-1");
  ASSERT_TRUE(one && one->astray);
  EXPECT_TRUE(holds(one->astray->message, "cannot connect")) << one->astray->message;
  const auto other = run_for_host(io, group, "web-2");
  ASSERT_TRUE(other && other->astray);
  EXPECT_TRUE(holds(other->astray->message, "did not answer a moment ago")) << other->astray->message;
  EXPECT_EQ(group.current(), first.endpoint());
}

}  // namespace
}  // namespace bakusoku::zabbix
