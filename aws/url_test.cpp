#include "aws/url.h"

#include <gtest/gtest.h>

#include <string>

#include "aws/endpoint.h"

namespace bakusoku::aws {
namespace {

TEST(ProxyUrl, is_checked_before_anybody_else_reads_it) {
  for (const char* good : {"http://proxy.example:3128", "proxy.example:3128", "proxy", "https://10.0.0.1/",
                           "http://user:p%40ss@proxy:3128", "socks5h://[::1]:1080", "http://user@proxy:1"}) {
    EXPECT_TRUE(check_proxy_url(good)) << good;
  }
  for (const char* bad :
       {"http://user:pa#ss@proxy:1", "http://user:pa/ss@proxy:1", "http://user:pa?ss@proxy:1",
        "http://user:pa@ss@proxy:1", "http://user:pa ss@proxy:1", "http://user:pass@proxy:x",
        "ftp://user:pass@proxy", "http://user:pass@", "http://user:pass", "http://", ""}) {
    const auto checked = check_proxy_url(bad);
    ASSERT_FALSE(checked) << bad;
    EXPECT_EQ(checked.error().kind, ErrorKind::invalid);
  }
  EXPECT_NE(check_proxy_url("http://user:pa#ss@proxy:1").error().message.find("%23"), std::string::npos);
  EXPECT_NE(check_proxy_url("http://user:pa@ss@proxy:1").error().message.find("%40"), std::string::npos);
}

TEST(ProxyUrl, is_shown_without_its_user_part) {
  EXPECT_EQ(shown_proxy("http://user:hunter2@proxy:3128/"), "http://proxy:3128");
  EXPECT_EQ(shown_proxy("proxy:3128"), "http://proxy:3128");
  EXPECT_EQ(shown_proxy("http://user:hun/ter2@proxy:3128").find("ter2"), std::string::npos);
  EXPECT_TRUE(names_a_user("http://user:x@proxy"));
  EXPECT_FALSE(names_a_user("http://proxy"));
}

TEST(ProxyUrl, is_taken_out_of_a_librarys_words) {
  EXPECT_EQ(without_user_part("Unsupported proxy 'http://me:hunter2@proxy:1', sorry", ""),
            "Unsupported proxy 'http://***@proxy:1', sorry");
  EXPECT_EQ(without_user_part("could not use me:hunter2 or hunter2", "http://me:hunter2@proxy:1"),
            "could not use *** or ***");
  EXPECT_EQ(without_user_part("https://a.example:443 is gone", "http://me:x@proxy"),
            "https://a.example:443 is gone");
}

// Every way of spoiling a URL that holds a password: no words about it may hold a part of that.
TEST(Urls, that_are_none_are_never_repeated) {
  const std::string password = "Hunter2Secret";
  size_t tried = 0;
  for (const std::string scheme :
       {"http://", "https://", "socks5://", "ftp://", "http:/", "http:", "", "ht tp://"}) {
    for (const std::string special :
         {"", "#", "/", "?", "@", " ", ":", "%", "\\", "'", "\"", "\t", "[", "]", "é"}) {
      for (const std::string place :
           {"@proxy:3128", "@proxy:x", "@proxy:99999", "@", "", "@:1", "@pro xy:1", "/@x"}) {
        if (special == "@" && place.empty()) continue;  // a good URL, of a host that is named so
        const std::string url = scheme + "user:" + password + special + password + place;
        for (const std::string& words :
             {check_proxy_url(url) ? std::string() : check_proxy_url(url).error().message,
              check_endpoint_url(url) ? std::string() : check_endpoint_url(url).error().message,
              shown_proxy(url), split_url(url) ? std::string() : split_url(url).error().message}) {
          EXPECT_EQ(words.find(password), std::string::npos) << url << " -> " << words;
          ++tried;
        }
      }
    }
  }
  EXPECT_GT(tried, 3000U);
}

}  // namespace
}  // namespace bakusoku::aws
