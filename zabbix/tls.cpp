#include "zabbix/tls.h"

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "base/json.h"

namespace bakusoku::zabbix {
namespace {

// As Zabbix's own agents offer them. A GnuTLS server of Zabbix knows nothing but TLS 1.2 with AES-128; with
// AES_256_GCM_SHA384 on the list, a 1.3 server may choose it and lose the PSK, which is bound to SHA-256.
constexpr const char* kPskCiphers = "kECDHEPSK+AES128:kPSK+AES128";
constexpr const char* kPskSuites = "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";
constexpr const char* kCertificateCiphers = "EECDH+aRSA+AES128:RSA+aRSA+AES128";

constexpr size_t kMaxIdentityCharacters = 128;
constexpr size_t kMinPskDigits = 32;
constexpr size_t kMaxPskDigits = 512;
constexpr std::string_view kPskRule =
    "it must be one line of 32 to 512 hexadecimal digits, an even number, as `openssl rand -hex 32` prints";

// The reason OpenSSL gives for the last failure, and an empty queue.
std::string openssl_reason() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  std::string text = reason == nullptr ? "no reason given" : reason;
  ERR_clear_error();
  return text;
}

std::optional<uint8_t> hex_digit(char ch) {
  if (ch >= '0' && ch <= '9') return static_cast<uint8_t>(ch - '0');
  if (ch >= 'a' && ch <= 'f') return static_cast<uint8_t>(ch - 'a' + 10);
  if (ch >= 'A' && ch <= 'F') return static_cast<uint8_t>(ch - 'A' + 10);
  return std::nullopt;
}

// The bytes that `digits` write; nothing when it is no PSK.
std::optional<Secret> decode_psk(std::string_view digits) {
  if (digits.size() < kMinPskDigits || digits.size() > kMaxPskDigits || digits.size() % 2 != 0)
    return std::nullopt;
  std::string bytes(digits.size() / 2, '\0');
  bool good = true;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto high = hex_digit(digits[2 * i]);
    const auto low = hex_digit(digits[2 * i + 1]);
    good = good && high && low;
    if (good) bytes[i] = static_cast<char>(*high << 4 | *low);
  }
  Secret psk(std::move(bytes));
  if (!good) return std::nullopt;
  return psk;
}

tl::unexpected<Error> cannot_read(std::string_view what, const std::string& file, int error) {
  const auto kind = error == EACCES   ? ErrorKind::denied
                    : error == ENOENT ? ErrorKind::invalid
                                      : ErrorKind::io;
  return fail(kind, "cannot read the {} {}: {}", what, file, std::strerror(error));
}

// Opens to see whether it can be read, since OpenSSL's own words do not tell; warns when others can, too.
Result<void> look_at(std::string_view what, const std::string& file, std::vector<std::string>* warnings) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return cannot_read(what, file, errno);
  struct stat about {};
  const int looked = ::fstat(fd, &about);
  const int error = errno;
  ::close(fd);
  if (looked != 0) return cannot_read(what, file, error);
  if (S_ISDIR(about.st_mode)) return cannot_read(what, file, EISDIR);
  if (warnings != nullptr && (about.st_mode & (S_IRWXO | S_IWGRP)) != 0) {
    warnings->push_back(
        fmt::format("the {} {} can be read by every user, or changed by others than its owner (mode {:04o}): "
                    "chmod 640 or 600 it",
                    what, file, about.st_mode & 07777));
  }
  return {};
}

Result<Secret> read_psk_file(const std::string& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return cannot_read("PSK file", file, errno);
  std::string text(kMaxPskDigits + 3, '\0');  // and a line end, and what is too much
  size_t size = 0;
  ssize_t got = 0;
  while (size < text.size() && (got = ::read(fd, text.data() + size, text.size() - size)) != 0) {
    if (got < 0 && errno != EINTR) break;
    if (got > 0) size += static_cast<size_t>(got);
  }
  const int error = errno;
  ::close(fd);
  const Secret whole(std::move(text));
  if (got < 0) return cannot_read("PSK file", file, error);
  std::string_view line(whole.reveal().data(), size);
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  auto psk = decode_psk(line);
  if (!psk) return fail(ErrorKind::invalid, "the PSK file {} holds no PSK: {}", file, kPskRule);
  return std::move(*psk);
}

int no_passphrase(char*, int, int, void*) { return 0; }

// Where a TlsContext finds itself from its SSL_CTX.
int context_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

}  // namespace

std::string distinguished_name(const X509_NAME* name) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), &BIO_free);
  // UTF-8 stays as it is: Zabbix escapes no upper half either.
  constexpr unsigned long kForm = XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB);
  if (!out || name == nullptr || X509_NAME_print_ex(out.get(), name, 0, kForm) < 0) return {};
  const char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return size > 0 ? std::string(text, static_cast<size_t>(size)) : std::string();
}

Result<TlsConnect> parse_tls_connect(std::string_view text) {
  if (text == "unencrypted") return TlsConnect::unencrypted;
  if (text == "psk") return TlsConnect::psk;
  if (text == "cert") return TlsConnect::cert;
  return fail(ErrorKind::invalid, "\"{}\" is no way to connect: use unencrypted, psk or cert", text);
}

TlsContext::~TlsContext() = default;

Result<std::shared_ptr<const TlsContext>> TlsContext::make(const TlsConfig& config) {
  std::shared_ptr<TlsContext> context(new TlsContext);
  const Result<void> done = context->set_up(config);
  if (!done) return fail(done.error().with_context("TLS to Zabbix"));
  return context;
}

Result<void> TlsContext::set_up(const TlsConfig& config) {
  ERR_clear_error();
  connect_ = config.connect;
  context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* const context = context_.get();
  if (context == nullptr || context_index() < 0 || SSL_CTX_set_ex_data(context, context_index(), this) != 1 ||
      SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) != 1) {
    return fail(ErrorKind::io, "OpenSSL cannot be set up: {}", openssl_reason());
  }
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  switch (config.connect) {
    case TlsConnect::unencrypted:
      break;
    case TlsConnect::psk:
      return set_up_psk(config);
    case TlsConnect::cert:
      return set_up_certificates(config);
  }
  return fail(ErrorKind::invalid, "neither a PSK nor certificates are asked for");
}

Result<void> TlsContext::set_up_psk(const TlsConfig& config) {
  const auto is_start = [](char ch) { return (static_cast<uint8_t>(ch) & 0xC0) != 0x80; };
  const auto characters =
      static_cast<size_t>(std::count_if(config.psk_identity.begin(), config.psk_identity.end(), is_start));
  if (characters == 0 || characters > kMaxIdentityCharacters ||
      config.psk_identity.size() > PSK_MAX_IDENTITY_LEN ||
      config.psk_identity.find('\0') != std::string::npos ||
      valid_utf8(config.psk_identity) != config.psk_identity) {
    return fail(ErrorKind::invalid, "the PSK identity must be 1 to {} characters of UTF-8, at most {} bytes",
                kMaxIdentityCharacters, static_cast<int>(PSK_MAX_IDENTITY_LEN));
  }
  psk_identity_ = config.psk_identity;
  if (config.psk_file.empty() == config.psk.empty()) {
    return fail(ErrorKind::invalid, "for PSK, either the PSK or the file that holds it must be set");
  }
  if (config.psk_file.empty()) {
    auto psk = decode_psk(config.psk.reveal());
    if (!psk) return fail(ErrorKind::invalid, "the PSK is none: {}", kPskRule);
    psk_ = std::move(*psk);
  } else {
    Result<void> looked = look_at("PSK file", config.psk_file, &warnings_);
    if (!looked) return looked;
    auto psk = read_psk_file(config.psk_file);
    if (!psk) return fail(psk.error());
    psk_ = std::move(*psk);
  }
  SSL_CTX* const context = context_.get();
  if (SSL_CTX_set_cipher_list(context, kPskCiphers) != 1 ||
      SSL_CTX_set_ciphersuites(context, kPskSuites) != 1) {
    return fail(ErrorKind::io, "this OpenSSL has none of Zabbix's ciphers for PSK: {}", openssl_reason());
  }
  SSL_CTX_set_psk_client_callback(context, &TlsContext::give_psk);
  // A server that answers a PSK with a certificate is not the one that knows it.
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  return {};
}

Result<void> TlsContext::set_up_certificates(const TlsConfig& config) {
  if (config.ca_file.empty() || config.cert_file.empty() || config.key_file.empty()) {
    return fail(ErrorKind::invalid,
                "for certificates, the CA file, the certificate file and the key file must be set");
  }
  server_issuer_ = config.server_issuer;
  server_subject_ = config.server_subject;
  for (const auto& [what, file] : {std::pair{"CA file", &config.ca_file},
                                   {"CRL file", &config.crl_file},
                                   {"certificate file", &config.cert_file}}) {
    if (file->empty()) continue;
    Result<void> looked = look_at(what, *file, nullptr);
    if (!looked) return looked;
  }
  Result<void> looked = look_at("key file", config.key_file, &warnings_);
  if (!looked) return looked;
  SSL_CTX* const context = context_.get();
  SSL_CTX_set_default_passwd_cb(context, no_passphrase);  // OpenSSL's own would ask at the terminal
  if (SSL_CTX_set_cipher_list(context, kCertificateCiphers) != 1) {
    return fail(ErrorKind::io, "this OpenSSL has none of Zabbix's ciphers for certificates: {}",
                openssl_reason());
  }
  if (SSL_CTX_load_verify_locations(context, config.ca_file.c_str(), nullptr) != 1) {
    return fail(ErrorKind::invalid, "the CA file {} holds no certificate in PEM form: {}", config.ca_file,
                openssl_reason());
  }
  if (!config.crl_file.empty()) {
    X509_STORE* const store = SSL_CTX_get_cert_store(context);
    X509_LOOKUP* const lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
    if (lookup == nullptr || X509_load_crl_file(lookup, config.crl_file.c_str(), X509_FILETYPE_PEM) <= 0) {
      return fail(ErrorKind::invalid, "the CRL file {} holds no revocation list in PEM form: {}",
                  config.crl_file, openssl_reason());
    }
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  }
  if (SSL_CTX_use_certificate_chain_file(context, config.cert_file.c_str()) != 1) {
    return fail(ErrorKind::invalid, "the certificate file {} holds no certificate in PEM form: {}",
                config.cert_file, openssl_reason());
  }
  if (SSL_CTX_use_PrivateKey_file(context, config.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return fail(
        ErrorKind::invalid,
        "the key file {} holds no private key in PEM form, one with a passphrase, or not that of {}: {}",
        config.key_file, config.cert_file, openssl_reason());
  }
  if (SSL_CTX_check_private_key(context) != 1) {
    return fail(ErrorKind::invalid, "the key file {} is not that of the certificate file {}", config.key_file,
                config.cert_file);
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  return {};
}

// Serves TLS 1.2 and 1.3 alike.
unsigned TlsContext::give_psk(SSL* connection, const char* /*hint*/, char* identity, unsigned identity_size,
                              unsigned char* psk, unsigned psk_size) {
  const auto* self =
      static_cast<const TlsContext*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), context_index()));
  if (self == nullptr || self->psk_identity_.size() >= identity_size ||
      self->psk_.reveal().size() > psk_size) {
    return 0;
  }
  std::memcpy(identity, self->psk_identity_.c_str(), self->psk_identity_.size() + 1);
  std::memcpy(psk, self->psk_.reveal().data(), self->psk_.reveal().size());
  return static_cast<unsigned>(self->psk_.reveal().size());
}

Result<void> TlsContext::check_peer(const SSL* connection) const {
  if (connect_ != TlsConnect::cert) return {};
  const std::unique_ptr<X509, decltype(&X509_free)> peer(SSL_get1_peer_certificate(connection), &X509_free);
  if (!peer) return fail(ErrorKind::denied, "the server has shown no certificate");
  const std::string issuer = distinguished_name(X509_get_issuer_name(peer.get()));
  const std::string subject = distinguished_name(X509_get_subject_name(peer.get()));
  if (!server_issuer_.empty() && issuer != server_issuer_) {
    return fail(ErrorKind::denied, "the issuer of the server's certificate is \"{}\", wanted is \"{}\"",
                issuer, server_issuer_);
  }
  if (!server_subject_.empty() && subject != server_subject_) {
    return fail(ErrorKind::denied, "the subject of the server's certificate is \"{}\", wanted is \"{}\"",
                subject, server_subject_);
  }
  return {};
}

std::string TlsContext::advice(const SSL* connection) const {
  if (connect_ == TlsConnect::psk) {
    return "wrong PSK or identity, or the server does not accept PSK for this host";
  }
  const long verified = SSL_get_verify_result(connection);
  if (verified != X509_V_OK) {
    return fmt::format("the server's certificate is not accepted ({}): look at the CA file and the CRL file",
                       X509_verify_cert_error_string(verified));
  }
  return "the server does not accept our certificate, or none for this host; its log says why";
}

}  // namespace bakusoku::zabbix
