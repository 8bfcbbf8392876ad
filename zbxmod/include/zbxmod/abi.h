// Zabbix's module interface as it lies in memory, for x86-64 and every other LP64 platform, from Zabbix 3.0
// to 7.x, written down from the documented ABI and not from Zabbix's headers. The host allocates every
// Request and Result; what is marked with a version lies outside the object in older hosts and must not be
// touched there (see zbxmod/host.h). src/abi_versions.cpp compares all of this with each version's layout.
#pragma once

#include <cstddef>
#include <cstdint>

namespace zbxmod::abi {

inline constexpr int kModuleOk = 0;
inline constexpr int kModuleFail = -1;
inline constexpr int kItemOk = 0;
inline constexpr int kItemFail = 1;

inline constexpr unsigned kHaveParams = 1;
inline constexpr unsigned kFromModule = 2;  // set by the host in the module's own array

inline constexpr int kTypeUnsigned = 0x01;
inline constexpr int kTypeDouble = 0x02;
inline constexpr int kTypeString = 0x04;
inline constexpr int kTypeText = 0x08;
inline constexpr int kTypeLog = 0x10;
inline constexpr int kTypeMessage = 0x20;
inline constexpr int kTypeMeta = 0x40;
inline constexpr int kTypeBinary = 0x80;

inline constexpr int kParamUndefined = 0;
inline constexpr int kParamString = 1;
inline constexpr int kParamArray = 2;

struct Request {
  char* key;
  int nparam;
  char** params;
  uint64_t lastlogsize;
  int mtime;
  int* types;   // 4.0.21, 4.4.9, 5.0.1 and later
  int timeout;  // 7.0 and later, seconds
};

struct Log {
  char* value;
  char* source;
  int timestamp;
  int severity;
  int logeventid;
};

struct Result {
  uint64_t lastlogsize;
  uint64_t ui64;
  double dbl;
  char* str;
  char* text;
  char* msg;
  Log* log;
  int type;
  int mtime;
  char* bin;  // 7.0 and later
};

using ItemFunction = int (*)(Request*, Result*);

struct Metric {
  const char* key;
  unsigned flags;
  ItemFunction function;
  const char* test_param;
};

// The rows of history export, as Zabbix 3.2 and later show them: `count` of them behind one another. Text may
// be null.
struct HistoryFloat {
  uint64_t itemid;
  int clock;
  int ns;
  double value;
};

struct HistoryInteger {
  uint64_t itemid;
  int clock;
  int ns;
  uint64_t value;
};

struct HistoryString {
  uint64_t itemid;
  int clock;
  int ns;
  const char* value;
};

struct HistoryText {
  uint64_t itemid;
  int clock;
  int ns;
  const char* value;
};

struct HistoryLog {
  uint64_t itemid;
  int clock;
  int ns;
  const char* value;
  const char* source;
  int timestamp;
  int logeventid;
  int severity;
};

struct HistoryWriteCallbacks {  // returned by value
  void (*on_float)(const HistoryFloat* rows, int count);
  void (*on_integer)(const HistoryInteger* rows, int count);
  void (*on_string)(const HistoryString* rows, int count);
  void (*on_text)(const HistoryText* rows, int count);
  void (*on_log)(const HistoryLog* rows, int count);
};

}  // namespace zbxmod::abi
