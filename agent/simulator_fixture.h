// For tests: a simaws of the test's own, on a port of its own choice.
#pragma once

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

#include "base/environment.h"

namespace bakusoku::agent {

class Simulator {
 public:
  explicit Simulator(std::vector<std::string> options) {
    std::array<int, 2> out{};
    if (::pipe(out.data()) != 0) return;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, out[0]);
    std::string program = BAKUSOKU_BINARY_DIR "/bin/simaws";
    options.insert(options.begin(), {program, "--port", "0", "--regions", "eu-west-1,us-east-1"});
    std::vector<char*> arguments;
    for (std::string& option : options) arguments.push_back(option.data());
    arguments.push_back(nullptr);
    ::posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    ::close(out[1]);
    std::string line;
    for (char ch = 0; ::read(out[0], &ch, 1) == 1 && ch != '\n';) line += ch;
    out_ = out[0];
    const size_t begin = line.find("http://");
    if (begin != std::string::npos) url_ = line.substr(begin, line.find(';') - begin);
  }
  ~Simulator() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(out_);
  }
  Simulator(const Simulator&) = delete;
  Simulator& operator=(const Simulator&) = delete;

  /// It answers nothing until it goes on, and loses nothing that is asked meanwhile.
  void pause() const { ::kill(pid_, SIGSTOP); }
  void go_on() const { ::kill(pid_, SIGCONT); }

  /// Empty when it did not start.
  [[nodiscard]] const std::string& url() const { return url_; }
  /// What an agent needs to ask it.
  [[nodiscard]] Environment environment() const {
    Environment environment;
    environment.variables = {{"AWS_ACCESS_KEY_ID", "AKIASIMAWS0000000000"},
                             {"AWS_SECRET_ACCESS_KEY", "simaws/not/a/real/secret/0000000000000000"},
                             {"AWS_ENDPOINT_URL", url_},
                             {"AWS_REGION", "eu-west-1"},
                             {"AWS_CONFIG_FILE", "/nonexistent/config"},
                             {"AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials"}};
    return environment;
  }

 private:
  pid_t pid_ = -1;
  int out_ = -1;
  std::string url_;
};

}  // namespace bakusoku::agent
