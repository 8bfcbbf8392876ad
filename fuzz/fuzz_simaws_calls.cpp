// Bodies of calls to the simulator, as JSON, CBOR and forms, through decoding, AWS's limits and the answer.
#include <cstdint>

#include "simaws/alarms.h"
#include "simaws/cloudwatch.h"
#include "simaws/cloudwatch_cbor.h"
#include "simaws/cloudwatch_json.h"
#include "simaws/ec2.h"
#include "simaws/http.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bakusoku::simaws;
  static const World kWorld{1, {"eu-west-1"}, 50};
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto request = decode_get_metric_data_json(bytes))
    static_cast<void>(check_get_metric_data(*request));
  static_cast<void>(decode_list_metrics_json(bytes));
  if (const auto request = decode_describe_alarms_json(bytes))
    static_cast<void>(check_describe_alarms(*request));
  if (const auto request = decode_get_metric_data_cbor(bytes))
    static_cast<void>(check_get_metric_data(*request));
  static_cast<void>(decode_list_metrics_cbor(bytes));
  if (const auto request = decode_describe_alarms_cbor(bytes))
    static_cast<void>(check_describe_alarms(*request));
  static_cast<void>(parse_alarm_state(bytes, 0));
  static_cast<void>(parse_publication(bytes));
  auto form = parse_form(bytes);
  if (!form) return 0;
  Call call;
  call.region = "eu-west-1";
  call.now = 1'700'000'000;
  call.parameters = std::move(*form);
  if (const std::string* action = call.parameter("Action")) call.action = *action;
  if (const auto request = decode_get_metric_data(call)) static_cast<void>(check_get_metric_data(*request));
  static_cast<void>(decode_list_metrics(call));
  const auto alarms = decode_describe_alarms(call);
  if (alarms && call.action == "DescribeAlarms") static_cast<void>(describe_alarms(kWorld, call, *alarms));
  call.protocol = Protocol::ec2;
  call.service = "ec2";
  Ec2Counters counters;
  static_cast<void>(call_ec2(kWorld, call, counters));
  return 0;
}
