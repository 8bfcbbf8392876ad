#include "ask/client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <limits>
#include <utility>

namespace bakusoku::ask {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr size_t kMaxShownKey = 200;
constexpr milliseconds kShortestSleep{1};
constexpr milliseconds kLongestSleep{20};
constexpr int kQuestionsBeforeBoard = 8;  // who asks less gains nothing by it
constexpr int kQuestionsAfterRefusal =
    10000;  // an agent or a system that has no board to give is asked rarely

microseconds left_until(steady_clock::time_point deadline) {
  return std::chrono::ceil<microseconds>(deadline - steady_clock::now());
}

// The key as shown in a sentence: long ones are cut, not within a UTF-8 sequence.
std::string shown(std::string_view key) {
  if (key.size() <= kMaxShownKey) return std::string(key);
  size_t end = kMaxShownKey;
  while (end > 0 && (static_cast<unsigned char>(key[end]) & 0xC0) == 0x80) --end;
  return std::string(key.substr(0, end)) + "...";
}

std::string seconds(steady_clock::duration time) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", std::max(0.0, std::chrono::duration<double>(time).count()));
  return text;
}

// strerror() is not required to be thread-safe, and its GNU sibling comes in two signatures.
std::string error_text(int error) { return std::strerror(error); }

// False when the deadline came first; true also after a signal: the caller looks again.
bool wait_for(int fd, short events, steady_clock::time_point deadline) {
  const microseconds left = left_until(deadline);
  if (left <= microseconds::zero()) return false;
  const auto wait =
      std::min<int64_t>(std::chrono::ceil<milliseconds>(left).count(), std::numeric_limits<int>::max());
  pollfd entry{fd, events, 0};
  return ::poll(&entry, 1, static_cast<int>(wait)) != 0;
}

void sleep_for(microseconds time) {
  timespec rest{time.count() / 1'000'000, time.count() % 1'000'000 * 1000};
  ::nanosleep(&rest, nullptr);  // cut short by a signal: the caller looks at the clock anyway
}

// Why the socket may not be opened and what to do about it. No look-up of user names: that may ask the
// network.
std::string permission_advice(const std::string& path) {
  std::string advice = "This process runs as user id " + std::to_string(::geteuid());
  struct stat socket {};
  if (::stat(path.c_str(), &socket) == 0) {
    advice += "; the socket belongs to user id " + std::to_string(socket.st_uid) + " and group id " +
              std::to_string(socket.st_gid);
  }
  return advice +
         ". Add that user to the socket's group (usermod -aG GROUP USER, then restart the Zabbix daemon), or "
         "set "
         "socket_group in the agent's configuration to the Zabbix daemon's group";
}

Answer no_agent(const std::string& path, int error) {
  const std::string reason = "cannot connect to " + path + ": " + error_text(error) + ". ";
  switch (error) {
    case EACCES:
    case EPERM:
      return {Answer::Outcome::no_agent,
              "bakusoku agent cannot be asked: " + reason + permission_advice(path)};
    case EPROTOTYPE:
      return {Answer::Outcome::no_agent,
              "bakusoku agent cannot be asked: " + reason +
                  "Another program listens there; set BAKUSOKU_SOCKET for the Zabbix "
                  "daemon to the agent's socket"};
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
      return {Answer::Outcome::no_agent, "bakusoku agent cannot be asked: " + reason +
                                             "This process or machine is out of resources; raise its limits "
                                             "(LimitNOFILE, memory)"};
    default:
      return {Answer::Outcome::no_agent, "bakusoku agent is not running: " + reason +
                                             "Start it (bakusoku run), or set BAKUSOKU_SOCKET for the "
                                             "Zabbix daemon"};
  }
}

}  // namespace

Client::Client(std::string socket_path)
    : socket_path_(std::move(socket_path)), questions_until_board_(kQuestionsBeforeBoard) {}

// Only close(): shutdown() would end the connection of a parent that shares the descriptor.
Client::~Client() { close_connection(); }

void Client::close_connection() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  receive_timeout_ = microseconds::zero();
  board_.reset();
  questions_until_board_ = std::max(questions_until_board_, kQuestionsBeforeBoard);
}

Answer Client::ask(std::string_view key, TimePoint deadline) {
  if (key.size() > kMaxKeyBytes) {
    return {Answer::Outcome::not_supported, "the item key has " + std::to_string(key.size()) +
                                                " bytes; at most " + std::to_string(kMaxKeyBytes) +
                                                " are allowed"};
  }
  if (key.find('\0') != std::string_view::npos) {
    return {Answer::Outcome::not_supported, "the item key holds a NUL character"};
  }
  Answer answer;
  if (board_ && answer_from_board(key, answer)) return answer;
  const TimePoint start = steady_clock::now();
  for (bool again = false;; again = true) {
    if (fd_ < 0 && !connect(start, deadline, answer)) return answer;
    Step step = Step::done;
    if (questions_until_board_ <= 0) step = fetch_board(deadline);
    if (step == Step::done) step = send_question(key, deadline);
    if (step == Step::done) step = receive_answer(deadline, answer);
    if (step == Step::done) {
      if (!board_) --questions_until_board_;
      return answer;
    }
    close_connection();
    switch (step) {
      case Step::closed:
        if (!again) continue;
        return {Answer::Outcome::no_agent,
                "bakusoku agent closed the connection twice without an answer to " + shown(key) +
                    ": it is being restarted or it fails on this item; " +
                    "see its log (journalctl -u bakusoku)"};
      case Step::timeout:
        return {Answer::Outcome::timeout,
                "bakusoku agent did not answer " + shown(key) + " within " + seconds(deadline - start) +
                    "; raise the item's timeout or Timeout of the Zabbix daemon, or see "
                    "the agent's log (journalctl -u bakusoku)"};
      default:
        return {Answer::Outcome::protocol,
                "what listens at " + socket_path_ + " sent no answer that can be read to " + shown(key) +
                    ": is it a bakusoku agent of the same version? Restart the agent and "
                    "the Zabbix daemon after an upgrade"};
    }
  }
}

// connect() to a listener with a full backlog blocks, for ever when the agent is stopped; so it is asked not
// to, which gives EAGAIN with nothing to poll for.
bool Client::connect(TimePoint start, TimePoint deadline, Answer& failure) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path_.empty() || socket_path_.size() >= sizeof address.sun_path ||
      socket_path_.find('\0') != std::string::npos) {
    failure = {Answer::Outcome::no_agent,
               socket_path_.empty()
                   ? std::string("the path of bakusoku's socket is empty: set BAKUSOKU_SOCKET")
                   : "the path of bakusoku's socket has " + std::to_string(socket_path_.size()) +
                         " bytes, a Unix socket allows " + std::to_string(sizeof address.sun_path - 1) +
                         " without NUL: set BAKUSOKU_SOCKET and the agent's socket to a shorter "
                         "one (" +
                         shown(socket_path_.c_str()) + ")"};
    return false;
  }
  std::memcpy(address.sun_path, socket_path_.data(), socket_path_.size());

  const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) {
    failure = no_agent(socket_path_, errno);
    return false;
  }
  milliseconds pause = kShortestSleep;
  while (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    if (error == EINTR && left_until(deadline) > microseconds::zero()) continue;
    if (error == EAGAIN || error == EINTR) {
      const microseconds left = left_until(deadline);
      if (left > microseconds::zero()) {
        sleep_for(std::min<microseconds>(pause, left));
        pause = std::min(pause * 2, kLongestSleep);
        continue;
      }
      failure = {Answer::Outcome::timeout,
                 "bakusoku agent took no connection at " + socket_path_ + " within " +
                     seconds(deadline - start) +
                     ": it is stopped or overloaded; see its log (journalctl -u bakusoku) "
                     "and `bakusoku check`"};
    } else {
      failure = no_agent(socket_path_, error);
    }
    ::close(fd);
    return false;
  }
  // From here on blocking: an answer is then one recv(), without a poll() before it.
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0) {
    failure = no_agent(socket_path_, errno);
    ::close(fd);
    return false;
  }
  fd_ = fd;
  receive_timeout_ = microseconds::zero();
  return true;
}

bool Client::answer_from_board(std::string_view key, Answer& answer) {
  if (board_->closed()) {
    board_.reset();
    questions_until_board_ = 0;
    return false;
  }
  if (!board_->find(key, static_cast<int64_t>(::time(nullptr)), answer.text)) return false;
  char unexpected = 0;
  if (::recv(fd_, &unexpected, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
      (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
    close_connection();  // the agent has gone
    return false;
  }
  answer.outcome = Answer::Outcome::value;
  return true;
}

Client::Step Client::fetch_board(TimePoint deadline) {
  questions_until_board_ = kQuestionsAfterRefusal;
  encode_board_question(question_);
  for (;;) {
    if (::send(fd_, question_.data(), question_.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) break;
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS) return Step::closed;
    if (!wait_for(fd_, POLLOUT, deadline)) return Step::timeout;
  }
  for (;;) {
    if (left_until(deadline) <= microseconds::zero()) return Step::timeout;
    pollfd entry{fd_, POLLIN, 0};
    if (!wait_for(entry.fd, entry.events, deadline)) continue;
    char packet[kHeaderSize + 512];
    iovec data{packet, sizeof packet};
    alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))];
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t size = ::recvmsg(fd_, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) continue;
    if (size <= 0) return Step::closed;
    int descriptors[2] = {-1, -1};
    size_t count = 0;
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
      if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
      count = std::min<size_t>((part->cmsg_len - CMSG_LEN(0)) / sizeof(int), 2);
      std::memcpy(descriptors, CMSG_DATA(part), count * sizeof(int));
    }
    const auto answer = decode_answer_part(std::string_view(packet, static_cast<size_t>(size)));
    if (count == 2 && answer && answer->status == Status::value) {
      board_ = BoardView::map(descriptors[0], descriptors[1]);
      if (board_) questions_until_board_ = kQuestionsBeforeBoard;  // should this one be lost
    }
    for (size_t at = 0; at < count; ++at) ::close(descriptors[at]);
    return answer ? Step::done : Step::protocol;
  }
}

Client::Step Client::send_question(std::string_view key, TimePoint deadline) {
  for (;;) {
    const microseconds left = left_until(deadline);
    if (left <= microseconds::zero()) return Step::timeout;
    const auto left_ms = std::clamp<int64_t>(left.count() / 1000, 1, std::numeric_limits<uint32_t>::max());
    encode_question(question_, static_cast<uint32_t>(left_ms), key);
    const ssize_t sent = ::send(fd_, question_.data(), question_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) return Step::done;  // SOCK_SEQPACKET sends a packet whole or not at all
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS) return Step::closed;
    if (!wait_for(fd_, POLLOUT, deadline)) return Step::timeout;
  }
}

Client::Step Client::receive_packet(TimePoint deadline, std::string_view& packet) {
  packet_.resize(kHeaderSize + kMaxPacketPayload);
  for (;;) {
    const microseconds left = left_until(deadline);
    if (left <= microseconds::zero()) return Step::timeout;
    // SO_RCVTIMEO wakes us a little before the deadline, and the rest is set then. So it stays as it is from
    // question to question while their time is much the same, and an answer costs one system call.
    if (receive_timeout_ > left || receive_timeout_ < left / 2) {
      const microseconds wanted =
          std::max<microseconds>(left > milliseconds(100) ? left * 7 / 8 : left, milliseconds(1));
      const timeval time{wanted.count() / 1'000'000, wanted.count() % 1'000'000};
      if (::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) != 0) return Step::closed;
      receive_timeout_ = wanted;
    }
    const ssize_t size = ::recv(fd_, packet_.data(), packet_.size(), MSG_TRUNC);
    if (size > 0) {
      if (static_cast<size_t>(size) > packet_.size()) return Step::protocol;
      packet = std::string_view(packet_).substr(0, static_cast<size_t>(size));
      return Step::done;
    }
    if (size == 0) return Step::closed;
    if (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK) return Step::closed;
  }
}

Client::Step Client::receive_answer(TimePoint deadline, Answer& answer) {
  reader_.clear();
  for (;;) {
    std::string_view packet;
    if (const Step step = receive_packet(deadline, packet); step != Step::done) return step;
    switch (reader_.add(packet)) {
      case AnswerReader::State::more:
        continue;
      case AnswerReader::State::corrupt:
        return Step::protocol;
      case AnswerReader::State::complete:
        answer.outcome =
            reader_.status() == Status::value ? Answer::Outcome::value : Answer::Outcome::not_supported;
        answer.text = reader_.take();
        return Step::done;
    }
  }
}

}  // namespace bakusoku::ask
