// The simulated account: which instances exist and what is said of them. Everything is a pure function of
// (seed, region, index), so that a test can say what the simulator must answer without asking it. Depends on
// nothing but base.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "simaws/publication.h"

namespace bakusoku::simaws {

inline constexpr const char* kAccount = "000000000000";

/// The state of an alarm.
struct AlarmState {
  std::string value{};  // OK, ALARM, INSUFFICIENT_DATA
  std::string reason{};
  int64_t since = 0;  // unix seconds
};

/// What the command line chose, and the account looked at.
struct World {
  uint64_t seed = 1;
  std::vector<std::string> regions{"eu-west-1"};
  size_t instances = 50;              // in each region
  size_t load = 0;                    // metrics of Sim/Load, in each region
  std::string account = kAccount;     // whose fleet and metrics these are
  std::vector<std::string> linked{};  // source accounts whose metrics kAccount may read
  Publication publication{};
  size_t organization = 0;  // member accounts beside kAccount; 0: no organization
  size_t alarms = 2;        // of each running instance
  size_t log_alarms = 0;    // of CloudWatch Logs, beside them
  std::map<std::string, AlarmState, std::less<>> alarm_states{};  // set by hand, by name

  /// The same world, as another account has it.
  [[nodiscard]] World of(std::string_view other) const;
  [[nodiscard]] bool is_linked(std::string_view other) const;
  [[nodiscard]] bool has_region(std::string_view region) const;
};

struct Instance {
  std::string id;                                           // i-0 and 16 hexadecimal digits
  std::vector<std::pair<std::string, std::string>> tags{};  // as listed in docs/simaws.md
  std::string type;
  std::string state;  // running, stopped, terminated
  int state_code = 16;
  std::string availability_zone;
  std::string private_ip;
  std::string public_ip;  // empty unless running and even
  bool windows = false;
  bool detailed_monitoring = false;
  int64_t launched = 0;  // unix seconds

  /// The value of the tag Name, or nothing when there is no such tag.
  [[nodiscard]] std::optional<std::string_view> name() const;
};

/// The finaliser of splitmix64 and its inverse: a bijection of the 64-bit integers.
[[nodiscard]] uint64_t mix(uint64_t value);
[[nodiscard]] uint64_t unmix(uint64_t value);
/// FNV-1a, 64 bits.
[[nodiscard]] uint64_t fnv1a(std::string_view bytes);

/// `index` counts from 0 and is below world.instances.
[[nodiscard]] Instance instance(const World& world, std::string_view region, size_t index);
[[nodiscard]] std::string instance_id(const World& world, std::string_view region, size_t index);
/// Nothing when no instance of the region has this id.
[[nodiscard]] std::optional<size_t> index_of(const World& world, std::string_view region,
                                             std::string_view id);
/// The volume of a running instance: vol-0 and 16 hexadecimal digits.
[[nodiscard]] std::string volume_id(const World& world, std::string_view region, size_t index);
[[nodiscard]] std::optional<size_t> index_of_volume(const World& world, std::string_view region,
                                                    std::string_view id);
/// "REGION" of kAccount, "REGION@ACCOUNT" of others: what ids and series are hashed from.
[[nodiscard]] std::string place(const World& world, std::string_view region);
/// Whether the instance runs (only then has it metrics), and its type, without building the rest.
[[nodiscard]] bool is_running(size_t index);
[[nodiscard]] const char* type_of(size_t index);

/// The Name tags at indices kFirstOddIndex and following; nullptr stands for "no Name tag". Indices outside
/// the table are named web-(index + 1).
inline constexpr size_t kFirstOddIndex = 10;
inline constexpr size_t kOddNames = 23;
[[nodiscard]] std::optional<std::string> name_tag(size_t index);

}  // namespace bakusoku::simaws
