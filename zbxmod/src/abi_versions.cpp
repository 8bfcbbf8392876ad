// The structures of zbxmod/abi.h against the layout of every version that has one of its own: as each version
// declares them, with the sizes and offsets that were measured in its programs. Nothing here runs.
#include <cstddef>
#include <cstdint>

#include "zbxmod/abi.h"

namespace zbxmod::abi {
namespace {

// 2.2 and 2.4. Our Result does not fit there: such a host gets no items (Host::too_old).
namespace v2_2 {
struct Result {
  int type;
  uint64_t ui64;
  double dbl;
  char* str;
  char* text;
  char* msg;
  void** logs;
};
static_assert(sizeof(Result) == 56);
static_assert(offsetof(Result, type) != offsetof(abi::Result, type) &&
              sizeof(Result) < offsetof(abi::Result, type) + sizeof(int));
}  // namespace v2_2

// API 1: 3.0. API 2: 3.2 to 4.0.20, 4.2, 4.4.0 to 4.4.8, 5.0.0.
namespace v3_0 {
struct Request {
  char* key;
  int nparam;
  char** params;
  uint64_t lastlogsize;
  int mtime;
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
};
static_assert(sizeof(Request) == 40 && sizeof(Result) == 64);
}  // namespace v3_0

// 4.0.21, 4.4.9, 5.0.1 and later, 5.2 to 6.4.
namespace v5_0 {
struct Request {
  char* key;
  int nparam;
  char** params;
  uint64_t lastlogsize;
  int mtime;
  int* types;
};
using v3_0::Result;
static_assert(sizeof(Request) == 48 && offsetof(Request, types) == 40);
}  // namespace v5_0

// 7.0 and later.
namespace v7_0 {
struct Request {
  char* key;
  int nparam;
  char** params;
  uint64_t lastlogsize;
  int mtime;
  int* types;
  int timeout;
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
  char* bin;
};
static_assert(sizeof(Request) == 56 && offsetof(Request, timeout) == 48);
static_assert(sizeof(Result) == 72 && offsetof(Result, bin) == 64);
}  // namespace v7_0

/// The members that every version from 3.0 on has lie where ours do.
template <typename Theirs>
consteval bool request_fits() {
  return offsetof(Theirs, key) == offsetof(Request, key) && offsetof(Theirs, key) == 0 &&
         offsetof(Theirs, nparam) == offsetof(Request, nparam) && offsetof(Theirs, nparam) == 8 &&
         offsetof(Theirs, params) == offsetof(Request, params) && offsetof(Theirs, params) == 16 &&
         offsetof(Theirs, lastlogsize) == offsetof(Request, lastlogsize) &&
         offsetof(Theirs, lastlogsize) == 24 && offsetof(Theirs, mtime) == offsetof(Request, mtime) &&
         offsetof(Theirs, mtime) == 32;
}

template <typename Theirs>
consteval bool result_fits() {
  return offsetof(Theirs, lastlogsize) == offsetof(Result, lastlogsize) &&
         offsetof(Theirs, lastlogsize) == 0 && offsetof(Theirs, ui64) == offsetof(Result, ui64) &&
         offsetof(Theirs, ui64) == 8 && offsetof(Theirs, dbl) == offsetof(Result, dbl) &&
         offsetof(Theirs, dbl) == 16 && offsetof(Theirs, str) == offsetof(Result, str) &&
         offsetof(Theirs, str) == 24 && offsetof(Theirs, text) == offsetof(Result, text) &&
         offsetof(Theirs, text) == 32 && offsetof(Theirs, msg) == offsetof(Result, msg) &&
         offsetof(Theirs, msg) == 40 && offsetof(Theirs, log) == offsetof(Result, log) &&
         offsetof(Theirs, log) == 48 && offsetof(Theirs, type) == offsetof(Result, type) &&
         offsetof(Theirs, type) == 56 && offsetof(Theirs, mtime) == offsetof(Result, mtime) &&
         offsetof(Theirs, mtime) == 60;
}

static_assert(request_fits<v3_0::Request>() && result_fits<v3_0::Result>(), "3.0 to 5.0.0");
static_assert(request_fits<v5_0::Request>() && result_fits<v5_0::Result>(), "5.0.1 to 6.4");
static_assert(request_fits<v7_0::Request>() && result_fits<v7_0::Result>(), "7.0");
// What a version adds begins where the version before ends.
static_assert(offsetof(Request, types) == sizeof(v3_0::Request), "5.0.1: types");
static_assert(offsetof(Request, types) == offsetof(v5_0::Request, types), "5.0.1: types");
static_assert(offsetof(Request, timeout) == sizeof(v5_0::Request), "7.0: timeout");
static_assert(offsetof(Request, types) == offsetof(v7_0::Request, types), "7.0: types");
static_assert(offsetof(Request, timeout) == offsetof(v7_0::Request, timeout), "7.0: timeout");
static_assert(offsetof(Result, bin) == sizeof(v5_0::Result), "7.0: bin");
static_assert(offsetof(Result, bin) == offsetof(v7_0::Result, bin), "7.0: bin");
static_assert(sizeof(Request) == sizeof(v7_0::Request) && sizeof(Result) == sizeof(v7_0::Result), "7.0");

// The same in every version from 3.0, or from 3.2 for history, to 7.x.
static_assert(sizeof(Log) == 32 && offsetof(Log, source) == 8 && offsetof(Log, timestamp) == 16 &&
              offsetof(Log, severity) == 20 && offsetof(Log, logeventid) == 24);
static_assert(sizeof(Metric) == 32 && offsetof(Metric, flags) == 8 && offsetof(Metric, function) == 16 &&
              offsetof(Metric, test_param) == 24);

template <typename Row>
consteval bool row_fits() {
  return offsetof(Row, itemid) == 0 && offsetof(Row, clock) == 8 && offsetof(Row, ns) == 12 &&
         offsetof(Row, value) == 16;
}
static_assert(row_fits<HistoryFloat>() && sizeof(HistoryFloat) == 24);
static_assert(row_fits<HistoryInteger>() && sizeof(HistoryInteger) == 24);
static_assert(row_fits<HistoryString>() && sizeof(HistoryString) == 24);
static_assert(row_fits<HistoryText>() && sizeof(HistoryText) == 24);
static_assert(row_fits<HistoryLog>() && sizeof(HistoryLog) == 48);
static_assert(offsetof(HistoryLog, source) == 24 && offsetof(HistoryLog, timestamp) == 32 &&
              offsetof(HistoryLog, logeventid) == 36 && offsetof(HistoryLog, severity) == 40);
static_assert(sizeof(HistoryWriteCallbacks) == 40 && offsetof(HistoryWriteCallbacks, on_integer) == 8 &&
              offsetof(HistoryWriteCallbacks, on_string) == 16 &&
              offsetof(HistoryWriteCallbacks, on_text) == 24 &&
              offsetof(HistoryWriteCallbacks, on_log) == 32);

}  // namespace
}  // namespace zbxmod::abi
