#include "agent/entrance_socket.h"

#include <fcntl.h>
#include <grp.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "agent/folder.h"
#include "agent/spawn.h"
#include "ask/protocol.h"

namespace bakusoku::agent {
namespace {

constexpr int kBacklog = 1024;
constexpr std::chrono::seconds kSendTimeout{10};  // for a whole answer

Error system_error(std::string_view what, const std::string& path) {
  const int why = errno;
  const auto kind = why == EACCES || why == EPERM ? ErrorKind::denied : ErrorKind::io;
  return Error{kind, fmt::format("{} {}: {}", what, path, std::strerror(why))};
}

using Socket = asio::generic::seq_packet_protocol::socket;

// An asker that does not read its answer does not hold the connection for ever.
asio::awaitable<bool> wait_writable(Socket& socket, Deadline deadline) {
  using namespace asio::experimental::awaitable_operators;
  asio::steady_timer limit(socket.get_executor(), deadline);
  asio::error_code error;
  asio::error_code late;
  const auto first =
      co_await (socket.async_wait(Socket::wait_write, asio::redirect_error(asio::use_awaitable, error)) ||
                limit.async_wait(asio::redirect_error(asio::use_awaitable, late)));
  co_return first.index() == 0 && !error;
}

// An asker that cannot take the short answer at once has asked out of turn. False: close the connection.
bool hand_over_board(int socket, const std::optional<Board::Descriptors>& board) {
  std::string packet;
  const std::string_view refusal = "the agent has no board on this system";
  ask::encode_answer_part(packet, board ? ask::Status::value : ask::Status::not_supported,
                          board ? std::string_view() : refusal, 0);
  iovec data{packet.data(), packet.size()};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = {};
  if (board) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(2 * sizeof(int));
    const int descriptors[2] = {board->board, board->marks};
    std::memcpy(CMSG_DATA(part), descriptors, sizeof descriptors);
  }
  return ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return fail(ErrorKind::invalid, "socket path '{}' must have 1 to {} bytes; set socket in [agent]", path,
                sizeof(address.sun_path) - 1);
  }
  std::memcpy(address.sun_path, path.c_str(), path.size());
  return address;
}

// Whether something accepts connections on the socket file. Only a refused connection proves that nobody
// does: the file may belong to another user, or to another program's socket of another type. Errors: denied,
// io.
Result<bool> somebody_listens(const sockaddr_un& address) {
  const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return fail(system_error("cannot make a socket for", address.sun_path));
  const int connected = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int why = connected == 0 ? 0 : errno;
  ::close(fd);
  if (why == 0 || why == EAGAIN) return true;
  if (why == ECONNREFUSED || why == ENOENT) return false;
  if (why == EPROTOTYPE) {
    return fail(ErrorKind::invalid, "{} is the socket of another program; set socket in [agent]",
                address.sun_path);
  }
  errno = why;
  return fail(system_error("cannot tell whether another agent listens on", address.sun_path));
}

// Whose connection it is: the process that connected.
std::string peer_of(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return {};
  return std::to_string(peer.pid);
}

void give_to_group(const std::string& path, const AgentConfig& config) {
  if (config.socket_group.empty()) return;
  const group* entry = ::getgrnam(config.socket_group.c_str());
  if (entry == nullptr) {
    spdlog::debug("no group {}; {} keeps its own", config.socket_group, path);
  } else if (::chown(path.c_str(), static_cast<uid_t>(-1), entry->gr_gid) != 0) {
    spdlog::warn("cannot give {} to group {} ({}): run the agent as a member of that group", path,
                 config.socket_group, std::strerror(errno));
  }
}

}  // namespace

SocketEntrance::~SocketEntrance() {
  struct stat existing {};
  const bool ours = listener_ && ::lstat(path_.c_str(), &existing) == 0 && existing.st_dev == device_ &&
                    existing.st_ino == inode_;
  if (ours) ::unlink(path_.c_str());
}

Result<bool> SocketEntrance::look(const std::string& path) {
  const auto address = address_of(path);
  if (!address) return fail(address.error());
  struct stat existing {};
  const bool there = ::lstat(path.c_str(), &existing) == 0;
  if (there && !S_ISSOCK(existing.st_mode)) {
    return fail(ErrorKind::invalid, "{} exists and is not a socket; remove it, or set socket in [agent]",
                path);
  }
  if (there) {
    const auto used = somebody_listens(*address);
    if (!used || *used) return used;
  }
  const std::string folder = folder_of(path);
  if (const auto takes = takes_files(folder); !takes)
    return fail(takes.error().with_context(fmt::format("cannot make the socket {}", path)));
  // In such a folder only who owns a file, or the folder, may remove it.
  struct stat of_folder {};
  const uid_t me = ::geteuid();
  if (there && me != 0 && existing.st_uid != me && ::stat(folder.c_str(), &of_folder) == 0 &&
      (of_folder.st_mode & S_ISVTX) != 0 && of_folder.st_uid != me) {
    return fail(ErrorKind::denied,
                "{} is left over, and belongs to another user; remove it, or set socket in [agent]", path);
  }
  return false;
}

Result<void> SocketEntrance::open(const AgentConfig& config) {
  config_ = config;
  path_ = config.socket;
  const auto wanted = address_of(path_);
  if (!wanted) return fail(wanted.error());
  const sockaddr_un& address = *wanted;
  const auto used = look(path_);
  if (!used) return fail(used.error());
  if (*used)
    return fail(ErrorKind::invalid, "another agent listens on {}; stop it, or set socket in [agent]", path_);
  std::error_code ignored;
  std::filesystem::create_directories(folder_of(path_), ignored);
  ::unlink(path_.c_str());
  const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return fail(system_error("cannot make a socket for", path_));
  // Nobody may connect before group and mode are set.
  const mode_t before = ::umask(0177);
  const int bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  ::umask(before);
  if (bound != 0) {
    auto error = system_error("cannot bind the socket", path_);
    ::close(fd);
    return fail(std::move(error));
  }
  give_to_group(path_, config);
  if (::chmod(path_.c_str(), config.socket_mode) != 0 || ::listen(fd, kBacklog) != 0) {
    auto error = system_error("cannot open the socket", path_);
    ::close(fd);
    ::unlink(path_.c_str());
    return fail(std::move(error));
  }
  struct stat existing {};
  if (::lstat(path_.c_str(), &existing) == 0) {
    device_ = existing.st_dev;
    inode_ = existing.st_ino;
  }
  asio::error_code closed;
  if (listener_) listener_->close(closed);
  listener_ = std::make_shared<Listener>(io_, fd);
  spawn_loop(io_, "the socket's accept loop", accept_loop(listener_));
  return {};
}

void SocketEntrance::tick() {
  struct stat existing {};
  if (!listener_ || ::lstat(path_.c_str(), &existing) == 0 || errno != ENOENT) return;
  const auto opened = open(AgentConfig(config_));
  if (opened) {
    spdlog::warn("the socket {} was removed; it is there again", path_);
    trouble_.clear();
  } else if (std::exchange(trouble_, opened.error().message) != opened.error().message) {
    spdlog::error("the socket {} was removed, and askers do not find the agent: {}", path_, trouble_);
  }
}

asio::awaitable<void> SocketEntrance::accept_loop(std::shared_ptr<Listener> listener) {
  for (;;) {
    asio::error_code error;
    co_await listener->async_wait(Listener::wait_read, asio::redirect_error(asio::use_awaitable, error));
    if (error || !listener->is_open()) co_return;
    while (listener->is_open()) {
      const int fd = ::accept4(listener->native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd < 0) {
        if (errno == EINTR || errno == ECONNABORTED) continue;
        if (errno == EAGAIN) break;
        const int why = errno;
        if (const auto left_out = accept_errors_.may_log())
          spdlog::warn("cannot accept on {}: {} ({} more such failures)", path_, std::strerror(why),
                       *left_out);
        asio::steady_timer pause(io_, std::chrono::milliseconds(100));
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
        break;
      }
      const uint64_t before = visits_.closed();
      auto visit = visits_.admit(peer_of(fd));
      if (!visit || visits_.closed() != before) {
        if (const auto left_out = refusals_.may_log()) {
          spdlog::warn(
              "{} connections on {} are open, and one more came; {} ({} more)", visits_.open(), path_,
              visit ? "one that had asked nothing for longest was closed, of the process with the most"
                    : "it was refused",
              *left_out);
        }
      }
      if (!visit) {
        ::close(fd);
        continue;
      }
      Socket socket(io_);
      socket.assign(asio::generic::seq_packet_protocol(AF_UNIX, 0), fd, error);
      if (error) {
        ::close(fd);
        if (const auto left_out = accept_errors_.may_log())
          spdlog::warn("cannot serve a connection on {}: {} ({} more such failures)", path_, error.message(),
                       *left_out);
        continue;
      }
      ++stats_.connections;
      ++stats_.connections_open;
      spawn(io_, "a connection of the socket", serve(std::move(socket), std::move(*visit)),
            [this] { --stats_.connections_open; });
    }
  }
}

asio::awaitable<void> SocketEntrance::serve(Socket socket, Visits::Visit visit) {
  visit.closes_by([&socket] {
    asio::error_code ignored;
    socket.close(ignored);
  });
  // One byte more than a question may have: a longer packet is cut to that and refused by the decoder.
  std::vector<char> received(ask::kHeaderSize + ask::kMaxKeyBytes + 1);
  std::string packet;
  bool has_board = false;
  asio::error_code error;
  for (;;) {
    visit.wait_for_peer();
    asio::socket_base::message_flags flags = 0;
    const size_t size = co_await socket.async_receive(asio::buffer(received), flags,
                                                      asio::redirect_error(asio::use_awaitable, error));
    if (error || size == 0) break;
    visit.work();
    if (ask::is_board_question(std::string_view(received.data(), size))) {
      if (!hand_over_board(socket.native_handle(), board_.descriptors())) break;
      has_board = true;
      continue;
    }
    const auto question = ask::decode_question(std::string_view(received.data(), size));
    if (!question) {
      spdlog::debug("a packet of {} bytes on {} is not a question; connection closed", size, path_);
      break;
    }
    std::optional<Answer> answer = items_.answer_now(question->key);
    if (!answer)
      answer = co_await items_.answer(question->key,
                                      answer_deadline(std::chrono::milliseconds(question->timeout_ms)));
    if (has_board && answer->lease) board_.post(question->key, answer->text, *answer->lease);
    const auto status = answer->supported ? ask::Status::value : ask::Status::not_supported;
    if (answer->text.size() > ask::kMaxAnswerBytes) {
      answer->text =
          fmt::format("the answer has {} bytes, more than {} fit", answer->text.size(), ask::kMaxAnswerBytes);
    }
    visit.wait_for_peer();
    if (!visit.hold(answer->text.size())) break;
    visit.kept() = std::move(answer->text);
    const Deadline sent_by = std::chrono::steady_clock::now() + kSendTimeout;
    size_t offset = 0;
    do {
      offset = ask::encode_answer_part(packet, status, visit.kept(), offset);
      while (::send(socket.native_handle(), packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        if (errno == EINTR) continue;
        if (errno != EAGAIN) {
          error = asio::error_code(errno, asio::error::get_system_category());
          break;
        }
        const bool writable = co_await wait_writable(socket, sent_by);
        if (!writable || !socket.is_open()) {
          error = asio::error::timed_out;
          break;
        }
      }
    } while (!error && offset < visit.kept().size());
    if (error) break;
    std::string().swap(visit.kept());
    (void)visit.hold(0);
  }
}

}  // namespace bakusoku::agent
