#include "aws/credentials_instance.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <charconv>

#include "aws/credentials_json.h"
#include "aws/endpoint.h"

namespace bakusoku::aws {
namespace {

constexpr int kTokenSeconds = 21600;
constexpr int kTokenMarginSeconds = 60;
constexpr std::chrono::minutes kTokenAgain{10};  // after there was none
constexpr const char* kHopLimit =
    "a container on EC2 whose metadata hop limit is 1 (aws ec2 modify-instance-metadata-options "
    "--http-put-response-hop-limit 2)";
constexpr std::chrono::milliseconds kPause{200};
constexpr std::chrono::seconds kExtension{10 * 60};
constexpr const char* kRolePath = "iam/security-credentials/";

bool is_line(std::string_view text, size_t most) {
  return !text.empty() && text.size() <= most &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

// As in a role's or instance profile's name: these go into the path as they are.
bool is_role_name(std::string_view text) {
  return is_line(text, 128) && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  std::string_view("+=,.@_-").find(c) != std::string_view::npos;
         });
}

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  return text;
}

}  // namespace

InstanceMetadata::InstanceMetadata(asio::io_context& io, Http& http, InstanceMetadataSettings settings)
    : io_(io), http_(http), settings_(std::move(settings)) {}

asio::awaitable<Result<HttpReply>> InstanceMetadata::send(std::string method, std::string path,
                                                          bool with_token, uint32_t* issued) {
  Result<HttpReply> reply = fail(ErrorKind::unavailable, "not asked");
  for (int attempt = 1; attempt <= std::max(settings_.attempts, 1); ++attempt) {
    if (attempt > 1) {
      asio::steady_timer pause(io_, kPause);
      std::error_code ignored;
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    HttpRequest request;
    request.method = method;
    request.url = settings_.endpoint + path;
    if (method == "PUT") {
      request.headers.push_back(
          HttpHeader{"X-aws-ec2-metadata-token-ttl-seconds", std::to_string(kTokenSeconds)});
    } else if (with_token) {
      request.headers.push_back(HttpHeader{"X-aws-ec2-metadata-token", token_.reveal()});
    }
    request.connect_timeout = settings_.timeout;
    request.timeout = settings_.timeout * 2;
    request.use_proxy = false;
    uint32_t sent = 0;
    request.issued = &sent;
    reply = co_await http_.send(std::move(request));
    if (issued != nullptr) *issued += sent;
    if (reply && reply->status < 500 && reply->status != 429) break;
  }
  co_return reply;
}

asio::awaitable<Result<void>> InstanceMetadata::renew_token() {
  uint32_t issued = 0;
  auto reply = co_await send("PUT", "/latest/api/token", false, &issued);
  if (!reply && issued == 0) {
    if (answered_) co_return fail(reply.error().with_context("instance metadata"));
    if (reply.error().kind == ErrorKind::timeout) {
      co_return fail(ErrorKind::not_found,
                     "no answer from instance metadata at {} within {} ms: not an EC2 instance, or {}",
                     settings_.endpoint, settings_.timeout.count(), kHopLimit);
    }
    co_return fail(ErrorKind::not_found, "no instance metadata at {}: not an EC2 instance",
                   settings_.endpoint);
  }
  if (reply && reply->status == 200) {
    std::string token = trimmed(std::move(reply->body));
    if (!is_line(token, 8192))
      co_return fail(ErrorKind::corrupt, "instance metadata gave a token that is none");
    int seconds = kTokenSeconds;
    if (const std::string* ttl = reply->header("X-aws-ec2-metadata-token-ttl-seconds"); ttl != nullptr) {
      int given = 0;
      const auto [end, error] = std::from_chars(ttl->data(), ttl->data() + ttl->size(), given);
      if (error == std::errc{} && given > 0 && given <= kTokenSeconds) seconds = given;
    }
    token_ = Secret(std::move(token));
    token_until_ =
        std::chrono::steady_clock::now() + std::chrono::seconds(std::max(seconds - kTokenMarginSeconds, 1));
    v1_ = false;
    answered_ = true;
    co_return Result<void>{};
  }
  if (reply && reply->status == 400) {
    co_return fail(
        ErrorKind::invalid,
        "instance metadata at {} does not understand the request for a token (HTTP status 400): is it "
        "an EC2 instance's, or does something between change the request?",
        settings_.endpoint);
  }
  no_token_ = reply ? fmt::format("gave no token (HTTP status {})", reply->status)
                    : fmt::format("gave no token ({}): {}", to_string(reply.error().kind), kHopLimit);
  if (settings_.v1_disabled) {
    co_return fail(ErrorKind::denied,
                   "instance metadata at {} {}, and AWS_EC2_METADATA_V1_DISABLED (ec2_metadata_v1_disabled) "
                   "forbids to ask without",
                   settings_.endpoint, no_token_);
  }
  v1_ = true;
  token_ = Secret();
  token_until_ = std::chrono::steady_clock::now() + kTokenAgain;
  co_return Result<void>{};
}

asio::awaitable<Result<std::string>> InstanceMetadata::get(std::string path) {
  if (settings_.disabled) {
    co_return fail(ErrorKind::not_found, "instance metadata is switched off by AWS_EC2_METADATA_DISABLED");
  }
  const std::string full_path = "/latest/meta-data/" + path;
  for (int round = 0; round < 2; ++round) {
    const bool fresh = (token_.empty() && !v1_) || std::chrono::steady_clock::now() >= token_until_;
    if (fresh) {
      auto renewed = co_await renew_token();
      if (!renewed) co_return fail(std::move(renewed.error()));
    }
    const bool with_token = !v1_;
    auto reply = co_await send("GET", full_path, with_token);
    if (!reply) {
      if (with_token) co_return fail(reply.error().with_context("instance metadata"));
      token_until_ = {};
      co_return fail(answered_ ? reply.error().kind : ErrorKind::not_found,
                     "instance metadata at {} {}, and without one: {}", settings_.endpoint, no_token_,
                     reply.error().message);
    }
    if (reply->status == 200) {
      answered_ = true;
      co_return std::move(reply->body);
    }
    if (reply->status == 404) {
      co_return fail(Error{ErrorKind::not_found, fmt::format("instance metadata has no {}", path), "404"});
    }
    if (reply->status != 401 || round > 0 || (fresh && !with_token)) {
      if (!with_token) token_until_ = {};
      co_return fail(refused(path, reply->status, with_token));
    }
    // The token is no longer good, as after the instance was stopped, or is wanted now: one new one.
    token_ = Secret();
    v1_ = false;
  }
  co_return fail(ErrorKind::denied, "instance metadata refuses its own token");
}

Error InstanceMetadata::refused(const std::string& path, int status, bool with_token) const {
  const ErrorKind kind = status == 429   ? ErrorKind::throttled
                         : status >= 500 ? ErrorKind::unavailable
                                         : ErrorKind::denied;
  if (with_token)
    return Error{kind, fmt::format("instance metadata: HTTP status {} for {}", status, path), {}};
  std::string advice;
  if (status == 401) {
    advice = "; it answers with tokens only, so see why it gives none";
  } else if (status == 403) {
    advice =
        "; it is turned off for this instance: turn it on with aws ec2 modify-instance-metadata-options "
        "--http-endpoint enabled, or give credentials in another way";
  }
  return Error{
      kind,
      fmt::format("instance metadata at {} {}, and refuses to answer without one (HTTP status {} for "
                  "{}){}",
                  settings_.endpoint, no_token_, status, path, advice),
      {}};
}

InstanceCredentials::InstanceCredentials(const ChainContext& context, InstanceMetadataSettings settings)
    : metadata_(context.io, context.http, std::move(settings)), clock_(context.clock) {}

asio::awaitable<Result<Credentials>> InstanceCredentials::get() {
  auto listed = co_await metadata_.get(kRolePath);
  if (!listed) {
    Error error = std::move(listed.error());
    if (error.code == "404") {
      error =
          Error{ErrorKind::not_found, "this EC2 instance has no role: attach an instance profile to it", {}};
    }
    co_return fail(std::move(error));
  }
  std::string role = *listed;
  role.resize(std::min(role.find_first_of("\r\n"), role.size()));
  if (!is_role_name(role))
    co_return fail(ErrorKind::corrupt, "instance metadata gave a role name that is none");
  std::string source = "instance role " + role;
  auto document = co_await metadata_.get(kRolePath + role);
  if (!document) co_return fail(document.error().with_context(source));
  auto credentials = decode_credentials_json(*document, CredentialsDialect::metadata, source);
  if (!credentials) co_return fail(std::move(credentials.error()));
  // While EC2 cannot renew them it hands out the old ones, which AWS then goes on to accept; and a clock that
  // is ahead makes good ones look old. Either way they are the best there is.
  const WallTime now = clock_();
  if (credentials->expires && *credentials->expires <= now) {
    spdlog::warn(
        "credentials of {} expired at {} by this machine's clock; using them and asking again in 10 minutes",
        source, format_timestamp(*credentials->expires));
    credentials->expires = now + kExtension;
  }
  co_return std::move(*credentials);
}

std::string InstanceCredentials::name() const { return "instance metadata"; }

asio::awaitable<Result<std::string>> instance_region(const ChainContext& context, const Settings& settings) {
  InstanceMetadata metadata(context.io, context.http, settings.instance_metadata);
  auto answer = co_await metadata.get("placement/region");
  if (!answer) co_return fail(std::move(answer.error()));
  std::string region = trimmed(std::move(*answer));
  if (auto checked = check_region(region); !checked) {
    co_return fail(ErrorKind::corrupt, "instance metadata gave a region that is none");
  }
  co_return region;
}

}  // namespace bakusoku::aws
