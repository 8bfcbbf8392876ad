// What zbxmod adds to a call: the same items, once written by hand against Zabbix's interface as a C module
// has them, once as the SDK's handlers; both called through the function pointer that the host has, the
// answer freed as the host frees it. The difference is the SDK's.
#include <benchmark/benchmark.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "zbxmod/module.h"

namespace {

namespace abi = zbxmod::abi;

// ---- by hand

int c_echo(abi::Request* request, abi::Result* result) {
  if (request->nparam != 1) return abi::kItemFail;
  result->text = strdup(request->params[0]);
  result->type |= abi::kTypeText;
  return abi::kItemOk;
}

int c_sum(abi::Request* request, abi::Result* result) {
  if (request->nparam != 2) return abi::kItemFail;
  char* end = nullptr;
  const uint64_t one = std::strtoull(request->params[0], &end, 10);
  if (*end != '\0') return abi::kItemFail;
  const uint64_t two = std::strtoull(request->params[1], &end, 10);
  if (*end != '\0') return abi::kItemFail;
  result->ui64 = one + two;
  result->type |= abi::kTypeUnsigned;
  return abi::kItemOk;
}

int c_double(abi::Request* request, abi::Result* result) {
  if (request->nparam != 0) return abi::kItemFail;
  char text[64];
  std::snprintf(text, sizeof text, "%.17g", 0.123456789);
  result->text = strdup(text);
  result->type |= abi::kTypeText;
  return abi::kItemOk;
}

// ---- with the SDK

std::string_view echo(std::string_view text) { return text; }
std::string_view echo_request(const zbxmod::Request& request) { return request.param(0); }
uint64_t sum(uint64_t one, uint64_t two) { return one + two; }
double number() { return 0.123456789; }
constinit zbxmod::PerWorker<uint64_t> counter;
uint64_t count() { return ++counter.get(); }
zbxmod::Discovery discovery() {
  zbxmod::Discovery found;
  for (int i = 0; i < 10; ++i) found.add({{"NAME", "a name"}, {"INDEX", i}});
  return found;
}

constexpr zbxmod::Item items[] = {
    zbxmod::item<echo>("bench.echo", zbxmod::text("text").may_be_empty()),
    zbxmod::item<echo_request>("bench.request", zbxmod::any_parameters),
    zbxmod::item<sum>("bench.sum", zbxmod::whole("one"), zbxmod::whole("two").between(0, 1000)),
    zbxmod::item<number>("bench.number"),
    zbxmod::item<count>("bench.count"),
    zbxmod::item<discovery>("bench.discovery"),
};

void call(benchmark::State& state, abi::ItemFunction function, std::vector<std::string> params) {
  std::vector<char*> pointers;
  for (std::string& each : params) pointers.push_back(each.data());
  char key[] = "bench.item";
  abi::Request request{};
  request.key = key;
  request.nparam = static_cast<int>(pointers.size());
  request.params = pointers.data();
  for (auto _ : state) {
    abi::Result result{};
    const int code = function(&request, &result);
    benchmark::DoNotOptimize(result);
    if (code != abi::kItemOk) state.SkipWithError("the item is not supported");
    std::free(result.text);
  }
}

abi::ItemFunction sdk(size_t row) { return zbxmod::detail::metrics<items>()[row].function; }

const std::string kShort(20, 'x');
const std::string kLong(100'000, 'x');

BENCHMARK_CAPTURE(call, echo_20_bytes_C, c_echo, {kShort});
BENCHMARK_CAPTURE(call, echo_20_bytes_SDK, sdk(0), {kShort});
BENCHMARK_CAPTURE(call, echo_20_bytes_SDK_with_request_and_deadline, sdk(1), {kShort});
BENCHMARK_CAPTURE(call, echo_100_kB_C, c_echo, {kLong});
BENCHMARK_CAPTURE(call, echo_100_kB_SDK, sdk(0), {kLong});
BENCHMARK_CAPTURE(call, two_numbers_C, c_sum, {"123456", "789"});
BENCHMARK_CAPTURE(call, two_numbers_SDK, sdk(2), {"123456", "789"});
BENCHMARK_CAPTURE(call, double_C, c_double, {});
BENCHMARK_CAPTURE(call, double_SDK, sdk(3), {});
BENCHMARK_CAPTURE(call, per_worker_SDK, sdk(4), {});
BENCHMARK_CAPTURE(call, discovery_10_rows_SDK, sdk(5), {});

}  // namespace

BENCHMARK_MAIN();
