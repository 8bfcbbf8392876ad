// Writing the body of a request in the "query" and "ec2" protocols: a form of Action, Version and parameters.
// Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace bakusoku::aws {

class QueryBody {
 public:
  QueryBody(std::string_view action, std::string_view version);
  QueryBody& add(std::string_view name, std::string_view value);
  QueryBody& add(std::string_view name, int64_t value);
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

}  // namespace bakusoku::aws
