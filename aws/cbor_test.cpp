#include "aws/cbor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "aws/cbor_fixture.h"

namespace bakusoku::aws::cbor {
namespace {

using namespace std::string_literals;

std::string integer(uint64_t value) {
  Writer writer(0);
  writer.integer(value);
  return writer.finish();
}

// The encodings are those of RFC 8949, appendix A.
TEST(Cbor, writes_the_shortest_head) {
  EXPECT_EQ(integer(0), "\x00"s);
  EXPECT_EQ(integer(23), "\x17"s);
  EXPECT_EQ(integer(24), "\x18\x18"s);
  EXPECT_EQ(integer(100), "\x18\x64"s);
  EXPECT_EQ(integer(1000), "\x19\x03\xE8"s);
  EXPECT_EQ(integer(1000000), "\x1A\x00\x0F\x42\x40"s);
  EXPECT_EQ(integer(1000000000000), "\x1B\x00\x00\x00\xE8\xD4\xA5\x10\x00"s);
  EXPECT_EQ(integer(UINT64_MAX), "\x1B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"s);
}

TEST(Cbor, writes_what_requests_are_made_of) {
  Writer writer(0);
  writer.map(2);
  writer.name("a");
  writer.array(25);
  writer.boolean(true);
  writer.boolean(false);
  writer.time(1363896240);
  EXPECT_EQ(writer.finish(),
            "\xA2\x61"
            "a\x98\x19\xF5\xF4\xC1\x1A\x51\x4B\x67\xB0"s);
}

TEST(Cbor, writes_texts_of_any_length_and_mends_what_is_not_utf8) {
  const auto text = [](const std::string& of) {
    Writer writer(1);
    writer.text(of);
    return writer.finish();
  };
  EXPECT_EQ(text(""), "\x60"s);
  EXPECT_EQ(text("IETF"),
            "\x64"
            "IETF"s);
  EXPECT_EQ(text("\u6c34"), "\x63\xE6\xB0\xB4"s);
  EXPECT_EQ(text("eight ascii \xFF"),
            "\x6F"
            "eight ascii \xEF\xBF\xBD"s);
  const std::string at_most(23, 'x');
  EXPECT_EQ(text(at_most), "\x77" + at_most);
  const std::string longer(24, 'x');
  EXPECT_EQ(text(longer), "\x78\x18" + longer);
  const std::string long_ones(300, 'x');
  EXPECT_EQ(text(long_ones), "\x79\x01\x2C"s + long_ones);
}

TEST(Cbor, grows_where_more_is_written_than_was_expected) {
  for (const size_t expected : {0U, 1U, 8U, 9U, 1000U}) {
    Writer writer(expected);
    std::string wanted;
    for (int time = 0; time < 300; ++time) {
      writer.text(std::string(static_cast<size_t>(time % 23), 'x'));
      wanted += static_cast<char>(0x60 + time % 23) + std::string(static_cast<size_t>(time % 23), 'x');
      writer.name("name");
      wanted += "\x64name";
      writer.integer(7);
      wanted += '\x07';
    }
    EXPECT_EQ(writer.finish(), wanted);
  }
}

TEST(Cbor, reads_numbers_of_any_width) {
  const auto number = [](const std::string& bytes) {
    Reader reader(bytes);
    const double value = reader.number();
    EXPECT_TRUE(reader.done());
    return value;
  };
  EXPECT_EQ(number("\x0A"s), 10);
  EXPECT_EQ(number("\x1B\x00\x00\x00\xE8\xD4\xA5\x10\x00"s), 1000000000000);
  EXPECT_EQ(number("\x29"s), -10);
  EXPECT_EQ(number("\x38\x63"s), -100);
  EXPECT_EQ(number("\xF9\x00\x00"s), 0);
  EXPECT_EQ(number("\xF9\x3E\x00"s), 1.5);
  EXPECT_EQ(number("\xF9\x7B\xFF"s), 65504);
  EXPECT_EQ(number("\xF9\x00\x01"s), 5.960464477539063e-8);
  EXPECT_EQ(number("\xF9\x04\x00"s), 0.00006103515625);
  EXPECT_EQ(number("\xF9\xC4\x00"s), -4);
  EXPECT_EQ(number("\xFA\x47\xC3\x50\x00"s), 100000);
  EXPECT_EQ(number("\xFA\x7F\x7F\xFF\xFF"s), 3.4028234663852886e+38);
  EXPECT_EQ(number("\xFB\x3F\xF1\x99\x99\x99\x99\x99\x9A"s), 1.1);
  EXPECT_EQ(number("\xFB\xC0\x10\x66\x66\x66\x66\x66\x66"s), -4.1);
  EXPECT_TRUE(std::isinf(number("\xF9\x7C\x00"s)));
  EXPECT_TRUE(std::isnan(number("\xF9\x7E\x00"s)));
}

TEST(Cbor, reads_a_time_with_its_tag_only) {
  const std::string seconds = "\xC1\x1A\x51\x4B\x67\xB0"s;
  Reader integral(seconds);
  EXPECT_EQ(integral.time(), 1363896240);
  const std::string with_half = "\xC1\xFB\x41\xD4\x52\xD9\xEC\x20\x00\x00"s;
  Reader half(with_half);
  EXPECT_EQ(half.time(), 1363896240.5);
  for (const std::string& wrong :
       {"\x1A\x51\x4B\x67\xB0"s, "\xC2\x1A\x51\x4B\x67\xB0"s, "\xC1\x61\x31"s, "\xC1"s}) {
    Reader reader(wrong);
    EXPECT_EQ(reader.time(), 0);
    EXPECT_TRUE(reader.failed());
  }
}

TEST(Cbor, reads_texts_whole_and_in_pieces) {
  const std::string bytes =
      "\x65"
      "hello\x7F\x65"
      "strea\x60\x64"
      "ming\xFF\x60"s;
  Reader reader(bytes);
  EXPECT_EQ(reader.text(), "hello");
  EXPECT_EQ(reader.text(), "streaming");
  EXPECT_EQ(reader.text(), "");
  EXPECT_TRUE(reader.done());
  for (const std::string& wrong :
       {"\x45hello"s, "\x7F\x45hello\xFF"s, "\x7F\x7F\xFF\xFF"s, "\x7F\x61"s, "\x7F"s, "\x65hell"s,
        "\x7B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"s, "\x01"s, "\xF6"s}) {
    Reader other(wrong);
    EXPECT_EQ(other.text(), "");
    EXPECT_TRUE(other.failed());
  }
}

TEST(Cbor, walks_lengths_that_are_said_and_that_are_not) {
  for (const std::string& bytes :
       {"\xA2\x61\x61\x82\x01\x02\x61\x62\xF6"s, "\xBF\x61\x61\x9F\x01\x02\xFF\x61\x62\xF7\xFF"s}) {
    Reader reader(bytes);
    std::string keys;
    double sum = 0;
    bool null = false;
    for (Items members = reader.map(); reader.next(members);) {
      const std::string key(reader.text());
      keys += key;
      if (key == "b") {
        null = reader.null();
        continue;
      }
      EXPECT_FALSE(reader.null());
      for (Items items = reader.array(); reader.next(items);) sum += reader.number();
    }
    EXPECT_TRUE(reader.done());
    EXPECT_EQ(keys, "ab");
    EXPECT_EQ(sum, 3);
    EXPECT_TRUE(null);
  }
}

TEST(Cbor, skips_one_value_of_any_kind) {
  for (const std::string& bytes :
       {"\x00"s, "\x3B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"s, "\x44\x01\x02\x03\x04"s,
        "\x5F\x42\x01\x02\x43\x03\x04\x05\xFF"s, "\x64IETF"s, "\x7F\x65strea\x64ming\xFF"s,
        "\x83\x01\x82\x02\x03\x82\x04\x05"s, "\x9F\x01\x9F\xFF\xFF"s, "\xA1\x61\x61\x01"s,
        "\xBF\x61\x61\x01\xFF"s, "\xC1\x1A\x51\x4B\x67\xB0"s, "\xF5"s, "\xF8\xFF"s,
        "\xFB\x3F\xF1\x99\x99\x99\x99\x99\x9A"s}) {
    Reader reader(bytes);
    reader.skip();
    EXPECT_TRUE(reader.done()) << testing::PrintToString(bytes);
    for (size_t cut = 0; cut < bytes.size(); ++cut) {
      Reader less(std::string_view(bytes).substr(0, cut));
      less.skip();
      EXPECT_TRUE(less.failed()) << testing::PrintToString(bytes) << " cut at " << cut;
    }
  }
}

TEST(Cbor, refuses_what_is_not_well_formed) {
  for (const std::string& bytes :
       {"\x1C"s, "\x1F"s, "\x3F"s, "\xDF\x01"s, "\xFF"s, "\x82\x01\xFF"s, "\xBF\x61\x61\xFF"s,
        "\x5F\x61\x61\xFF"s, "\x5F\x5F\xFF\xFF"s, "\x9B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"s}) {
    Reader reader(bytes);
    reader.skip();
    EXPECT_TRUE(reader.failed()) << testing::PrintToString(bytes);
  }
}

TEST(Cbor, does_not_follow_what_is_nested_too_deep) {
  const auto nested = [](int depth) {
    std::string bytes(static_cast<size_t>(depth), '\x81');
    bytes += '\x00';
    Reader reader(bytes);
    reader.skip();
    return reader.done();
  };
  EXPECT_TRUE(nested(Reader::kDeepest));
  EXPECT_FALSE(nested(Reader::kDeepest + 1));
  EXPECT_FALSE(nested(1'000'000));
}

TEST(Cbor, what_has_failed_stays_failed) {
  const std::string bytes = "\x01\x61\x61\xF6"s;
  Reader reader(bytes);
  EXPECT_EQ(reader.text(), "");
  EXPECT_EQ(reader.text(), "");
  EXPECT_EQ(reader.number(), 0);
  EXPECT_FALSE(reader.null());
  EXPECT_FALSE(reader.at_text());
  Items items = reader.array();
  EXPECT_FALSE(reader.next(items));
  Items endless{0, true};
  EXPECT_FALSE(reader.next(endless));
  EXPECT_FALSE(reader.done());
}

TEST(CborFixture, says_in_json_what_it_wrote) {
  EXPECT_EQ(json_of(std::string("\xA2\x61\x61\x82\x01\xF5\x61\x62\xC1\x0A")), R"({"a":[1,true],"b":10})");
  EXPECT_EQ(cbor_of(R"(["a",null])"),
            "\x9B\x00\x00\x00\x00\x00\x00\x00\x02\x7B\x00\x00\x00\x00\x00\x00\x00\x01\x61\xF6"s);
  EXPECT_EQ(cbor_of("[true]", true), "\x9F\xF5\xFF"s);
  EXPECT_EQ(cbor_of("["), "");
}

}  // namespace
}  // namespace bakusoku::aws::cbor
