// What became of the values that were sent to one destination, as far as an administrator may ask: until when
// what was acknowledged, and which items Zabbix refuses. Bounded, whatever is refused: the oldest refusals
// are forgotten. Kept by the delivery, on the agent's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace bakusoku::agent {

/// The values of one item that Zabbix did not take. Times are unix seconds.
struct Refusal {
  uint64_t times = 0;  // a value that is tried again and refused again counts again
  int64_t since = 0;
  int64_t last = 0;
  int64_t again = 0;   // the last one is tried again then
  int64_t taken = 0;   // a value of the item was taken, after the last refusal; 0: none since
  std::string info{};  // Zabbix's words, which only count
};

class Outcomes {
 public:
  explicit Outcomes(size_t most_refusals = 10'000) : most_refusals_(most_refusals) {}

  void note_acknowledged(uint64_t up_to, int64_t now);
  /// When the value of that id was acknowledged: exact for the last minutes, up to some minutes late for what
  /// is hours old. Nothing: not yet, or before the agent's start.
  [[nodiscard]] std::optional<int64_t> acknowledged_at(uint64_t id) const;

  /// Whose values they are: two items of a host may have one key, which their ids tell apart.
  struct Item {
    std::string_view host{};
    std::string_view key{};
    uint64_t itemid = 0;  // 0: none
  };
  void note_refused(const Item& item, std::string_view info, int64_t now, int64_t again);
  /// Cheap as long as nothing is refused.
  void note_taken(const Item& item, int64_t now);
  /// With an id: whatever its key is called. Without one: of the first item of that host and key.
  [[nodiscard]] const Refusal* refusal(const Item& item) const;
  [[nodiscard]] size_t refusals() const { return refusals_.size(); }
  /// Items of which Zabbix has taken no value since it refused one.
  [[nodiscard]] size_t refused_now() const;
  struct Refused {
    Item item{};  // valid like the refusal: until something is noted
    const Refusal* refusal = nullptr;
  };
  /// At most `most` of them, those first that were refused last.
  [[nodiscard]] std::vector<Refused> latest_refused(size_t most) const;

 private:
  struct Kept {
    std::string host;
    std::string key;
    uint64_t itemid = 0;
    operator Item() const { return {host, key, itemid}; }
  };
  struct InOrder {
    using is_transparent = void;
    bool operator()(const Item& a, const Item& b) const {
      // An id stays the item's when its key is another one, as when a macro in it was changed.
      return std::tuple(a.host, a.itemid, a.itemid == 0 ? a.key : std::string_view()) <
             std::tuple(b.host, b.itemid, b.itemid == 0 ? b.key : std::string_view());
    }
  };
  struct Step {
    uint64_t up_to = 0;
    int64_t at = 0;
  };
  void forget_oldest_refusals();

  size_t most_refusals_;
  std::vector<Step> steps_;
  std::map<Kept, Refusal, InOrder> refusals_;
};

}  // namespace bakusoku::agent
