// Amazon EC2 as a row of the service table: instances with their facts and tags.
#pragma once

#include "agent/inventory.h"
#include "aws/ec2.h"

namespace bakusoku::agent {

[[nodiscard]] Service ec2_service();

/// Adds one instance as AWS describes it to a snapshot (pure).
void add_instance(Snapshot& snapshot, const aws::ec2::Instance& instance);

}  // namespace bakusoku::agent
