#include "aws/credentials_json.h"

#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "aws/timestamp.h"
#include "base/json.h"

namespace bakusoku::aws {
namespace {

constexpr size_t kMaxKeyBytes = 128;
constexpr size_t kMaxSecretBytes = 1024;
constexpr size_t kMaxTokenBytes = 64u << 10;
constexpr size_t kMaxMessageBytes = 300;

bool is_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

std::string_view find_text(const simdjson::dom::object& object, std::string_view key) {
  std::string_view value;
  if (object[key].get_string().get(value) != simdjson::SUCCESS) return {};
  return value;
}

// The other side's words, fit for one line of a log.
std::string shown(std::string_view text) {
  std::string out = valid_utf8(text.substr(0, kMaxMessageBytes));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  }
  return out;
}

}  // namespace

Result<Credentials> decode_credentials_json(std::string_view json, CredentialsDialect dialect,
                                            std::string_view source) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  simdjson::dom::object object;
  if (parser.parse(json.data(), json.size()).get(root) != simdjson::SUCCESS ||
      root.get_object().get(object) != simdjson::SUCCESS) {
    return fail(ErrorKind::corrupt, "{}: the answer is not a JSON object", source);
  }
  if (dialect == CredentialsDialect::process) {
    int64_t version = 0;
    if (object["Version"].get_int64().get(version) != simdjson::SUCCESS || version != 1) {
      return fail(ErrorKind::corrupt, "{}: the output must have \"Version\": 1", source);
    }
  } else {
    const std::string_view code = find_text(object, "Code");
    if (!code.empty() && code != "Success") {
      const std::string_view message = find_text(object, "Message");
      return fail(Error{ErrorKind::denied, fmt::format("{}: {}: {}", source, shown(code), shown(message)),
                        shown(code)});
    }
  }
  const std::string_view token_key = dialect == CredentialsDialect::process ? "SessionToken" : "Token";
  Credentials credentials;
  credentials.access_key_id = find_text(object, "AccessKeyId");
  credentials.secret_access_key = Secret(std::string(find_text(object, "SecretAccessKey")));
  credentials.session_token = Secret(std::string(find_text(object, token_key)));
  credentials.source = source;
  for (const auto& [key, missing] :
       {std::pair<std::string_view, bool>{"AccessKeyId", credentials.access_key_id.empty()},
        {"SecretAccessKey", credentials.secret_access_key.empty()},
        {token_key, dialect == CredentialsDialect::metadata && credentials.session_token.empty()}}) {
    if (missing) return fail(ErrorKind::corrupt, "{}: the answer has no {}", source, key);
  }
  const std::string_view expiration = find_text(object, "Expiration");
  if (!expiration.empty()) {
    const auto time = parse_iso8601(expiration);
    if (!time)
      return fail(ErrorKind::corrupt, "{}: Expiration is not a time like 2026-01-31T12:00:00Z", source);
    credentials.expires = *time;
  } else {
    // Empty, as some helpers write it of keys that do not expire, is as good as none.
    simdjson::dom::element given;
    const bool there = object["Expiration"].get(given) == simdjson::SUCCESS;
    if (there && !given.is_null() && !given.is_string())
      return fail(ErrorKind::corrupt, "{}: Expiration is not a time like 2026-01-31T12:00:00Z", source);
  }
  if (auto checked = check_credentials(credentials, source); !checked) {
    return fail(ErrorKind::corrupt, "{}", checked.error().message);
  }
  return credentials;
}

std::string format_timestamp(WallTime time) {
  const auto days = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(days);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - days));
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

namespace {

// Quotes that no key has: where quotes have no meaning, they become part of the value.
bool is_quoted(std::string_view text) {
  for (const std::string_view quote : {"\"", "'", "\u201C", "\u201D", "\u2018", "\u2019"}) {
    if (text.starts_with(quote) || text.ends_with(quote)) return true;
  }
  return false;
}

}  // namespace

Result<void> check_credentials(const Credentials& credentials, std::string_view source) {
  const std::string& id = credentials.access_key_id;
  for (const auto& [what, text] : {std::pair<std::string_view, std::string_view>{"access key id", id},
                                   {"secret access key", credentials.secret_access_key.reveal()},
                                   {"session token", credentials.session_token.reveal()}}) {
    if (is_quoted(text)) {
      return fail(ErrorKind::invalid,
                  "{}: the {} stands in quotes, which belong to the value there: write it "
                  "without quotes",
                  source, what);
    }
  }
  if (id.empty() || id.size() > kMaxKeyBytes || !is_visible(id)) {
    return fail(ErrorKind::invalid, "{}: the access key id is not one (blanks, odd bytes or too long)",
                source);
  }
  const std::string& secret = credentials.secret_access_key.reveal();
  if (secret.empty() || secret.size() > kMaxSecretBytes || !is_visible(secret)) {
    return fail(ErrorKind::invalid, "{}: the secret access key is not one (blanks, odd bytes or too long)",
                source);
  }
  const std::string& token = credentials.session_token.reveal();
  if (token.size() > kMaxTokenBytes || !is_visible(token)) {
    return fail(ErrorKind::invalid, "{}: the session token is not one (blanks, odd bytes or too long)",
                source);
  }
  return {};
}

}  // namespace bakusoku::aws
