// Low-level discovery: example.interfaces lists the network interfaces, for item prototypes such as
// example.interface[{#NAME},rx], the bytes that one of them has received (rx) or sent (tx).
#include <net/if.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "zbxmod/module.h"

namespace {

using zbxmod::not_supported;
using zbxmod::Result;

Result<zbxmod::Discovery> interfaces();
Result<uint64_t> interface_bytes(std::string_view name, std::string_view direction);

constexpr zbxmod::Item items[] = {
    zbxmod::item<interfaces>("example.interfaces"),
    zbxmod::item<interface_bytes>("example.interface", zbxmod::text("name"),
                                  zbxmod::text("direction").one_of("rx", "tx").or_else("rx"))
        .test("lo,tx"),
};

Result<zbxmod::Discovery> interfaces() {
  const std::unique_ptr<struct if_nameindex, void (*)(struct if_nameindex*)> list(::if_nameindex(),
                                                                                  ::if_freenameindex);
  // An error, not an empty list: for that Zabbix would delete what it has discovered.
  if (list == nullptr) return not_supported(std::string("if_nameindex: ") + std::strerror(errno));
  zbxmod::Discovery found;
  for (const auto* each = list.get(); each->if_index != 0; ++each) {
    found.add({{"NAME", each->if_name}, {"INDEX", each->if_index}});
  }
  return found;
}

Result<uint64_t> interface_bytes(std::string_view name, std::string_view direction) {
  // The name becomes part of a path, so it must be one.
  if (name.find('/') != std::string_view::npos || name == "." || name == "..") {
    return not_supported("'" + std::string(name) + "' is no name of an interface");
  }
  const std::string path =
      "/sys/class/net/" + std::string(name) + "/statistics/" + std::string(direction) + "_bytes";
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "re"), std::fclose);
  if (file == nullptr) return not_supported(path + ": " + std::strerror(errno));
  unsigned long long bytes = 0;
  if (std::fscanf(file.get(), "%llu", &bytes) != 1) return not_supported(path + " holds no number");
  return bytes;
}

}  // namespace

ZBXMOD_MODULE(items)
