// One call of an item as the host makes it, for tests.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "zbxmod/item.h"

namespace zbxmod {

class Call {
 public:
  Call(const Item& item, std::vector<std::string> params) : params_(std::move(params)) {
    for (std::string& each : params_) pointers_.push_back(each.data());
    request_.key = key_.data();
    request_.nparam = static_cast<int>(pointers_.size());
    request_.params = pointers_.data();
    make(item);
  }
  /// The request as it is.
  Call(const Item& item, const abi::Request& request) : request_(request) { make(item); }
  ~Call() {
    std::free(result.text);
    std::free(result.msg);
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  int code = -1;
  abi::Result result{};

 private:
  void make(const Item& item) { code = item.answer(item, &request_, &result); }

  std::string key_ = "test.item";
  std::vector<std::string> params_{};
  std::vector<char*> pointers_{};
  abi::Request request_{};
};

inline std::string message_of(const Item& item, std::vector<std::string> params = {}) {
  const Call call(item, std::move(params));
  EXPECT_EQ(call.code, abi::kItemFail);
  EXPECT_EQ(call.result.type, abi::kTypeMessage);
  return call.result.msg != nullptr ? call.result.msg : "";
}

inline std::string text_of(const Item& item, std::vector<std::string> params = {}) {
  const Call call(item, std::move(params));
  EXPECT_EQ(call.code, abi::kItemOk) << (call.result.msg != nullptr ? call.result.msg : "");
  EXPECT_EQ(call.result.type, abi::kTypeText);
  return call.result.text != nullptr ? call.result.text : "";
}

inline uint64_t number_of(const Item& item, std::vector<std::string> params = {}) {
  const Call call(item, std::move(params));
  EXPECT_EQ(call.code, abi::kItemOk) << (call.result.msg != nullptr ? call.result.msg : "");
  EXPECT_EQ(call.result.type, abi::kTypeUnsigned);
  return call.result.ui64;
}

}  // namespace zbxmod
