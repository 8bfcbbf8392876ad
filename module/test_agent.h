// An agent that behaves as a test wants it to, in a process of its own.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "ask/protocol.h"

namespace bakusoku::module_test {

enum class Habit {
  answers,       // "<connection>:<key>"; an error for "aws.resource"
  answers_long,  // several packets
  never_answers,
  hangs_up,      // closes the connection when it is asked
  dies,          // ends when it is asked
  stops_midway,  // sends the first of two packets, then nothing
  sends_garbage,
};

// An agent in a process of its own, from the constructor to stop().
class Agent {
 public:
  Agent(std::string path, Habit habit) : path_(std::move(path)), habit_(habit) {
    ::unlink(path_.c_str());
    const int listener = ::socket(AF_UNIX, SOCK_SEQPACKET, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener, 64) != 0) {
      ADD_FAILURE() << "cannot listen on " << path_;
    }
    pid_ = ::fork();
    if (pid_ == 0) serve(listener);
    ::close(listener);
  }
  ~Agent() {
    stop();
    ::unlink(path_.c_str());
  }
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  void stop() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  static void send_answer(int socket, ask::Status status, const std::string& text) {
    std::string packet;
    size_t offset = 0;
    do {
      offset = ask::encode_answer_part(packet, status, text, offset);
      if (::send(socket, packet.data(), packet.size(), MSG_NOSIGNAL) < 0) return;
    } while (offset < text.size());
  }

  /// False when the connection is to be closed.
  [[nodiscard]] bool answer(int socket, size_t connection, std::string_view packet) const {
    if (ask::is_board_question(packet)) {
      send_answer(socket, ask::Status::not_supported, "this agent has no board");
      return true;
    }
    const auto question = ask::decode_question(packet);
    if (!question) return false;
    const std::string key(question->key);
    switch (habit_) {
      case Habit::answers:
        if (key.starts_with("aws.resource")) {
          send_answer(socket, ask::Status::not_supported, "UnauthorizedOperation: no permission for " + key);
        } else {
          send_answer(socket, ask::Status::value, std::to_string(connection) + ":" + key);
        }
        return true;
      case Habit::answers_long:
        send_answer(socket, ask::Status::value, std::string(300'000, 'x'));
        return true;
      case Habit::never_answers:
        return true;
      case Habit::hangs_up:
        return false;
      case Habit::dies:
        ::_exit(0);
      case Habit::stops_midway: {
        std::string part;
        ask::encode_answer_part(part, ask::Status::value, std::string(100'000, 'x'), 0);
        ::send(socket, part.data(), part.size(), MSG_NOSIGNAL);
        return true;
      }
      case Habit::sends_garbage:
        ::send(socket, "HTTP/1.1 400 Bad Request", 24, MSG_NOSIGNAL);
        return true;
    }
    return false;
  }

  [[noreturn]] void serve(int listener) const {
    std::vector<pollfd> watched{{listener, POLLIN, 0}};
    std::vector<size_t> numbers{0};
    size_t connections = 0;
    std::string packet(ask::kMaxKeyBytes + 64, '\0');
    ::alarm(50);  // never longer than the test
    for (;;) {
      ::poll(watched.data(), watched.size(), -1);
      for (size_t i = watched.size(); i-- > 1;) {
        if (watched[i].revents == 0) continue;
        const ssize_t length = ::recv(watched[i].fd, packet.data(), packet.size(), 0);
        if (length > 0 && answer(watched[i].fd, numbers[i],
                                 std::string_view(packet).substr(0, static_cast<size_t>(length)))) {
          continue;
        }
        ::close(watched[i].fd);
        watched.erase(watched.begin() + static_cast<ptrdiff_t>(i));
        numbers.erase(numbers.begin() + static_cast<ptrdiff_t>(i));
      }
      if (watched[0].revents != 0) {
        watched.push_back({::accept(listener, nullptr, nullptr), POLLIN, 0});
        numbers.push_back(++connections);
      }
    }
  }

  std::string path_;
  Habit habit_;
  pid_t pid_ = 0;
};

// The module reads where the socket is when a process first asks: one path for the whole program.
inline const std::string& socket_path() {
  static const std::string path = [] {
    std::string value = "/tmp/bakusoku-module-test-" + std::to_string(::getpid()) + ".sock";
    ::setenv("BAKUSOKU_SOCKET", value.c_str(), 1);
    return value;
  }();
  return path;
}

}  // namespace bakusoku::module_test
