// How a process came to its end, in words: from what the kernel, its own last signal handler and its standard
// error say.
#include <sys/wait.h>

#include <csignal>
#include <cstdio>
#include <cstring>

#include "guest.h"

namespace zbxmod::host {
namespace {

/// "terminate called after throwing an instance of 'T'" and "  what():  W", as the C++ runtime says it.
std::string exception_of(const std::string& said) {
  static constexpr std::string_view thrown = "terminate called after throwing an instance of '";
  static constexpr std::string_view what = "what():  ";
  const size_t at = said.find(thrown);
  if (at == std::string::npos) {
    return said.find("terminate called") == std::string::npos ? std::string()
                                                              : "an exception or std::terminate()";
  }
  const size_t start = at + thrown.size();
  std::string text = "an exception of type " + said.substr(start, said.find('\'', start) - start);
  if (const size_t word = said.find(what, start); word != std::string::npos) {
    text += ": " + said.substr(word + what.size(), said.find('\n', word) - word - what.size());
  }
  return text;
}

std::string about_address(const Stage& stage, const Setup& setup) {
  const uintptr_t address = stage.bad_address.load();
  const auto sized = [](const char* what, const Guarded& memory) {
    return "it read or wrote behind the end of " + std::string(what) + ", which has " +
           std::to_string(memory.size()) + " bytes in this version of Zabbix";
  };
  if (setup.request->behind(address)) return sized("AGENT_REQUEST", *setup.request);
  if (setup.result->behind(address)) return sized("AGENT_RESULT", *setup.result);
  for (const auto& each : setup.rows) {
    if (each->behind(address)) return "it read behind the last row of history";
    if (each->revoked(address)) return "it used a row of history or its text after the callback had returned";
  }
  if (address < 4096) return "it used a null pointer";
  char text[64];
  std::snprintf(text, sizeof text, "it touched address 0x%llx", static_cast<unsigned long long>(address));
  return text;
}

std::string last_words(std::string said) {
  while (!said.empty() && (said.back() == '\n' || said.back() == ' ')) said.pop_back();
  // Where it begins and where it ends.
  constexpr size_t kMost = 400;
  for (char& c : said) c = c == '\n' ? ' ' : c;
  if (said.size() > kMost) {
    said = said.substr(0, kMost / 2) + " ... " + said.substr(said.size() - kMost / 2);
  }
  return said;
}

}  // namespace

std::string in_seconds(int64_t milliseconds) {
  std::string text = std::to_string(milliseconds / 1000);
  if (const int64_t tenths = milliseconds % 1000 / 100; tenths != 0) text += "." + std::to_string(tenths);
  return text + " s";
}

std::string signal_name(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return "SIG" + std::string(name != nullptr ? name : "?");
}

Fault how_it_ended(int status, const Stage& stage, const std::string& said, const Setup& setup) {
  const auto step = static_cast<Step>(stage.step.load());
  const std::string meanwhile = std::string(" while ") + describe(step);
  Fault fault{"crash", 0, "", "", "", describe_stack(stage.stack, setup.loaded)};
  if (fault.details.size() > 10) fault.details.resize(10);
  const std::string words = last_words(said);
  const bool sanitizer =
      said.find("Sanitizer") != std::string::npos || said.find("runtime error:") != std::string::npos;
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    fault.text =
        "the process was ended by " + signal_name(signal) + " (" + ::strsignal(signal) + ")" + meanwhile;
    if (const std::string exception = exception_of(said); signal == SIGABRT && !exception.empty()) {
      fault.kind = "exception";
      fault.text = exception +
                   " escaped into Zabbix, which is written in C: the process was ended by SIGABRT" +
                   meanwhile;
    } else if (signal == SIGKILL) {
      fault.text += "; zbxmod-host did not send it: the module did, or the kernel for want of memory";
    } else if (signal == SIGSEGV || signal == SIGBUS) {
      fault.text += "; " + about_address(stage, setup);
    }
    if (stage.memory_kb.load() > setup.options.memory_mb * 1024 / 10 * 9) {
      fault.kind = "too-much-memory";
      fault.text += "; it had allocated " + std::to_string(stage.memory_kb.load() / 1024) + " MB of the " +
                    std::to_string(setup.options.memory_mb) + " MB that are allowed here";
    }
  } else {
    const int code = WEXITSTATUS(status);
    const auto left = static_cast<Left>(stage.left.load());
    const bool expected = step == Step::leave || step == Step::leave_child;
    if (!sanitizer && !expected && step != Step::free_answer && step != Step::write_item_list)
      fault.kind = "exit";
    const std::string call = left == Left::by_exit ? "exit(" + std::to_string(stage.left_with.load()) + ")"
                             : left == Left::by_quick_exit ? "quick_exit(" + std::to_string(code) + ")"
                                                           : "";
    fault.text = call.empty()
                     ? "the process ended with status " + std::to_string(code) + meanwhile +
                           (fault.kind == "exit" ? " (_exit(), execve(), or the end of its last thread)" : "")
                     : "called " + call + meanwhile;
  }
  if (step == Step::leave || step == Step::leave_child) fault.kind = "destructor";
  // Each has a remedy of its own, however the process ended.
  if (step == Step::write_item_list) fault.kind = "item-list";
  if (step == Step::free_answer) fault.kind = "free";
  if (!words.empty()) fault.details.push_back("standard error: " + words);
  return fault;
}

}  // namespace zbxmod::host
