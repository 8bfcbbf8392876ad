// An env file such as /etc/zabbix/aws.env.
#include <cstdint>
#include <string_view>

#include "aws/env_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)bakusoku::aws::parse_env_file(std::string_view(reinterpret_cast<const char*>(data), size), "aws.env");
  return 0;
}
