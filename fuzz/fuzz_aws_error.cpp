// AWS's error bodies, in XML, JSON and CBOR, and the headers that carry a code.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "aws/service_error.h"
#include "base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace aws = bakusoku::aws;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const aws::ServiceError& error :
       {aws::decode_xml_error(bytes), aws::decode_json_error(bytes, "", ""),
        aws::decode_json_error("", bytes, ""), aws::decode_json_error("{}", "", bytes),
        aws::decode_cbor_error(bytes, "", ""), aws::decode_cbor_error("\xA0", bytes, "")}) {
    if (bakusoku::valid_utf8(error.message) != error.message) std::abort();
    if (bakusoku::valid_utf8(error.code) != error.code) std::abort();
  }
  return 0;
}
