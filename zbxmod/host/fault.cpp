#include "fault.h"

#include <algorithm>

namespace zbxmod::host {

const std::vector<KindOfFault>& fault_kinds() {
  static const std::vector<KindOfFault> kinds = {
      {"host", "Nothing in the module: see to the installation of zbxmod-host or to the machine."},
      {"question", "Ask for an item that the module has; quote parameters that hold ',' or ']'."},
      {"load",
       "Make the module load in every Zabbix: export zbx_module_api_version, return what this version takes, "
       "and let zbx_module_init return 0 and the items say what is wrong."},
      {"undefined-symbol",
       "Look the function up when it is needed, with dlsym(RTLD_DEFAULT, \"...\"), and do without it "
       "where it is missing; or declare it __attribute__((weak)) and test it for null."},
      {"symbol",
       "Compile with -fvisibility=hidden and export only zbx_module_* with a version script "
       "({ global: zbx_module_*; local: *; };), or link with -Wl,-Bsymbolic; at least make the function "
       "static."},
      {"key", "Give the item a name of letters, digits, '_', '-' and '.'."},
      {"duplicate", "Rename the key: put the module's own name in front of it, as in mymodule.ping."},
      {"item-list",
       "Keep the items in an array that may be written (static ZBX_METRIC items[], without const) and end it "
       "with {NULL}."},
      {"function", "Put the item's function in the third member of its row."},
      {"thread",
       "Start no thread before the fork: neither in zbx_module_init nor in a constructor. Start it in the "
       "worker, "
       "at its first question (remember getpid() to notice a fork), or put the work into a process of its "
       "own "
       "and ask that one over a socket. A language runtime that needs threads (Go, Java, .NET) cannot live "
       "in a "
       "module."},
      {"descriptor",
       "Open connections and files in the worker, at its first question (remember getpid() to notice a "
       "fork), "
       "and close only what the module has opened."},
      {"fork",
       "Do not fork in zbx_module_init; where it must be, set SIGCHLD to SIG_DFL around fork and waitpid and "
       "restore it."},
      {"signal",
       "Leave signals, their mask and interval timers as they are: block them only in threads of the "
       "module's "
       "own, restore what a library changes, and use poll() or a timerfd instead of alarm()."},
      {"process",
       "Leave what belongs to the whole process alone: use absolute paths, openat() and fchmod(), and change "
       "nothing that Zabbix's own code goes by."},
      {"locale",
       "Do not call setlocale(); use newlocale() and uselocale() around the call that needs it, or functions "
       "that take a locale."},
      {"hang",
       "Give every wait an end within the item's timeout (poll() with a timeout, pthread_cond_timedwait, "
       "SO_RCVTIMEO) and return 1 with a message when it is reached."},
      {"late",
       "Answer within the timeout that zbx_module_item_timeout tells (from 7.0 also request->timeout): give "
       "every "
       "wait what is left of it, or keep the value ready in a process of its own and only read it here."},
      {"crash",
       "Run it under a debugger (gdb --args zbxmod-host ...; set follow-fork-mode child), or build module "
       "and "
       "zbxmod-host with -fsanitize=address; addr2line -e MODULE.so 0x... names a line."},
      {"exception",
       "Catch everything in the function that Zabbix calls, and return 1 with a message: "
       "catch (const std::exception& e) and catch (...)."},
      {"exit",
       "Return 1 with a message instead of ending the process; build libraries so that they return errors."},
      {"killed",
       "Send no signal to processes the module has not started itself: neither to getppid() nor to 0 or -1."},
      {"child",
       "Wait for every child (waitpid with its pid) before the item returns, leave children with _exit(), "
       "and end "
       "helpers when the worker ends (a pipe that closes, or PR_SET_PDEATHSIG)."},
      {"destructor",
       "Let no destructor of a static object and no atexit() function wait, join or free what belongs to "
       "another process: keep such objects in memory that is never freed."},
      {"free",
       "Give Zabbix only strings from malloc, strdup or asprintf of the same C library, each once; keep no "
       "pointer "
       "to them and change no string of the request."},
      {"memory", "Write only into the members that this version has, and only what is documented."},
      {"too-much-memory",
       "Bound what an item reads and keeps; return 1 with a message when it is more. --memory sets "
       "another limit."},
      {"no-value",
       "Set exactly one value with its type bit, or return 1 with a message: \"there is nothing\" is an "
       "error "
       "to Zabbix."},
      {"two-values", "Set one value and its one type bit; result->type must name only that."},
      {"no-message", "Set result->msg to a malloc'ed text and the bit AR_MESSAGE (0x20) before returning 1."},
      {"code", "Return 0 (SYSINFO_RET_OK) or 1 (SYSINFO_RET_FAIL)."},
      {"encoding", "Convert to UTF-8, or replace what is not, before the text is given to Zabbix."},
      {"not-finite", "Check with isfinite() and return 1 with a message."},
      {"output",
       "Print nothing: in Zabbix it ends in a log, in zabbix_agentd -t and -p amidst the answers. Log "
       "through "
       "the host, where it exports the means, or to syslog."},
      // Of notes only.
      {"file", "Open it in the worker, or read it with pread()."},
      {"environment", "Pass settings as parameters instead."},
      {"stderr", "Log through the host, where it exports the means, or to syslog."},
      {"leak",
       "Free what each question allocates; strings of the answer are freed by Zabbix, everything else is "
       "not."},
      {"long", "Shorten it, or make several items of it."},
      {"simple-check", "Rename the key for use in a server or proxy."},
  };
  return kinds;
}

std::string_view remedy_for(std::string_view kind) {
  for (const KindOfFault& each : fault_kinds()) {
    if (each.name == kind) return each.remedy;
  }
  return {};
}

size_t rank_of(std::string_view kind) {
  const auto& kinds = fault_kinds();
  return static_cast<size_t>(
      std::find_if(kinds.begin(), kinds.end(), [&](const KindOfFault& each) { return each.name == kind; }) -
      kinds.begin());
}

}  // namespace zbxmod::host
