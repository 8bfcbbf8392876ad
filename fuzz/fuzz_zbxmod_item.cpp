// A request as Zabbix passes it on to a module's items: the parameters come from whoever may write an item
// key. Input: a byte that chooses the item, then the parameters, separated by NUL.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "zbxmod/module.h"

namespace {

namespace abi = zbxmod::abi;

std::string_view echo(std::string_view text, std::string_view word) { return word == "left" ? text : word; }
int64_t whole_number(int64_t number, int8_t small) { return number < 0 ? small : number; }
uint64_t unsigned_number(uint64_t number) { return number; }
double number(double value, float share) { return value * static_cast<double>(share); }
zbxmod::Discovery discovery(std::string_view name, std::string_view value) {
  zbxmod::Discovery found;
  found.add({{"A", value}}).add({{name, value}});
  return found;
}
zbxmod::Result<std::string> key(const zbxmod::Request& request) {
  std::string text;
  if (auto written = request.append_key(text); !written)
    return zbxmod::not_supported(written.error().message);
  return text;
}

constexpr zbxmod::Item items[] = {
    zbxmod::item<echo>("a.echo", zbxmod::text("text").may_be_empty(),
                       zbxmod::text("word").one_of("left", "right").or_else("left")),
    zbxmod::item<whole_number>("a.whole", zbxmod::whole("number"),
                               zbxmod::whole("small").between(-5, 5).or_else(1)),
    zbxmod::item<unsigned_number>("a.unsigned", zbxmod::whole("number").at_least(10)),
    zbxmod::item<number>("a.number", zbxmod::number("value"),
                         zbxmod::number("share").between(0, 1).or_else(1)),
    zbxmod::item<discovery>("a.discovery", zbxmod::text("name"), zbxmod::text("value").may_be_empty()),
    zbxmod::item<key>("a.key", zbxmod::any_parameters),
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::vector<std::string> params(1);
  for (size_t i = 1; i < size; ++i) {
    if (data[i] == 0) {
      params.emplace_back();
    } else {
      params.back() += static_cast<char>(data[i]);
    }
  }
  std::vector<char*> pointers;
  pointers.reserve(params.size());
  for (std::string& each : params) pointers.push_back(each.data());
  std::string name = "a.item";
  abi::Request request{};
  request.key = name.data();
  request.nparam = static_cast<int>(pointers.size());
  request.params = pointers.data();
  abi::Result result{};
  const abi::Metric* list = zbxmod::detail::metrics<items>();
  const int code = list[data[0] % std::size(items)].function(&request, &result);
  // Exactly one of a value and a message, and text that Zabbix can store.
  const bool sound =
      code == abi::kItemOk
          ? (result.type == abi::kTypeText && result.text != nullptr) || result.type == abi::kTypeUnsigned
          : code == abi::kItemFail && result.type == abi::kTypeMessage && result.msg != nullptr;
  if (!sound) std::abort();
  for (const char* text : {result.text, result.msg}) {
    if (text != nullptr && !zbxmod::is_valid_text(text)) std::abort();
  }
  std::free(result.text);
  std::free(result.msg);
  return 0;
}
