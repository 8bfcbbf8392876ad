#include "aws/credentials_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <asio/buffer.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <vector>

#include "aws/credentials_json.h"
#include "aws/profile.h"

namespace bakusoku::aws {
namespace {

constexpr size_t kMaxOutputBytes = 256u << 10;
constexpr std::chrono::milliseconds kFirstLook{1};
constexpr std::chrono::milliseconds kLongestLook{50};

// A running child, killed with all of its group and reaped when it goes out of scope.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    kill_group();
    if (pid_ > 0) {
      int status = 0;
      while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
      }
    }
  }

  // True once it has ended; `status` is then as waitpid gives it, or -1 where something else has reaped it.
  bool reap(int& status) {
    const pid_t got = ::waitpid(pid_, &status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR)) return false;
    if (got < 0) status = -1;
    kill_group();  // what it left behind
    pid_ = 0;
    return true;
  }

 private:
  // The group's number is the child's until the child is reaped, so that no stranger is hit.
  void kill_group() const {
    if (pid_ > 0) ::kill(-pid_, SIGKILL);
  }

  pid_t pid_;
};

struct SpawnAttributes {
  posix_spawnattr_t attributes{};
  posix_spawn_file_actions_t actions{};
  SpawnAttributes() {
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_init(&actions);
  }
  ~SpawnAttributes() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;
};

// Starts the command with its output going to `out_fd`; what is wrong is an errno.
Result<pid_t> spawn(const std::vector<std::string>& words, const Environment& environment, int out_fd) {
  std::vector<std::string> lines;
  for (const auto& [name, value] : environment.variables) lines.push_back(name + "=" + value);
  std::vector<char*> argv;
  std::vector<char*> envp;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  for (const std::string& line : lines) envp.push_back(const_cast<char*>(line.c_str()));
  argv.push_back(nullptr);
  envp.push_back(nullptr);

  SpawnAttributes spawning;
  sigset_t none;
  sigset_t defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  for (const int signal : {SIGPIPE, SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR1, SIGUSR2})
    sigaddset(&defaults, signal);
  posix_spawnattr_setsigmask(&spawning.attributes, &none);
  posix_spawnattr_setsigdefault(&spawning.attributes, &defaults);
  posix_spawnattr_setpgroup(&spawning.attributes, 0);
  posix_spawnattr_setflags(
      &spawning.attributes,
      static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP));
  posix_spawn_file_actions_adddup2(&spawning.actions, out_fd, STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&spawning.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&spawning.actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addclosefrom_np(&spawning.actions, STDERR_FILENO + 1);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, words.front().c_str(), &spawning.actions, &spawning.attributes,
                                 argv.data(), envp.data());
  if (error == ENOENT) return fail(ErrorKind::invalid, "the command does not exist: write its full path");
  if (error == EACCES)
    return fail(ErrorKind::denied, "the command may not be run by the user that Bakusoku runs as");
  if (error != 0) return fail(ErrorKind::io, "the command could not be started: {}", std::strerror(error));
  return pid;
}

asio::awaitable<Result<std::string>> run(asio::io_context& io, std::vector<std::string> words,
                                         Environment environment) {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    co_return fail(ErrorKind::io, "no pipe: {}", std::strerror(errno));
  asio::posix::stream_descriptor output(io, ends[0]);
  const auto pid = spawn(words, environment, ends[1]);
  ::close(ends[1]);
  if (!pid) co_return fail(pid.error());
  Child child(*pid);

  std::string text;
  std::array<char, 4096> buffer{};
  for (;;) {
    std::error_code error;
    const size_t got = co_await output.async_read_some(asio::buffer(buffer),
                                                       asio::redirect_error(asio::use_awaitable, error));
    text.append(buffer.data(), got);
    if (error) break;
    if (text.size() > kMaxOutputBytes)
      co_return fail(ErrorKind::corrupt, "its output is longer than {} bytes", kMaxOutputBytes);
  }
  int status = 0;
  auto look = kFirstLook;
  while (!child.reap(status)) {
    asio::steady_timer timer(io, look);
    std::error_code ignored;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    look = std::min(look * 2, kLongestLook);
  }
  if (status != -1 && WIFSIGNALED(status)) {
    co_return fail(ErrorKind::unavailable, "the command was ended by signal {}", WTERMSIG(status));
  }
  if (status != -1 && WEXITSTATUS(status) != 0) {
    co_return fail(ErrorKind::denied,
                   "the command ended with exit status {}: run it by hand, as the user that Bakusoku runs "
                   "as, to see why",
                   WEXITSTATUS(status));
  }
  co_return text;
}

}  // namespace

ProcessCredentials::ProcessCredentials(asio::io_context& io, Environment environment, std::string command,
                                       std::string label, std::chrono::milliseconds timeout)
    : io_(io),
      environment_(std::move(environment)),
      command_(std::move(command)),
      label_(std::move(label)),
      timeout_(timeout) {}

asio::awaitable<Result<Credentials>> ProcessCredentials::get() {
  using asio::experimental::awaitable_operators::operator||;
  const std::string source = name();
  auto words = split_command(command_);
  if (!words) co_return fail(words.error().with_context(source));

  asio::steady_timer timer(io_, timeout_);
  std::error_code ignored;
  auto running = run(io_, std::move(*words), environment_);
  auto expiring = timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  // The one that is not ready is cancelled; leaving run() kills the child.
  auto first = co_await (std::move(running) || std::move(expiring));
  if (first.index() == 1) {
    co_return fail(ErrorKind::timeout, "{}: the command did not end within {} s and was killed", source,
                   std::chrono::duration_cast<std::chrono::duration<double>>(timeout_).count());
  }
  auto output = std::move(std::get<0>(first));
  if (!output) co_return fail(output.error().with_context(source));
  co_return decode_credentials_json(*output, CredentialsDialect::process, source);
}

std::string ProcessCredentials::name() const { return fmt::format("credential_process of {}", label_); }

}  // namespace bakusoku::aws
