// What a worker keeps between calls: example.counter is how often this worker process has been asked. Ask
// some times, and the answers of several workers take turns.
#include <cstdint>

#include "zbxmod/module.h"

namespace {

uint64_t count();

constexpr zbxmod::Item items[] = {
    zbxmod::item<count>("example.counter"),
};

// Made in each worker when it is first asked, after Zabbix has forked it.
constinit zbxmod::PerWorker<uint64_t> counter;

uint64_t count() { return ++counter.get(); }

}  // namespace

ZBXMOD_MODULE(items)
