// The processes that ask: a worker, and the one that exports history.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <new>

#include "guest.h"
#include "judge.h"
#include "process.h"
#include "zbxmod/deadline.h"

namespace zbxmod::host {
namespace {

// From how many questions on growing memory and open descriptors are taken for leaks.
constexpr uint64_t kManyRequests = 10000;
constexpr uint64_t kSomeRequests = 100;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMemoryTells = false;  // a sanitizer keeps what is freed
#else
constexpr bool kMemoryTells = true;
#endif

uint64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

char* copy_of(const std::string& text) {
  char* copy = ::strdup(text.c_str());
  if (copy == nullptr) throw std::bad_alloc();
  return copy;
}

size_t open_descriptors() { return take_state(false).descriptors.size(); }

class Worker {
 public:
  Worker(Setup& setup, int number)
      : setup_(setup), stage_(setup.stages[number]), number_(number), teller_(stage_, number) {}

  void play(uint64_t round, int question) {
    prepare();
    const bool many = kMemoryTells && setup_.options.requests >= kManyRequests;
    const uint64_t quarter = std::max<uint64_t>(setup_.options.requests / 4, 1);
    size_t open_at_first = 0;
    std::vector<uint64_t> memory;
    for (; round < setup_.options.requests; ++round, question = 0) {
      for (; question < static_cast<int>(setup_.questions.size()); ++question) {
        if (setup_.board.given_up[question].load()) continue;
        stage_.key.store(question);
        stage_.round.store(round);
        ask(setup_.questions[static_cast<size_t>(question)], round == 0);
        stage_.asked.fetch_add(1);
      }
      if (round == 1) open_at_first = open_descriptors();
      if (many && (round + 1) % quarter == 0) memory.push_back(resident_kb(::getpid()));
    }
    stage_.key.store(-1);
    if (many) check_leak(memory);
    if (setup_.options.requests >= kSomeRequests && open_at_first > 0) {
      const size_t now = open_descriptors();
      if (now >= open_at_first + setup_.options.requests / 2) {
        teller_.fault("descriptor", "leaves descriptors open: there were " + std::to_string(open_at_first) +
                                        " after the first questions and " + std::to_string(now) +
                                        " at the end; a process may have only so many");
      }
    }
    finish();
  }

  /// As fast as it goes.
  void bench() {
    prepare();
    for (size_t i = 0; i < setup_.questions.size(); ++i) {
      stage_.key.store(static_cast<int>(i));
      wait_for_others(static_cast<int>(i) + 1);
      if (!setup_.board.given_up[i].load()) bench_one(setup_.questions[i], *measured(i));
    }
    stage_.key.store(-1);
    finish();
  }

 private:
  Measured* measured(size_t question) const {
    return setup_.measured + (static_cast<size_t>(number_) - 1) * kMaxMeasured + question;
  }

  void prepare() {
    become(setup_, stage_, setup_.output_of(number_));
    for (const Output& each : setup_.outputs) {
      if (each.out >= 0) ::close(each.out);
      if (each.err >= 0) ::close(each.err);
    }
    // Stands in for the descriptors that a worker of Zabbix has and a module must leave alone.
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0) {
      not_the_modules_[0] = pair[0];
      not_the_modules_[1] = pair[1];
    }
    struct stat status {};
    if (::fstat(STDOUT_FILENO, &status) == 0) output_seen_ = status.st_size;
    if (::fstat(STDERR_FILENO, &status) == 0) error_seen_ = status.st_size;
    state_ = take_state(false);
    std::erase_if(state_.descriptors, [&](const auto& each) {
      return each.first > STDERR_FILENO && each.first != not_the_modules_[0] &&
             each.first != not_the_modules_[1];
    });
  }

  void finish() {
    stage_.finished.store(true);
    ::_exit(0);
  }

  void ask(const Question& question, bool first) {
    if (!question.key.params.empty() && (question.flags & abi::kHaveParams) == 0) {
      if (first) tell_answer(question.text, false, "Item does not allow parameters.", 0);
      return;
    }
    std::vector<char*> params;
    std::vector<int> types = question.key.types;
    abi::Request request = fill(question, params, types);

    enter(stage_, Step::ask);
    const uint64_t start = now_ns();
    const int code = zbxmod_host_call_item(reinterpret_cast<int (*)(void*, void*)>(question.function),
                                           setup_.request->get(), setup_.result->get());
    const uint64_t took = now_ns() - start;
    enter(stage_, Step::none);
    end_if_copy(stage_);

    const abi::Result result = decode(setup_.layout, *setup_.result);
    const Outcome outcome = judge(code, result);
    for (const auto& [kind, text] : outcome.faults) teller_.fault(kind, text, question.text);
    for (const auto& [kind, text] : outcome.notes) teller_.note(kind, text, question.text);
    const uint64_t limit = static_cast<uint64_t>(setup_.options.timeout_seconds) * 1'000'000'000;
    if (took > limit) {
      teller_.fault("late",
                    "answers after the Timeout of " + std::to_string(setup_.options.timeout_seconds) +
                        " s: the server has given up by then, and the worker was blocked for everybody else",
                    question.text);
    }
    if (setup_.request->front_touched() || setup_.result->front_touched()) {
      teller_.fault("memory", "wrote in front of AGENT_REQUEST or AGENT_RESULT", question.text);
    }
    check_output(question.text);
    if (first) {
      tell_answer(question.text, outcome.ok, outcome.text, static_cast<double>(took) / 1e6);
      check_worker(question.text);
    }

    enter(stage_, Step::free_answer);
    release(request, params, result);
    enter(stage_, Step::none);
  }

  abi::Request fill(const Question& question, std::vector<char*>& params, std::vector<int>& types) const {
    for (const std::string& each : question.key.params) params.push_back(copy_of(each));
    abi::Request request{};
    request.key = copy_of(question.key.name);
    request.nparam = static_cast<int>(params.size());
    request.params = params.data();
    request.types = types.data();
    request.timeout = setup_.options.timeout_seconds;
    std::memcpy(setup_.request->get(), &request, setup_.request->size());
    setup_.result->clear();
    return request;
  }

  static void release(const abi::Request& request, const std::vector<char*>& params,
                      const abi::Result& result) {
    free_result(result);
    for (char* each : params) std::free(each);
    std::free(request.key);
  }

  void check_output(const std::string& key) {
    std::fflush(stdout);
    struct stat status {};
    if (::fstat(STDOUT_FILENO, &status) != 0 || status.st_size <= output_seen_) return;
    const std::string text = tail_of(STDOUT_FILENO, std::max(output_seen_, status.st_size - 200));
    output_seen_ = status.st_size;
    if (!text.empty() && teller_.once("output " + key))
      teller_.fault("output", "wrote on standard output: " + text, key);
  }

  /// What the item did to its process.
  void check_worker(const std::string& key) {
    State after = take_state(false);
    teller_.differences(left_by_item(state_, after), key);
    // Each thing once, and of descriptors only those that are not the module's own.
    for (auto each = state_.descriptors.begin(); each != state_.descriptors.end();) {
      const auto found = after.descriptors.find(each->first);
      const bool gone = found == after.descriptors.end() || found->second.target != each->second.target;
      each = gone ? state_.descriptors.erase(each) : std::next(each);
    }
    after.descriptors = std::move(state_.descriptors);
    state_ = std::move(after);

    char byte = 0;
    for (const int each : not_the_modules_) {
      if (state_.descriptors.contains(each) && ::recv(each, &byte, 1, MSG_DONTWAIT | MSG_PEEK) > 0) {
        while (::recv(each, &byte, 1, MSG_DONTWAIT) > 0) {
        }
        teller_.fault(
            "descriptor",
            "wrote to descriptors that are not its own: in Zabbix these are its listening socket and its "
            "connection to the database",
            key);
      }
    }
    if (const std::string text = tail_of(STDERR_FILENO, error_seen_); !text.empty()) {
      teller_.note("stderr", "wrote on standard error: " + text.substr(0, 200), key);
    }
    struct stat status {};
    if (::fstat(STDERR_FILENO, &status) == 0) error_seen_ = status.st_size;
    check_children(key);
    if (stage_.child_came_back.exchange(false)) {
      teller_.fault("child",
                    "forked a process that returned from the item as if it was the worker: Zabbix would have "
                    "the worker "
                    "twice",
                    key);
    }
  }

  /// The worker's children, once each has ended or sleeps: one that still runs may be about to end.
  static std::vector<Process> settled_children() {
    std::vector<Process> children;
    int settled = 0;
    for (const int64_t limit = now_ms() + 2000; settled < 2 && now_ms() < limit;) {
      children = children_of(::getpid());
      const bool busy = std::any_of(children.begin(), children.end(), [](const Process& each) {
        return each.state != 'Z' && each.state != 'S';
      });
      settled = busy ? 0 : settled + 1;
      if (settled < 2) ::usleep(10'000);
    }
    return children;
  }

  void check_children(const std::string& key) {
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == -1) return;  // there are none
    const std::vector<Process> children = settled_children();
    std::vector<std::string> ended, running;
    for (const Process& each : children) {
      (each.state == 'Z' ? ended : running)
          .push_back("process " + std::to_string(each.id) + ", \"" + each.name + "\"");
    }
    if (!ended.empty()) {
      teller_.fault(
          "child",
          "forked " +
              std::string(ended.size() == 1 ? "a child" : std::to_string(ended.size()) + " children") +
              " that nobody waits for: each question leaves a zombie until Zabbix cannot fork any more",
          key, {});
      while (::waitpid(-1, nullptr, WNOHANG) > 0) {
      }
    }
    if (!running.empty()) {
      teller_.note("child", "left a child process running when it answered; it must end with its worker", key,
                   {});
    }
  }

  void check_leak(const std::vector<uint64_t>& memory) {
    if (memory.size() < 4) return;
    for (size_t i = 1; i < memory.size(); ++i) {
      if (memory[i] <= memory[i - 1]) return;
    }
    const uint64_t grown = memory.back() - memory.front();
    const uint64_t asked = setup_.options.requests / 4 * 3 * std::max<size_t>(setup_.questions.size(), 1);
    const uint64_t each = grown * 1024 / std::max<uint64_t>(asked, 1);
    if (grown < 256 || each < 8) return;
    teller_.note("leak", "the worker's memory grows with every question, by about " + std::to_string(each) +
                             " bytes: from " + std::to_string(memory.front()) +
                             " kB after a quarter of the questions to " + std::to_string(memory.back()) +
                             " kB at the end");
  }

  void tell_answer(const std::string& key, bool ok, const std::string& text, double milliseconds) {
    send_event(stage_, EventKind::answer,
               {std::to_string(number_), key, ok ? "1" : "0", std::to_string(text.size()),
                std::to_string(milliseconds), text});
  }

  // ---- benchmark

  /// Until all workers are at this question, so that they ask at the same time; not for ever, as one may have
  /// ended.
  void wait_for_others(int count) {
    setup_.board.arrived.fetch_add(1);
    const int64_t limit = now_ms() + 1000;
    while (setup_.board.arrived.load() < count * setup_.options.workers && now_ms() < limit) ::usleep(200);
  }

  uint64_t ask_once(const Question& question, bool first, bool& supported) {
    params_.clear();
    types_ = question.key.types;
    abi::Request request = fill(question, params_, types_);
    enter(stage_, Step::ask);
    const uint64_t start = now_ns();
    const int code = zbxmod_host_call_item(reinterpret_cast<int (*)(void*, void*)>(question.function),
                                           setup_.request->get(), setup_.result->get());
    const uint64_t took = now_ns() - start;
    enter(stage_, first ? Step::none : Step::free_answer);
    end_if_copy(stage_);
    const abi::Result result = decode(setup_.layout, *setup_.result);
    supported = code == abi::kItemOk;
    if (first) {
      const Outcome outcome = judge(code, result);
      for (const auto& [kind, text] : outcome.faults) teller_.fault(kind, text, question.text);
      tell_answer(question.text, outcome.ok, outcome.text, static_cast<double>(took) / 1e6);
      enter(stage_, Step::free_answer);
    }
    release(request, params_, result);
    enter(stage_, Step::none);
    stage_.asked.fetch_add(1);
    return took;
  }

  void bench_one(const Question& question, Measured& measured) {
    if (!question.key.params.empty() && (question.flags & abi::kHaveParams) == 0) {
      teller_.fault("question", "the item does not allow parameters", question.text);
      return;
    }
    bool supported = false;
    measured.first_nanoseconds = ask_once(question, true, supported);
    const uint64_t start = now_ns();
    const uint64_t end = start + static_cast<uint64_t>(setup_.options.bench_seconds * 1e9);
    const uint64_t most = setup_.options.bench_requests;
    uint64_t now = start;
    while (now < end && (most == 0 || measured.times.count() < most)) {
      measured.times.add(ask_once(question, false, supported));
      if (!supported) ++measured.not_supported;
      now = now_ns();
      measured.elapsed_nanoseconds = now - start;
    }
    check_output(question.text);
  }

  Setup& setup_;
  Stage& stage_;
  int number_;
  Teller teller_;
  State state_{};
  int not_the_modules_[2] = {-1, -1};
  off_t output_seen_ = 0;
  off_t error_seen_ = 0;
  std::vector<char*> params_{};
  std::vector<int> types_{};
};

}  // namespace

void play_worker(Setup& setup, int number, uint64_t round, int question) noexcept {
  Worker worker(setup, number);
  if (setup.options.bench)
    worker.bench();
  else
    worker.play(round, question);
  ::_exit(0);
}

void play_history_syncer(Setup& setup, int type) noexcept {
  Stage& stage = setup.history_stage();
  become(setup, stage, setup.outputs[0]);
  Teller teller(stage, 0);
  for (; type < 5; ++type) {
    if (setup.history.write[type] == nullptr) continue;
    stage.key.store(type);
    HistoryRows& rows = *setup.rows[static_cast<size_t>(type)];
    enter(stage, Step::history);
    const uint64_t start = now_ns();
    zbxmod_host_call_rows(setup.history.write[type], rows.rows(), rows.count());
    const uint64_t took = now_ns() - start;
    enter(stage, Step::none);
    end_if_copy(stage);
    rows.revoke();
    const std::string what = "history export of " + std::string(kHistoryNames[type]);
    if (took > static_cast<uint64_t>(setup.options.timeout_seconds) * 1'000'000'000) {
      teller.fault("late",
                   "took longer than the Timeout of " + std::to_string(setup.options.timeout_seconds) +
                       " s: Zabbix's history syncer writes no values meanwhile",
                   what);
    }
    stage.asked.fetch_add(1);
    send_event(stage, EventKind::log, {what + ": " + std::to_string(rows.count()) + " rows taken"});
  }
  // Zabbix's history syncers leave through exit(), with the destructors of everything loaded.
  stage.key.store(-1);
  stage.finished.store(true);
  enter(stage, Step::leave_child);
  std::exit(0);
}

}  // namespace zbxmod::host
