// A whole module: an echo, a number read from a file, and how a worker keeps something between calls.
#include <cstdio>
#include <memory>
#include <string>

#include "zbxmod/module.h"

namespace {

using zbxmod::Request;
using zbxmod::Result;
using zbxmod::Value;

Result<Value> echo(const Request& request);
Result<Value> load(const Request& request);
Result<Value> calls(const Request& request);

constexpr zbxmod::Item items[] = {
    {"example.echo", zbxmod::params(1), echo, "hello"},
    {"example.load", zbxmod::params(0, 1), load, "5"},
    {"example.calls", zbxmod::no_params, calls, ""},
};

Result<Value> echo(const Request& request) { return request.param(0); }

/// The load average of the last 1, 5 or 15 minutes.
Result<Value> load(const Request& request) {
  const auto minutes = request.integer_or(0, "minutes", 1, 1, 15);
  if (!minutes) return zbxmod::not_supported(minutes.error().message);

  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen("/proc/loadavg", "r"), std::fclose);
  double one = 0, five = 0, fifteen = 0;
  if (!file || std::fscanf(file.get(), "%lf %lf %lf", &one, &five, &fifteen) != 3) {
    return zbxmod::not_supported("cannot read /proc/loadavg");
  }
  if (*minutes == 1) return one;
  if (*minutes == 5) return five;
  if (*minutes == 15) return fifteen;
  return zbxmod::not_supported("minutes must be 1, 5 or 15, not " + std::to_string(*minutes));
}

constinit zbxmod::PerWorker<int> counter;

/// How often this worker process has been asked.
Result<Value> calls(const Request&) { return ++counter.get(); }

}  // namespace

ZBXMOD_MODULE(items)
