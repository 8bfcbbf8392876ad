#include "agent/hosts.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace bakusoku::agent {
namespace {

bool is_named(const Account& account, std::string_view name) {
  return account.name == name || (!account.also_named.empty() && account.also_named == name);
}

std::string all_of(const std::vector<const Hosts::List*>& places) {
  constexpr size_t kMostNamed = 5;
  std::string text;
  for (size_t at = 0; at < std::min(places.size(), kMostNamed); ++at)
    text += fmt::format("{}{}", at == 0 ? "" : ", ", places[at]->target->description());
  return places.size() > kMostNamed ? text + ", ..." : text;
}

// Those that fit alone, where there are any.
template <typename Fits>
void narrow(std::vector<const Hosts::List*>& places, Fits fits) {
  if (std::any_of(places.begin(), places.end(), fits)) {
    std::erase_if(places, [&](const Hosts::List* place) { return !fits(place); });
  }
}

}  // namespace

bool Hosts::take(std::vector<List> lists, Named named) {
  for (List& list : lists) {
    if (list.snapshot || list.target == nullptr) continue;
    const auto before = std::find_if(lists_.begin(), lists_.end(), [&](const List& known) {
      return known.service == list.service && known.target == list.target;
    });
    if (before != lists_.end()) list.snapshot = before->snapshot;
  }
  if (lists == lists_ && named == named_) return false;

  const Hosts before = std::exchange(*this, Hosts());
  lists_ = std::move(lists);
  named_ = std::move(named);
  for (uint32_t at = 0; at < lists_.size(); ++at) {
    if (!lists_[at].snapshot) continue;
    for (const Resource& resource : lists_[at].snapshot->resources()) {
      index_.emplace(resource.id, at);
      if (!resource.gone) found_.emplace(resource.id);
    }
  }
  bool moved = false;
  for (const std::set<std::string>* const hosts : {&named_.own, &named_.sends}) {
    for (const std::string& host : *hosts) {
      const auto last = before.last_homes_.find(host);
      if (last != before.last_homes_.end()) last_homes_.insert(*last);
      if (!places_of(host).empty()) {
        if (const auto home = home_of(host)) last_homes_[host] = *home;
      }
      moved = moved || !same_home(before, host);
    }
  }
  return moved || std::any_of(before.found_.begin(), before.found_.end(), [&](const std::string& host) {
           return found_.contains(host) && !same_home(before, host);
         });
}

bool Hosts::is_own(std::string_view host) const { return named_.own.contains(std::string(host)); }

bool Hosts::same_home(const Hosts& before, const std::string& host) const {
  const auto only = [&host](const Hosts& hosts) -> const List* {
    const auto [first, last] = hosts.index_.equal_range(host);
    return first != last && std::next(first) == last ? &hosts.lists_[first->second] : nullptr;
  };
  const List* const one = only(*this);
  const List* const other = only(before);
  if (one != nullptr && other != nullptr && one->service == other->service && one->target == other->target &&
      is_own(host) == before.is_own(host)) {
    return true;
  }
  const auto home = home_of(host);
  const auto home_before = before.home_of(host);
  if (!home || !home_before)
    return !home && !home_before && home.error().message == home_before.error().message;
  return *home == *home_before;
}

std::vector<const Hosts::List*> Hosts::places_of(std::string_view host) const {
  std::vector<uint32_t> places;
  const auto [first, last] = index_.equal_range(host);
  for (auto at = first; at != last; ++at) places.push_back(at->second);
  std::sort(places.begin(), places.end());
  std::vector<const List*> found;
  for (const uint32_t at : places) found.push_back(&lists_[at]);
  // An id that only one resource can have is that resource's, whatever others are called.
  const auto only = [](const List* place) { return place->service->is_id != nullptr; };
  if (is_own(host)) {
    std::erase_if(found, [&](const List* place) { return !only(place); });
  } else {
    narrow(found, only);
  }
  return found;
}

Result<const Target*> Hosts::home_of(std::string_view host, std::string_view region,
                                     std::string_view account) const {
  std::vector<const List*> places = places_of(host);
  if (places.empty()) {
    const auto last = last_homes_.find(host);
    if (last != last_homes_.end()) return last->second;
    for (const List& list : lists_) {
      if (list.snapshot || list.service->is_id == nullptr || !list.service->is_id(host)) continue;
      return fail(ErrorKind::unavailable,
                  "which region and account the host '{}' belongs to is not known yet: {}; a key that names "
                  "both does not need it",
                  host,
                  list.trouble.empty()
                      ? fmt::format("the {} list of {} is still being read", list.service->person,
                                    list.target != nullptr ? list.target->description() : "all regions")
                      : list.trouble);
    }
    return nullptr;
  }
  const std::vector<const List*> all = places;
  if (!region.empty()) narrow(places, [&](const List* place) { return place->target->region == region; });
  if (!account.empty())
    narrow(places, [&](const List* place) { return is_named(*place->target->account, account); });
  const List& first = *places.front();
  const bool one_region = std::all_of(places.begin(), places.end(), [&](const List* place) {
    return place->target->region == first.target->region;
  });
  // The same resource may be seen through several accounts of the configuration.
  const bool one_account =
      first.service->is_id != nullptr || std::all_of(places.begin(), places.end(), [&](const List* place) {
        return place->target->account == first.target->account;
      });
  if ((region.empty() && !one_region) || (account.empty() && !one_account)) {
    return fail(
        ErrorKind::invalid,
        "{} of the name '{}' are in several places ({}), so the host's own region and account are not "
        "clear: name them in the key",
        first.service->person, host, all_of(all));
  }
  return first.target;
}

}  // namespace bakusoku::agent
