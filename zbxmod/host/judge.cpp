#include "judge.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "zbxmod/result.h"

namespace zbxmod::host {
namespace {

// What history_text holds; a longer text is cut.
constexpr size_t kMaxStoredCharacters = 65535;

size_t characters(const std::string& text) {
  size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
  return count;
}

}  // namespace

Outcome judge(int code, const abi::Result& result) {
  Outcome outcome;
  const auto fault = [&](const char* kind, std::string text) {
    outcome.faults.emplace_back(kind, std::move(text));
  };
  const auto text_of = [&](const char* what, const char* text) {
    if (text == nullptr) {
      fault("no-value", std::string("says that it gives a ") + what + ", but the pointer is null");
      return std::string();
    }
    std::string copy = text;
    if (!is_valid_text(copy)) fault("encoding", std::string("the ") + what + " is not valid UTF-8");
    return copy;
  };
  if (code == abi::kItemFail) {
    if ((result.type & abi::kTypeMessage) == 0 || result.msg == nullptr) {
      fault("no-message", "fails without a message: Zabbix shows \"Unknown error.\"");
      outcome.text = "Unknown error.";
    } else {
      outcome.text = text_of("message", result.msg);
    }
    return outcome;
  }
  if (code != abi::kItemOk) {
    fault("code", "returns " + std::to_string(code) + ": only 0 (success) and 1 (failure) have a meaning");
    return outcome;
  }
  outcome.ok = true;
  const int values = result.type & (abi::kTypeUnsigned | abi::kTypeDouble | abi::kTypeString |
                                    abi::kTypeText | abi::kTypeLog | abi::kTypeBinary);
  if (values == 0) {
    fault("no-value",
          "succeeds without a value: zabbix_agentd closes the connection with no answer, a server or proxy "
          "stores nothing");
  }
  if ((values & (values - 1)) != 0)
    fault("two-values", "sets more than one kind of value: Zabbix takes whichever it looks for first");
  if ((values & abi::kTypeText) != 0) {
    outcome.text = text_of("text", result.text);
  } else if ((values & abi::kTypeString) != 0) {
    outcome.text = text_of("string", result.str);
  } else if ((values & abi::kTypeUnsigned) != 0) {
    outcome.text = std::to_string(result.ui64);
  } else if ((values & abi::kTypeDouble) != 0) {
    char number[512];
    std::snprintf(number, sizeof number, "%f", result.dbl);
    outcome.text = number;
    if (!std::isfinite(result.dbl)) fault("not-finite", "gives a number that is not finite: " + outcome.text);
  } else if ((values & abi::kTypeLog) != 0) {
    outcome.text = text_of("log entry", result.log == nullptr ? nullptr : result.log->value);
  } else if ((values & abi::kTypeBinary) != 0) {
    outcome.text = text_of("binary value", result.bin);
  }
  if (characters(outcome.text) > kMaxStoredCharacters) {
    outcome.notes.emplace_back("long",
                               "gives " + std::to_string(outcome.text.size()) +
                                   " bytes: Zabbix passes all of it to preprocessing, but stores no more "
                                   "than 65535 characters");
  }
  return outcome;
}

abi::Result decode(const Layout& layout, const Guarded& memory) {
  abi::Result result{};
  if (!layout.old_result) {
    std::memcpy(&result, memory.get(), memory.size());
    return result;
  }
  const auto* bytes = static_cast<const char*>(memory.get());
  std::memcpy(&result.type, bytes, sizeof result.type);
  std::memcpy(&result.ui64, bytes + 8, 4 * sizeof(uint64_t));  // ui64, dbl, str, text
  std::memcpy(&result.msg, bytes + 40, sizeof result.msg);
  result.type &= ~abi::kTypeLog;
  return result;
}

void free_result(const abi::Result& result) {
  std::free(result.str);
  std::free(result.text);
  std::free(result.msg);
  std::free(result.bin);
  if (result.log != nullptr) {
    std::free(result.log->value);
    std::free(result.log->source);
    std::free(result.log);
  }
}

}  // namespace zbxmod::host
