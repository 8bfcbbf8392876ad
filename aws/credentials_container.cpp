#include "aws/credentials_container.h"

#include <algorithm>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "aws/credentials_json.h"
#include "aws/endpoint.h"
#include "aws/text_file.h"

namespace bakusoku::aws {
namespace {

constexpr int kAttempts = 3;
constexpr std::chrono::milliseconds kPause{200};
constexpr size_t kMaxTokenBytes = 64u << 10;

bool is_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

// 127.0.0.0/8 as four numbers; a name such as 127.evil.example is not one.
bool is_loopback_v4(std::string_view host) {
  return host.starts_with("127.") && std::count(host.begin(), host.end(), '.') == 3 &&
         host.find_first_not_of("0123456789.") == std::string_view::npos;
}

bool is_platform_host(std::string_view host) {
  return host == "localhost" || is_loopback_v4(host) || host == "[::1]" || host == "169.254.170.2" ||
         host == "169.254.170.23" || host == "[fd00:ec2::23]";
}

std::string_view host_of(std::string_view url) {
  url.remove_prefix(url.find("://") + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  return url.starts_with('[') ? url.substr(0, url.find(']') + 1) : url.substr(0, url.find(':'));
}

// The Authorization header's value; empty if none is wanted. The file goes first and is read every time: the
// platform replaces it.
Result<Secret> read_authorization(const Environment& environment) {
  std::string token;
  std::string origin = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
  if (const auto path = environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); path) {
    origin = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
    auto file = read_text_file(*path);
    if (!file) {
      Error error = file.error().with_context(origin);
      if (error.kind == ErrorKind::not_found) error.kind = ErrorKind::invalid;
      return fail(std::move(error));
    }
    token = std::move(file->text);
  } else {
    token = environment.get(origin).value_or("");
  }
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r' || token.back() == ' '))
    token.pop_back();
  const bool header_safe =
      std::all_of(token.begin(), token.end(), [](char c) { return c >= ' ' && c < 0x7f; });
  if (token.size() > kMaxTokenBytes || !header_safe) {
    return fail(ErrorKind::invalid, "{}: the token is not one line of text", origin);
  }
  return Secret(std::move(token));
}

}  // namespace

Result<std::string> container_credentials_url(const Environment& environment) {
  if (const auto relative = environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); relative) {
    if (!relative->starts_with('/') || !is_visible(*relative) || relative->size() > 2048) {
      return fail(ErrorKind::invalid,
                  "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI must be a path that starts with /");
    }
    return "http://169.254.170.2" + *relative;
  }
  auto full = environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (!full) {
    return fail(ErrorKind::not_found,
                "no container endpoint (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI are not set)");
  }
  constexpr const char* kName = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
  if (!is_visible(*full) || full->size() > 2048) return fail(ErrorKind::invalid, "{} is not a URL", kName);
  // A query is allowed here, unlike in endpoint URLs.
  if (auto checked = check_endpoint_url(std::string_view(*full).substr(0, full->find_first_of("?#")));
      !checked) {
    return fail(checked.error().with_context(kName));
  }
  if (full->starts_with("http://") && !is_platform_host(host_of(*full))) {
    return fail(ErrorKind::invalid,
                "{}: plain http is allowed to this machine, 169.254.170.2, 169.254.170.23 and [fd00:ec2::23] "
                "only: use https",
                kName);
  }
  return std::move(*full);
}

ContainerCredentials::ContainerCredentials(asio::io_context& io, Http& http, Environment environment)
    : io_(io), http_(http), environment_(std::move(environment)) {}

asio::awaitable<Result<Credentials>> ContainerCredentials::get() {
  const auto url = container_credentials_url(environment_);
  if (!url) co_return fail(url.error());
  auto authorization = read_authorization(environment_);
  if (!authorization) co_return fail(std::move(authorization.error()));

  Error last;
  for (int attempt = 1; attempt <= kAttempts; ++attempt) {
    if (attempt > 1) {
      asio::steady_timer pause(io_, kPause * attempt);
      std::error_code ignored;
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    HttpRequest request;
    request.url = *url;
    request.headers.push_back(HttpHeader{"Accept", "application/json"});
    if (!authorization->empty())
      request.headers.push_back(HttpHeader{"Authorization", authorization->reveal()});
    request.connect_timeout = std::chrono::milliseconds(2000);
    request.timeout = std::chrono::milliseconds(5000);
    request.use_proxy = url->starts_with("https://");
    auto reply = co_await http_.send(std::move(request));
    if (!reply) {
      last = reply.error().with_context("container endpoint");
      continue;
    }
    if (reply->status == 200)
      co_return decode_credentials_json(reply->body, CredentialsDialect::metadata, "container endpoint");
    last = Error{reply->status == 429   ? ErrorKind::throttled
                 : reply->status >= 500 ? ErrorKind::unavailable
                                        : ErrorKind::denied,
                 fmt::format("container endpoint: HTTP status {}", reply->status),
                 {}};
    // An error document says why, in Code and Message.
    const auto document =
        decode_credentials_json(reply->body, CredentialsDialect::metadata, "container endpoint");
    if (!document && document.error().kind == ErrorKind::denied) last.message = document.error().message;
    if (reply->status < 500 && reply->status != 429) break;
  }
  if (last.kind == ErrorKind::denied) {
    last.message +=
        " (see that the task or pod has a role, and that AWS_CONTAINER_AUTHORIZATION_TOKEN is the platform's "
        "own)";
  }
  co_return fail(std::move(last));
}

std::string ContainerCredentials::name() const { return "container endpoint"; }

}  // namespace bakusoku::aws
