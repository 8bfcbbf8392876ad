// TLS as Zabbix does it, against servers set up as Zabbix's builds with OpenSSL and with GnuTLS are.
#include "zabbix/tls.h"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <asio/co_spawn.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "zabbix/exchange.h"
#include "zabbix/frame.h"
#include "zabbix/scripted_peer.h"

namespace bakusoku::zabbix {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr long kDay = 86400;
const std::string kDigits = "1f87b595725ac58dd977beef14b97461a7c1045b9a1c923453302c5473193478";
constexpr const char* kIdentity = "PSK 爆速 001";

// ---- The other side ----

template <typename T, void (*Free)(T*)>
struct Freed {
  void operator()(T* value) const { Free(value); }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY, EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509, X509_free>>;

struct Identity {
  Key key;
  Certificate certificate;
};

Identity begin(const std::string& common_name, bool rsa, long days) {
  static long serial = 1;
  Identity made{Key(rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256")), Certificate(X509_new())};
  X509* certificate = made.certificate.get();
  must(made.key && certificate != nullptr, "key");
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -2 * kDay);
  X509_gmtime_adj(X509_getm_notAfter(certificate), days * kDay);
  X509_NAME* name = X509_get_subject_name(certificate);
  const auto add = [name](const char* field, const std::string& value) {
    X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(value.c_str()), -1, -1, 0);
  };
  add("O", "Bakusoku, test");
  add("CN", common_name);
  X509_set_pubkey(certificate, made.key.get());
  return made;
}

void sign(Identity& identity, const Identity& issuer) {
  X509_set_issuer_name(identity.certificate.get(), X509_get_subject_name(issuer.certificate.get()));
  must(X509_sign(identity.certificate.get(), issuer.key.get(), EVP_sha256()) > 0, "signature");
}

Identity make_ca(const std::string& name) {
  Identity ca = begin(name, false, 2);
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, ca.certificate.get(), ca.certificate.get(), nullptr, nullptr, 0);
  for (const auto& [nid, value] : {std::pair{NID_basic_constraints, "critical,CA:TRUE"},
                                   std::pair{NID_key_usage, "critical,keyCertSign,cRLSign"}}) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
    must(extension != nullptr && X509_add_ext(ca.certificate.get(), extension, -1) == 1, "extension");
    X509_EXTENSION_free(extension);
  }
  sign(ca, ca);
  return ca;
}

Identity make_certificate(const Identity& ca, const std::string& name, bool rsa = true, long days = 2) {
  Identity made = begin(name, rsa, days);
  sign(made, ca);
  return made;
}

std::string pem(X509* certificate) {
  BIO* out = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(out, certificate);
  const char* text = nullptr;
  const long size = BIO_get_mem_data(out, &text);
  std::string written(text, static_cast<size_t>(size));
  BIO_free(out);
  return written;
}

std::string pem(EVP_PKEY* key, const char* passphrase = nullptr) {
  BIO* out = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(out, key, passphrase != nullptr ? EVP_aes_128_cbc() : nullptr, nullptr, 0, nullptr,
                           const_cast<char*>(passphrase));
  const char* text = nullptr;
  const long size = BIO_get_mem_data(out, &text);
  std::string written(text, static_cast<size_t>(size));
  BIO_free(out);
  return written;
}

// A list by `ca` of the certificates it takes back.
std::string make_crl(const Identity& ca, X509* revoked) {
  X509_CRL* crl = X509_CRL_new();
  X509_CRL_set_version(crl, 1);
  X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca.certificate.get()));
  ASN1_TIME* time = ASN1_TIME_new();
  X509_gmtime_adj(time, -kDay);
  X509_CRL_set1_lastUpdate(crl, time);
  if (revoked != nullptr) {
    X509_REVOKED* entry = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked));
    X509_REVOKED_set_revocationDate(entry, time);
    X509_CRL_add0_revoked(crl, entry);
  }
  X509_gmtime_adj(time, kDay);
  X509_CRL_set1_nextUpdate(crl, time);
  ASN1_TIME_free(time);
  X509_CRL_sort(crl);
  must(X509_CRL_sign(crl, ca.key.get(), EVP_sha256()) > 0, "CRL");
  BIO* out = BIO_new(BIO_s_mem());
  PEM_write_bio_X509_CRL(out, crl);
  const char* text = nullptr;
  const long size = BIO_get_mem_data(out, &text);
  std::string written(text, static_cast<size_t>(size));
  BIO_free(out);
  X509_CRL_free(crl);
  return written;
}

// What the PSK servers below know: one identity and its key.
std::string& known_psk() {
  static std::string bytes;
  return bytes;
}

unsigned find_psk(SSL*, const char* identity, unsigned char* psk, unsigned psk_size) {
  if (identity == nullptr || std::strcmp(identity, kIdentity) != 0 || known_psk().size() > psk_size) return 0;
  std::memcpy(psk, known_psk().data(), known_psk().size());
  return static_cast<unsigned>(known_psk().size());
}

ServerContext psk_server(int version, const char* ciphers) {
  known_psk().clear();
  for (size_t i = 0; i < kDigits.size(); i += 2) {
    known_psk() += static_cast<char>(std::strtoul(kDigits.substr(i, 2).c_str(), nullptr, 16));
  }
  ServerContext context(SSL_CTX_new(TLS_server_method()));
  must(SSL_CTX_set_min_proto_version(context.get(), version) == 1 &&
           SSL_CTX_set_max_proto_version(context.get(), version) == 1,
       "versions");
  must((version == TLS1_3_VERSION ? SSL_CTX_set_ciphersuites(context.get(), ciphers)
                                  : SSL_CTX_set_cipher_list(context.get(), ciphers)) == 1,
       "ciphers");
  SSL_CTX_set_psk_server_callback(context.get(), find_psk);
  return context;
}

// Wants a certificate of `ca`'s from clients, as Zabbix's server does.
ServerContext certificate_server(const Identity& identity, const Identity& ca, int version) {
  ServerContext context(SSL_CTX_new(TLS_server_method()));
  SSL_CTX_set_min_proto_version(context.get(), version);
  SSL_CTX_set_max_proto_version(context.get(), version);
  must(SSL_CTX_use_certificate(context.get(), identity.certificate.get()) == 1 &&
           SSL_CTX_use_PrivateKey(context.get(), identity.key.get()) == 1,
       "server certificate");
  must(X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), ca.certificate.get()) == 1, "CA");
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return context;
}

void echo(Wire& wire) {
  wire.write(encode_frame(wire.read_frame() + " over " + SSL_get_version(wire.tls())));
}

// ---- This side ----

Result<std::string> ask(const Endpoint& endpoint, const TlsConfig& config,
                        std::chrono::milliseconds within = 30s) {
  auto context = TlsContext::make(config);
  if (!context) return fail(context.error());
  asio::io_context io;
  std::optional<Result<std::string>> out;
  asio::co_spawn(io,
                 exchange(io, endpoint, {.tls = *context}, encode_request_frame("question"),
                          steady_clock::now() + within),
                 [&](const std::exception_ptr&, Result<std::string> result) { out = std::move(result); });
  io.run();
  return *out;
}

std::string said(const Result<std::string>& result) { return result ? *result : result.error().message; }

bool holds(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

class Tls : public testing::Test {
 protected:
  Tls() {
    directory_ = testing::TempDir() + "bakusoku-zabbix-tls.XXXXXX";
    must(::mkdtemp(directory_.data()) != nullptr, "directory");
  }
  ~Tls() override { std::filesystem::remove_all(directory_); }

  std::string file(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    const std::string path = directory_ + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    ::chmod(path.c_str(), mode);
    return path;
  }

  [[nodiscard]] static TlsConfig psk(const std::string& digits = kDigits,
                                     const std::string& identity = kIdentity) {
    return {.connect = TlsConnect::psk, .psk_identity = identity, .psk = Secret(digits)};
  }

  TlsConfig certificates(const Identity& ca, const Identity& ours) const {
    return {.connect = TlsConnect::cert,
            .ca_file = file("ca.pem", pem(ca.certificate.get())),
            .cert_file = file("cert.pem", pem(ours.certificate.get())),
            .key_file = file("key.pem", pem(ours.key.get()))};
  }

  std::string directory_;
};

// Debian's builds of Zabbix: GnuTLS, PSK with TLS 1.2 and AES-128 only.
constexpr const char* kGnuTlsLike = "PSK-AES128-GCM-SHA256:ECDHE-PSK-AES128-CBC-SHA256:PSK-AES128-CBC-SHA256";

TEST_F(Tls, APskIsTakenWithTls12AsGnuTlsBuildsOfZabbixHaveIt) {
  for (const char* ciphers : {kGnuTlsLike, "ECDHE-PSK-AES128-CBC-SHA256", "PSK-AES128-CBC-SHA"}) {
    const auto server = psk_server(TLS1_2_VERSION, ciphers);
    ScriptedPeer peer(echo, server.get());
    EXPECT_EQ(said(ask(peer.endpoint(), psk())), "question over TLSv1.2") << ciphers;
  }
}

TEST_F(Tls, APskIsTakenWithTls13) {
  // Also by a server that would rather choose a cipher whose hash a PSK is not bound to.
  for (const char* ciphers : {"TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256",
                              "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256"}) {
    const auto server = psk_server(TLS1_3_VERSION, ciphers);
    SSL_CTX_set_options(server.get(), SSL_OP_CIPHER_SERVER_PREFERENCE);
    ScriptedPeer peer(echo, server.get());
    EXPECT_EQ(said(ask(peer.endpoint(), psk())), "question over TLSv1.3") << ciphers;
  }
}

TEST_F(Tls, AServerThatHasOnlyAes256IsNotForUs) {
  const auto server = psk_server(TLS1_2_VERSION, "PSK-AES256-GCM-SHA384");
  ScriptedPeer peer(echo, server.get());
  EXPECT_TRUE(holds(said(ask(peer.endpoint(), psk())), "TLS handshake failed"));
}

TEST_F(Tls, AWrongPskOrIdentitySaysSoAndNeverThePsk) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const auto server =
        psk_server(version, version == TLS1_3_VERSION ? "TLS_AES_128_GCM_SHA256" : kGnuTlsLike);
    ScriptedPeer peer(echo, server.get());
    const std::string other(64, 'a');
    for (const auto& result :
         {ask(peer.endpoint(), psk(other)), ask(peer.endpoint(), psk(kDigits, "PSK 002"))}) {
      ASSERT_FALSE(result) << version;
      EXPECT_EQ(result.error().kind, ErrorKind::denied) << result.error().message;
      EXPECT_TRUE(holds(result.error().message,
                        "wrong PSK or identity, or the server does not accept PSK for this host"))
          << result.error().message;
      EXPECT_FALSE(holds(result.error().message, other.substr(0, 8)));
      EXPECT_FALSE(holds(result.error().message, kDigits.substr(0, 8)));
    }
  }
}

TEST_F(Tls, AServerThatShowsACertificateInsteadOfKnowingThePskIsRefused) {
  const Identity ca = make_ca("CA");
  const Identity server_identity = make_certificate(ca, "server");
  const auto server = certificate_server(server_identity, ca, TLS1_3_VERSION);
  SSL_CTX_set_verify(server.get(), SSL_VERIFY_NONE, nullptr);
  ScriptedPeer peer(echo, server.get());
  const auto result = ask(peer.endpoint(), psk());
  ASSERT_FALSE(result) << *result;
  EXPECT_EQ(result.error().kind, ErrorKind::denied);
}

TEST_F(Tls, CertificatesAreTakenWithBothVersions) {
  const Identity ca = make_ca("CA");
  const Identity server_identity = make_certificate(ca, "zabbix server");
  const Identity ours = make_certificate(ca, "agent");
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const auto server = certificate_server(server_identity, ca, version);
    ScriptedPeer peer(echo, server.get());
    // The name in the certificate is nobody's host name, and nobody asks.
    EXPECT_EQ(said(ask(peer.endpoint(), certificates(ca, ours))),
              version == TLS1_2_VERSION ? "question over TLSv1.2" : "question over TLSv1.3");
    TlsConfig fixed = certificates(ca, ours);
    fixed.server_issuer = "CN=CA,O=Bakusoku\\, test";
    fixed.server_subject = "CN=zabbix server,O=Bakusoku\\, test";
    EXPECT_TRUE(ask(peer.endpoint(), fixed));
    fixed.server_subject = "CN=another,O=Bakusoku\\, test";
    EXPECT_TRUE(holds(
        said(ask(peer.endpoint(), fixed)),
        R"(the subject of the server's certificate is "CN=zabbix server,O=Bakusoku\, test", wanted is "CN=another)"));
    fixed.server_issuer = "O=Bakusoku\\, test,CN=CA";
    EXPECT_TRUE(holds(said(ask(peer.endpoint(), fixed)), "the issuer of the server's certificate is"));
  }
}

TEST_F(Tls, AnEcdsaCertificateIsForTls13Only) {
  const Identity ca = make_ca("CA");
  const Identity server_identity = make_certificate(ca, "server", false);
  const Identity ours = make_certificate(ca, "agent");
  const auto old = certificate_server(server_identity, ca, TLS1_2_VERSION);
  ScriptedPeer old_peer(echo, old.get());
  EXPECT_TRUE(holds(said(ask(old_peer.endpoint(), certificates(ca, ours))), "TLS handshake failed"));
  const auto current = certificate_server(server_identity, ca, TLS1_3_VERSION);
  ScriptedPeer current_peer(echo, current.get());
  EXPECT_TRUE(ask(current_peer.endpoint(), certificates(ca, ours)));
}

TEST_F(Tls, AServersCertificateThatIsNotAcceptedSaysWhy) {
  const Identity ca = make_ca("CA");
  const Identity other = make_ca("Another CA");
  const Identity ours = make_certificate(ca, "agent");
  const Identity foreign = make_certificate(other, "server");
  const auto foreign_server = certificate_server(foreign, ca, TLS1_3_VERSION);
  ScriptedPeer foreign_peer(echo, foreign_server.get());
  const auto result = ask(foreign_peer.endpoint(), certificates(ca, ours));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::denied);
  EXPECT_TRUE(holds(said(result),
                    "the server's certificate is not accepted (unable to get local issuer certificate)"))
      << said(result);

  const Identity expired = make_certificate(ca, "server", true, -1);
  const auto expired_server = certificate_server(expired, ca, TLS1_2_VERSION);
  ScriptedPeer expired_peer(echo, expired_server.get());
  EXPECT_TRUE(holds(said(ask(expired_peer.endpoint(), certificates(ca, ours))), "certificate has expired"));

  const Identity revoked = make_certificate(ca, "server");
  const auto revoked_server = certificate_server(revoked, ca, TLS1_3_VERSION);
  ScriptedPeer revoked_peer(echo, revoked_server.get());
  TlsConfig config = certificates(ca, ours);
  EXPECT_TRUE(ask(revoked_peer.endpoint(), config));
  config.crl_file = file("crl.pem", make_crl(ca, nullptr));
  EXPECT_TRUE(ask(revoked_peer.endpoint(), config));
  config.crl_file = file("crl.pem", make_crl(ca, revoked.certificate.get()));
  EXPECT_TRUE(holds(said(ask(revoked_peer.endpoint(), config)), "certificate revoked"));
}

TEST_F(Tls, AServerThatDoesNotAcceptOurCertificateIsAnErrorThatSaysSo) {
  const Identity ca = make_ca("CA");
  const Identity other = make_ca("Another CA");
  const Identity server_identity = make_certificate(ca, "server");
  const Identity ours = make_certificate(other, "agent");
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const auto server = certificate_server(server_identity, ca, version);
    ScriptedPeer peer(echo, server.get());
    const auto result = ask(peer.endpoint(), certificates(ca, ours));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, ErrorKind::denied) << result.error().message;
    EXPECT_TRUE(holds(result.error().message, "the server does not accept our certificate"))
        << result.error().message;
  }
}

TEST_F(Tls, APeerThatSpeaksNoTlsIsAnError) {
  ScriptedPeer plain([](Wire& wire) {
    wire.write("ZBXD\x01 this is no TLS record at all");
    wire.wait_for_end();
  });
  const auto to_plain = ask(plain.endpoint(), psk());
  EXPECT_TRUE(holds(said(to_plain), "TLS handshake failed")) << said(to_plain);
  ScriptedPeer closing([](Wire& wire) { wire.reset(); });
  const auto to_closing = ask(closing.endpoint(), psk());
  EXPECT_TRUE(holds(said(to_closing), "TLS handshake failed (Connection reset")) << said(to_closing);
  ScriptedPeer silent([](Wire& wire) { wire.wait_for_end(); });
  const auto result = ask(silent.endpoint(), psk(), 500ms);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::timeout);
  EXPECT_TRUE(holds(said(result), "the TLS handshake was not finished"));
}

TEST_F(Tls, AnAnswerIsNotHeldBackByAPeerThatDoesNotClose) {
  const auto server = psk_server(TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256");
  bool open = true;
  {
    ScriptedPeer peer(
        [&](Wire& wire) {
          echo(wire);
          // Neither a close_notify nor an end until the other side has gone.
          wire.wait_for_end();
          open = false;
        },
        server.get());
    EXPECT_EQ(said(ask(peer.endpoint(), psk())), "question over TLSv1.3");
  }
  EXPECT_FALSE(open);
}

TEST_F(Tls, ALargePacketGoesThrough) {
  const auto server = psk_server(TLS1_2_VERSION, kGnuTlsLike);
  ScriptedPeer peer([](Wire& wire) { wire.write(encode_frame(std::to_string(wire.read_frame().size()))); },
                    server.get());
  const auto context = TlsContext::make(psk());
  ASSERT_TRUE(context);
  asio::io_context io;
  std::optional<Result<std::string>> out;
  asio::co_spawn(io,
                 exchange(io, peer.endpoint(), {.tls = *context}, encode_frame(std::string(10'000'000, 'x')),
                          steady_clock::now() + 30s),
                 [&](const std::exception_ptr&, Result<std::string> result) { out = std::move(result); });
  io.run();
  EXPECT_EQ(said(*out), "10000000");
}

TEST_F(Tls, APskComesFromAFileWhoseModeIsLookedAt) {
  const auto server = psk_server(TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256");
  ScriptedPeer peer(echo, server.get());
  TlsConfig config = psk();
  config.psk = Secret();
  config.psk_file = file("psk", kDigits + "\n");
  EXPECT_TRUE(ask(peer.endpoint(), config));
  EXPECT_TRUE(TlsContext::make(config).value()->warnings().empty());
  config.psk_file = file("open", kDigits, 0644);
  const auto warned = TlsContext::make(config).value()->warnings();
  ASSERT_EQ(warned.size(), 1u);
  EXPECT_TRUE(holds(warned[0], config.psk_file + " can be read by every user")) << warned[0];
  config.psk_file = file("grouped", kDigits, 0640);
  EXPECT_TRUE(TlsContext::make(config).value()->warnings().empty());
}

TEST_F(Tls, WhatIsConfiguredWronglyIsRefusedInWordsWithoutSecrets) {
  const auto refused = [](const TlsConfig& config) {
    const auto context = TlsContext::make(config);
    if (context) return std::string("accepted");
    EXPECT_FALSE(holds(context.error().message, kDigits.substr(0, 6))) << context.error().message;
    return context.error().message;
  };
  EXPECT_TRUE(holds(refused(TlsConfig{}), "neither a PSK nor certificates"));
  EXPECT_TRUE(holds(refused(psk(kDigits, "")), "the PSK identity must be 1 to 128 characters"));
  EXPECT_TRUE(holds(refused(psk(kDigits, std::string(129, 'x'))), "the PSK identity must be"));
  EXPECT_EQ(refused(psk(kDigits, std::string(128, 'x'))), "accepted");
  EXPECT_TRUE(holds(refused(psk(kDigits, "\xFF")), "UTF-8"));
  EXPECT_TRUE(holds(refused(psk("")), "either the PSK or the file"));
  for (const std::string& bad : {kDigits.substr(0, 30), kDigits.substr(0, 33), kDigits.substr(0, 63) + "g",
                                 std::string(514, 'a'), kDigits + "\n"}) {
    EXPECT_TRUE(holds(refused(psk(bad)), "32 to 512 hexadecimal digits")) << bad.size();
  }
  EXPECT_EQ(refused(psk(std::string(512, 'a'))), "accepted");
  TlsConfig config = psk();
  config.psk_file = file("psk", kDigits);
  EXPECT_TRUE(holds(refused(config), "either the PSK or the file"));
  config.psk = Secret();
  for (const std::string& bad :
       {std::string(), kDigits + "\n\n", kDigits + "\nmore", " " + kDigits, std::string(10'000, 'a')}) {
    config.psk_file = file("bad", bad);
    EXPECT_TRUE(holds(refused(config), "bad holds no PSK")) << bad.size();
  }
  config.psk_file = directory_ + "/none";
  EXPECT_TRUE(holds(refused(config), "cannot read the PSK file " + config.psk_file + ": No such file"));
  config.psk_file = directory_;
  EXPECT_TRUE(holds(refused(config), "Is a directory"));

  const Identity ca = make_ca("CA");
  const Identity ours = make_certificate(ca, "agent");
  const Identity other = make_certificate(ca, "other");
  const TlsConfig good = certificates(ca, ours);
  EXPECT_EQ(refused(good), "accepted");
  const auto with = [&](std::string TlsConfig::*member, const std::string& value) {
    TlsConfig changed = good;
    changed.*member = value;
    return refused(changed);
  };
  EXPECT_TRUE(
      holds(with(&TlsConfig::ca_file, ""), "the CA file, the certificate file and the key file must be set"));
  EXPECT_TRUE(holds(with(&TlsConfig::cert_file, directory_ + "/none"), "cannot read the certificate file"));
  EXPECT_TRUE(holds(with(&TlsConfig::ca_file, file("junk", "junk")), "holds no certificate in PEM form"));
  EXPECT_TRUE(holds(with(&TlsConfig::cert_file, file("junk", "junk")), "holds no certificate in PEM form"));
  EXPECT_TRUE(holds(with(&TlsConfig::key_file, file("junk", "junk")), "holds no private key in PEM form"));
  EXPECT_TRUE(holds(with(&TlsConfig::crl_file, file("junk", "junk")), "holds no revocation list"));
  EXPECT_TRUE(holds(with(&TlsConfig::key_file, file("other.pem", pem(other.key.get()))), "or not that of"));
  EXPECT_TRUE(
      holds(with(&TlsConfig::key_file, file("locked.pem", pem(ours.key.get(), "secret"))), "passphrase"));
  TlsConfig open = good;
  open.key_file = file("open.pem", pem(ours.key.get()), 0644);
  EXPECT_EQ(TlsContext::make(open).value()->warnings().size(), 1u);
}

TEST(TlsConnectSetting, HasThreeWords) {
  EXPECT_EQ(parse_tls_connect("unencrypted").value(), TlsConnect::unencrypted);
  EXPECT_EQ(parse_tls_connect("psk").value(), TlsConnect::psk);
  EXPECT_EQ(parse_tls_connect("cert").value(), TlsConnect::cert);
  EXPECT_FALSE(parse_tls_connect("PSK"));
}

}  // namespace
}  // namespace bakusoku::zabbix
