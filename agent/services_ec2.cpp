#include "agent/services_ec2.h"

#include <array>

#include "agent/service_pages.h"

namespace bakusoku::agent {
namespace {

struct Field {
  std::string_view name;
  std::string aws::ec2::Instance::*value;
};

constexpr std::array<Field, 14> kFields = {{
    {"state", &aws::ec2::Instance::state},
    {"type", &aws::ec2::Instance::type},
    {"zone", &aws::ec2::Instance::availability_zone},
    {"private_ip", &aws::ec2::Instance::private_ip},
    {"public_ip", &aws::ec2::Instance::public_ip},
    {"private_dns", &aws::ec2::Instance::private_dns},
    {"public_dns", &aws::ec2::Instance::public_dns},
    {"vpc", &aws::ec2::Instance::vpc_id},
    {"subnet", &aws::ec2::Instance::subnet_id},
    {"image", &aws::ec2::Instance::image_id},
    {"architecture", &aws::ec2::Instance::architecture},
    {"platform", &aws::ec2::Instance::platform},
    {"launched", &aws::ec2::Instance::launch_time},
    {"monitoring", &aws::ec2::Instance::monitoring},
}};

void add_page(Snapshot& snapshot, const aws::ec2::InstancesPage& page) {
  for (const aws::ec2::Instance& instance : page.instances) add_instance(snapshot, instance);
}

// "i-0123456789abcdef0"; the oldest have eight digits.
bool is_instance_id(std::string_view text) {
  if (!text.starts_with("i-")) return false;
  const std::string_view digits = text.substr(2);
  return (digits.size() == 8 || digits.size() == 17) &&
         digits.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

asio::awaitable<Result<std::shared_ptr<Snapshot>>> read_instances(const Target& target) {
  return read_pages(target, "ec2:DescribeInstances", aws::ec2::describe_instances, add_page);
}

}  // namespace

void add_instance(Snapshot& snapshot, const aws::ec2::Instance& instance) {
  Resource resource;
  resource.id = snapshot.keep(instance.id);
  resource.gone = instance.state == "terminated" || instance.state == "shutting-down";
  resource.fields.reserve(kFields.size());
  for (const Field& field : kFields) {
    const std::string& value = instance.*field.value;
    if (!value.empty()) resource.fields.emplace_back(field.name, snapshot.keep(value));
  }
  resource.fields.shrink_to_fit();
  resource.tags.reserve(instance.tags.size());
  for (const aws::ec2::Tag& tag : instance.tags) {
    resource.tags.emplace_back(snapshot.keep(tag.key), snapshot.keep(tag.value));
    if (tag.key == "Name") resource.name = resource.tags.back().second;
  }
  snapshot.add(std::move(resource));
}

Service ec2_service() {
  Service service{"ec2", "EC2 instance", {}, &kTags, {}, {}, read_instances, is_instance_id};
  for (const Field& field : kFields) service.fields.push_back(field.name);
  return service;
}

}  // namespace bakusoku::agent
