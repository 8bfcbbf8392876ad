#include "aws/http.h"

#include <curl/curl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <asio/experimental/as_tuple.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "aws/url.h"
#include "base/version.h"

namespace bakusoku::aws {
namespace {

// What to do about a certificate that curl refuses with these words.
std::string_view advice(std::string_view words) {
  const auto says = [words](std::string_view part) { return words.find(part) != std::string_view::npos; };
  if (says("subject name")) return "the endpoint that is set names another host than the certificate";
  if (says("expired") || says("not yet valid")) {
    return "check this machine's clock; if it is right, the certificate has to be renewed";
  }
  return "if a proxy or a private CA signs it, name that CA's file in AWS_CA_BUNDLE";
}

// An answer may be inflated to so many times what came, and this much more: XML shrinks to a thirtieth.
constexpr size_t kMostInflated = 100;
constexpr size_t kAlwaysInflated = 1u << 20;
constexpr size_t kMaxHeaders = 256;
constexpr size_t kMaxHeaderBytes = 128u << 10;
constexpr long kBufferBytes = 64L << 10;  // a request of 500 metrics and its answer have about as much
constexpr long kIdleConnections = 256;
constexpr size_t kIdleHandles = 16;

void start_curl_once() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

// A socket of curl's, watched with Asio. curl opens and closes it; Asio only ever borrows the number.
struct Watch {
  explicit Watch(asio::io_context& io) : descriptor(io) {}
  asio::posix::stream_descriptor descriptor;
  bool want_read = false;
  bool want_write = false;
  bool read_armed = false;
  bool write_armed = false;
  bool removed = false;
};

struct Transfer {
  explicit Transfer(asio::io_context& io) : wake(io) {}
  ~Transfer() { curl_slist_free_all(headers); }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  HttpRequest request;
  HttpReply reply;
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  std::array<char, CURL_ERROR_SIZE> error{};
  asio::steady_timer wake;
  size_t max_body_bytes = 0;
  size_t header_bytes = 0;
  bool body_too_long = false;
  bool inflates_too_far = false;
  int codings = 0;  // in which the body is compressed, one inside the other
  bool headers_too_long = false;
  bool headers_complete = false;
  bool finished = false;
  bool shut_down = false;
  CURLcode code = CURLE_OK;
  long proxy_status = 0;  // that a proxy answered to CONNECT
};

struct Proxy {
  std::string name{};  // the setting's or the variable's; empty: none
  std::string url{};
};

// The proxy that the environment names for `scheme`, as curl looks for it; NO_PROXY is left to curl.
Proxy proxy_of_environment(std::string_view scheme) {
  const bool https = curl_strnequal(scheme.data(), "https", 5) != 0 && scheme.size() == 5;
  for (const char* const name : {https ? "https_proxy" : "http_proxy", https ? "HTTPS_PROXY" : "http_proxy",
                                 "all_proxy", "ALL_PROXY"}) {
    const char* const value = std::getenv(name);
    if (value != nullptr) return *value == '\0' ? Proxy{} : Proxy{name, value};
  }
  return {};
}

// What a proxy means that answers CONNECT with another status than 200.
Error refused_by(const Proxy& proxy, long status, std::string_view place) {
  const std::string who = fmt::format("the proxy {} ({})", shown_proxy(proxy.url), proxy.name);
  if (status == 407) {
    return Error{
        ErrorKind::denied,
        names_a_user(proxy.url)
            ? fmt::format("{}: {} does not accept the user and password of its URL (HTTP status 407)", place,
                          who)
            : fmt::format("{}: {} wants a user and password (HTTP status 407): write "
                          "http://USER:PASSWORD@HOST:PORT, special characters as %40",
                          place, who),
        {}};
  }
  if (status == 403) {
    return Error{
        ErrorKind::denied,
        fmt::format("{}: {} forbids it (HTTP status 403): allow this host and port there", place, who),
        {}};
  }
  return Error{
      status >= 500 || status == 429 ? ErrorKind::unavailable : ErrorKind::denied,
      fmt::format("{}: {} does not connect to it (HTTP status {}): can the proxy reach this host, and "
                  "look up its name?",
                  place, who, status),
      {}};
}

// Called each time a connection is there and the request is about to go out.
int note_issued(void* of, char*, char*, int, int) noexcept {
  const Transfer& transfer = *static_cast<Transfer*>(of);
  if (transfer.request.issued != nullptr) ++*transfer.request.issued;
  return 0;
}

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char ch) { return ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

// curl's callbacks: nothing may be thrown through curl, so running out of memory counts as a failed write.
size_t on_body(char* data, size_t size, size_t count, void* user) noexcept {
  auto& transfer = *static_cast<Transfer*>(user);
  const size_t bytes = size * count;
  std::string& body = transfer.reply.body;
  // A few kilobytes may stand for gigabytes, and inflating them holds up everything else.
  if (transfer.codings > 0) {
    curl_off_t came = 0;
    curl_easy_getinfo(transfer.easy, CURLINFO_SIZE_DOWNLOAD_T, &came);
    if (body.size() + bytes >
        kAlwaysInflated + static_cast<size_t>(std::max<curl_off_t>(came, 0)) * kMostInflated) {
      transfer.inflates_too_far = true;
      return 0;
    }
  }
  if (bytes > transfer.max_body_bytes - body.size()) {
    transfer.body_too_long = true;
    return 0;
  }
  try {
    body.append(data, bytes);
  } catch (...) {
    return 0;
  }
  return bytes;
}

bool is_header(const HttpHeader& header, const char* name) {
  return curl_strequal(header.name.c_str(), name) != 0;
}

// Of Content-Encoding or Transfer-Encoding, which curl undoes in turn.
int codings_in(std::string_view value) {
  int codings = 0;
  while (!value.empty()) {
    const size_t end = std::min(value.find(','), value.size());
    const std::string one(trimmed(value.substr(0, end)));
    value.remove_prefix(std::min(end + 1, value.size()));
    const bool is_none = one.empty() || curl_strequal(one.c_str(), "identity") != 0 ||
                         curl_strequal(one.c_str(), "chunked") != 0;
    if (!is_none) ++codings;
  }
  return codings;
}

void read_header(Transfer& transfer, std::string_view line) {
  HttpReply& reply = transfer.reply;
  if (line.starts_with("HTTP/")) {  // a new reply: after "100 Continue", for one
    reply.headers.clear();
    transfer.headers_complete = false;
    transfer.codings = 0;
    return;
  }
  if (trimmed(line).empty()) transfer.headers_complete = true;
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  HttpHeader header{std::string(trimmed(line.substr(0, colon))),
                    std::string(trimmed(line.substr(colon + 1)))};
  if (is_header(header, "content-encoding") || is_header(header, "transfer-encoding")) {
    transfer.codings += codings_in(header.value);
  }
  if (is_header(header, "content-length")) {
    size_t length = 0;
    const auto [end, error] =
        std::from_chars(header.value.data(), header.value.data() + header.value.size(), length);
    if (error == std::errc() && length <= transfer.max_body_bytes) reply.body.reserve(length);
  }
  reply.headers.push_back(std::move(header));
}

size_t on_header(char* data, size_t size, size_t count, void* user) noexcept {
  auto& transfer = *static_cast<Transfer*>(user);
  const size_t bytes = size * count;
  transfer.header_bytes += bytes;
  if (transfer.header_bytes > kMaxHeaderBytes || transfer.reply.headers.size() >= kMaxHeaders) {
    transfer.headers_too_long = true;
    return 0;
  }
  try {
    read_header(transfer, std::string_view(data, bytes));
  } catch (...) {
    return 0;
  }
  // What is compressed twice may stand for a million times as much, without a byte of it arriving here.
  if (transfer.codings > 1) {
    transfer.inflates_too_far = true;
    return 0;
  }
  return bytes;
}

template <typename Value>
void set(CURL* easy, CURLoption option, Value value) {
  curl_easy_setopt(easy, option, value);
}

bool safe_header(const HttpHeader& header) {
  const auto bad = [](char ch) { return ch == '\r' || ch == '\n' || ch == '\0'; };
  return !header.name.empty() && header.name.find(':') == std::string::npos &&
         std::none_of(header.name.begin(), header.name.end(), bad) &&
         std::none_of(header.value.begin(), header.value.end(), bad);
}

Result<curl_slist*> header_list(const HttpRequest& request) {
  curl_slist* list = nullptr;
  bool complete = true;
  const auto add = [&](const char* line) {
    curl_slist* longer = curl_slist_append(list, line);
    complete = complete && longer != nullptr;
    if (longer != nullptr) list = longer;
  };
  // "Expect: 100-continue" would cost a round trip; a made-up Content-Type would not be the signed one.
  add("Expect:");
  bool content_type = false;
  std::string line;
  for (const HttpHeader& header : request.headers) {
    if (!safe_header(header)) {
      curl_slist_free_all(list);
      return fail(ErrorKind::invalid, "a request header holds a line break or has no name");
    }
    content_type = content_type || curl_strequal(header.name.c_str(), "content-type") != 0;
    line.assign(header.name);
    // curl drops "Name:" and sends "Name;" as a header without a value.
    line += header.value.empty() ? ";" : ": ";
    line += header.value;
    add(line.c_str());
  }
  if (!content_type) add("Content-Type:");
  if (!complete) {
    curl_slist_free_all(list);
    return fail(ErrorKind::io, "out of memory");
  }
  return list;
}

}  // namespace

struct Http::State : std::enable_shared_from_this<Http::State> {
  State(asio::io_context& context, HttpSettings given)
      : io(context), settings(std::move(given)), timer(context) {}

  asio::io_context& io;
  HttpSettings settings;
  asio::steady_timer timer;
  uint64_t timer_generation = 0;
  CURLM* multi = nullptr;
  std::unordered_map<curl_socket_t, std::shared_ptr<Watch>> watches;
  std::unordered_set<Transfer*> transfers;
  std::vector<CURL*> idle;
  Counters counters;

  void open() {
    start_curl_once();
    multi = curl_multi_init();
    if (multi == nullptr) return;
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &State::on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &State::on_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, kIdleConnections);
    curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, settings.max_connections_per_host);
  }

  // Ends every transfer and everything of curl's. Coroutines that still wait keep the State, not the curl
  // handles.
  void close() {
    if (multi == nullptr) return;
    for (Transfer* transfer : transfers) {
      curl_multi_remove_handle(multi, transfer->easy);
      curl_easy_cleanup(transfer->easy);
      transfer->easy = nullptr;
      transfer->shut_down = true;
      transfer->wake.cancel();
    }
    transfers.clear();
    for (CURL* easy : idle) curl_easy_cleanup(easy);
    idle.clear();
    curl_multi_cleanup(multi);
    multi = nullptr;
    ++timer_generation;
    timer.cancel();
    for (auto& [socket, watch] : watches) unwatch(*watch);
    watches.clear();
  }

  static void unwatch(Watch& watch) {
    watch.removed = true;
    if (watch.descriptor.is_open()) watch.descriptor.release();
  }

  // --- curl asks for events
  // -------------------------------------------------------------------------------------

  static int on_socket(CURL*, curl_socket_t socket, int what, void* user, void*) noexcept {
    auto& state = *static_cast<State*>(user);
    try {
      state.watch(socket, what);
    } catch (...) {
      return -1;
    }
    return 0;
  }

  void watch(curl_socket_t socket, int what) {
    const auto found = watches.find(socket);
    if (what == CURL_POLL_REMOVE) {
      if (found == watches.end()) return;
      unwatch(*found->second);
      watches.erase(found);
      return;
    }
    std::shared_ptr<Watch> watch;
    if (found != watches.end()) {
      watch = found->second;
    } else {
      watch = std::make_shared<Watch>(io);
      watch->descriptor.assign(socket);
      watches.emplace(socket, watch);
    }
    watch->want_read = what == CURL_POLL_IN || what == CURL_POLL_INOUT;
    watch->want_write = what == CURL_POLL_OUT || what == CURL_POLL_INOUT;
    arm(watch, socket);
  }

  void arm(const std::shared_ptr<Watch>& watch, curl_socket_t socket) {
    using asio::posix::descriptor_base;
    if (watch->want_read && !watch->read_armed) {
      watch->read_armed = true;
      watch->descriptor.async_wait(descriptor_base::wait_read,
                                   [self = weak_from_this(), watch, socket](const std::error_code& error) {
                                     watch->read_armed = false;
                                     if (const auto state = self.lock())
                                       state->ready(watch, socket, error, CURL_CSELECT_IN);
                                   });
    }
    if (watch->want_write && !watch->write_armed) {
      watch->write_armed = true;
      watch->descriptor.async_wait(descriptor_base::wait_write,
                                   [self = weak_from_this(), watch, socket](const std::error_code& error) {
                                     watch->write_armed = false;
                                     if (const auto state = self.lock())
                                       state->ready(watch, socket, error, CURL_CSELECT_OUT);
                                   });
    }
  }

  void ready(const std::shared_ptr<Watch>& watch, curl_socket_t socket, const std::error_code& error,
             int events) {
    if (watch->removed || multi == nullptr || error == asio::error::operation_aborted) return;
    // An event that curl no longer waits for is left alone: telling it anyway would be a wasted call.
    if (!(events == CURL_CSELECT_IN ? watch->want_read : watch->want_write)) return;
    act(socket, error ? CURL_CSELECT_ERR : events);
    if (!watch->removed && multi != nullptr) arm(watch, socket);
  }

  static int on_timer(CURLM*, long timeout_ms, void* user) noexcept {
    auto& state = *static_cast<State*>(user);
    try {
      state.set_timer(timeout_ms);
    } catch (...) {
      return -1;
    }
    return 0;
  }

  // curl must not be called from inside its own callback, hence the post where it wants to be called at once.
  void set_timer(long timeout_ms) {
    const uint64_t generation = ++timer_generation;
    if (timeout_ms < 0) {
      timer.cancel();
      return;
    }
    const auto fire = [self = weak_from_this(), generation] {
      const auto state = self.lock();
      if (!state || state->multi == nullptr || state->timer_generation != generation) return;
      state->act(CURL_SOCKET_TIMEOUT, 0);
    };
    if (timeout_ms == 0) {
      asio::post(io, fire);
      return;
    }
    timer.expires_after(std::chrono::milliseconds(timeout_ms));
    timer.async_wait([fire](const std::error_code& error) {
      if (!error) fire();
    });
  }

  void act(curl_socket_t socket, int events) {
    int running = 0;
    curl_multi_socket_action(multi, socket, events, &running);
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      void* user = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &user);
      auto& transfer = *static_cast<Transfer*>(user);
      transfer.code = message->data.result;
      finish(transfer);
    }
  }

  // --- one transfer
  // ---------------------------------------------------------------------------------------------

  CURL* take_handle() {
    if (!idle.empty()) {
      CURL* easy = idle.back();
      idle.pop_back();
      return easy;
    }
    CURL* easy = curl_easy_init();
    if (easy == nullptr) return nullptr;
    set(easy, CURLOPT_NOSIGNAL, 1L);
    set(easy, CURLOPT_FOLLOWLOCATION, 0L);
    set(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
#if LIBCURL_VERSION_NUM >= 0x075500
    set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    set(easy, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
    // Without it, ending a transfer waits for its name look-up, and with it the whole loop.
    set(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
    set(easy, CURLOPT_HTTP09_ALLOWED, 0L);
    set(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    set(easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
    set(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    set(easy, CURLOPT_BUFFERSIZE, kBufferBytes);
    set(easy, CURLOPT_UPLOAD_BUFFERSIZE, kBufferBytes);
    set(easy, CURLOPT_TCP_NODELAY, 1L);
    static const std::string agent = fmt::format("bakusoku/{}", kVersion);
    set(easy, CURLOPT_USERAGENT, agent.c_str());
    if (!settings.ca_bundle.empty()) set(easy, CURLOPT_CAINFO, settings.ca_bundle.c_str());
    set(easy, CURLOPT_WRITEFUNCTION, &on_body);
    set(easy, CURLOPT_HEADERFUNCTION, &on_header);
    return easy;
  }

  Result<void> start(Transfer& transfer) {
    if (multi == nullptr) return fail(ErrorKind::io, "the HTTP client is closed");
    const Result<UrlParts> url = split_url(transfer.request.url);
    if (!url) return fail(url.error());
    if (!settings.proxy.empty()) {
      if (auto checked = check_proxy_url(settings.proxy); !checked)
        return fail(checked.error().with_context("the proxy"));
    }
    const Result<curl_slist*> headers = header_list(transfer.request);
    if (!headers) return fail(headers.error());
    transfer.headers = *headers;
    CURL* easy = take_handle();
    if (easy == nullptr) return fail(ErrorKind::io, "out of memory");
    transfer.easy = easy;
    transfer.max_body_bytes = settings.max_body_bytes;

    const HttpRequest& request = transfer.request;
    set(easy, CURLOPT_PRIVATE, static_cast<void*>(&transfer));
    set(easy, CURLOPT_WRITEDATA, static_cast<void*>(&transfer));
    set(easy, CURLOPT_HEADERDATA, static_cast<void*>(&transfer));
    set(easy, CURLOPT_ERRORBUFFER, transfer.error.data());
#if LIBCURL_VERSION_NUM >= 0x075000
    set(easy, CURLOPT_PREREQFUNCTION, &note_issued);
    set(easy, CURLOPT_PREREQDATA, static_cast<void*>(&transfer));
#endif
    set(easy, CURLOPT_URL, request.url.c_str());
    set(easy, CURLOPT_HTTPHEADER, transfer.headers);
    set(easy, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(request.connect_timeout));
    set(easy, CURLOPT_TIMEOUT_MS, milliseconds(request.timeout));
    // An empty proxy would switch the environment's variables off, no proxy at all leaves them on.
    const bool named_proxy = request.use_proxy && !settings.proxy.empty();
    set(easy, CURLOPT_PROXY, named_proxy ? settings.proxy.c_str() : request.use_proxy ? nullptr : "");
    set(easy, CURLOPT_NOPROXY, request.use_proxy ? nullptr : "*");
    // HTTPGET takes back what the handle's last request set.
    set(easy, CURLOPT_HTTPGET, 1L);
    set(easy, CURLOPT_CUSTOMREQUEST, static_cast<const char*>(nullptr));
    set(easy, CURLOPT_POSTFIELDS, static_cast<const char*>(nullptr));
    if (request.method == "HEAD") {
      set(easy, CURLOPT_NOBODY, 1L);
    } else if (request.method != "GET" || !request.body.empty()) {
      set(easy, CURLOPT_POST, 1L);
      set(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
      set(easy, CURLOPT_POSTFIELDS, request.body.c_str());
      if (request.method != "POST") set(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    } else {
      set(easy, CURLOPT_HTTPGET, 1L);
    }

    const CURLMcode added = curl_multi_add_handle(multi, easy);
    if (added != CURLM_OK) {
      curl_easy_cleanup(easy);
      transfer.easy = nullptr;
      return fail(ErrorKind::io, "curl: {}", curl_multi_strerror(added));
    }
    transfers.insert(&transfer);
    ++counters.requests;
    return {};
  }

  static long milliseconds(std::chrono::milliseconds time) {
    // Zero would mean no limit.
    return static_cast<long>(std::clamp<int64_t>(time.count(), 1, 24 * 3600 * 1000));
  }

  // Takes the handle back, whether the transfer is done or not.
  void release(Transfer& transfer) {
    if (transfer.easy == nullptr || multi == nullptr) return;
    CURL* easy = std::exchange(transfer.easy, nullptr);
    transfers.erase(&transfer);
    curl_multi_remove_handle(multi, easy);
    if (idle.size() >= kIdleHandles) {
      curl_easy_cleanup(easy);
      return;
    }
    set(easy, CURLOPT_PRIVATE, static_cast<void*>(nullptr));
#if LIBCURL_VERSION_NUM >= 0x075000
    set(easy, CURLOPT_PREREQDATA, static_cast<void*>(nullptr));
#endif
    set(easy, CURLOPT_ERRORBUFFER, static_cast<char*>(nullptr));
    set(easy, CURLOPT_HTTPHEADER, static_cast<curl_slist*>(nullptr));
    set(easy, CURLOPT_POSTFIELDS, static_cast<const char*>(nullptr));
    idle.push_back(easy);
  }

  void finish(Transfer& transfer) {
    long status = 0;
    long connects = 0;
    curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(transfer.easy, CURLINFO_NUM_CONNECTS, &connects);
    curl_easy_getinfo(transfer.easy, CURLINFO_HTTP_CONNECTCODE, &transfer.proxy_status);
#if LIBCURL_VERSION_NUM < 0x075000
    // Older ones do not tell of a request that they sent again.
    curl_off_t ready = 0;
    curl_easy_getinfo(transfer.easy, CURLINFO_PRETRANSFER_TIME_T, &ready);
    if (ready > 0) note_issued(&transfer, nullptr, nullptr, 0, 0);
#endif
    counters.connections += static_cast<uint64_t>(std::max(connects, 0L));
    transfer.reply.status = static_cast<int>(status);
    if (transfer.request.answered != nullptr) *transfer.request.answered = transfer.reply.status;
    transfer.finished = true;
    release(transfer);
    transfer.wake.cancel();
  }

  // --- words for people
  // -----------------------------------------------------------------------------------------

  [[nodiscard]] Error describe(const Transfer& transfer) const {
    const Result<UrlParts> url = split_url(transfer.request.url);
    const std::string place =
        url ? fmt::format("{}://{}", url->scheme, url->authority) : std::string("the endpoint");
    Proxy proxy;
    if (transfer.request.use_proxy && url) {
      proxy =
          settings.proxy.empty() ? proxy_of_environment(url->scheme) : Proxy{"[aws] proxy", settings.proxy};
    }
    const char* const general = curl_easy_strerror(transfer.code);
    std::string words = transfer.error.front() != '\0' ? transfer.error.data() : general;
    // Of what is no URL, curl's own words may hold any part.
    if (const auto checked = check_proxy_url(proxy.url); !proxy.name.empty() && !checked)
      words = fmt::format("{}; {}: {}", general, proxy.name, checked.error().message);
    words = without_user_part(std::move(words), proxy.url);
    if (transfer.proxy_status >= 300) return refused_by(proxy, transfer.proxy_status, place);
    const auto error = [&](ErrorKind kind, std::string_view what) {
      return Error{kind, fmt::format("{}: {}", place, what)};
    };
    if (transfer.body_too_long) {
      return error(ErrorKind::corrupt,
                   fmt::format("the reply is longer than {} bytes", settings.max_body_bytes));
    }
    if (transfer.inflates_too_far) {
      return error(
          ErrorKind::corrupt,
          fmt::format("the reply is compressed further than any answer of AWS's (more than {} times, or "
                      "twice over); check what answers there",
                      kMostInflated));
    }
    if (transfer.headers_too_long)
      return error(ErrorKind::corrupt, "the reply has too many or too long headers");
    switch (transfer.code) {
      case CURLE_OPERATION_TIMEDOUT:
        return error(ErrorKind::timeout, fmt::format("no complete answer in time ({})", words));
      case CURLE_COULDNT_RESOLVE_HOST:
        return error(ErrorKind::unavailable,
                     fmt::format("{}; check DNS and that the region and service exist", words));
      case CURLE_COULDNT_RESOLVE_PROXY:
        return error(ErrorKind::unavailable, fmt::format("{}; check {}", words, proxy.name));
      case CURLE_COULDNT_CONNECT:
        return error(ErrorKind::unavailable,
                     fmt::format("{}; check the network, the firewall and the proxy setting", words));
      case CURLE_SSL_CACERT_BADFILE:
        return error(ErrorKind::invalid,
                     fmt::format("the CA file {} cannot be used: {}",
                                 settings.ca_bundle.empty() ? "of the system" : settings.ca_bundle, words));
      case CURLE_PEER_FAILED_VERIFICATION:
      case CURLE_SSL_ISSUER_ERROR:
        return error(ErrorKind::unavailable,
                     fmt::format("its TLS certificate was not accepted: {}; {}", words, advice(words)));
      case CURLE_SSL_CONNECT_ERROR:
      case CURLE_SSL_CIPHER:
      case CURLE_USE_SSL_FAILED:
        return error(ErrorKind::unavailable, fmt::format("TLS failed: {}", words));
      case CURLE_GOT_NOTHING:
      case CURLE_RECV_ERROR:
      case CURLE_SEND_ERROR:
        return error(ErrorKind::unavailable,
                     fmt::format("the connection broke before the answer: {}", words));
      case CURLE_PARTIAL_FILE:
        return error(ErrorKind::corrupt, fmt::format("the answer was cut short: {}", words));
      case CURLE_BAD_CONTENT_ENCODING:
        return error(ErrorKind::corrupt, fmt::format("the answer's compression is damaged: {}", words));
      case CURLE_UNSUPPORTED_PROTOCOL:
      case CURLE_WEIRD_SERVER_REPLY:
#if LIBCURL_VERSION_NUM >= 0x073300
      case CURLE_HTTP2:
#endif
        return error(ErrorKind::corrupt, fmt::format("the answer is not HTTP/1.1: {}", words));
      case CURLE_OUT_OF_MEMORY:
      case CURLE_WRITE_ERROR:
        return error(ErrorKind::io, words);
      case CURLE_URL_MALFORMAT:
        return error(ErrorKind::invalid, words);
      default:
        return error(ErrorKind::unavailable, words);
    }
  }
};

namespace {

// Gives the transfer's handle back when the coroutine ends, also when it is destroyed while it waits.
template <typename State>
class Held {
 public:
  Held(std::shared_ptr<State> state, Transfer& transfer) : state_(std::move(state)), transfer_(transfer) {}
  ~Held() { state_->release(transfer_); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

 private:
  std::shared_ptr<State> state_;
  Transfer& transfer_;
};

}  // namespace

Http::Http(asio::io_context& io, HttpSettings settings)
    : state_(std::make_shared<State>(io, std::move(settings))) {
  state_->open();
}

Http::~Http() { state_->close(); }

asio::awaitable<Result<HttpReply>> Http::send(HttpRequest request) {
  const std::shared_ptr<State> state = state_;
  Transfer transfer(state->io);
  transfer.request = std::move(request);
  const Held<State> held(state, transfer);
  if (transfer.request.answered != nullptr) *transfer.request.answered = 0;
  transfer.wake.expires_at(asio::steady_timer::time_point::max());
  const Result<void> started = state->start(transfer);
  if (!started) co_return fail(started.error());
  co_await transfer.wake.async_wait(asio::experimental::as_tuple(asio::use_awaitable));
  if (transfer.shut_down) co_return fail(ErrorKind::unavailable, "the HTTP client was closed");
  if (!transfer.finished) co_return fail(ErrorKind::timeout, "the request was cancelled");
  // curl takes a connection closed amid the headers for the end of an empty reply.
  if (transfer.code == CURLE_OK && !transfer.headers_complete) transfer.code = CURLE_PARTIAL_FILE;
  if (transfer.code != CURLE_OK) co_return fail(state->describe(transfer));
  co_return std::move(transfer.reply);
}

Http::Counters Http::counters() const { return state_->counters; }

}  // namespace bakusoku::aws
