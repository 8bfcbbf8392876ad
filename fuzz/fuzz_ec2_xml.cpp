// EC2's answers to DescribeInstances and DescribeRegions.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "aws/ec2_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto page = bakusoku::aws::ec2::decode_describe_instances(bytes)) {
    for (const auto& instance : page->instances) {
      if (instance.id.empty()) std::abort();
    }
  }
  (void)bakusoku::aws::ec2::decode_describe_regions(bytes);
  return 0;
}
