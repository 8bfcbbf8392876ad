#include "simaws/http.h"

#include <zlib.h>

#include <algorithm>
#include <charconv>

namespace bakusoku::simaws {
namespace {

constexpr size_t kMinGzipBytes = 1024;

char lower(char ch) { return ch >= 'A' && ch <= 'Z' ? static_cast<char>(ch + 32) : ch; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r'))
    text.remove_suffix(1);
  return text;
}

bool contains_token(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const size_t comma = list.find(',');
    const std::string_view item = list.substr(0, comma);
    if (equal_ignoring_case(trim(item.substr(0, item.find(';'))), token)) return true;
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  return false;
}

int hex_value(char ch) {
  if (ch >= '0' && ch <= '9') return ch - '0';
  if (ch >= 'a' && ch <= 'f') return ch - 'a' + 10;
  if (ch >= 'A' && ch <= 'F') return ch - 'A' + 10;
  return -1;
}

std::string gzip_of(const std::string& body) {
  z_stream stream{};
  constexpr int kGzipFraming = 16;
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS + kGzipFraming, 8, Z_DEFAULT_STRATEGY) !=
      Z_OK)
    return {};
  std::string out(deflateBound(&stream, body.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
  stream.avail_in = static_cast<uInt>(body.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int status = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return status == Z_STREAM_END ? out : std::string();
}

Result<void> read_header(Head& head, std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0)
    return fail(ErrorKind::corrupt, "a header line without a name");
  const std::string_view name = line.substr(0, colon);
  if (name.find_first_of(" \t") != std::string_view::npos)
    return fail(ErrorKind::corrupt, "a blank in a header name");
  const std::string_view value = trim(line.substr(colon + 1));
  if (equal_ignoring_case(name, "content-length")) {
    size_t length = 0;
    const auto parsed = std::from_chars(value.data(), value.data() + value.size(), length);
    if (parsed.ec != std::errc() || parsed.ptr != value.data() + value.size()) {
      return fail(ErrorKind::corrupt, "Content-Length is not a number");
    }
    if (length > kMaxBodyBytes) return fail(ErrorKind::corrupt, "a body of {} bytes is too long", length);
    head.body_bytes = length;
  } else if (equal_ignoring_case(name, "transfer-encoding")) {
    return fail(ErrorKind::corrupt, "Transfer-Encoding is not supported, send Content-Length");
  } else if (equal_ignoring_case(name, "connection")) {
    if (contains_token(value, "close")) head.keep_alive = false;
    if (contains_token(value, "keep-alive")) head.keep_alive = true;
  } else if (equal_ignoring_case(name, "expect")) {
    head.expects_continue = equal_ignoring_case(value, "100-continue");
  } else if (equal_ignoring_case(name, "accept-encoding")) {
    head.accepts_gzip = contains_token(value, "gzip");
  }
  head.request.headers.emplace_back(name, value);
  return {};
}

}  // namespace

std::string_view Request::path() const {
  const std::string_view all = target;
  return all.substr(0, all.find('?'));
}

std::string_view Request::query() const {
  const std::string_view all = target;
  const size_t mark = all.find('?');
  return mark == std::string_view::npos ? std::string_view() : all.substr(mark + 1);
}

const std::string* Request::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (equal_ignoring_case(key, name)) return &value;
  }
  return nullptr;
}

Result<std::optional<Head>> parse_head(std::string_view bytes) {
  const size_t end = bytes.substr(0, kMaxHeadBytes).find("\r\n\r\n");
  if (end == std::string_view::npos) {
    if (bytes.size() >= kMaxHeadBytes) return fail(ErrorKind::corrupt, "the request's head is too long");
    return std::optional<Head>();
  }
  Head head;
  head.head_bytes = end + 4;
  std::string_view rest = bytes.substr(0, end);
  const size_t line_end = rest.find("\r\n");
  const std::string_view line = rest.substr(0, line_end);
  const size_t first = line.find(' ');
  const size_t second = line.rfind(' ');
  if (first == std::string_view::npos || second <= first + 1)
    return fail(ErrorKind::corrupt, "not an HTTP request line");
  const std::string_view version = line.substr(second + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return fail(ErrorKind::corrupt, "not HTTP/1.x");
  head.keep_alive = version == "HTTP/1.1";
  head.request.method = line.substr(0, first);
  head.request.target = line.substr(first + 1, second - first - 1);
  if (head.request.target.front() != '/') return fail(ErrorKind::corrupt, "the request target is not a path");
  rest = line_end == std::string_view::npos ? std::string_view() : rest.substr(line_end + 2);
  while (!rest.empty()) {
    const size_t next = rest.find("\r\n");
    if (auto read = read_header(head, rest.substr(0, next)); !read) return fail(read.error());
    rest = next == std::string_view::npos ? std::string_view() : rest.substr(next + 2);
  }
  return std::optional<Head>(std::move(head));
}

std::string write_reply(const Reply& reply, bool keep_alive, bool gzip) {
  std::string compressed;
  if (gzip && reply.body.size() >= kMinGzipBytes) compressed = gzip_of(reply.body);
  const std::string& body = compressed.empty() ? reply.body : compressed;
  std::string out = fmt::format(
      "HTTP/1.1 {} {}\r\nServer: simaws (a simulator, not AWS)\r\nContent-Type: {}\r\nContent-Length: {}\r\n",
      reply.status, reason_phrase(reply.status), reply.content_type, body.size());
  for (const auto& [name, value] : reply.headers) {
    out += name;
    out += ": ";
    out += value;
    out += "\r\n";
  }
  if (!compressed.empty()) out += "Content-Encoding: gzip\r\n";
  if (!keep_alive) out += "Connection: close\r\n";
  out += "\r\n";
  out += body;
  return out;
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '%') {
      if (at + 2 >= text.size()) return std::nullopt;
      const int high = hex_value(text[at + 1]);
      const int low = hex_value(text[at + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      at += 2;
    } else {
      out += plus_is_space && text[at] == '+' ? ' ' : text[at];
    }
  }
  return out;
}

std::optional<Parameters> parse_form(std::string_view text) {
  Parameters out;
  while (!text.empty()) {
    const size_t amp = text.find('&');
    const std::string_view pair = text.substr(0, amp);
    text = amp == std::string_view::npos ? std::string_view() : text.substr(amp + 1);
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    auto name = percent_decode(pair.substr(0, equals), true);
    auto value = percent_decode(equals == std::string_view::npos ? "" : pair.substr(equals + 1), true);
    if (!name || !value) return std::nullopt;
    out.emplace_back(*std::move(name), *std::move(value));
  }
  return out;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

const char* reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 413:
      return "Payload Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    default:
      return "Unknown";
  }
}

}  // namespace bakusoku::simaws
