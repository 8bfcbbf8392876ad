// What the subcommands share. Each subcommand is one file with one function that adds itself to the parser.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

namespace bakusoku::cli {

// Exit codes, the same for every command.
inline constexpr int kOk = 0;
inline constexpr int kFailed = 1;  // the answer is no, or not supported
inline constexpr int kUsage = 2;   // the command line or the configuration is wrong

/// Adds the subcommand to `app`; when it is chosen, `run` becomes what main() calls.
using Run = std::function<int()>;
void add_run(CLI::App& app, Run& run);
void add_get(CLI::App& app, Run& run);
void add_check(CLI::App& app, Run& run);
void add_plan(CLI::App& app, Run& run);
void add_explain(CLI::App& app, Run& run);
void add_status(CLI::App& app, Run& run);
void add_version(CLI::App& app, Run& run);

/// Prints "bakusoku: message" on standard error. Like print(), it lets no text from outside move a terminal.
void complain(const std::string& message);
/// Prints on standard output, nothing added.
void print(const std::string& text);
/// Prints a value, or what a program reads: its very bytes, unless standard output is a terminal.
void print_exactly(const std::string& text);

}  // namespace bakusoku::cli
