#include "simaws/cbor.h"

#include <gtest/gtest.h>

#include <cmath>

namespace bakusoku::simaws::cbor {
namespace {

using Kind = Value::Kind;

std::string bytes(std::string_view hex) {
  std::string out;
  for (size_t at = 0; at + 1 < hex.size(); at += 2)
    out += static_cast<char>(std::stoi(std::string(hex.substr(at, 2)), nullptr, 16));
  return out;
}

double real(std::string_view hex) {
  const auto value = read(bytes(hex));
  return value && value->kind == Kind::real ? value->real : std::nan("");
}

int64_t integer(std::string_view hex) {
  const auto value = read(bytes(hex));
  return value && value->kind == Kind::integer ? value->integer : -987654321;
}

// The examples of RFC 8949, appendix A.
TEST(Cbor, TheExamplesOfTheStandardAreRead) {
  EXPECT_EQ(integer("00"), 0);
  EXPECT_EQ(integer("17"), 23);
  EXPECT_EQ(integer("1818"), 24);
  EXPECT_EQ(integer("1903e8"), 1000);
  EXPECT_EQ(integer("1b000000e8d4a51000"), 1'000'000'000'000);
  EXPECT_EQ(integer("29"), -10);
  EXPECT_EQ(integer("3903e7"), -1000);
  EXPECT_EQ(real("f93c00"), 1.0);
  EXPECT_EQ(real("f97bff"), 65504.0);
  EXPECT_EQ(real("f90001"), 5.960464477539063e-8);
  EXPECT_EQ(real("f9c400"), -4.0);
  EXPECT_EQ(real("fa47c35000"), 100000.0);
  EXPECT_EQ(real("fb3ff199999999999a"), 1.1);
  EXPECT_EQ(real("f97c00"), HUGE_VAL);
  EXPECT_EQ(read(bytes("6449455446"))->text, "IETF");
  EXPECT_EQ(read(bytes("7f657374726561646d696e67ff"))->text, "streaming");
  EXPECT_EQ(read(bytes("9f01820203ff"))->items.size(), 2u);
  EXPECT_EQ(read(bytes("a26161016162820203"))->members[1].second.items[1].integer, 3);
  EXPECT_EQ(read(bytes("bf61610161629f0203ffff"))->members[1].first, "b");
  const auto time = read(bytes("c1fb41d452d9e8a00000"));
  ASSERT_TRUE(time);
  EXPECT_EQ(time->tag, 1u);
  EXPECT_EQ(time->real, 1'363'896'226.5);
  EXPECT_TRUE(read(bytes("f5"))->truth);
  EXPECT_EQ(read(bytes("f6"))->kind, Kind::null);
}

TEST(Cbor, WhatIsWrittenIsReadAgainAndNothingOfItIsRead) {
  std::string out;
  append_map(out, 2);
  append_text(out, "times");
  append_array(out, 300);
  for (int at = 0; at < 300; ++at) append_time(out, 1'763'800'800 + at);
  append_text(out, "value");
  append_double(out, -0.000001);
  const auto value = read(out);
  ASSERT_TRUE(value);
  EXPECT_EQ(value->members[0].second.items[299].real, 1'763'801'099.0);
  EXPECT_EQ(value->members[1].second.real, -0.000001);
  for (size_t at = 0; at < out.size(); ++at) EXPECT_FALSE(read(out.substr(0, at))) << at;
  EXPECT_FALSE(read(out + '\0'));
}

TEST(Cbor, WhatIsMalformedIsRefused) {
  for (const char* bad :
       {"", "1c", "ff", "81", "a1", "a10102", "61", "5f6161ff", "7f", "9bffffffffffffffff",
        "bbffffffffffffffff", "7bffffffffffffffff", "f8", "f7ff", "c1c100", "df00", "1bffffffffffffffff"})
    EXPECT_FALSE(read(bytes(bad))) << bad;
  EXPECT_FALSE(read(std::string(100'000, '\x81')));
}

}  // namespace
}  // namespace bakusoku::simaws::cbor
