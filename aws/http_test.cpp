#include "aws/http.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aws/scripted_server.h"
#include "base/version.h"

namespace bakusoku::aws {
namespace {

using namespace std::chrono_literals;

std::string gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

class HttpTest : public ::testing::Test {
 protected:
  HttpTest() {
    for (const char* name :
         {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"}) {
      ::unsetenv(name);
    }
  }

  Http& http(HttpSettings settings = {}) {
    if (!http_) http_ = std::make_unique<Http>(io_, std::move(settings));
    return *http_;
  }

  asio::awaitable<void> keep(HttpRequest request, std::optional<Result<HttpReply>>& out) {
    out = co_await http_->send(std::move(request));
  }

  // Starts a request; its reply is there after run().
  void start(HttpRequest request, std::optional<Result<HttpReply>>& out) {
    asio::co_spawn(io_, keep(std::move(request), out), asio::detached);
  }

  void run() {
    io_.restart();
    io_.run_for(20s);
  }

  Result<HttpReply> send(HttpRequest request) {
    http();
    std::optional<Result<HttpReply>> out;
    start(std::move(request), out);
    run();
    if (!out) return fail(ErrorKind::io, "the request never ended");
    return *out;
  }

  static HttpRequest get(const ScriptedServer& server, std::string_view path = "/") {
    HttpRequest request;
    request.url = server.url() + std::string(path);
    request.timeout = 5s;
    return request;
  }

  static HttpRequest post(const ScriptedServer& server, std::string body) {
    HttpRequest request = get(server);
    request.method = "POST";
    request.body = std::move(body);
    request.headers.push_back({"Content-Type", "application/x-amz-json-1.0"});
    return request;
  }

  asio::io_context io_;
  std::unique_ptr<Http> http_;
};

TEST_F(HttpTest, returns_status_headers_and_body) {
  ScriptedServer server([](const SeenRequest&) {
    return reply(418, "short and stout", {"X-One: 1", "x-two:  2 "});
  });
  const Result<HttpReply> got = send(get(server, "/tea?kind=green"));
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->status, 418);
  EXPECT_EQ(got->body, "short and stout");
  ASSERT_NE(got->header("x-one"), nullptr);
  EXPECT_EQ(*got->header("x-one"), "1");
  EXPECT_EQ(*got->header("X-TWO"), "2");
  EXPECT_EQ(got->header("x-three"), nullptr);
  const auto seen = server.seen();
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].method, "GET");
  EXPECT_EQ(seen[0].target, "/tea?kind=green");
  EXPECT_EQ(seen[0].headers.at("user-agent"), std::string("bakusoku/") + kVersion);
  EXPECT_EQ(seen[0].headers.count("expect"), 0U);
}

TEST_F(HttpTest, posts_large_bodies_whole_and_without_expect) {
  ScriptedServer server(
      [](const SeenRequest& request) { return reply(200, std::to_string(request.body.size())); });
  std::string body(300000, 'x');
  body[0] = '\0';
  const Result<HttpReply> got = send(post(server, body));
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->body, "300000");
  const auto seen = server.seen();
  EXPECT_EQ(seen[0].body, body);
  EXPECT_EQ(seen[0].headers.count("expect"), 0U);
  EXPECT_EQ(seen[0].headers.at("content-type"), "application/x-amz-json-1.0");
}

TEST_F(HttpTest, puts_without_a_body_for_instance_metadata) {
  ScriptedServer server([](const SeenRequest&) { return reply(200, "token"); });
  HttpRequest request = get(server, "/latest/api/token");
  request.method = "PUT";
  request.headers.push_back({"X-aws-ec2-metadata-token-ttl-seconds", "21600"});
  request.headers.push_back({"X-Empty", ""});
  const Result<HttpReply> got = send(std::move(request));
  ASSERT_TRUE(got) << got.error().message;
  const auto seen = server.seen();
  EXPECT_EQ(seen[0].method, "PUT");
  EXPECT_EQ(seen[0].headers.at("content-length"), "0");
  EXPECT_EQ(seen[0].headers.count("content-type"), 0U);
  EXPECT_EQ(seen[0].headers.at("x-empty"), "");
}

TEST_F(HttpTest, a_handle_used_again_forgets_the_request_before) {
  ScriptedServer server([](const SeenRequest&) { return reply(200, "ok"); });
  ASSERT_TRUE(send(post(server, "first")));
  HttpRequest put = get(server);
  put.method = "PUT";
  ASSERT_TRUE(send(std::move(put)));
  HttpRequest head = get(server);
  head.method = "HEAD";
  const Result<HttpReply> headed = send(std::move(head));
  ASSERT_TRUE(send(get(server)));
  const auto seen = server.seen();
  ASSERT_GE(seen.size(), 4U);
  EXPECT_EQ(seen[1].body, "");
  EXPECT_EQ(seen[2].method, "HEAD");
  EXPECT_EQ(seen.back().method, "GET");
  EXPECT_EQ(seen.back().headers.count("content-length"), 0U);
  EXPECT_EQ(seen.back().headers.count("content-type"), 0U);
}

TEST_F(HttpTest, keeps_connections_alive) {
  ScriptedServer server([](const SeenRequest&) { return reply(200, "ok"); });
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(send(post(server, "n")));
  EXPECT_EQ(server.connections(), 1);
  EXPECT_EQ(http_->counters().requests, 20U);
  EXPECT_EQ(http_->counters().connections, 1U);
}

TEST_F(HttpTest, sends_many_at_once_over_a_bounded_number_of_connections) {
  ScriptedServer server([](const SeenRequest& request) {
    Script script = reply(200, request.target);
    script.wait_before = 5ms;
    return script;
  });
  HttpSettings settings;
  settings.max_connections_per_host = 4;
  http(settings);
  std::vector<std::optional<Result<HttpReply>>> replies(40);
  for (size_t i = 0; i < replies.size(); ++i) start(get(server, "/" + std::to_string(i)), replies[i]);
  run();
  for (size_t i = 0; i < replies.size(); ++i) {
    ASSERT_TRUE(replies[i] && *replies[i]) << i;
    EXPECT_EQ((*replies[i])->body, "/" + std::to_string(i));
  }
  EXPECT_LE(server.connections(), 4);
}

TEST_F(HttpTest, opens_a_new_connection_when_the_server_closed_the_kept_one) {
  ScriptedServer server([](const SeenRequest&) {
    Script script = reply(200, "ok");
    script.close = true;
    return script;
  });
  for (int i = 0; i < 5; ++i) {
    const Result<HttpReply> got = send(post(server, "n"));
    ASSERT_TRUE(got) << got.error().message;
  }
  EXPECT_EQ(server.connections(), 5);
}

TEST_F(HttpTest, inflates_gzip) {
  const std::string text(100000, 'a');
  ScriptedServer server([&](const SeenRequest& request) {
    EXPECT_NE(request.headers.at("accept-encoding").find("gzip"), std::string::npos);
    return reply(200, gzip(text), {"Content-Encoding: gzip"});
  });
  const Result<HttpReply> got = send(get(server));
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->body, text);
}

TEST_F(HttpTest, refuses_a_gzip_bomb) {
  const std::string packed = gzip(std::string(10 << 20, 'a'));
  ScriptedServer server([&](const SeenRequest&) { return reply(200, packed, {"Content-Encoding: gzip"}); });
  HttpSettings settings;
  settings.max_body_bytes = 1 << 20;
  http(settings);
  const Result<HttpReply> got = send(get(server));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, ErrorKind::corrupt);
  EXPECT_NE(got.error().message.find("longer than 1048576 bytes"), std::string::npos) << got.error().message;
}

// 64 MB within the limit of the reply's length would be inflated in one turn of the loop, from what one read
// of the socket brings.
TEST_F(HttpTest, stops_inflating_long_before_the_limit_of_its_length) {
  const std::string packed = gzip(std::string(60 << 20, 'a'));
  bool asked_for_none = false;
  ScriptedServer server([&](const SeenRequest& request) {
    asked_for_none = request.headers.at("accept-encoding") == "identity";
    return reply(200, packed, {"Content-Encoding: gzip"});
  });
  HttpRequest request = get(server);
  request.headers.push_back({"Accept-Encoding", "identity"});
  const Result<HttpReply> got = send(std::move(request));
  EXPECT_TRUE(asked_for_none);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, ErrorKind::corrupt);
  EXPECT_NE(got.error().message.find("more than 100 times"), std::string::npos) << got.error().message;
}

// 40 KB of it are 40 MB of gzip, which are 40 GB of nothing.
TEST_F(HttpTest, does_not_undo_two_compressions) {
  const std::string packed = gzip(gzip(std::string(1000, 'a')));
  for (const std::vector<std::string>& headers :
       std::vector<std::vector<std::string>>{{"Content-Encoding: gzip, gzip"},
                                             {"Content-Encoding: gzip", "Content-Encoding: gzip"},
                                             {"Content-Encoding: gzip,deflate"},
                                             {"content-encoding: gzip", "Transfer-Encoding: gzip"}}) {
    ScriptedServer server([&](const SeenRequest&) { return reply(200, packed, headers); });
    const Result<HttpReply> got = send(get(server));
    ASSERT_FALSE(got) << headers.front();
    EXPECT_EQ(got.error().kind, ErrorKind::corrupt);
    EXPECT_NE(got.error().message.find("twice over"), std::string::npos) << got.error().message;
  }
  ScriptedServer plain(
      [&](const SeenRequest&) { return reply(200, "whole", {"Content-Encoding: identity"}); });
  const Result<HttpReply> got = send(get(plain));
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->body, "whole");
}

TEST_F(HttpTest, a_body_of_exactly_the_limit_passes_and_one_byte_more_does_not) {
  ScriptedServer server([&](const SeenRequest& request) {
    return reply(200, std::string(std::stoul(request.target.substr(1)), 'b'));
  });
  HttpSettings settings;
  settings.max_body_bytes = 1000;
  http(settings);
  EXPECT_TRUE(send(get(server, "/1000")));
  EXPECT_FALSE(send(get(server, "/1001")));
}

TEST_F(HttpTest, damaged_gzip_is_corrupt) {
  std::string packed = gzip(std::string(5000, 'a') + "tail");
  packed[packed.size() / 2] = static_cast<char>(~packed[packed.size() / 2]);
  packed[packed.size() / 2 + 1] = static_cast<char>(~packed[packed.size() / 2 + 1]);
  ScriptedServer server([&](const SeenRequest&) { return reply(200, packed, {"Content-Encoding: gzip"}); });
  const Result<HttpReply> got = send(get(server));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, ErrorKind::corrupt) << got.error().message;
}

TEST_F(HttpTest, a_reply_cut_at_any_byte_is_an_error_and_not_a_shorter_reply) {
  const std::string whole = reply(200, "0123456789", {"X-Header: value"}).bytes;
  ScriptedServer server([&](const SeenRequest& request) {
    Script script;
    script.bytes = whole.substr(0, std::stoul(request.target.substr(1)));
    script.close = true;
    return script;
  });
  for (size_t cut = 0; cut < whole.size(); ++cut) {
    int answered = -1;
    HttpRequest request = get(server, "/" + std::to_string(cut));
    request.answered = &answered;
    const Result<HttpReply> got = send(std::move(request));
    ASSERT_FALSE(got) << "cut at byte " << cut << " of " << whole.size();
    const bool begun = cut > whole.find('\n');
    EXPECT_TRUE(answered == 200 || (answered == 0 && !begun)) << answered << " at byte " << cut;
    EXPECT_TRUE(got.error().kind == ErrorKind::corrupt || got.error().kind == ErrorKind::unavailable)
        << got.error().message;
  }
}

TEST_F(HttpTest, a_cut_chunked_reply_is_an_error) {
  ScriptedServer server([&](const SeenRequest&) {
    Script script;
    script.bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    script.close = true;
    return script;
  });
  const Result<HttpReply> got = send(get(server));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, ErrorKind::corrupt) << got.error().message;
}

TEST_F(HttpTest, garbage_is_corrupt) {
  for (const std::string& garbage :
       {std::string("SSH-2.0-OpenSSH_9.2\r\n"), std::string(1000, '\xff'),
        std::string("<html>not http</html>\n"), std::string("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")}) {
    ScriptedServer server([&](const SeenRequest&) {
      Script script;
      script.bytes = garbage;
      script.close = true;
      return script;
    });
    const Result<HttpReply> got = send(get(server));
    ASSERT_FALSE(got) << garbage;
    EXPECT_TRUE(got.error().kind == ErrorKind::corrupt || got.error().kind == ErrorKind::unavailable)
        << got.error().message;
  }
}

TEST_F(HttpTest, endless_headers_are_corrupt) {
  for (const std::string& line :
       {std::string("X-Many: 1\r\n"), "X-Long: " + std::string(60000, 'h') + "\r\n"}) {
    ScriptedServer server([&](const SeenRequest&) {
      Script script;
      script.bytes = "HTTP/1.1 200 OK\r\n";
      for (int i = 0; i < 300; ++i) script.bytes += line;
      script.bytes += "\r\n";
      script.close = true;
      return script;
    });
    const Result<HttpReply> got = send(get(server));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().kind, ErrorKind::corrupt) << got.error().message;
  }
}

TEST_F(HttpTest, a_slow_reply_in_pieces_arrives_whole) {
  const std::string body(3000, 's');
  ScriptedServer server([&](const SeenRequest&) {
    Script script = reply(200, body);
    script.piece_bytes = 100;
    return script;
  });
  const Result<HttpReply> got = send(get(server));
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->body, body);
}

TEST_F(HttpTest, a_server_that_hangs_is_a_timeout) {
  ScriptedServer server([&](const SeenRequest& request) {
    Script script;
    if (request.target == "/half") script.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
    script.hang = true;
    return script;
  });
  for (const std::string path : {"/silent", "/half"}) {
    HttpRequest request = get(server, path);
    request.timeout = 200ms;
    const auto before = std::chrono::steady_clock::now();
    const Result<HttpReply> got = send(std::move(request));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().kind, ErrorKind::timeout) << got.error().message;
    EXPECT_LT(std::chrono::steady_clock::now() - before, 3s);
  }
}

TEST_F(HttpTest, a_closed_port_is_unavailable_and_says_where) {
  int port = 0;
  {
    ScriptedServer server([](const SeenRequest&) { return Script{}; });
    port = server.port();
  }
  HttpRequest request;
  request.url = "http://127.0.0.1:" + std::to_string(port) + "/secret-path?token=hidden";
  const Result<HttpReply> got = send(std::move(request));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, ErrorKind::unavailable);
  EXPECT_NE(got.error().message.find("http://127.0.0.1:" + std::to_string(port)), std::string::npos);
  EXPECT_EQ(got.error().message.find("hidden"), std::string::npos) << got.error().message;
}

TEST_F(HttpTest, does_not_follow_redirects) {
  ScriptedServer server(
      [](const SeenRequest&) { return reply(302, "", {"Location: http://127.0.0.1:1/other"}); });
  const Result<HttpReply> got = send(get(server));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, 302);
  EXPECT_EQ(server.seen().size(), 1U);
}

TEST_F(HttpTest, refuses_other_protocols_and_header_injection) {
  HttpRequest file;
  file.url = "file:///etc/passwd";
  EXPECT_EQ(send(std::move(file)).error().kind, ErrorKind::invalid);
  HttpRequest injected;
  injected.url = "http://127.0.0.1:1/";
  injected.headers.push_back({"X-Token", "a\r\nX-Other: b"});
  EXPECT_EQ(send(std::move(injected)).error().kind, ErrorKind::invalid);
  HttpRequest blank;
  blank.url = "http://127.0.0.1:1/a b";
  EXPECT_EQ(send(std::move(blank)).error().kind, ErrorKind::invalid);
}

TEST_F(HttpTest, speaks_tls_only_to_who_speaks_it) {
  ScriptedServer server([](const SeenRequest&) { return reply(200, "ok"); });
  HttpRequest request;
  request.url = "https://127.0.0.1:" + std::to_string(server.port()) + "/";
  request.timeout = 500ms;
  const Result<HttpReply> got = send(std::move(request));
  ASSERT_FALSE(got);
  EXPECT_TRUE(got.error().kind == ErrorKind::unavailable || got.error().kind == ErrorKind::timeout)
      << got.error().message;
}

TEST_F(HttpTest, a_missing_ca_file_is_named) {
  ScriptedServer server([](const SeenRequest&) { return reply(200, "ok"); });
  HttpSettings settings;
  settings.ca_bundle = "/nowhere/ca.pem";
  http(settings);
  HttpRequest request;
  request.url = "https://127.0.0.1:" + std::to_string(server.port()) + "/";
  const Result<HttpReply> got = send(std::move(request));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, ErrorKind::invalid);
  EXPECT_NE(got.error().message.find("/nowhere/ca.pem"), std::string::npos) << got.error().message;
}

TEST_F(HttpTest, goes_through_the_proxy_that_is_set_but_not_for_metadata) {
  ScriptedServer origin([](const SeenRequest&) { return reply(200, "origin"); });
  ScriptedServer proxy([](const SeenRequest&) { return reply(200, "proxy"); });
  HttpSettings settings;
  settings.proxy = proxy.url();
  http(settings);
  const Result<HttpReply> through = send(get(origin, "/a"));
  ASSERT_TRUE(through) << through.error().message;
  EXPECT_EQ(through->body, "proxy");
  EXPECT_EQ(proxy.seen()[0].target, origin.url() + "/a");
  HttpRequest direct = get(origin, "/b");
  direct.use_proxy = false;
  const Result<HttpReply> straight = send(std::move(direct));
  ASSERT_TRUE(straight) << straight.error().message;
  EXPECT_EQ(straight->body, "origin");
  const Result<HttpReply> again = send(get(origin, "/c"));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->body, "proxy");
}

TEST_F(HttpTest, goes_through_the_environments_proxy_but_not_for_metadata) {
  ScriptedServer origin([](const SeenRequest&) { return reply(200, "origin"); });
  ScriptedServer proxy([](const SeenRequest&) { return reply(200, "proxy"); });
  ::setenv("http_proxy", proxy.url().c_str(), 1);
  const Result<HttpReply> through = send(get(origin));
  HttpRequest direct = get(origin);
  direct.use_proxy = false;
  const Result<HttpReply> straight = send(std::move(direct));
  ::setenv("no_proxy", "127.0.0.1", 1);
  const Result<HttpReply> excepted = send(get(origin));
  ::unsetenv("http_proxy");
  ::unsetenv("no_proxy");
  ASSERT_TRUE(through && straight && excepted);
  EXPECT_EQ(through->body, "proxy");
  EXPECT_EQ(straight->body, "origin");
  EXPECT_EQ(excepted->body, "origin");
}

TEST_F(HttpTest, a_proxy_that_refuses_is_named_with_what_to_do) {
  int status = 407;
  ScriptedServer proxy([&status](const SeenRequest& request) {
    EXPECT_EQ(request.method, "CONNECT");
    return reply(status, "");
  });
  const auto words = [&](const std::string& user) {
    http_.reset();
    HttpSettings settings;
    settings.proxy = fmt::format("http://{}127.0.0.1:{}", user, proxy.port());
    http(settings);
    HttpRequest request;
    request.url = "https://monitoring.example:443/";
    const auto got = send(std::move(request));
    EXPECT_FALSE(got);
    return got ? std::string() : got.error().message;
  };
  const std::string place = fmt::format("the proxy http://127.0.0.1:{} ([aws] proxy)", proxy.port());
  EXPECT_NE(words("").find(place + " wants a user and password (HTTP status 407)"), std::string::npos)
      << words("");
  const std::string refused = words("me:hunter2@");
  EXPECT_NE(refused.find(place + " does not accept the user and password"), std::string::npos) << refused;
  EXPECT_EQ(refused.find("hunter2"), std::string::npos);
  status = 403;
  EXPECT_NE(words("").find("forbids it (HTTP status 403)"), std::string::npos) << words("");
  status = 503;
  EXPECT_NE(words("").find("does not connect to it (HTTP status 503)"), std::string::npos) << words("");
}

// libcurl repeats a proxy's URL that it cannot read, whole or in part.
TEST_F(HttpTest, no_message_holds_a_part_of_a_proxys_password) {
  const std::string password = "Hunter2Secret";
  ScriptedServer origin([](const SeenRequest&) { return reply(200, "origin"); });
  for (const std::string scheme : {"http://", "https://", "socks9://", "ftp://", "http:/", ""}) {
    for (const std::string special : {"", "#", "/", "?", "@", " ", ":", "%", "\\", "'", "["}) {
      for (const std::string place : {"@127.0.0.1:1", "@127.0.0.1:x", "@127.0.0.1:99999", "@", "", "@:1"}) {
        if (special == "@" && place.empty()) continue;  // a good URL, of a host that is named so
        const std::string url = scheme + "user:" + password + special + password + place;
        for (const bool setting : {true, false}) {
          http_.reset();
          HttpSettings settings;
          if (setting) {
            settings.proxy = url;
          } else {
            ::setenv("http_proxy", url.c_str(), 1);
          }
          http(settings);
          HttpRequest request = get(origin);
          request.timeout = 300ms;
          const auto got = send(std::move(request));
          ::unsetenv("http_proxy");
          if (got) continue;
          EXPECT_EQ(got.error().message.find(password), std::string::npos)
              << url << ": " << got.error().message;
          EXPECT_EQ(got.error().message.find("Secret"), std::string::npos)
              << url << ": " << got.error().message;
        }
      }
    }
  }
}

TEST_F(HttpTest, cancelling_the_coroutine_ends_the_transfer) {
  ScriptedServer server([](const SeenRequest&) {
    Script script;
    script.hang = true;
    return script;
  });
  http();
  asio::cancellation_signal cancel;
  std::optional<Result<HttpReply>> out;
  HttpRequest request = get(server);
  asio::co_spawn(io_, keep(std::move(request), out),
                 asio::bind_cancellation_slot(cancel.slot(), asio::detached));
  asio::steady_timer timer(io_, 100ms);
  timer.async_wait([&](const std::error_code&) { cancel.emit(asio::cancellation_type::terminal); });
  const auto before = std::chrono::steady_clock::now();
  run();
  EXPECT_LT(std::chrono::steady_clock::now() - before, 3s);
  ASSERT_TRUE(out);
  EXPECT_FALSE(*out);
  // The client is as good as before.
  ScriptedServer other([](const SeenRequest&) { return reply(200, "ok"); });
  EXPECT_TRUE(send(get(other)));
}

TEST_F(HttpTest, destroying_the_client_under_way_fails_the_requests_and_leaks_nothing) {
  ScriptedServer server([](const SeenRequest&) {
    Script script;
    script.hang = true;
    return script;
  });
  http();
  std::vector<std::optional<Result<HttpReply>>> replies(5);
  for (auto& out : replies) start(get(server), out);
  io_.run_for(100ms);
  http_.reset();
  run();
  for (const auto& out : replies) {
    ASSERT_TRUE(out);
    ASSERT_FALSE(*out);
    EXPECT_EQ(out->error().kind, ErrorKind::unavailable);
  }
}

TEST_F(HttpTest, destroying_client_and_loop_under_way_leaks_nothing) {
  ScriptedServer server([](const SeenRequest&) {
    Script script;
    script.hang = true;
    return script;
  });
  auto io = std::make_unique<asio::io_context>();
  auto client = std::make_unique<Http>(*io, HttpSettings{});
  const auto ask = [](Http& with, HttpRequest request) -> asio::awaitable<void> {
    const Result<HttpReply> ignored = co_await with.send(std::move(request));
    (void)ignored;
  };
  for (int i = 0; i < 3; ++i) asio::co_spawn(*io, ask(*client, get(server)), asio::detached);
  io->run_for(100ms);
  client.reset();
  io.reset();
}

TEST_F(HttpTest, an_unknown_host_is_unavailable) {
  HttpRequest request;
  request.url = "http://ec2.nowhere-1.invalid/";
  request.timeout = 5s;
  const Result<HttpReply> got = send(std::move(request));
  ASSERT_FALSE(got);
  // A machine without DNS may not even find out that the name is wrong.
  EXPECT_TRUE(got.error().kind == ErrorKind::unavailable || got.error().kind == ErrorKind::timeout)
      << got.error().message;
}

}  // namespace
}  // namespace bakusoku::aws
