#include "aws/json_stream.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace bakusoku::aws::json {
namespace {

TEST(JsonStream, writes_what_cbors_writer_is_told_in_the_same_words) {
  Writer out(0);
  out.map(5);
  out.name("None");
  out.array(0);
  out.name("Empty");
  out.map(0);
  out.name("List");
  out.array(3);
  out.text("a\"b");
  out.integer(7);
  out.map(2);
  out.name("Word");
  out.name("Value");
  out.name("Truth");
  out.boolean(true);
  out.name("Time");
  out.time(1700000000);
  out.name("Not UTF-8");
  out.text("\xFF");
  EXPECT_EQ(out.finish(),
            R"({"None":[],"Empty":{},"List":["a\"b",7,{"Word":"Value","Truth":true}],"Time":1700000000,)"
            "\"Not UTF-8\":\"\xEF\xBF\xBD\"}");
}

TEST(JsonStream, reads_one_value_after_the_other) {
  Reader reader(R"({"a\u00e9":[1,2.5,-3e2],"b":null,"c":"text","d":true,"e":{"deep":[{}]},"f":1.7E9})");
  double sum = 0;
  std::string names;
  for (Items members = reader.map(); reader.next(members);) {
    const std::string name(reader.text());
    names += name;
    if (name == "a\xC3\xA9") {
      for (Items numbers = reader.array(); reader.next(numbers);) sum += reader.number();
    } else if (name == "b") {
      EXPECT_TRUE(reader.null());
    } else if (name == "c") {
      EXPECT_TRUE(reader.at_text());
      EXPECT_EQ(reader.text(), "text");
    } else if (name == "d") {
      EXPECT_TRUE(reader.boolean());
    } else if (name == "f") {
      EXPECT_EQ(reader.time(), 1.7e9);
    } else {
      reader.skip();
    }
  }
  EXPECT_TRUE(reader.done());
  EXPECT_EQ(sum, 1 + 2.5 - 300);
  EXPECT_EQ(names,
            "a\xC3\xA9"
            "bcdef");
}

TEST(JsonStream, what_is_not_as_asked_for_fails_from_then_on) {
  for (const char* text : {"", "{", "[1", "{\"a\":1}x", "nul", "\xFF"}) {
    Reader reader(text);
    EXPECT_TRUE(reader.failed()) << text;
    EXPECT_FALSE(reader.done()) << text;
    Items items = reader.map();
    EXPECT_FALSE(reader.next(items)) << text;
  }
  Reader reader("[\"a\"]");
  Items items = reader.array();
  ASSERT_TRUE(reader.next(items));
  EXPECT_EQ(reader.number(), 0);
  EXPECT_TRUE(reader.failed());
  EXPECT_EQ(reader.text(), "");
}

TEST(JsonStream, numbers_that_json_does_not_know_are_passed_over) {
  Reader reader(R"({"say \"NaN":[NaN,1,-Infinity,Infinity,"NaN",null,2]})");
  std::string seen;
  for (Items members = reader.map(); reader.next(members);) {
    seen += reader.text();
    for (Items numbers = reader.array(); reader.next(numbers);) {
      const double number = reader.number_or_nan();
      seen += std::isnan(number) ? " -" : " " + std::to_string(static_cast<int>(number));
    }
  }
  EXPECT_TRUE(reader.done());
  EXPECT_EQ(seen, "say \"NaN - 1 - - - - 2");
}

TEST(JsonStream, times_are_numbers_or_texts) {
  Reader reader(R"([1700000000.25,"2023-11-14T22:13:20Z","yesterday",true])");
  Items items = reader.array();
  std::vector<double> times;
  while (reader.next(items)) times.push_back(reader.time_or_nan());
  ASSERT_EQ(times.size(), 4U);
  EXPECT_EQ(times[0], 1700000000.25);
  EXPECT_EQ(times[1], 1700000000);
  EXPECT_TRUE(std::isnan(times[2]));
  EXPECT_TRUE(std::isnan(times[3]));
}

}  // namespace
}  // namespace bakusoku::aws::json
