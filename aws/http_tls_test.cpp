// HTTPS against a server with certificates made here: what is accepted, and the words for what is not.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include "aws/http.h"

namespace bakusoku::aws {
namespace {

using namespace std::chrono_literals;

constexpr long kDay = 86400;

template <typename T, void (*Free)(T*)>
struct Freed {
  void operator()(T* value) const { Free(value); }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY, EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509, X509_free>>;
using Context = std::unique_ptr<SSL_CTX, Freed<SSL_CTX, SSL_CTX_free>>;
using Session = std::unique_ptr<SSL, Freed<SSL, SSL_free>>;

void must(bool done, const char* what) {
  if (!done) throw std::runtime_error(what);
}

void extend(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  must(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1, "extension");
  X509_EXTENSION_free(extension);
}

struct Identity {
  Key key;
  Certificate certificate;
};

Identity begin(const char* name, long from_seconds, long to_seconds) {
  static std::atomic<long> serial = 1;
  Identity made{Key(EVP_EC_gen("P-256")), Certificate(X509_new())};
  X509* certificate = made.certificate.get();
  must(made.key && certificate != nullptr, "key");
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate), from_seconds);
  X509_gmtime_adj(X509_getm_notAfter(certificate), to_seconds);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  X509_set_pubkey(certificate, made.key.get());
  return made;
}

void sign(Identity& identity, const Identity& issuer) {
  X509_set_issuer_name(identity.certificate.get(), X509_get_subject_name(issuer.certificate.get()));
  must(X509_sign(identity.certificate.get(), issuer.key.get(), EVP_sha256()) > 0, "signature");
}

Identity make_ca(const char* name) {
  Identity ca = begin(name, -kDay, kDay);
  extend(ca.certificate.get(), ca.certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  extend(ca.certificate.get(), ca.certificate.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  sign(ca, ca);
  return ca;
}

Identity make_server(const Identity& ca, const std::string& host, long from_seconds, long to_seconds) {
  Identity server = begin(host.c_str(), from_seconds, to_seconds);
  extend(server.certificate.get(), ca.certificate.get(), NID_subject_alt_name, ("DNS:" + host).c_str());
  sign(server, ca);
  return server;
}

// Answers each connection's first request with "over TLS", one connection after the other, on a thread of its
// own.
class TlsServer {
 public:
  explicit TlsServer(const Identity& identity) : context_(SSL_CTX_new(TLS_server_method())) {
    must(SSL_CTX_use_certificate(context_.get(), identity.certificate.get()) == 1 &&
             SSL_CTX_use_PrivateKey(context_.get(), identity.key.get()) == 1,
         "server certificate");
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    must(::bind(listener_, reinterpret_cast<sockaddr*>(&address), length) == 0 &&
             ::listen(listener_, 8) == 0 &&
             ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) == 0,
         "listener");
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~TlsServer() {
    stop_ = true;
    thread_.join();
    ::close(listener_);
  }
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  [[nodiscard]] std::string url() const { return "https://localhost:" + std::to_string(port_) + "/"; }
  [[nodiscard]] int requests() const { return requests_; }

 private:
  void serve() {
    // OpenSSL writes without MSG_NOSIGNAL, also to clients that have turned away.
    sigset_t broken_pipe;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
    while (!stop_) {
      pollfd wait{listener_, POLLIN, 0};
      if (::poll(&wait, 1, 20) <= 0) continue;
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      const timeval limit{5, 0};
      ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
      ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
      answer(fd);
      ::close(fd);
    }
  }

  void answer(int fd) {
    const Session session(SSL_new(context_.get()));
    SSL_set_fd(session.get(), fd);
    if (SSL_accept(session.get()) != 1) return;
    std::string request;
    while (request.find("\r\n\r\n") == std::string::npos) {
      char bytes[4096];
      const int got = SSL_read(session.get(), bytes, sizeof bytes);
      if (got <= 0) return;
      request.append(bytes, static_cast<size_t>(got));
    }
    ++requests_;
    const std::string reply = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\nover TLS";
    SSL_write(session.get(), reply.data(), static_cast<int>(reply.size()));
    SSL_shutdown(session.get());
  }

  Context context_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stop_ = false;
  std::atomic<int> requests_ = 0;
  std::thread thread_;
};

class HttpTlsTest : public ::testing::Test {
 protected:
  HttpTlsTest() {
    for (const char* name : {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}) ::unsetenv(name);
    std::string name = ::testing::TempDir() + "bakusoku-tls.XXXXXX";
    must(::mkdtemp(name.data()) != nullptr, "directory");
    directory_ = name;
    bundle_ = name + "/private-ca.pem";
    write_bundle(ca_);
  }
  ~HttpTlsTest() override { std::filesystem::remove_all(directory_); }

  void write_bundle(const Identity& ca) const {
    std::FILE* file = std::fopen(bundle_.c_str(), "we");
    must(file != nullptr && PEM_write_X509(file, ca.certificate.get()) == 1, "CA file");
    must(std::fclose(file) == 0, "CA file");
  }

  static asio::awaitable<void> keep(Http& http, HttpRequest request, std::optional<Result<HttpReply>>& out) {
    out = co_await http.send(std::move(request));
  }

  static Result<HttpReply> get(const TlsServer& server, const std::string& ca_bundle) {
    asio::io_context io;
    HttpSettings settings;
    settings.ca_bundle = ca_bundle;
    Http http(io, settings);
    return get(io, http, server);
  }

  static Result<HttpReply> get(asio::io_context& io, Http& http, const TlsServer& server) {
    HttpRequest request;
    request.url = server.url();
    request.timeout = 10s;
    std::optional<Result<HttpReply>> out;
    asio::co_spawn(io, keep(http, std::move(request), out), asio::detached);
    io.restart();
    io.run_for(20s);
    if (!out) return fail(ErrorKind::io, "the request never ended");
    return *out;
  }

  static void expect_refused(const Result<HttpReply>& got, const TlsServer& server, const char* reason,
                             const char* advice) {
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().kind, ErrorKind::unavailable);
    EXPECT_NE(got.error().message.find("its TLS certificate was not accepted"), std::string::npos)
        << got.error().message;
    EXPECT_NE(got.error().message.find(reason), std::string::npos) << got.error().message;
    EXPECT_NE(got.error().message.find(advice), std::string::npos) << got.error().message;
    EXPECT_EQ(server.requests(), 0) << "a signed request went to a server that was not verified";
  }

  Identity ca_ = make_ca("Bakusoku test CA");
  std::string directory_;
  std::string bundle_;
};

TEST_F(HttpTlsTest, a_private_ca_named_in_the_settings_is_trusted) {
  const TlsServer server(make_server(ca_, "localhost", -kDay, kDay));
  const Result<HttpReply> got = get(server, bundle_);
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->status, 200);
  EXPECT_EQ(got->body, "over TLS");
  EXPECT_EQ(server.requests(), 1);
}

TEST_F(HttpTlsTest, a_ca_the_system_does_not_know_is_refused_and_the_setting_named) {
  const TlsServer server(make_server(ca_, "localhost", -kDay, kDay));
  expect_refused(get(server, ""), server, "issuer certificate", "AWS_CA_BUNDLE");
}

// Here libcurl reads the bundle for each connection; where it is built to keep it for a day, this fails.
TEST_F(HttpTlsTest, a_bundle_that_is_replaced_in_place_is_read_again) {
  const Identity next = make_ca("Bakusoku test CA of next year");
  const TlsServer before(make_server(ca_, "localhost", -kDay, kDay));
  const TlsServer after(make_server(next, "localhost", -kDay, kDay));
  asio::io_context io;
  HttpSettings settings;
  settings.ca_bundle = bundle_;
  Http http(io, settings);
  ASSERT_TRUE(get(io, http, before));
  write_bundle(next);
  const Result<HttpReply> got = get(io, http, after);
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->body, "over TLS");
}

TEST_F(HttpTlsTest, a_ca_that_is_not_in_the_bundle_is_refused_and_the_setting_named) {
  const Identity other = make_ca("Another CA");
  const TlsServer server(make_server(other, "localhost", -kDay, kDay));
  expect_refused(get(server, bundle_), server, "issuer certificate", "AWS_CA_BUNDLE");
}

TEST_F(HttpTlsTest, a_certificate_for_another_name_is_refused_and_the_name_said) {
  const TlsServer server(make_server(ca_, "elsewhere.example", -kDay, kDay));
  expect_refused(get(server, bundle_), server, "host name 'localhost'", "names another host");
}

TEST_F(HttpTlsTest, an_expired_certificate_is_refused_as_expired) {
  const TlsServer server(make_server(ca_, "localhost", -2 * kDay, -kDay));
  expect_refused(get(server, bundle_), server, "expired", "clock");
}

TEST_F(HttpTlsTest, a_certificate_that_is_not_valid_yet_is_refused_as_such) {
  const TlsServer server(make_server(ca_, "localhost", kDay, 2 * kDay));
  expect_refused(get(server, bundle_), server, "not yet valid", "clock");
}

}  // namespace
}  // namespace bakusoku::aws
