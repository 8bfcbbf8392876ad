// AWS Organizations' answers to ListAccounts.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "aws/organizations_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto page = bakusoku::aws::organizations::decode_list_accounts(bytes)) {
    for (const auto& account : page->accounts) {
      if (account.id.size() != 12) std::abort();
    }
  }
  return 0;
}
