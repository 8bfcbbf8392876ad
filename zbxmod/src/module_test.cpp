#include "zbxmod/module.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace zbxmod {
namespace {

int one() { return 1; }
int count_of(const Request& request) { return request.count(); }
int of_text(std::string_view) { return 2; }

constexpr Item table[] = {
    item<one>("a.one"),
    item<count_of>("a.two", parameters(1, 2)).test("x"),
    item<of_text>("a.three", text("x")),
};

TEST(Table, BecomesTheHostsList) {
  abi::Metric* list = detail::metrics<table>();
  EXPECT_STREQ(list[0].key, "a.one");
  EXPECT_EQ(list[0].flags, 0u);
  EXPECT_EQ(list[0].test_param, nullptr);
  EXPECT_STREQ(list[1].key, "a.two");
  EXPECT_EQ(list[1].flags, abi::kHaveParams);
  EXPECT_STREQ(list[1].test_param, "x");
  EXPECT_NE(list[0].function, list[1].function);
  EXPECT_EQ(list[2].flags, abi::kHaveParams);
  EXPECT_EQ(list[3].key, nullptr);
}

TEST(Table, IsWritableForTheHost) {
  abi::Metric* list = detail::metrics<table>();
  list[0].flags |= abi::kFromModule;
  EXPECT_EQ(detail::metrics<table>()[0].flags, abi::kFromModule);
}

TEST(Table, EachFunctionAnswersForItsRow) {
  const abi::Metric* list = detail::metrics<table>();
  abi::Request request{};
  abi::Result result{};
  EXPECT_EQ(list[0].function(&request, &result), abi::kItemOk);
  EXPECT_EQ(result.ui64, 1u);
}

TEST(Table, MayBeEmpty) {
  static_assert(detail::ConstexprTable<no_items>);
  EXPECT_EQ(detail::metrics<no_items>()[0].key, nullptr);
}

int stopped = 0;
Result<void> starts() { return {}; }
Result<void> fails() { return not_supported("no such file"); }
Result<void> throws() { throw std::runtime_error("oops"); }

TEST(Hooks, AFailedInitKeepsZabbixFromStartingOnlyWhereItMust) {
  EXPECT_EQ(detail::init({}), abi::kModuleOk);
  EXPECT_EQ(detail::init({.init = starts, .init_must_succeed = true}), abi::kModuleOk);
  for (auto* hook : {fails, throws}) {
    EXPECT_EQ(detail::init({.init = hook}), abi::kModuleOk);
    EXPECT_EQ(detail::init({.init = hook, .init_must_succeed = true}), abi::kModuleFail);
  }
}

TEST(Hooks, UninitRunsAndMayThrow) {
  EXPECT_EQ(detail::uninit({}), abi::kModuleOk);
  EXPECT_EQ(detail::uninit({.uninit = [] { ++stopped; }}), abi::kModuleOk);
  EXPECT_EQ(stopped, 1);
  EXPECT_EQ(detail::uninit({.uninit = [] { throw std::runtime_error("oops"); }}), abi::kModuleOk);
}

}  // namespace
}  // namespace zbxmod
