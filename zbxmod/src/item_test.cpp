#include "zbxmod/item.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <new>
#include <stdexcept>

#include "call_test.h"
#include "zbxmod/module.h"

namespace zbxmod {
namespace {

using ::testing::HasSubstr;

// ---- answers

std::string text_answer() { return "text"; }
std::string_view view_answer() { return "view"; }
const char* literal_answer() { return "literal"; }
const char* null_answer() { return nullptr; }
Text own_answer() { return Text("own"); }
Result<std::string> result_answer() { return "result"; }
std::string empty_answer() { return ""; }

TEST(Answer, TextOfAnyKindIsTheHostsToFree) {
  EXPECT_EQ(text_of(item<text_answer>("a")), "text");
  EXPECT_EQ(text_of(item<view_answer>("a")), "view");
  EXPECT_EQ(text_of(item<literal_answer>("a")), "literal");
  EXPECT_EQ(text_of(item<own_answer>("a")), "own");
  EXPECT_EQ(text_of(item<result_answer>("a")), "result");
  EXPECT_EQ(text_of(item<empty_answer>("a")), "");
  EXPECT_THAT(message_of(item<null_answer>("a")), HasSubstr("null"));
}

uint64_t largest() { return std::numeric_limits<uint64_t>::max(); }
int64_t smallest() { return std::numeric_limits<int64_t>::min(); }
int seven() noexcept { return 7; }
uint8_t small() { return 200; }
bool yes() { return true; }
Result<long> long_answer() { return 5L; }

TEST(Answer, WholeNumbersAreExact) {
  EXPECT_EQ(number_of(item<largest>("a")), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(number_of(item<seven>("a")), 7u);
  EXPECT_EQ(number_of(item<small>("a")), 200u);
  EXPECT_EQ(number_of(item<yes>("a")), 1u);
  EXPECT_EQ(number_of(item<long_answer>("a")), 5u);
  EXPECT_EQ(text_of(item<smallest>("a")), "-9223372036854775808");
}

double tiny() { return 1e-9; }
float half() { return 0.5F; }
double nan_answer() { return std::numeric_limits<double>::quiet_NaN(); }
Result<double> infinite() { return -std::numeric_limits<double>::infinity(); }

TEST(Answer, FloatingNumbersTravelAsTextWithAllTheirDigits) {
  EXPECT_EQ(text_of(item<tiny>("a")), "0.000000001");
  EXPECT_EQ(text_of(item<half>("a")), "0.5");
  EXPECT_THAT(message_of(item<nan_answer>("a")), HasSubstr("not a number"));
  EXPECT_THAT(message_of(item<infinite>("a")), HasSubstr("infinite"));
}

Value value_of(const Request& request) {
  if (request.param(0) == "text") return "text";
  if (request.param(0) == "double") return 0.1;
  if (request.param(0) == "negative") return -3;
  return 3U;
}

TEST(Answer, AValueIsWhatItWasMadeFrom) {
  constexpr Item value = item<value_of>("a", any_parameters);
  EXPECT_EQ(text_of(value, {"text"}), "text");
  EXPECT_EQ(text_of(value, {"double"}), "0.1");
  EXPECT_EQ(text_of(value, {"negative"}), "-3");
  EXPECT_EQ(number_of(value, {}), 3u);
}

Result<std::string> refuses() { return not_supported("no such disk"); }
Result<std::string> refuses_silently() { return not_supported(""); }
Result<std::string> refuses_in_latin() { return not_supported("caf\xE9"); }

TEST(Answer, ErrorsBecomeMessages) {
  EXPECT_EQ(message_of(item<refuses>("a")), "no such disk");
  EXPECT_EQ(message_of(item<refuses_silently>("a")), "the module gave no reason");
  EXPECT_EQ(message_of(item<refuses_in_latin>("a")), "caf\xEF\xBF\xBD");
}

std::string latin() { return "caf\xE9"; }
Text own_latin() { return Text("caf\xE9"); }
std::string with_nul() { return std::string("a\0b", 3); }

TEST(Answer, WhatZabbixCannotStoreIsRepaired) {
  EXPECT_EQ(text_of(item<latin>("a")), "caf\xEF\xBF\xBD");
  EXPECT_EQ(text_of(item<own_latin>("a")), "caf\xEF\xBF\xBD");
  EXPECT_EQ(text_of(item<with_nul>("a")),
            "a\xEF\xBF\xBD"
            "b");
}

constexpr size_t kTenMegabytes = 10'000'000;
std::string long_answer_text() { return std::string(kTenMegabytes, 'x'); }
Text long_own_answer() {
  Text text;
  while (text.size() < kTenMegabytes) text += "xxxxxxxxxx";
  return text;
}

TEST(Answer, TenMegabytesArriveWhole) {
  EXPECT_EQ(text_of(item<long_answer_text>("a")), std::string(kTenMegabytes, 'x'));
  EXPECT_EQ(text_of(item<long_own_answer>("a")), std::string(kTenMegabytes, 'x'));
}

int throws() { throw std::runtime_error("oops"); }
int throws_latin() { throw std::runtime_error("caf\xE9"); }
int throws_memory() { throw std::bad_alloc(); }
int throws_number() { throw 7; }

TEST(Answer, NoExceptionLeavesAHandler) {
  EXPECT_EQ(message_of(item<throws>("a")), "oops");
  EXPECT_EQ(message_of(item<throws_latin>("a")), "caf\xEF\xBF\xBD");
  EXPECT_EQ(message_of(item<throws_memory>("a")), "not enough memory");
  EXPECT_THAT(message_of(item<throws_number>("a")), HasSubstr("unknown type"));
}

Discovery two_rows() {
  Discovery found;
  found.add({{"NAME", "a"}}).add({{"NAME", "b"}});
  return found;
}
Result<Discovery> bad_rows() {
  Discovery found;
  found.add({{"NO NAME", "a"}});
  return found;
}

TEST(Answer, DiscoveryIsJsonOrSaysWhatWasWrong) {
  EXPECT_EQ(text_of(item<two_rows>("a")), R"([{"{#NAME}":"a"},{"{#NAME}":"b"}])");
  EXPECT_THAT(message_of(item<bad_rows>("a")), HasSubstr("'NO NAME' is no name of a macro"));
}

// ---- parameters

std::string_view echo(std::string_view text) { return text; }
std::string twice(std::string text) { return text + text; }
std::string joined(const std::string& one, std::string_view two) { return one + "|" + std::string(two); }

TEST(Parameters, RequiredTextMustBeThere) {
  constexpr Item required = item<echo>("a", text("path"));
  EXPECT_EQ(text_of(required, {"x"}), "x");
  EXPECT_EQ(message_of(required, {}), "parameter 1 (path) is missing");
  EXPECT_EQ(message_of(required, {""}), "parameter 1 (path) is missing");
  EXPECT_EQ(message_of(required, {"x", "y"}), "a takes 1 parameter, not 2");
}

TEST(Parameters, TextMayBeEmptyOrLeftOutWhereTheRowSaysSo) {
  constexpr Item may_be_empty = item<echo>("a", text("path").may_be_empty());
  EXPECT_EQ(text_of(may_be_empty, {""}), "");
  EXPECT_EQ(message_of(may_be_empty, {}), "parameter 1 (path) is missing");
  constexpr Item optional = item<echo>("a", text("path").or_else("/"));
  EXPECT_EQ(text_of(optional, {}), "/");
  EXPECT_EQ(text_of(optional, {""}), "/");
  EXPECT_EQ(text_of(optional, {"/tmp"}), "/tmp");
  EXPECT_EQ(message_of(optional, {"/tmp", ""}), "a takes at most 1 parameter, not 2");
}

TEST(Parameters, AWordIsOneOfTheRows) {
  constexpr Item word = item<echo>("a", text("direction").one_of("rx", "tx").or_else("rx"));
  EXPECT_EQ(text_of(word, {"tx"}), "tx");
  EXPECT_EQ(text_of(word, {}), "rx");
  EXPECT_EQ(message_of(word, {"up"}), "parameter 1 (direction) must be one of rx, tx; not 'up'");
}

TEST(Parameters, TextComesAsStringOrView) {
  EXPECT_EQ(text_of(item<twice>("a", text("x")), {"ab"}), "abab");
  EXPECT_EQ(text_of(item<joined>("a", text("x"), text("y").or_else("z")), {"ab"}), "ab|z");
}

int64_t whole_number(int64_t number) { return number; }
int8_t tiny_number(int8_t number) { return number; }
uint64_t unsigned_number(uint64_t number) { return number; }

TEST(Parameters, WholeNumbersAreReadWithinTheRowsBounds) {
  constexpr Item bounded = item<whole_number>("a", whole("count").between(1, 10));
  EXPECT_EQ(number_of(bounded, {"7"}), 7u);
  EXPECT_EQ(number_of(bounded, {"1"}), 1u);
  EXPECT_EQ(number_of(bounded, {"10"}), 10u);
  EXPECT_EQ(message_of(bounded, {"11"}), "parameter 1 (count) must be from 1 to 10, not '11'");
  EXPECT_EQ(message_of(bounded, {"-1"}), "parameter 1 (count) must be from 1 to 10, not '-1'");
  EXPECT_EQ(message_of(bounded, {"99999999999999999999"}),
            "parameter 1 (count) must be from 1 to 10, not '99999999999999999999'");
  for (const char* wrong : {"7x", "x", "-", "+7", " 7", "7 ", "0x7", "7.0", "1e1"}) {
    EXPECT_EQ(message_of(bounded, {wrong}),
              std::string("parameter 1 (count) must be a whole number, not '") + wrong + "'");
  }
  EXPECT_EQ(message_of(bounded, {""}), "parameter 1 (count) is missing");
  EXPECT_EQ(number_of(item<whole_number>("a", whole("count").or_else(5)), {""}), 5u);
}

TEST(Parameters, TheHandlersTypeIsABoundAsWell) {
  constexpr Item tiny_item = item<tiny_number>("a", whole("n").at_least(-5));
  EXPECT_EQ(number_of(tiny_item, {"127"}), 127u);
  EXPECT_EQ(text_of(tiny_item, {"-5"}), "-5");
  EXPECT_EQ(message_of(tiny_item, {"128"}), "parameter 1 (n) must be from -5 to 127, not '128'");
  constexpr Item unsigned_item = item<unsigned_number>("a", whole("n"));
  EXPECT_EQ(number_of(unsigned_item, {"18446744073709551615"}), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(message_of(unsigned_item, {"-1"}),
            "parameter 1 (n) must be from 0 to 18446744073709551615, not '-1'");
  EXPECT_EQ(message_of(unsigned_item, {"18446744073709551616"}),
            "parameter 1 (n) must be from 0 to 18446744073709551615, not '18446744073709551616'");
}

double same_number(double number) { return number; }

TEST(Parameters, NumbersAreFiniteAndWithinBounds) {
  constexpr Item share = item<same_number>("a", number("share").between(0, 1).or_else(0.5));
  EXPECT_EQ(text_of(share, {"0.25"}), "0.25");
  EXPECT_EQ(text_of(share, {"1e-3"}), "0.001");
  EXPECT_EQ(text_of(share, {"1E-3"}), "0.001");
  EXPECT_EQ(text_of(share, {".5"}), "0.5");
  EXPECT_EQ(text_of(share, {"1."}), "1");
  EXPECT_EQ(text_of(share, {}), "0.5");
  EXPECT_EQ(message_of(share, {"1.5"}), "parameter 1 (share) must be from 0 to 1, not '1.5'");
  for (const char* wrong :
       {"x", "0.5x", "nan", "inf", "-inf", "0,5", " 1", "1 ", "+1", "0x1", ".", "-", "1e", "1e+", "--1"}) {
    EXPECT_EQ(message_of(share, {wrong}),
              std::string("parameter 1 (share) must be a number, not '") + wrong + "'");
  }
  constexpr Item any = item<same_number>("a", number("x"));
  EXPECT_EQ(text_of(any, {"-12.5"}), "-12.5");
  EXPECT_EQ(message_of(any, {"1e999"}),
            "parameter 1 (x) must be a number that a double can hold, not '1e999'");
  EXPECT_EQ(message_of(any, {}), "parameter 1 (x) is missing");
  EXPECT_EQ(message_of(item<same_number>("a", number("x").at_most(3)), {"4"}),
            "parameter 1 (x) must be at most 3, not '4'");
}

std::string described(std::string_view name, int first, int last, double share) {
  return std::string(name) + " " + std::to_string(first) + " " + std::to_string(last) + " " + to_text(share);
}

TEST(Parameters, SeveralAreReadInOrderAndTheFirstWrongOneIsNamed) {
  constexpr Item several = item<described>("a", text("name"), whole("first"), whole("last").or_else(9),
                                           number("share").or_else(1));
  EXPECT_EQ(text_of(several, {"x", "1", "2", "0.5"}), "x 1 2 0.5");
  EXPECT_EQ(text_of(several, {"x", "1"}), "x 1 9 1");
  EXPECT_EQ(message_of(several, {"x"}), "parameter 2 (first) is missing");
  EXPECT_EQ(message_of(several, {"x", "1", "2", "3", "4"}), "a takes 2 to 4 parameters, not 5");
  EXPECT_EQ(message_of(several, {"x", "?", "?"}), "parameter 2 (first) must be a whole number, not '?'");
}

std::string with_request(const Request& request, std::string_view name) {
  return std::string(request.key()) + ":" + std::to_string(request.count()) + ":" + std::string(name);
}

TEST(Parameters, TheRequestMayComeFirst) {
  EXPECT_EQ(text_of(item<with_request>("a", text("name")), {"x"}), "test.item:1:x");
}

std::string all_of(const Request& request) {
  std::string all;
  for (int i = 0; i < request.count(); ++i) all += std::string(request.param_or(i, "-")) + ";";
  return all;
}

TEST(Parameters, AHandlerMayReadAnyNumberItself) {
  EXPECT_EQ(text_of(item<all_of>("a", any_parameters), {"x", "", "z"}), "x;-;z;");
  EXPECT_EQ(text_of(item<all_of>("a", any_parameters), {}), "");
  constexpr Item some = item<all_of>("a", parameters(1, 2));
  EXPECT_EQ(message_of(some, {}), "a takes 1 to 2 parameters, not 0");
  EXPECT_EQ(message_of(some, {"x", "y", "z"}), "a takes 1 to 2 parameters, not 3");
  EXPECT_EQ(message_of(item<all_of>("a", parameters(1, 1)), {}), "a takes 1 parameter, not 0");
  EXPECT_EQ(message_of(item<all_of>("a"), {"x"}), "a takes no parameters, not 1");
  EXPECT_EQ(message_of(item<all_of>("a", Count{2, any_parameters.most}), {}),
            "a takes at least 2 parameters, not 0");
}

// ---- what a host should not do, and people do

size_t size_of(std::string_view text) { return text.size(); }

TEST(Hostile, NullParametersAreMissingOnes) {
  char key[] = "a";
  char* params[] = {nullptr, nullptr};
  abi::Request request{};
  request.key = key;
  request.nparam = 1;
  request.params = params;
  {
    const Call call(item<echo>("a", text("path")), request);
    EXPECT_EQ(call.code, abi::kItemFail);
    EXPECT_STREQ(call.result.msg, "parameter 1 (path) is missing");
  }
  request.params = nullptr;
  {
    const Call call(item<echo>("a", text("path").or_else("none")), request);
    EXPECT_STREQ(call.result.text, "none");
  }
  request.nparam = 2;
  request.key = nullptr;
  {
    const Call call(item<all_of>("a", any_parameters), request);
    EXPECT_STREQ(call.result.text, "-;-;");
  }
  {
    request.nparam = 1;
    const Call call(item<with_request>("a", text("name").or_else("x")), request);
    EXPECT_STREQ(call.result.text, ":1:x");
  }
  request.nparam = -1;
  {
    const Call call(item<all_of>("a", any_parameters), request);
    EXPECT_EQ(call.code, abi::kItemFail);
    EXPECT_STREQ(call.result.msg, "a takes at least 0 parameters, not -1");
  }
}

TEST(Hostile, AKeyOfTwoThousandBytesIsAnsweredAndNotRepeatedInMessages) {
  const std::string parameter(2048, 'x');
  EXPECT_EQ(text_of(item<echo>("a", text("path")), {parameter}), parameter);
  const std::string message = message_of(item<whole_number>("a", whole("count")), {parameter});
  EXPECT_THAT(message, HasSubstr("must be a whole number, not 'xxx"));
  EXPECT_THAT(message, HasSubstr("(2048 bytes)"));
  EXPECT_LT(message.size(), 200u);
}

TEST(Hostile, AParameterThatIsNotUtf8ReachesTheHandlerAsItIsAndTheAnswerRepaired) {
  EXPECT_EQ(text_of(item<echo>("a", text("path")), {"caf\xE9"}), "caf\xEF\xBF\xBD");
  EXPECT_EQ(number_of(item<size_of>("a", text("path")), {"caf\xE9"}), 4u);
  EXPECT_EQ(message_of(item<whole_number>("a", whole("n")), {"\xE9"}),
            "parameter 1 (n) must be a whole number, not '\xEF\xBF\xBD'");
  // A long one is cut within a character.
  std::string parameter = "x";
  for (int i = 0; i < 60; ++i) parameter += "\xC3\xA9";
  EXPECT_TRUE(is_valid_text(message_of(item<whole_number>("a", whole("n")), {parameter})));
}

// ---- deadlines

int64_t time_left(const Request& request) { return request.deadline().left().count(); }

TEST(Deadlines, LeaveAMarginOfTheDaemonsTimeout) {
  using std::chrono::milliseconds;
  EXPECT_EQ(usable_time(std::chrono::seconds(1)), milliseconds(900));
  EXPECT_EQ(usable_time(std::chrono::seconds(3)), milliseconds(2700));
  EXPECT_EQ(usable_time(std::chrono::seconds(30)), milliseconds(29500));
  detail::set_item_timeout(7);
  const uint64_t left = number_of(item<time_left>("a"));
  detail::set_item_timeout(0);
  EXPECT_GT(left, 5000u);
  EXPECT_LE(left, 6500u);
}

}  // namespace
}  // namespace zbxmod
