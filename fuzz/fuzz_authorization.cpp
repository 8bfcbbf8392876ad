// An Authorization header, a date and a URL, as whoever verifies a signature receives them.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "aws/sigv4.h"
#include "aws/timestamp.h"
#include "aws/url.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace aws = bakusoku::aws;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)aws::sigv4::parse_authorization(bytes);
  (void)aws::parse_iso8601(bytes);
  (void)aws::parse_http_date(bytes);
  if (const auto time = aws::sigv4::parse_amz_date(bytes); time && !bytes.ends_with("60Z")) {
    if (aws::sigv4::amz_date(*time) != bytes) std::abort();
  }
  if (const auto url = aws::split_url(bytes)) (void)aws::host_header(*url);
  // What has been made canonical stays as it is.
  const std::string query = aws::sigv4::canonical_query(bytes);
  if (aws::sigv4::canonical_query(query) != query) std::abort();
  (void)aws::sigv4::canonical_path(bytes);
  return 0;
}
