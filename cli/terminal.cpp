#include "cli/terminal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <string_view>

#include "base/utf8.h"

namespace bakusoku::cli {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l";  // alternate screen, no cursor
constexpr std::string_view kLeave = "\x1b[?25h\x1b[?1049l";
constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH};

volatile std::sig_atomic_t quit_asked = 0;
volatile std::sig_atomic_t stop_asked = 0;
volatile std::sig_atomic_t window_changed = 0;
termios saved_modes{};
bool have_saved_modes = false;

extern "C" void note_signal(int number) {
  if (number == SIGWINCH) {
    window_changed = 1;
  } else if (number == SIGTSTP) {
    stop_asked = 1;
  } else {
    quit_asked = 1;
  }
}

void write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return;
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

winsize window() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return winsize{};
  return size;
}

}  // namespace

size_t terminal_width() { return ::isatty(STDOUT_FILENO) == 1 ? window().ws_col : 0; }

Terminal::Terminal() {
  std::fflush(stdout);
  have_saved_modes = ::tcgetattr(STDIN_FILENO, &saved_modes) == 0;
  // Blocked but while waiting, so that none is missed in between.
  sigset_t ours;
  sigemptyset(&ours);
  for (const int number : kSignals) sigaddset(&ours, number);
  ::sigprocmask(SIG_BLOCK, &ours, nullptr);
  struct sigaction action {};
  action.sa_handler = note_signal;
  for (const int number : kSignals) ::sigaction(number, &action, nullptr);
  enter();
}

Terminal::~Terminal() {
  leave();
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  sigset_t ours;
  sigemptyset(&ours);
  for (const int number : kSignals) {
    ::sigaction(number, &action, nullptr);
    sigaddset(&ours, number);
  }
  // One that came meanwhile has been heeded: the view is over.
  timespec at_once{};
  while (::sigtimedwait(&ours, nullptr, &at_once) > 0) continue;
  ::sigprocmask(SIG_UNBLOCK, &ours, nullptr);
}

void Terminal::enter() {
  if (have_saved_modes) {
    termios modes = saved_modes;
    modes.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    modes.c_cc[VMIN] = 0;
    modes.c_cc[VTIME] = 0;
    ::tcsetattr(STDIN_FILENO, TCSANOW, &modes);
  }
  write_all(kEnter);
}

void Terminal::leave() {
  write_all(kLeave);
  if (have_saved_modes) ::tcsetattr(STDIN_FILENO, TCSANOW, &saved_modes);
}

size_t Terminal::width() const { return window().ws_col == 0 ? 80 : window().ws_col; }

size_t Terminal::height() const { return window().ws_row == 0 ? 24 : window().ws_row; }

void Terminal::show(const std::vector<std::string>& lines) {
  // Each line erases what is left of the one before it, so that nothing flickers.
  std::string screen = "\x1b[H";
  const size_t count = std::min(lines.size(), height());
  for (size_t at = 0; at < count; ++at) {
    screen += printable(lines[at]);
    screen += "\x1b[K";
    if (at + 1 < count) screen += "\r\n";
  }
  write_all(screen + "\x1b[J");
}

Terminal::Wake Terminal::wait(milliseconds time) {
  const auto until = std::chrono::steady_clock::now() + time;
  sigset_t none;
  ::sigprocmask(SIG_BLOCK, nullptr, &none);
  for (const int number : kSignals) sigdelset(&none, number);
  for (;;) {
    if (quit_asked != 0) return Wake::quit;
    if (stop_asked != 0) {
      stop_asked = 0;
      leave();
      ::raise(SIGSTOP);
      enter();
      return Wake::redraw;
    }
    if (window_changed != 0) {
      window_changed = 0;
      return Wake::redraw;
    }
    const auto left = std::chrono::ceil<milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0) return Wake::time;
    pollfd input{STDIN_FILENO, POLLIN, 0};
    const timespec limit{left.count() / 1000, left.count() % 1000 * 1'000'000};
    const int ready = ::ppoll(&input, 1, &limit, &none);
    if (ready <= 0) continue;
    char key = 0;
    const ssize_t size = ::read(STDIN_FILENO, &key, 1);
    if (size == 0 || (size < 0 && errno != EINTR && errno != EAGAIN)) return Wake::quit;
    if (size == 1 && (key == 'q' || key == 'Q')) return Wake::quit;
    if (size == 1 && key == ' ') return Wake::refresh;
  }
}

}  // namespace bakusoku::cli
