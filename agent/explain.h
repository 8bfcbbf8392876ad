// Explain: looks through the stages for what they know of an item or of a host, for `bakusoku explain` and
// the key bakusoku.explain. It only looks: nothing becomes demand by it, nothing is asked of AWS or Zabbix.
// Runs on the agent's thread; a long look into the spool is made in pieces, between which others run.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <optional>
#include <string>

#include "agent/bill.h"
#include "agent/collect.h"
#include "agent/config.h"
#include "agent/demand.h"
#include "agent/event.h"
#include "agent/explanation.h"
#include "base/clock.h"

namespace bakusoku::agent {

class Existence;
class Reporting;

class Explain {
 public:
  struct Parts {
    asio::io_context& io;
    const Demand& demand;
    const Collect& collect;
    const Existence& existence;
    const Bill& bill;
    Clock clock;
  };

  explicit Explain(Parts parts) : parts_(std::move(parts)) {}
  Explain(const Explain&) = delete;
  Explain& operator=(const Explain&) = delete;

  /// Null: there is no [zabbix] server.
  void look_at(const Reporting* reporting) { reporting_ = reporting; }

  /// As JSON, see explanation_json(). `named` is the key, or the id that Zabbix tells it by. What the spool
  /// holds of it is looked for until shortly before `deadline`.
  [[nodiscard]] asio::awaitable<std::string> item(std::string host, std::string named,
                                                  Deadline deadline) const;
  /// All items of a host, as JSON.
  [[nodiscard]] std::string host(const std::string& host) const;

 private:
  [[nodiscard]] SeriesFacts facts_of(const Series& series, int64_t now) const;
  [[nodiscard]] std::string key_of(const std::string& host, const std::string& key) const;

  Parts parts_;
  const Reporting* reporting_ = nullptr;
};

}  // namespace bakusoku::agent
