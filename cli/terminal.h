// The terminal of a live view: an alternate screen that is given back as it was, however the program ends
// (but by SIGKILL), keys without echo, and the signals that concern it. At most one at a time.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace bakusoku::cli {

/// Columns of standard output; 0 when it is no terminal.
[[nodiscard]] size_t terminal_width();

class Terminal {
 public:
  /// Standard input and output are a terminal.
  Terminal();
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  [[nodiscard]] size_t width() const;
  [[nodiscard]] size_t height() const;
  /// Shows the lines, as far as they fit.
  void show(const std::vector<std::string>& lines);

  enum class Wake {
    time,     // `time` is over
    redraw,   // the window changed, or the program came back from the background
    refresh,  // space was pressed
    quit      // q, ctrl-C, SIGTERM, SIGHUP, or the terminal is gone
  };
  [[nodiscard]] Wake wait(std::chrono::milliseconds time);

 private:
  void enter();
  void leave();
};

}  // namespace bakusoku::cli
