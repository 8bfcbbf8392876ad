// Credentials as the container endpoint, instance metadata and credential_process give them.
#include <cstdint>
#include <string_view>

#include "aws/credentials_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bakusoku::aws;
  const std::string_view json(reinterpret_cast<const char*>(data), size);
  for (const auto dialect : {CredentialsDialect::metadata, CredentialsDialect::process}) {
    const auto decoded = decode_credentials_json(json, dialect, "fuzz");
    if (decoded && decoded->expires) (void)format_timestamp(*decoded->expires);
  }
  return 0;
}
