#include "agent/prices.h"

#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>

#include "agent/prices_data.h"

namespace bakusoku::agent {
namespace {

constexpr std::string_view kEveryOther = "*";

std::optional<double> amount(const toml::node* node) {
  if (node == nullptr || !node->is_number()) return std::nullopt;
  const double value = node->value<double>().value_or(-1);
  if (!std::isfinite(value) || value < 0) return std::nullopt;
  return value;
}

}  // namespace

Result<Prices> Prices::parse(std::string_view text, std::string_view file) {
  toml::table root;
  try {
    root = toml::parse(text, file);
  } catch (const toml::parse_error& error) {
    return fail(ErrorKind::invalid, "{}:{}: {}", file, error.source().begin.line, error.description());
  }
  const toml::array* const array = root["price"].as_array();
  if (array == nullptr || array->empty())
    return fail(ErrorKind::invalid, "{}: no [[price]] in it, see data/aws-prices.toml", file);
  Prices prices;
  for (const toml::node& element : *array) {
    const auto line = element.source().begin.line;
    const toml::table* const table = element.as_table();
    if (table == nullptr) return fail(ErrorKind::invalid, "{}:{}: write prices as [[price]]", file, line);
    Entry entry;
    if (const toml::array* const actions = (*table)["actions"].as_array(); actions != nullptr) {
      for (const toml::node& action : *actions)
        entry.actions.push_back(action.value_exact<std::string>().value_or(""));
    }
    const auto usd = amount(table->get("usd"));
    const auto units = amount(table->get("units"));
    const toml::node* const free = table->get("free");
    const auto free_units = free == nullptr ? std::optional<double>(0) : amount(free);
    const bool named = !entry.actions.empty() && std::none_of(entry.actions.begin(), entry.actions.end(),
                                                              [](const auto& name) { return name.empty(); });
    if (!named || !usd || !units || *units == 0 || !free_units) {
      return fail(ErrorKind::invalid,
                  "{}:{}: [[price]] needs actions (an array of names), units and usd (numbers), and free is "
                  "a number",
                  file, line);
    }
    entry.usd = *usd;
    entry.units = *units;
    entry.free = *free_units;
    entry.date = (*table)["date"].value_or(std::string());
    if (const toml::table* const regions = (*table)["regions"].as_table(); regions != nullptr) {
      for (const auto& [region, node] : *regions) {
        const auto price = amount(&node);
        if (!price) {
          return fail(ErrorKind::invalid, "{}:{}: the price of region {} must be a number", file,
                      node.source().begin.line, region.str());
        }
        entry.regions.emplace(region.str(), *price);
      }
    }
    prices.entries_.push_back(std::move(entry));
  }
  return prices;
}

Result<Prices> Prices::load(const std::string& file) {
  if (file.empty()) return parse(kPrices, "data/aws-prices.toml");
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) return fail(ErrorKind::io, "[budget] prices: {} cannot be read", file);
  return parse(text.str(), file);
}

Prices Prices::built_in() { return load("").value_or(Prices()); }

const Prices::Entry* Prices::find(std::string_view action) const {
  const auto named = [&](std::string_view name) {
    return std::find_if(entries_.begin(), entries_.end(), [name](const Entry& entry) {
      return std::find(entry.actions.begin(), entry.actions.end(), name) != entry.actions.end();
    });
  };
  auto found = named(action);
  if (found == entries_.end()) found = named(kEveryOther);
  return found == entries_.end() ? nullptr : &*found;
}

double Prices::usd_per_unit(std::string_view action, std::string_view region) const {
  const Entry* const entry = find(action);
  if (entry == nullptr) return 0;
  const auto own = entry->regions.find(region);
  return (own == entry->regions.end() ? entry->usd : own->second) / entry->units;
}

template <typename Take>
void Prices::each_usd(const Charges& month, Take take) const {
  std::map<const Entry*, double> units;
  for (const auto& [charge, used] : month) units[find(charge.action)] += static_cast<double>(used);
  for (const auto& [charge, used] : month) {
    const Entry* const entry = find(charge.action);
    if (entry == nullptr || used == 0) continue;
    const double all = units[entry];
    const double paid = std::max(0.0, all - entry->free) / all;
    take(charge, static_cast<double>(used) * paid * usd_per_unit(charge.action, charge.region));
  }
}

double Prices::usd_of_month(const Charges& month) const {
  double sum = 0;
  each_usd(month, [&](const Charge&, double usd) { sum += usd; });
  return sum;
}

std::map<std::string, double> Prices::usd_by_namespace(const Charges& month) const {
  std::map<std::string, double> sums;
  each_usd(month, [&](const Charge& charge, double usd) {
    sums[charge.namespace_.empty() ? charge.action : charge.namespace_] += usd;
  });
  return sums;
}

std::string Prices::date() const {
  std::string oldest;
  for (const Entry& entry : entries_) {
    if (!entry.date.empty() && (oldest.empty() || entry.date < oldest)) oldest = entry.date;
  }
  return oldest;
}

}  // namespace bakusoku::agent
