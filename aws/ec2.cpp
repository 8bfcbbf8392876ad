#include "aws/ec2.h"

#include <utility>

namespace bakusoku::aws::ec2 {
namespace {

Call call(std::string region, std::string action, std::string body) {
  Call out;
  out.service = "ec2";
  out.signing_name = "ec2";
  out.region = std::move(region);
  out.permission = "ec2:" + action;
  out.action = std::move(action);
  out.protocol = Protocol::ec2;
  out.body = std::move(body);
  return out;
}

}  // namespace

asio::awaitable<Result<InstancesPage>> describe_instances(Client& client, std::string region,
                                                          std::string next_token) {
  const std::string context = "ec2:DescribeInstances in " + region;
  Call request = call(std::move(region), "DescribeInstances", encode_describe_instances(next_token));
  // A page of a thousand instances is megabytes of XML that EC2 takes seconds to write.
  request.timeout = std::chrono::seconds(60);
  const Result<std::string> body = co_await client.send(std::move(request));
  if (!body) co_return fail(body.error());
  Result<InstancesPage> page = decode_describe_instances(*body);
  if (!page) co_return fail(page.error().with_context(context));
  co_return page;
}

asio::awaitable<Result<std::vector<std::string>>> describe_regions(Client& client, std::string region) {
  const std::string context = "ec2:DescribeRegions in " + region;
  Call request = call(std::move(region), "DescribeRegions", encode_describe_regions());
  const Result<std::string> body = co_await client.send(std::move(request));
  if (!body) co_return fail(body.error());
  Result<std::vector<std::string>> regions = decode_describe_regions(*body);
  if (!regions) co_return fail(regions.error().with_context(context));
  co_return regions;
}

}  // namespace bakusoku::aws::ec2
