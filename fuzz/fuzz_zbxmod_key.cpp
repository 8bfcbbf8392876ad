// zbxmod-host's parser of item keys, and the SDK's writer: what is read and written again reads the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "key.h"
#include "zbxmod/request.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // As Zabbix has it: a key ends at the first NUL.
  std::string text(reinterpret_cast<const char*>(data), size);
  text = text.c_str();
  const auto key = zbxmod::host::parse_key(text);
  if (!key) return 0;

  std::string name = key->name;
  std::vector<std::string> values = key->params;
  std::vector<char*> params;
  params.reserve(values.size());
  for (std::string& each : values) params.push_back(each.data());
  std::vector<int> types = key->types;
  zbxmod::abi::Request raw{};
  raw.key = name.data();
  raw.nparam = static_cast<int>(params.size());
  raw.params = params.data();
  const zbxmod::Request request(raw, types.data(), zbxmod::Deadline::in(std::chrono::seconds(1)));
  std::string written;
  if (!request.append_key(written)) return 0;
  const auto again = zbxmod::host::parse_key(written);
  if (!again || again->name != key->name || again->params != key->params) std::abort();
  for (size_t i = 0; i < key->types.size(); ++i) {
    // A quoted empty parameter is written without its quotes.
    if (again->types[i] != key->types[i] && !key->params[i].empty()) std::abort();
  }
  return 0;
}
