#include "zabbix/allow_list.h"

#include <gtest/gtest.h>

#include <string>

namespace bakusoku::zabbix {
namespace {

bool allows(std::string_view list, std::string_view peer) {
  const auto parsed = AllowList::parse(list);
  EXPECT_TRUE(parsed) << list << ": " << parsed.error().message;
  const auto address = IpAddress::parse(peer);
  EXPECT_TRUE(address) << peer;
  return parsed && address && parsed->allows(*address);
}

TEST(AllowList, AllowsItsAddressesOnly) {
  EXPECT_TRUE(allows("127.0.0.1,::1", "127.0.0.1"));
  EXPECT_TRUE(allows("127.0.0.1, ::1 ", "::1"));
  EXPECT_FALSE(allows("127.0.0.1,::1", "127.0.0.2"));
  EXPECT_FALSE(allows("127.0.0.1,::1", "::2"));
  EXPECT_FALSE(allows("127.0.0.1", "::1"));
  EXPECT_TRUE(allows("2001:DB8:0::1", "2001:db8::1"));
}

TEST(AllowList, AllowsNobodyWhenEmpty) {
  EXPECT_FALSE(allows("", "127.0.0.1"));
  EXPECT_FALSE(allows("  ", "::1"));
}

TEST(AllowList, TakesTheFormsOfAnIpv4AddressForTheSame) {
  for (const char* entry : {"10.1.2.3", "::ffff:10.1.2.3", "::10.1.2.3", "::ffff:a01:203"}) {
    for (const char* peer : {"10.1.2.3", "::ffff:10.1.2.3"})
      EXPECT_TRUE(allows(entry, peer)) << entry << " " << peer;
    EXPECT_FALSE(allows(entry, "10.1.2.4"));
    EXPECT_FALSE(allows(entry, "2001:db8::a01:203"));
  }
  EXPECT_FALSE(allows("::1", "0.0.0.1"));
}

TEST(AllowList, AllowsNetworks) {
  EXPECT_TRUE(allows("192.168.1.0/24", "192.168.1.255"));
  EXPECT_FALSE(allows("192.168.1.0/24", "192.168.2.0"));
  EXPECT_TRUE(allows("192.168.1.77/24", "192.168.1.1"));  // host bits are ignored
  EXPECT_TRUE(allows("10.0.0.0/9", "10.127.0.1"));
  EXPECT_FALSE(allows("10.0.0.0/9", "10.128.0.1"));
  EXPECT_TRUE(allows("10.0.0.4/31", "10.0.0.5"));
  EXPECT_FALSE(allows("10.0.0.4/32", "10.0.0.5"));
  EXPECT_TRUE(allows("::ffff:10.0.0.0/104", "10.9.9.9"));
  EXPECT_FALSE(allows("::ffff:10.0.0.0/104", "11.9.9.9"));
  EXPECT_TRUE(allows("2001:db8::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(allows("2001:db8::/33", "2001:db8:8000::1"));
}

TEST(AllowList, AllowsEveryone) {
  EXPECT_TRUE(allows("0.0.0.0/0", "203.0.113.9"));
  EXPECT_TRUE(allows("0.0.0.0/0", "::ffff:203.0.113.9"));
  EXPECT_FALSE(allows("0.0.0.0/0", "2001:db8::1"));
  EXPECT_TRUE(allows("::/0", "2001:db8::1"));
  EXPECT_TRUE(allows("::/0", "203.0.113.9"));
}

TEST(AllowList, KeepsHostNamesForTheCallerToResolve) {
  const auto list = AllowList::parse("zabbix.example.com, 10.0.0.1,db_1,7up");
  ASSERT_TRUE(list);
  EXPECT_EQ(list->names(), (std::vector<std::string>{"zabbix.example.com", "db_1", "7up"}));
  EXPECT_TRUE(list->allows(*IpAddress::parse("10.0.0.1")));
}

TEST(AllowList, RefusesWhatItCannotReadAndNamesIt) {
  for (const char* bad : {"1.2.3", "1.2.3.4.5", "256.1.1.1", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1",
                          "10.0.0.0/a", "10.0.0.0/255.0.0.0", "::1/129", ":::", "fe80::1%eth0",
                          "example.com/24", "two words", "-x", "caf\xC3\xA9"}) {
    const auto list = AllowList::parse(std::string("127.0.0.1,") + bad);
    ASSERT_FALSE(list) << bad;
    EXPECT_EQ(list.error().kind, ErrorKind::invalid);
    EXPECT_NE(list.error().message.find(bad), std::string::npos) << list.error().message;
  }
  for (const char* bad : {",", "a,,b", "a,", ",a"}) EXPECT_FALSE(AllowList::parse(bad)) << bad;
}

TEST(IpAddress, IsReadWithoutItsZone) {
  EXPECT_EQ(IpAddress::parse("fe80::1%eth0"), IpAddress::parse("fe80::1"));
  EXPECT_EQ(IpAddress::parse("::ffff:10.0.0.1"), IpAddress::parse("10.0.0.1"));
  EXPECT_FALSE(IpAddress::parse("10.0.0.1%eth0"));
  EXPECT_FALSE(IpAddress::parse("localhost"));
  EXPECT_FALSE(IpAddress::parse(""));
  EXPECT_FALSE(IpAddress::parse(std::string("10.0.0.1\0x", 10)));
}

}  // namespace
}  // namespace bakusoku::zabbix
