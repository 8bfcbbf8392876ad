#include "loading.h"

#include <dlfcn.h>
#include <link.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <set>

#include "process.h"
#include "symbols.h"
#include "zabbix.h"

namespace zbxmod::host {
namespace {

std::string plural(size_t count, const char* one, const char* many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

}  // namespace

template <typename Function>
Function Loading::symbol(const char* name) const {
  return reinterpret_cast<Function>(::dlsym(module_, name));
}

/// Runs a part of the module in the main process, and tells what it left there.
template <typename Part>
void Loading::run(Step step, const std::string& who, Part part) {
  const State before = take_state(false);
  const int ended_before = ended_children();
  enter(stage_, step);
  part();
  enter(stage_, Step::none);
  end_if_copy(stage_);
  State after = take_state(false);
  check_threads(before, after, who);
  teller_.differences(left_before_fork(before, after, who));
  if (ended_children() != ended_before && !setup_.layout.survives_forks_in_init) {
    teller_.fault(
        "fork", who +
                    " forked a child that ended: Zabbix up to 6.4 takes it for one of its own workers (\"One "
                    "child process died\") and stops");
  }
  if (stage_.child_came_back.exchange(false)) {
    teller_.fault("child",
                  who + " forked a process that returned from it: Zabbix would start twice from here on");
  }
  siginfo_t ended{};
  const bool none = ::waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == -1;
  if (!none && ended_children() == ended_before && teller_.once("children of init")) {
    std::vector<std::string> names;
    for (const Process& each : children_of(::getpid()))
      names.push_back("process " + std::to_string(each.id) + ", \"" + each.name + "\"");
    const std::string text = who + " left a child process running: ";
    if (setup_.layout.survives_forks_in_init) {
      teller_.note("child", text + "nobody waits for it when it ends", "", names);
    } else {
      teller_.fault(
          "fork",
          text +
              "when it ends, Zabbix up to 6.4 takes it for one of its own workers (\"One child process "
              "died\") and stops",
          "", names);
    }
  }
}

void Loading::check_threads(const State& before, State& after, const std::string& who) {
  const auto is_new = [&](const Thread& each) {
    return std::none_of(before.threads.begin(), before.threads.end(),
                        [&](const Thread& old) { return old.id == each.id; });
  };
  if (std::none_of(after.threads.begin(), after.threads.end(), is_new)) return;
  ::usleep(50'000);  // one that only does something short may end, another comes to where it waits
  after.threads = threads_of(::getpid());
  std::vector<std::string> details;
  for (const Thread& each : after.threads) {
    if (!is_new(each)) continue;
    const Waiting waiting = look_at(::getpid(), each.id);
    std::string line = "\"" + each.name + "\" " + waiting.text;
    if (record_stack(::getpid(), each.id, stage_)) {
      const auto frames = describe_stack(stage_.stack, setup_.loaded);
      for (size_t i = 0; i < frames.size() && i < 6; ++i) line += (i == 0 ? ", " : " < ") + frames[i];
    }
    details.push_back(line);
  }
  stage_.stack.count.store(0);
  if (details.empty()) return;
  setup_.board.threads_left.fetch_add(static_cast<int>(details.size()));
  teller_.fault(
      "thread",
      (details.size() == 1 ? "1 thread was started before the fork and does not exist in the workers: "
                           : std::to_string(details.size()) +
                                 " threads were started before the fork and do not exist in the workers: ") +
          who + " left " + (details.size() == 1 ? "it" : "them") +
          " running, then Zabbix forks. Whatever waits in a worker for what " +
          (details.size() == 1 ? "it" : "they") +
          " should do, or for a lock held at the fork, waits for ever",
      "", details);
}

bool Loading::load_personality() {
  const std::string path =
      setup_.options.personality_directory + "/zabbix-" + std::string(setup_.layout.personality) + ".so";
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) {
    teller_.fault("host", std::string("zbxmod-host lacks a part of its own: ") + ::dlerror());
    return false;
  }
  using LogHook = void (*)(int, const char*, va_list);
  *reinterpret_cast<LogHook*>(::dlsym(library, "zbxmod_host_log")) = log_from_module;
  *reinterpret_cast<int*>(::dlsym(library, "CONFIG_TIMEOUT")) = setup_.options.timeout_seconds;
  return true;
}

void Loading::check_symbols() {
  std::vector<std::string> wanted, replaced, shared;
  for (const SymbolFinding& each : compare_symbols(setup_.loaded.elf, is_in_libc)) {
    // Wanted from the host, but a library of the module's own has it.
    if (each.kind == SymbolFinding::Kind::host_symbol && module_ != nullptr &&
        ::dlsym(module_, each.name.c_str()) != nullptr) {
      continue;
    }
    auto& list = each.kind == SymbolFinding::Kind::host_symbol ? wanted
                 : each.kind == SymbolFinding::Kind::replaced  ? replaced
                                                               : shared;
    list.push_back(each.name + ": " +
                   (each.kind == SymbolFinding::Kind::host_symbol ? "exported by " : "also in ") +
                   each.whose);
  }
  if (!wanted.empty()) {
    teller_.fault("undefined-symbol",
                  "wants " + plural(wanted.size(), "symbol", "symbols") +
                      " of Zabbix's when it is loaded: a version or build of Zabbix that does not export " +
                      (wanted.size() == 1 ? "it" : "them") + " does not start with this module",
                  "", wanted);
  }
  if (!replaced.empty()) {
    teller_.fault(
        "symbol",
        "calls " + plural(replaced.size(), "function or variable", "functions or variables") +
            " of its own under a name that the host has too: the module's calls reach the host's instead",
        "", replaced);
  }
  if (!shared.empty()) {
    teller_.note("symbol",
                 "exports " + plural(shared.size(), "name", "names") +
                     " that the host has too; the module does not call " +
                     (shared.size() == 1 ? "it" : "them") + " by name",
                 "", shared);
  }
}

void Loading::find_place() {
  link_map* map = nullptr;
  if (::dlinfo(module_, RTLD_DI_LINKMAP, &map) != 0 || map == nullptr) return;
  struct Search {
    uintptr_t base;
    uintptr_t end;
  } search{map->l_addr, 0};
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        auto* wanted = static_cast<Search*>(data);
        if (info->dlpi_addr != wanted->base) return 0;
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const auto& header = info->dlpi_phdr[i];
          if (header.p_type == PT_LOAD)
            wanted->end = std::max(wanted->end, info->dlpi_addr + header.p_vaddr + header.p_memsz);
        }
        return 1;
      },
      &search);
  setup_.loaded.base = search.base;
  setup_.loaded.end = search.end;
  setup_.board.module_base.store(search.base);
  setup_.board.module_end.store(search.end);
}

bool Loading::init() {
  const auto function = symbol<int (*)()>("zbx_module_init");
  if (function == nullptr) {
    if (setup_.layout.api_version > 1) return true;
    teller_.fault("load", "does not export zbx_module_init, which Zabbix 3.0 asks for");
    return false;
  }
  int code = 0;
  run(Step::init, "zbx_module_init", [&] { code = zbxmod_host_call_number(function); });
  if (code == abi::kModuleOk) return true;
  teller_.fault("load", "zbx_module_init returns " + std::to_string(code) + ": Zabbix does not start");
  return false;
}

void Loading::item_timeout() {
  const auto function = symbol<void (*)(int)>("zbx_module_item_timeout");
  if (function == nullptr) return;
  run(Step::item_timeout, "zbx_module_item_timeout",
      [&] { zbxmod_host_call_timeout(function, setup_.options.timeout_seconds); });
}

void Loading::history_callbacks() {
  const auto function = symbol<ZbxmodHostHistory (*)()>("zbx_module_history_write_cbs");
  if (function == nullptr) return;
  run(Step::history_callbacks, "zbx_module_history_write_cbs",
      [&] { setup_.history = zbxmod_host_call_history(function); });
}

bool Loading::item_list() {
  const auto function = symbol<void* (*)()>("zbx_module_item_list");
  if (function == nullptr) {
    if (setup_.layout.api_version > 1) return true;
    teller_.fault("load", "does not export zbx_module_item_list, which Zabbix 3.0 asks for");
    return false;
  }
  abi::Metric* list = nullptr;
  run(Step::item_list, "zbx_module_item_list",
      [&] { list = static_cast<abi::Metric*>(zbxmod_host_call_pointer(function)); });
  enter(stage_, Step::write_item_list);
  for (abi::Metric* each = list; each != nullptr && each->key != nullptr; ++each) {
    each->flags &= abi::kHaveParams;
    each->flags |= abi::kFromModule;
    items_.push_back({each->key, each->flags, each->function, each->test_param});
    names_.emplace_back(each->key);
    tests_.emplace_back(each->test_param != nullptr ? each->test_param : "");
  }
  enter(stage_, Step::none);
  bool usable = true;
  std::set<std::string> seen;
  for (size_t i = 0; i < items_.size(); ++i) {
    const std::string& name = names_[i];
    send_event(stage_, EventKind::item, {name});
    if (!seen.insert(name).second) {
      teller_.fault(
          "duplicate",
          "key \"" + name + "\" already exists: the module brings it twice, and Zabbix does not start", name);
      usable = false;
    } else if (const std::string versions = who_has_key(name); !versions.empty()) {
      std::string text = "key \"" + name + "\" already exists: it is built into zabbix_agentd ";
      text += versions + ", which does not start with this module";
      teller_.fault("duplicate", text, name);
      usable = false;
    } else if (is_simple_check(name)) {
      teller_.note("simple-check",
                   "is a simple check of Zabbix's own: a server or proxy never asks the module for it", name);
    }
    const auto parsed = parse_key(name);
    if (!parsed || !parsed->params.empty()) {
      teller_.fault("key", "cannot be asked: a key's name has letters, digits, '_', '-' and '.' only", name);
    }
    if (items_[i].function == nullptr) {
      teller_.fault("function", "has no function", name);
      usable = false;
    }
  }
  return usable;
}

bool Loading::load() {
  if (!load_personality()) return false;
  run(Step::load, "loading the module", [&] {
    module_ = zbxmod_host_call_dlopen(setup_.options.module.c_str(), RTLD_NOW);
    if (module_ == nullptr)
      load_error_ = ::dlerror();
    else
      find_place();
  });
  if (module_ == nullptr) {
    check_symbols();
    std::string text = "cannot be loaded: " + load_error_;
    static constexpr std::string_view undefined = "undefined symbol: ";
    if (const size_t at = load_error_.find(undefined); at != std::string::npos) {
      std::string name = load_error_.substr(at + undefined.size());
      name.resize(std::min(name.size(), name.find_first_of(", ")));
      const std::string who = who_exports(name);
      text += who.empty() ? " (no Zabbix that is known here exports it: a library is missing from the "
                            "module's link command, or a function from the module)"
                          : " (exported by " + who + ")";
      if (exports(setup_.layout.name, name)) {
        text +=
            "; zbxmod-host has only those symbols of Zabbix's that modules look for, so it cannot try this "
            "one";
      }
      teller_.fault(who.empty() ? "load" : "undefined-symbol", text);
    } else {
      teller_.fault("load", text);
    }
    return false;
  }
  check_symbols();

  const auto version = symbol<int (*)()>("zbx_module_api_version");
  if (version == nullptr) {
    teller_.fault("load", "does not export zbx_module_api_version: it is no Zabbix module");
    return false;
  }
  int number = 0;
  run(Step::api_version, "zbx_module_api_version", [&] { number = zbxmod_host_call_number(version); });
  if (number != setup_.layout.api_version) {
    teller_.fault("load", "unsupported module version: zbx_module_api_version says " +
                              std::to_string(number) + ", this version of Zabbix takes only " +
                              std::to_string(setup_.layout.api_version));
    return false;
  }
  if (!init()) return false;
  if (setup_.layout.timeout_before_items) item_timeout();
  if (!item_list()) return false;
  if (!setup_.layout.timeout_before_items) item_timeout();
  if (setup_.layout.api_version > 1) history_callbacks();
  return true;
}

bool Loading::find_questions() {
  std::vector<std::string> keys = setup_.options.keys;
  if (keys.empty()) {
    for (size_t i = 0; i < names_.size(); ++i)
      keys.push_back(tests_[i].empty() ? names_[i] : names_[i] + "[" + tests_[i] + "]");
  }
  const size_t most = setup_.options.bench ? kMaxMeasured : kMaxQuestions;
  for (const std::string& text : keys) {
    if (setup_.questions.size() == most) {
      teller_.fault("question", "no more than " + std::to_string(most) + " questions are asked", text);
      break;
    }
    auto key = parse_key(text);
    if (!key) {
      teller_.fault("question", key.error().message, text);
      continue;
    }
    const auto found = std::find(names_.begin(), names_.end(), key->name);
    if (found == names_.end()) {
      teller_.fault("question", "the module has no such item", text);
      continue;
    }
    send_event(stage_, EventKind::question, {text});
    const auto& item = items_[static_cast<size_t>(found - names_.begin())];
    setup_.questions.push_back({text, std::move(*key), item.flags, item.function});
  }
  return !setup_.questions.empty();
}

void Loading::unload() {
  const auto function = symbol<int (*)()>("zbx_module_uninit");
  if (function == nullptr) return;
  enter(stage_, Step::uninit);
  zbxmod_host_call_number(function);
  enter(stage_, Step::none);
  end_if_copy(stage_);
}

}  // namespace zbxmod::host
