// Loading a module as Zabbix's main process does, and what it leaves behind there. In the main process only.
#pragma once

#include <string>
#include <vector>

#include "guest.h"

namespace zbxmod::host {

class Loading {
 public:
  Loading(Setup& setup, Teller& teller) : setup_(setup), stage_(setup.stages[0]), teller_(teller) {}

  /// False when Zabbix would not start.
  [[nodiscard]] bool load();
  /// What the workers are to ask goes into the setup; false when there is nothing.
  [[nodiscard]] bool find_questions();
  void unload();

 private:
  template <typename Function>
  Function symbol(const char* name) const;
  template <typename Part>
  void run(Step step, const std::string& who, Part part);
  void check_threads(const State& before, State& after, const std::string& who);
  bool load_personality();
  void check_symbols();
  void find_place();
  bool init();
  void item_timeout();
  void history_callbacks();
  bool item_list();

  Setup& setup_;
  Stage& stage_;
  Teller& teller_;
  void* module_ = nullptr;
  std::string load_error_{};
  std::vector<abi::Metric> items_{};
  std::vector<std::string> names_{};
  std::vector<std::string> tests_{};
};

}  // namespace zbxmod::host
