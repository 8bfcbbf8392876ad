// TLS towards Zabbix servers and proxies, by Zabbix's own rules, which are not the web's: TLS 1.2 or 1.3; by
// pre-shared key (PSK), or by certificates of a CA named in the configuration; host names are never looked
// at. With a CA of one's own the server's issuer and subject can be fixed besides, written as Zabbix writes
// them: RFC 4514, the most specific part first ("CN=zabbix server,O=Example"). Uses OpenSSL, opens no socket;
// made once, used for many connections of one thread.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/secret.h"

namespace bakusoku::zabbix {

enum class TlsConnect { unencrypted, psk, cert };

/// "unencrypted", "psk" or "cert". Fails (`invalid`) naming the choices.
[[nodiscard]] Result<TlsConnect> parse_tls_connect(std::string_view text);

/// Zabbix's TLSConnect=, TLSPSKIdentity=, TLSPSKFile= and so on. Empty: not set.
struct TlsConfig {
  TlsConnect connect = TlsConnect::unencrypted;
  std::string psk_identity{};  // 1 to 128 characters
  std::string psk_file{};      // one line of 32 to 512 hexadecimal digits
  Secret psk{};                // the digits themselves, instead of the file
  std::string ca_file{};
  std::string crl_file{};
  std::string cert_file{};  // our certificate, with its chain
  std::string key_file{};   // without passphrase
  std::string server_issuer{};
  std::string server_subject{};
};

class TlsContext {
 public:
  /// Reads the files. Errors: invalid (a setting is missing or wrong), denied or io (a file cannot be read);
  /// each names the setting or the file. `connect` must not be unencrypted.
  [[nodiscard]] static Result<std::shared_ptr<const TlsContext>> make(const TlsConfig& config);

  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ~TlsContext();

  [[nodiscard]] SSL_CTX* handle() const { return context_.get(); }
  /// What should be put right although it works: files that others can read.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

  /// After the handshake: whether the server's certificate is of the issuer and subject wanted. Fails
  /// (`denied`) with what it is instead.
  [[nodiscard]] Result<void> check_peer(const SSL* connection) const;

  /// What to look at when a handshake failed: appended to the error.
  [[nodiscard]] std::string advice(const SSL* connection) const;

 private:
  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };

  TlsContext() = default;
  [[nodiscard]] Result<void> set_up(const TlsConfig& config);
  [[nodiscard]] Result<void> set_up_psk(const TlsConfig& config);
  [[nodiscard]] Result<void> set_up_certificates(const TlsConfig& config);
  static unsigned give_psk(SSL* connection, const char* hint, char* identity, unsigned identity_size,
                           unsigned char* psk, unsigned psk_size);

  std::unique_ptr<SSL_CTX, Free> context_;
  TlsConnect connect_ = TlsConnect::psk;
  std::string psk_identity_;
  Secret psk_;  // the key's bytes
  std::string server_issuer_;
  std::string server_subject_;
  std::vector<std::string> warnings_;
};

/// "CN=zabbix server,O=Example", in Zabbix's form.
[[nodiscard]] std::string distinguished_name(const X509_NAME* name);

}  // namespace bakusoku::zabbix
