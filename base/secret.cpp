#include "base/secret.h"

#include <cstring>

namespace bakusoku {

void Secret::wipe() noexcept {
  // The whole capacity: a moved-from small string keeps its bytes in place.
  value_.resize(value_.capacity());
  explicit_bzero(value_.data(), value_.size());
  value_.clear();
}

}  // namespace bakusoku
