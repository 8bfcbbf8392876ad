// Why an item has the value it has, or none: what the stages know of it, and the sentences that say so to an
// administrator. Pure values; agent/explain.h collects the facts. All times are unix seconds, 0: never.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/outcomes.h"
#include "agent/schedule.h"
#include "agent/spool.h"

namespace bakusoku::agent {

/// Where an item is on its way, from the first thing that can be missing to the last.
enum class ItemState {
  not_configured,     // there is no [zabbix] server
  host_not_ours,      // the agent answers for no host of that name
  host_not_asked,     // Zabbix has not yet been asked, or does not answer
  host_unknown,       // Zabbix wants nothing of the host
  not_wanted,         // Zabbix wants other items of the host
  interval_wrong,     // the update interval cannot be read
  not_due_yet,        // no question and no reading so far
  being_read,         // the first one is under way
  no_datapoint,       // CloudWatch has none
  failing,            // the item is not supported, and Zabbix has been told
  not_stored,         // the spool takes nothing
  waiting,            // in the spool
  refused,            // by Zabbix, and tried again
  delivered,          // acknowledged by Zabbix
  delivered_earlier,  // before the agent's start
};
/// In a few words, for tables and JSON.
[[nodiscard]] std::string_view to_string(ItemState state);

/// The metric series behind an item.
struct SeriesFacts {
  std::string description{};  // "AWS/EC2 CPUUtilization (InstanceId=i-1) Average"
  std::string namespace_{};
  std::string metric{};
  std::vector<std::pair<std::string, std::string>> dimensions{};
  std::string statistic{};
  int32_t period = 0;
  std::string region{};
  std::string account{};  // empty: the default
  int64_t delay = 0;      // of its publication, seconds

  uint64_t readings = 0;
  int64_t last_read = 0;     // when the newest reading began
  int64_t window_start = 0;  // of that reading
  int64_t window_end = 0;
  int64_t point_clock = 0;  // of the newest datapoint in it
  std::string point_value{};
  bool absent = false;          // CloudWatch lists no such metric, so it is not asked for
  int64_t looks_again = 0;      // then whether it does is looked at again
  bool reading = false;         // now
  size_t waiting_calls = 0;     // of its account and region, while it is read: until the quota allows more
  int64_t postponed_since = 0;  // due since then, and waiting for others; 0: it is not postponed
  Limit postponed_by = Limit::none;
  int most_calls = 0;              // that may be under way at once: of the limit that is met
  std::string priority{};          // "normal"
  int64_t next_reading = 0;        // about; 0: nobody wants one
  int64_t behind_from = 0;         // the next one begins there; 0: as usual
  int64_t absent_since = 0;        // that CloudWatch lists no such metric was first seen then
  bool zero = false;               // somebody takes what is missing for 0
  std::string remark{};            // of the newest reading: what CloudWatch said beside its datapoints
  std::string failure{};           // of the newest reading
  bool waits_for_budget = false;   // the failure says why
  int64_t retry = 0;               // then it is tried again
  int64_t last_asked = 0;          // by anybody
  int64_t ask_gap = 0;             // seconds between the last two questions
  bool fed = false;                // every datapoint goes to Zabbix
  bool missing_is_zero = false;    // for the item in question
  int64_t stretched_interval = 0;  // between two readings, for the budget; 0: its own
  int64_t own_interval = 0;
  double forecast_usd = 0;  // of the month, if nothing were stretched
  double budget_usd = 0;
};

/// Who makes the values of an item.
enum class Origin {
  active,  // the agent, because Zabbix wants it to
  send,    // the agent, for a trapper item of [[send]]
  intake,  // another program, for a trapper item, through the intake
};

/// What one destination has to do with the item.
struct DestinationFacts {
  Origin origin = Origin::active;
  std::string name{};       // "zabbix:10051", the endpoint in use
  std::string no_values{};  // why values cannot be delivered now
  int64_t no_values_since = 0;
  std::string no_answer{};  // why Zabbix cannot be asked which items it wants
  int64_t no_answer_since = 0;

  bool has_host = false;  // the agent answers for the host
  bool host_known = false;
  std::string host_refusal{};  // Zabbix's words
  int64_t host_asked = 0;
  int64_t host_asks = 0;   // the next time
  size_t items = 0;        // that Zabbix wants of the host
  std::string told_by{};   // who says so: "proxy-2:10051"
  std::string known_to{};  // another destination that knows the host; empty: none does

  bool wanted = false;
  uint64_t itemid = 0;               // 0: not told
  std::vector<uint64_t> same_key{};  // ids of other items of the host with this key
  std::string key{};                 // as it is evaluated
  std::string sent_key{};            // as Zabbix knows it, when that differs
  std::string interval{};
  bool has_interval = true;
  int64_t due = 0;
  bool asking = false;
  std::string error{};
  std::string unstored{};  // why the spool takes no values

  int64_t put_at = 0;  // the newest value since the agent's start, put into the spool
  int64_t put_clock = 0;
  std::optional<std::string> put_text{};  // if it is known
  bool put_pending = false;
  bool given_up = false;        // neither delivered nor there any more
  int64_t acknowledged_at = 0;  // 0: not known when
  int64_t earlier_clock = 0;    // of the newest datapoint put before the agent's start
  std::optional<Refusal> refusal{};
  std::optional<SpoolTrace> trace{};  // looked for only when one item is explained

  std::vector<std::string> similar{};  // keys of the host
};

struct ItemFacts {
  int64_t now = 0;
  std::string host{};
  std::string key{};
  std::string key_error{};  // the key itself cannot be answered
  std::string place{};      // what its empty region and account stand for, a sentence; empty: none is empty
  std::vector<std::string> odd_macros{};  // of a discovery: sentences
  int64_t hosts = 0;                      // that the agent answers for
  std::vector<std::string> similar_hosts{};
  std::vector<DestinationFacts> destinations{};  // none: there is no [zabbix] server
  bool is_metric = false;
  std::optional<SeriesFacts> series{};
};

struct Sentence {
  std::string about{};  // "wanted", "metric", "reading", "value", "delivery", "missing"
  std::string text{};
};

/// The macros that Zabbix has left in a key it told: "{$REGION}", "{HOST.NAME}", "{#ID}".
[[nodiscard]] std::vector<std::string> macros_left_in(std::string_view key);

[[nodiscard]] ItemState state_of(const DestinationFacts& facts, const std::optional<SeriesFacts>& series);
/// The worst of all destinations.
[[nodiscard]] ItemState state_of(const ItemFacts& facts);
[[nodiscard]] std::vector<Sentence> explain(const ItemFacts& facts);
/// {"host","key","state","explanation":[{"about","text"}],"destinations":[...],"series":{...}}
[[nodiscard]] std::string explanation_json(const ItemFacts& facts);

/// One row of a host's table.
struct ItemRow {
  std::string key{};
  std::string interval{};
  ItemState state = ItemState::not_due_yet;
  int64_t clock = 0;  // of the newest value
  std::optional<std::string> value{};
  int64_t due = 0;
  std::string error{};
};

struct HostFacts {
  int64_t now = 0;
  std::string host{};
  int64_t hosts = 0;
  std::vector<std::string> similar_hosts{};
  struct Destination {
    DestinationFacts facts{};  // of the host
    std::vector<ItemRow> rows{};
  };
  std::vector<Destination> destinations{};
};

/// {"host","explanation":[...],"destinations":[{"name","items":[{"key","interval","state",...}]}]}
[[nodiscard]] std::string explanation_json(const HostFacts& facts);

}  // namespace bakusoku::agent
