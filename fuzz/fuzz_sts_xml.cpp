// STS's answers.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "aws/sts_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)bakusoku::aws::sts::decode_get_caller_identity(bytes);
  for (const std::string_view action : {"AssumeRole", "AssumeRoleWithWebIdentity"}) {
    const auto credentials = bakusoku::aws::sts::decode_assume_role(bytes, action);
    if (credentials && (credentials->secret_access_key.empty() || !credentials->expires)) std::abort();
  }
  return 0;
}
