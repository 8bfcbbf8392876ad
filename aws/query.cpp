#include "aws/query.h"

#include "aws/url.h"

namespace bakusoku::aws {

QueryBody::QueryBody(std::string_view action, std::string_view version) {
  add("Action", action);
  add("Version", version);
}

QueryBody& QueryBody::add(std::string_view name, std::string_view value) {
  if (!out_.empty()) out_ += '&';
  append_percent_encoded(out_, name);
  out_ += '=';
  append_percent_encoded(out_, value);
  return *this;
}

QueryBody& QueryBody::add(std::string_view name, int64_t value) { return add(name, std::to_string(value)); }

}  // namespace bakusoku::aws
