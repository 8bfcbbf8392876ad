#include "zabbix.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

// The list as it is, without a copy in the source: ZBXMOD_HOST_NAMES is its path.
asm(".pushsection .rodata\n"
    ".global zbxmod_host_names\n"
    "zbxmod_host_names:\n"
    ".incbin \"" ZBXMOD_HOST_NAMES
    "\"\n"
    ".global zbxmod_host_names_end\n"
    "zbxmod_host_names_end:\n"
    ".popsection\n");
extern "C" const char zbxmod_host_names[];
extern "C" const char zbxmod_host_names_end[];

namespace zbxmod::host {
namespace {

struct Names {
  std::unordered_map<std::string_view, std::string_view> symbols;                // to "6.0=aps,7.0=a"
  std::vector<std::pair<std::string_view, std::vector<std::string_view>>> keys;  // by version, sorted
};

std::string_view take(std::string_view& rest, char separator) {
  const size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return word;
}

Names read_names() {
  Names names;
  std::string_view rest(zbxmod_host_names, static_cast<size_t>(zbxmod_host_names_end - zbxmod_host_names));
  while (!rest.empty()) {
    std::string_view line = take(rest, '\n');
    const std::string_view kind = take(line, ' ');
    const std::string_view who = take(line, ' ');
    if (kind == "keys") {
      std::vector<std::string_view> keys;
      while (!line.empty()) keys.push_back(take(line, ' '));
      names.keys.emplace_back(who, std::move(keys));
    } else if (kind == "symbols") {
      while (!line.empty()) names.symbols.emplace(take(line, ' '), who);
    }
  }
  return names;
}

const Names& names() {
  static const Names all = read_names();
  return all;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " and " : ", ";
    out += words[i];
  }
  return out;
}

std::string programs(std::string_view letters) {
  std::vector<std::string> words;
  for (const char letter : letters) {
    words.emplace_back(letter == 'a' ? "zabbix_agentd" : letter == 'p' ? "zabbix_proxy" : "zabbix_server");
  }
  return joined(words);
}

// The libraries that Debian's zabbix_agentd, zabbix_server and zabbix_proxy 6.0 and 7.0 load, with what they
// load.
struct Prefix {
  std::string_view prefix;
  std::string_view library;
};
constexpr Prefix prefixes[] = {
    {"curl_", "libcurl"},      {"Curl_", "libcurl"},
    {"SSL_", "OpenSSL"},       {"CRYPTO_", "OpenSSL"},
    {"EVP_", "OpenSSL"},       {"X509_", "OpenSSL"},
    {"BIO_", "OpenSSL"},       {"OPENSSL_", "OpenSSL"},
    {"ERR_", "OpenSSL"},       {"PEM_", "OpenSSL"},
    {"RSA_", "OpenSSL"},       {"BN_", "OpenSSL"},
    {"ASN1_", "OpenSSL"},      {"SHA256_", "OpenSSL"},
    {"HMAC_", "OpenSSL"},      {"gnutls_", "GnuTLS"},
    {"_gnutls_", "GnuTLS"},    {"nettle_", "Nettle"},
    {"__gmp", "GMP"},          {"asn1_", "libtasn1"},
    {"idn2_", "libidn2"},      {"nghttp2_", "nghttp2"},
    {"ldap_", "OpenLDAP"},     {"ber_", "OpenLDAP"},
    {"lutil_", "OpenLDAP"},    {"pcre_", "PCRE"},
    {"pcre2_", "PCRE2"},       {"event_", "libevent"},
    {"evbuffer_", "libevent"}, {"evhttp_", "libevent"},
    {"evutil_", "libevent"},   {"bufferevent_", "libevent"},
    {"evdns_", "libevent"},    {"xmlParse", "libxml2"},
    {"xmlNode", "libxml2"},    {"xmlFree", "libxml2"},
    {"sqlite3_", "SQLite"},    {"PQconnect", "libpq"},
    {"PQexec", "libpq"},       {"mysql_", "the MySQL client"},
    {"ssh_", "libssh"},        {"libssh2_", "libssh2"},
    {"SQLAlloc", "unixODBC"},  {"SQLExec", "unixODBC"},
    {"snmp_", "Net-SNMP"},     {"netsnmp_", "Net-SNMP"},
    {"ipmi_", "OpenIPMI"},     {"modbus_", "libmodbus"},
    {"deflateInit", "zlib"},   {"inflateInit", "zlib"},
    {"deflateEnd", "zlib"},    {"inflateEnd", "zlib"},
    {"crc32_z", "zlib"},       {"ZSTD_", "zstd"},
    {"lzma_", "liblzma"},      {"krb5_", "Kerberos"},
    {"gss_", "GSSAPI"},
};

}  // namespace

std::string who_exports(std::string_view symbol) {
  const auto found = names().symbols.find(symbol);
  if (found == names().symbols.end()) return {};
  std::string out;
  for (std::string_view rest = found->second; !rest.empty();) {
    std::string_view group = take(rest, ',');
    const std::string version(take(group, '='));
    if (!out.empty()) out += rest.empty() ? ", and by " : ", by ";
    out += programs(group) + " " + version;
  }
  for (const auto& [version, keys] : names().keys) {
    if (!exports(version, symbol)) out += ", not by " + std::string(version);
  }
  return out;
}

bool exports(std::string_view version, std::string_view symbol) {
  const auto found = names().symbols.find(symbol);
  return found != names().symbols.end() &&
         found->second.find(std::string(version) + "=") != std::string_view::npos;
}

std::string_view library_with(std::string_view symbol) {
  const auto found = std::find_if(std::begin(prefixes), std::end(prefixes),
                                  [&](const Prefix& each) { return symbol.starts_with(each.prefix); });
  return found == std::end(prefixes) ? std::string_view() : found->library;
}

std::string who_has_key(std::string_view key) {
  std::vector<std::string> versions;
  for (const auto& [version, keys] : names().keys) {
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) versions.emplace_back(version);
  }
  return joined(versions);
}

bool is_simple_check(std::string_view key) {
  return key == "icmpping" || key == "icmppingloss" || key == "icmppingsec" || key.starts_with("vmware.");
}

}  // namespace zbxmod::host
