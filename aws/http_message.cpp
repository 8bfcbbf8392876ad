#include "aws/http_message.h"

#include <strings.h>

namespace bakusoku::aws {

const std::string* HttpReply::header(std::string_view name) const {
  for (const HttpHeader& header : headers) {
    if (header.name.size() == name.size() && strncasecmp(header.name.data(), name.data(), name.size()) == 0) {
      return &header.value;
    }
  }
  return nullptr;
}

}  // namespace bakusoku::aws
