// What a call takes from malloc: the answer that Zabbix frees, and nothing else.
#include <gtest/gtest.h>

#include <cstdlib>

#include "call_test.h"
#include "zbxmod/module.h"

namespace {

size_t allocations = 0;

}  // namespace

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// As the sanitizers' runtimes declare it; GCC installs no header for it.
// NOLINTNEXTLINE(bugprone-reserved-identifier)
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void*, size_t),
                                                         void (*free_hook)(const volatile void*));
namespace {
const int hooks = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, size_t) { ++allocations; }, [](const volatile void*) {});
}  // namespace
#else
extern "C" {
void* __libc_malloc(size_t size);                 // NOLINT(bugprone-reserved-identifier)
void* __libc_calloc(size_t count, size_t size);   // NOLINT(bugprone-reserved-identifier)
void* __libc_realloc(void* memory, size_t size);  // NOLINT(bugprone-reserved-identifier)

__attribute__((visibility("default"))) void* malloc(size_t size) {
  ++allocations;
  return __libc_malloc(size);
}
__attribute__((visibility("default"))) void* calloc(size_t count, size_t size) {
  ++allocations;
  return __libc_calloc(count, size);
}
__attribute__((visibility("default"))) void* realloc(void* memory, size_t size) {
  ++allocations;
  return __libc_realloc(memory, size);
}
}
#endif

namespace zbxmod {
namespace {

uint64_t sum(uint64_t one, int two) { return one + static_cast<uint64_t>(two); }
double half(double number) { return number / 2; }
std::string_view echo(std::string_view text) { return text; }
std::string_view echo_request(const Request& request) { return request.param(0); }
int64_t negative() { return -42; }
Text text_of_hundred() {
  Text text;
  text.reserve(100);
  for (int i = 0; i < 10; ++i) text += "0123456789";
  return text;
}
Result<std::string_view> maybe(std::string_view word) { return word; }
constinit PerWorker<uint64_t> counter;
uint64_t count() { return ++counter.get(); }

constexpr Item items[] = {
    item<sum>("a.sum", whole("one"), whole("two").between(0, 10)),
    item<half>("a.half", number("number")),
    item<echo>("a.echo", text("text")),
    item<echo_request>("a.request", any_parameters),
    item<negative>("a.negative"),
    item<text_of_hundred>("a.text"),
    item<maybe>("a.maybe", text("word").one_of("rx", "tx")),
    item<count>("a.count"),
};

size_t allocations_of(size_t row, std::vector<std::string> params) {
  std::vector<char*> pointers;
  for (std::string& each : params) pointers.push_back(each.data());
  char key[] = "a.key";
  abi::Request request{};
  request.key = key;
  request.nparam = static_cast<int>(pointers.size());
  request.params = pointers.data();
  const auto function = detail::metrics<items>()[row].function;
  size_t counted = 0;
  for (int i = 0; i < 2; ++i) {  // the first call of a process looks the host up
    abi::Result result{};
    const size_t before = allocations;
    const int code = function(&request, &result);
    counted = allocations - before;
    EXPECT_EQ(code, abi::kItemOk) << (result.msg != nullptr ? result.msg : "");
    std::free(result.text);
    std::free(result.msg);
  }
  return counted;
}

TEST(Allocations, AreSeen) {
  const size_t before = allocations;
  void* volatile memory = std::malloc(10);
  EXPECT_GT(allocations, before);
  std::free(memory);
}

TEST(Allocations, ANumberTakesNone) {
  EXPECT_EQ(allocations_of(0, {"40", "2"}), 0u);
  EXPECT_EQ(allocations_of(7, {}), 0u);
}

TEST(Allocations, TextTakesTheAnswersOwn) {
  EXPECT_EQ(allocations_of(1, {"0.5"}), 1u);
  EXPECT_EQ(allocations_of(2, {"a text that fits into no small string of the library's"}), 1u);
  EXPECT_EQ(allocations_of(3, {"a text that fits into no small string of the library's", "b"}), 1u);
  EXPECT_EQ(allocations_of(4, {}), 1u);
  EXPECT_EQ(allocations_of(5, {}), 1u);
  EXPECT_EQ(allocations_of(6, {"rx"}), 1u);
}

}  // namespace
}  // namespace zbxmod
