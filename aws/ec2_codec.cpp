#include "aws/ec2_codec.h"

#include "aws/query.h"
#include "aws/xml.h"

namespace bakusoku::aws::ec2 {
namespace {

constexpr std::string_view kVersion = "2016-11-15";

Instance read_instance(const pugi::xml_node& item) {
  Instance instance;
  // One walk over the children: asking for each by name would walk them once per field.
  for (const pugi::xml_node& child : item) {
    const std::string_view name = child.name();
    if (name == "instanceId") {
      instance.id = child.child_value();
    } else if (name == "instanceType") {
      instance.type = child.child_value();
    } else if (name == "instanceState") {
      instance.state = child.child_value("name");
    } else if (name == "placement") {
      instance.availability_zone = child.child_value("availabilityZone");
    } else if (name == "privateIpAddress") {
      instance.private_ip = child.child_value();
    } else if (name == "ipAddress") {
      instance.public_ip = child.child_value();
    } else if (name == "privateDnsName") {
      instance.private_dns = child.child_value();
    } else if (name == "dnsName") {
      instance.public_dns = child.child_value();
    } else if (name == "vpcId") {
      instance.vpc_id = child.child_value();
    } else if (name == "subnetId") {
      instance.subnet_id = child.child_value();
    } else if (name == "imageId") {
      instance.image_id = child.child_value();
    } else if (name == "architecture") {
      instance.architecture = child.child_value();
    } else if (name == "platform") {
      instance.platform = child.child_value();
    } else if (name == "launchTime") {
      instance.launch_time = child.child_value();
    } else if (name == "monitoring") {
      instance.monitoring = child.child_value("state");
    } else if (name == "tagSet") {
      for (const pugi::xml_node& tag : child.children("item")) {
        instance.tags.push_back(Tag{tag.child_value("key"), tag.child_value("value")});
      }
    }
  }
  return instance;
}

}  // namespace

std::string encode_describe_instances(const std::string& next_token) {
  QueryBody body("DescribeInstances", kVersion);
  body.add("MaxResults", kMaxInstancesPerPage);
  if (!next_token.empty()) body.add("NextToken", next_token);
  return body.take();
}

Result<InstancesPage> decode_describe_instances(std::string_view xml) {
  pugi::xml_document document;
  const Result<pugi::xml_node> root = load_xml(document, xml, "DescribeInstancesResponse");
  if (!root) return fail(root.error());
  const pugi::xml_node reservations = root->child("reservationSet");
  if (!reservations) return fail(ErrorKind::corrupt, "a DescribeInstancesResponse without a reservationSet");
  InstancesPage page;
  for (const pugi::xml_node& reservation : reservations.children("item")) {
    for (const pugi::xml_node& item : reservation.child("instancesSet").children("item")) {
      Instance instance = read_instance(item);
      if (instance.id.empty()) return fail(ErrorKind::corrupt, "an instance without an instanceId");
      page.instances.push_back(std::move(instance));
    }
  }
  page.next_token = root->child_value("nextToken");
  return page;
}

std::string encode_describe_regions() { return QueryBody("DescribeRegions", kVersion).take(); }

Result<std::vector<std::string>> decode_describe_regions(std::string_view xml) {
  pugi::xml_document document;
  const Result<pugi::xml_node> root = load_xml(document, xml, "DescribeRegionsResponse");
  if (!root) return fail(root.error());
  const pugi::xml_node info = root->child("regionInfo");
  if (!info) return fail(ErrorKind::corrupt, "a DescribeRegionsResponse without a regionInfo");
  std::vector<std::string> regions;
  for (const pugi::xml_node& item : info.children("item")) {
    std::string name = item.child_value("regionName");
    if (name.empty()) return fail(ErrorKind::corrupt, "a region without a regionName");
    regions.push_back(std::move(name));
  }
  return regions;
}

}  // namespace bakusoku::aws::ec2
