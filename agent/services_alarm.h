// CloudWatch's alarms as a row of the service table: one sweep of an account and region answers all hosts.
#pragma once

#include "agent/inventory.h"
#include "aws/cloudwatch_codec.h"

namespace bakusoku::agent {

[[nodiscard]] Service alarm_service();

/// Adds one alarm as AWS describes it to a snapshot (pure).
void add_alarm(Snapshot& snapshot, const aws::cloudwatch::Alarm& alarm);

}  // namespace bakusoku::agent
