#include "aws/ec2_codec.h"

#include <gtest/gtest.h>

#include <string>

namespace bakusoku::aws::ec2 {
namespace {

const std::string kPage = R"(<?xml version="1.0" encoding="UTF-8"?>
<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
    <requestId>8f7724cf-496f-496e-8fe3-example</requestId>
    <reservationSet>
        <item>
            <reservationId>r-1234567890abcdef0</reservationId>
            <ownerId>123456789012</ownerId>
            <groupSet/>
            <instancesSet>
                <item>
                    <instanceId>i-1234567890abcdef0</instanceId>
                    <imageId>ami-bff32ccc</imageId>
                    <instanceState><code>16</code><name>running</name></instanceState>
                    <privateDnsName>ip-192-168-1-88.eu-west-1.compute.internal</privateDnsName>
                    <dnsName>ec2-54-194-252-215.eu-west-1.compute.amazonaws.com</dnsName>
                    <instanceType>t2.micro</instanceType>
                    <launchTime>2018-05-08T16:46:19.000Z</launchTime>
                    <placement><availabilityZone>eu-west-1c</availabilityZone><tenancy>default</tenancy></placement>
                    <platform>windows</platform>
                    <monitoring><state>disabled</state></monitoring>
                    <subnetId>subnet-56f5f633</subnetId>
                    <vpcId>vpc-11112222</vpcId>
                    <privateIpAddress>192.168.1.88</privateIpAddress>
                    <ipAddress>54.194.252.215</ipAddress>
                    <architecture>x86_64</architecture>
                    <blockDeviceMapping><item><deviceName>/dev/xvda</deviceName></item></blockDeviceMapping>
                    <tagSet>
                        <item><key>Name</key><value>Web &amp; &lt;API&gt; 名前</value></item>
                        <item><key>Empty</key><value/></item>
                    </tagSet>
                    <somethingNew><instanceId>i-other</instanceId></somethingNew>
                </item>
            </instancesSet>
        </item>
        <item><instancesSet>
            <item><instanceId>i-2</instanceId></item>
            <item><instanceId>i-3</instanceId></item>
        </instancesSet></item>
    </reservationSet>
    <nextToken>eyJ2IjoiMiJ9+/=</nextToken>
</DescribeInstancesResponse>)";

TEST(Ec2Codec, asks_for_pages_of_a_thousand) {
  EXPECT_EQ(encode_describe_instances(""), "Action=DescribeInstances&Version=2016-11-15&MaxResults=1000");
  EXPECT_EQ(encode_describe_instances("a+/="),
            "Action=DescribeInstances&Version=2016-11-15&MaxResults=1000&NextToken=a%2B%2F%3D");
  EXPECT_EQ(encode_describe_regions(), "Action=DescribeRegions&Version=2016-11-15");
}

TEST(Ec2Codec, reads_every_instance_of_every_reservation) {
  const auto page = decode_describe_instances(kPage);
  ASSERT_TRUE(page) << page.error().message;
  ASSERT_EQ(page->instances.size(), 3U);
  EXPECT_EQ(page->next_token, "eyJ2IjoiMiJ9+/=");
  const Instance& web = page->instances[0];
  EXPECT_EQ(web.id, "i-1234567890abcdef0");
  EXPECT_EQ(web.type, "t2.micro");
  EXPECT_EQ(web.state, "running");
  EXPECT_EQ(web.availability_zone, "eu-west-1c");
  EXPECT_EQ(web.private_ip, "192.168.1.88");
  EXPECT_EQ(web.public_ip, "54.194.252.215");
  EXPECT_EQ(web.private_dns, "ip-192-168-1-88.eu-west-1.compute.internal");
  EXPECT_EQ(web.public_dns, "ec2-54-194-252-215.eu-west-1.compute.amazonaws.com");
  EXPECT_EQ(web.vpc_id, "vpc-11112222");
  EXPECT_EQ(web.subnet_id, "subnet-56f5f633");
  EXPECT_EQ(web.image_id, "ami-bff32ccc");
  EXPECT_EQ(web.architecture, "x86_64");
  EXPECT_EQ(web.platform, "windows");
  EXPECT_EQ(web.launch_time, "2018-05-08T16:46:19.000Z");
  EXPECT_EQ(web.monitoring, "disabled");
  ASSERT_EQ(web.tags.size(), 2U);
  EXPECT_EQ(web.tags[0].key, "Name");
  EXPECT_EQ(web.tags[0].value, "Web & <API> 名前");
  EXPECT_EQ(web.tags[1].value, "");
  EXPECT_EQ(page->instances[2].id, "i-3");
}

TEST(Ec2Codec, an_account_without_instances_is_an_empty_page_and_not_an_error) {
  const auto page =
      decode_describe_instances("<DescribeInstancesResponse><reservationSet/></DescribeInstancesResponse>");
  ASSERT_TRUE(page);
  EXPECT_TRUE(page->instances.empty());
  EXPECT_TRUE(page->next_token.empty());
}

TEST(Ec2Codec, what_is_not_the_answer_is_corrupt_and_never_an_empty_page) {
  for (const char* bad :
       {"", " ", "{}", "<html></html>", "<DescribeInstancesResponse/>", "<Response><Errors/></Response>",
        "<DescribeInstancesResponse><reservationSet><item><instancesSet><item><imageId>ami-1</imageId>"
        "</item></instancesSet></item></reservationSet></DescribeInstancesResponse>"}) {
    const auto page = decode_describe_instances(bad);
    ASSERT_FALSE(page) << bad;
    EXPECT_EQ(page.error().kind, ErrorKind::corrupt);
  }
}

TEST(Ec2Codec, a_page_cut_at_any_byte_is_corrupt) {
  for (size_t cut = 0; cut < kPage.size(); ++cut) {
    const auto page = decode_describe_instances(kPage.substr(0, cut));
    ASSERT_FALSE(page) << "cut at byte " << cut;
    ASSERT_EQ(page.error().kind, ErrorKind::corrupt);
  }
}

TEST(Ec2Codec, a_page_with_any_byte_flipped_is_read_or_refused) {
  for (size_t at = 0; at < kPage.size(); ++at) {
    std::string flipped = kPage;
    flipped[at] = static_cast<char>(~flipped[at]);
    const auto page = decode_describe_instances(flipped);
    if (!page) {
      ASSERT_EQ(page.error().kind, ErrorKind::corrupt);
    }
  }
}

TEST(Ec2Codec, reads_regions) {
  const auto regions = decode_describe_regions(
      "<DescribeRegionsResponse><requestId>r</requestId><regionInfo>"
      "<item><regionName>eu-west-1</regionName><regionEndpoint>ec2.eu-west-1.amazonaws.com</regionEndpoint></"
      "item>"
      "<item><regionName>us-east-1</regionName></item></regionInfo></DescribeRegionsResponse>");
  ASSERT_TRUE(regions);
  EXPECT_EQ(*regions, (std::vector<std::string>{"eu-west-1", "us-east-1"}));
  EXPECT_FALSE(decode_describe_regions("<DescribeRegionsResponse/>"));
  EXPECT_FALSE(decode_describe_regions(
      "<DescribeRegionsResponse><regionInfo><item/></regionInfo></DescribeRegionsResponse>"));
}

}  // namespace
}  // namespace bakusoku::aws::ec2
