#include "zbxmod/module.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <new>
#include <stdexcept>

namespace zbxmod {
namespace {

using ::testing::HasSubstr;

// One call as the host makes it.
class Call {
 public:
  Call(const Item& item, std::vector<std::string> params) : params_(std::move(params)) {
    for (std::string& each : params_) pointers_.push_back(each.data());
    request_.key = key_.data();
    request_.nparam = static_cast<int>(pointers_.size());
    request_.params = pointers_.data();
    code = detail::answer(item, &request_, &result);
  }
  ~Call() {
    std::free(result.text);
    std::free(result.msg);
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  int code = -1;
  abi::Result result{};

 private:
  std::string key_ = "test.item";
  std::vector<std::string> params_;
  std::vector<char*> pointers_{};
  abi::Request request_{};
};

Item item(Handler handler, Params params = any_params) { return {"test.item", params, handler, ""}; }

std::string message_of(Handler handler, std::vector<std::string> params = {}, Params allowed = any_params) {
  const Call call(item(handler, allowed), std::move(params));
  EXPECT_EQ(call.code, abi::kItemFail);
  EXPECT_EQ(call.result.type, abi::kTypeMessage);
  return call.result.msg != nullptr ? call.result.msg : "";
}

std::string text_of(Handler handler, std::vector<std::string> params = {}) {
  const Call call(item(handler), std::move(params));
  EXPECT_EQ(call.code, abi::kItemOk);
  EXPECT_EQ(call.result.type, abi::kTypeText);
  return call.result.text != nullptr ? call.result.text : "";
}

TEST(Answer, TextIsTheHostsToFree) {
  EXPECT_EQ(text_of([](const Request& request) -> Result<Value> { return request.param(1); }, {"a", "b"}),
            "b");
}

TEST(Answer, EmptyTextIsAValue) {
  EXPECT_EQ(text_of([](const Request&) -> Result<Value> { return ""; }), "");
}

TEST(Answer, UnsignedNumbersAreExact) {
  const Call call(item([](const Request&) -> Result<Value> { return std::numeric_limits<uint64_t>::max(); }),
                  {});
  EXPECT_EQ(call.code, abi::kItemOk);
  EXPECT_EQ(call.result.type, abi::kTypeUnsigned);
  EXPECT_EQ(call.result.ui64, std::numeric_limits<uint64_t>::max());
}

TEST(Answer, NegativeAndFloatingNumbersTravelAsText) {
  EXPECT_EQ(text_of([](const Request&) -> Result<Value> { return -3; }), "-3");
  EXPECT_EQ(text_of([](const Request&) -> Result<Value> { return 1e-9; }), "0.000000001");
}

TEST(Answer, NumbersThatAreNotFiniteAreNotSupported) {
  EXPECT_THAT(
      message_of([](const Request&) -> Result<Value> { return std::numeric_limits<double>::quiet_NaN(); }),
      HasSubstr("not a number"));
  EXPECT_THAT(
      message_of([](const Request&) -> Result<Value> { return std::numeric_limits<double>::infinity(); }),
      HasSubstr("infinite"));
}

TEST(Answer, ErrorsBecomeMessages) {
  EXPECT_EQ(message_of([](const Request&) -> Result<Value> { return not_supported("no such disk"); }),
            "no such disk");
  EXPECT_EQ(message_of([](const Request&) -> Result<Value> { return not_supported(""); }),
            "the module gave no reason");
}

TEST(Answer, WhatIsNotUtf8IsRepaired) {
  EXPECT_EQ(text_of([](const Request&) -> Result<Value> { return "caf\xE9"; }), "caf\xEF\xBF\xBD");
  EXPECT_EQ(message_of([](const Request&) -> Result<Value> { return not_supported("caf\xE9"); }),
            "caf\xEF\xBF\xBD");
}

TEST(Answer, NoExceptionLeavesAHandler) {
  EXPECT_EQ(message_of([](const Request&) -> Result<Value> { throw std::runtime_error("oops"); }), "oops");
  EXPECT_EQ(message_of([](const Request&) -> Result<Value> { throw std::bad_alloc(); }), "not enough memory");
  EXPECT_THAT(message_of([](const Request&) -> Result<Value> { throw 7; }), HasSubstr("unknown type"));
}

TEST(Answer, WrongNumbersOfParametersAreNamed) {
  const Handler handler = [](const Request&) -> Result<Value> { return 1; };
  EXPECT_EQ(message_of(handler, {}, params(1)), "test.item takes 1 parameter, not 0");
  EXPECT_EQ(message_of(handler, {"a", "b", "c"}, params(1, 2)), "test.item takes 1 to 2 parameters, not 3");
  EXPECT_EQ(message_of(handler, {"a"}, no_params), "test.item takes no parameters, not 1");
  EXPECT_EQ(message_of(handler, {}, Params{2, any_params.most}),
            "test.item takes at least 2 parameters, not 0");
}

TEST(Parameters, MissingOnesHaveDefaultsOrAMessage) {
  EXPECT_EQ(
      text_of([](const Request& request) -> Result<Value> { return request.param_or(0, "none"); }, {""}),
      "none");
  EXPECT_EQ(text_of([](const Request& request) -> Result<Value> { return request.param(-1); }, {"a"}), "");
  EXPECT_EQ(
      message_of([](const Request& request) -> Result<Value> { return request.required(1, "path"); }, {"a"}),
      "parameter 2 (path) is missing");
}

TEST(Parameters, WholeNumbersAreReadWithinBounds) {
  const Handler handler = [](const Request& request) -> Result<Value> {
    return request.integer(0, "count", 1, 10);
  };
  const Call call(item(handler), {"7"});
  EXPECT_EQ(call.result.ui64, 7u);
  EXPECT_EQ(message_of(handler, {"11"}), "parameter 1 (count) must be from 1 to 10, not 11");
  EXPECT_EQ(message_of(handler, {"7x"}), "parameter 1 (count) must be a whole number, not '7x'");
  EXPECT_EQ(message_of(handler, {"99999999999999999999"}),
            "parameter 1 (count) must be from 1 to 10, not 99999999999999999999");
  EXPECT_EQ(message_of(handler, {""}), "parameter 1 (count) is missing");
  const Call left_out(
      item([](const Request& request) -> Result<Value> { return request.integer_or(0, "count", 5); }), {""});
  EXPECT_EQ(left_out.result.ui64, 5u);
}

TEST(Deadlines, LeaveAMarginOfTheDaemonsTimeout) {
  using std::chrono::milliseconds;
  EXPECT_EQ(usable_time(std::chrono::seconds(1)), milliseconds(900));
  EXPECT_EQ(usable_time(std::chrono::seconds(3)), milliseconds(2700));
  EXPECT_EQ(usable_time(std::chrono::seconds(30)), milliseconds(29500));
  detail::set_item_timeout(7);
  const Call call(
      item([](const Request& request) -> Result<Value> { return request.deadline().left().count(); }), {});
  detail::set_item_timeout(0);
  EXPECT_GT(call.result.ui64, 5000u);
  EXPECT_LE(call.result.ui64, 6500u);
}

Result<Value> one(const Request&) { return 1; }
constexpr Item table[] = {{"a.one", no_params, one, ""}, {"a.two", params(1, 2), one, "x"}};

TEST(Table, BecomesTheHostsList) {
  abi::Metric* list = detail::metrics<table>();
  EXPECT_STREQ(list[0].key, "a.one");
  EXPECT_EQ(list[0].flags, 0u);
  EXPECT_EQ(list[0].test_param, nullptr);
  EXPECT_STREQ(list[1].key, "a.two");
  EXPECT_EQ(list[1].flags, abi::kHaveParams);
  EXPECT_STREQ(list[1].test_param, "x");
  EXPECT_NE(list[0].function, list[1].function);
  EXPECT_EQ(list[2].key, nullptr);
}

}  // namespace
}  // namespace zbxmod
