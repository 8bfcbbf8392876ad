// What a value costs on its way through the spool (put, next, acknowledge), beside the same way with one
// SQLite row per value, in one run on one file system. Prints CPU per value and the longest call of each
// kind.
#include <sqlite3.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "agent/spool.h"

namespace {

namespace agent = bakusoku::agent;
namespace fs = std::filesystem;

constexpr size_t kHosts = 10'000;
constexpr size_t kKeys = 10;
constexpr int64_t kStart = 1'700'000'000;

double cpu_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

/// CPU and the longest wall time of one kind of call.
struct Cost {
  double cpu = 0;
  double longest = 0;
  std::vector<double> each;

  template <typename Call>
  void take(Call&& call) {
    const auto before = std::chrono::steady_clock::now();
    const double cpu_before = cpu_seconds();
    call();
    cpu += cpu_seconds() - cpu_before;
    const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
    longest = std::max(longest, wall);
    each.push_back(wall);
  }
  [[nodiscard]] double percentile(double share) {
    if (each.empty()) return 0;
    const auto at = static_cast<size_t>(share * static_cast<double>(each.size() - 1));
    std::nth_element(each.begin(), each.begin() + static_cast<std::ptrdiff_t>(at), each.end());
    return each[at];
  }
};

struct Costs {
  Cost put;
  Cost next;
  Cost acknowledge;
  size_t values = 0;
  [[nodiscard]] double cpu() const { return put.cpu + next.cpu + acknowledge.cpu; }
};

[[noreturn]] void die(std::string_view what) {
  std::fprintf(stderr, "spool_bench: %.*s\n", static_cast<int>(what.size()), what.data());
  std::exit(1);
}

/// Ten thousand hosts with ten items each, every item once a minute, in puts of `batch`.
class Load {
 public:
  explicit Load(size_t batch) : batch_(batch) {
    for (size_t i = 0; i < kHosts; ++i) {
      std::array<char, 32> name{};
      std::snprintf(name.data(), name.size(), "i-%017zx", i * 2654435761u);
      hosts_.emplace_back(name.data());
    }
    for (size_t i = 0; i < kKeys; ++i) {
      keys_.push_back("aws.metric[AWS/EC2,Metric" + std::to_string(i) +
                      ",InstanceId={HOST.HOST},Average,1m]");
    }
    for (size_t i = 0; i < 1000; ++i) texts_.push_back(std::to_string(static_cast<double>(i) * 0.137));
  }
  const std::vector<agent::Value>& at(size_t number) {
    values_.clear();
    for (size_t i = 0; i < batch_; ++i) {
      const size_t index = (number * batch_ + i) % (kHosts * kKeys);
      const size_t minute = (number * batch_ + i) / (kHosts * kKeys);
      values_.push_back({hosts_[index / kKeys], keys_[index % kKeys], 100'000 + index,
                         kStart + static_cast<int64_t>(minute) * 60, 500, true,
                         texts_[(index * 7 + minute) % 1000], 5, true});
    }
    return values_;
  }
  /// The time at which that put comes.
  [[nodiscard]] int64_t time(size_t number) const {
    return kStart + static_cast<int64_t>(number * batch_ * 60 / (kHosts * kKeys));
  }

 private:
  size_t batch_;
  std::vector<std::string> hosts_;
  std::vector<std::string> keys_;
  std::vector<std::string> texts_;
  std::vector<agent::Value> values_;
};

Costs measure_spool(const std::string& path, size_t puts, size_t batch, agent::Durability durability) {
  Load load(batch);
  int64_t now = kStart;
  agent::SpoolOptions options;
  options.path = path;
  auto opened = agent::Spool::open(options, [&] { return bakusoku::WallTime{std::chrono::seconds(now)}; });
  if (!opened) die(opened.error().message);
  agent::Spool& spool = **opened;
  if (!spool.add_destination("zabbix")) die("add_destination");
  Costs costs;
  for (size_t i = 0; i < puts; ++i) {
    const auto& values = load.at(i);
    now = load.time(i);
    costs.put.take([&] {
      if (auto put = spool.put(values, durability); !put) die(put.error().message);
    });
    agent::SpoolPacket packet;
    costs.next.take([&] {
      auto read = spool.next("zabbix", batch, 1 << 30);
      if (!read) die(read.error().message);
      packet = std::move(*read);
    });
    costs.values += packet.values.size();
    costs.acknowledge.take([&] {
      if (auto done = spool.acknowledge("zabbix", packet.up_to); !done) die(done.error().message);
    });
  }
  if (costs.values != puts * batch) die("not every value came out");
  return costs;
}

/// The plain way: a row per value, its series' last clock beside it, all in one transaction per put.
class Rows {
 public:
  explicit Rows(const std::string& path) {
    if (sqlite3_open(path.c_str(), &connection_) != SQLITE_OK) die("cannot open the plain database");
    execute(
        "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA "
        "secure_delete=OFF;"
        "CREATE TABLE value(id INTEGER PRIMARY KEY, host TEXT, key TEXT, itemid INTEGER, clock INTEGER, ns "
        "INTEGER,"
        "state INTEGER, text TEXT, priority INTEGER);"
        "CREATE TABLE last_clock(series BLOB PRIMARY KEY, clock INTEGER) WITHOUT ROWID");
    insert_ = prepare(
        "INSERT INTO value(host, key, itemid, clock, ns, state, text, priority) VALUES(?,?,?,?,?,?,?,?)");
    clock_ = prepare("INSERT OR REPLACE INTO last_clock VALUES(?,?)");
    select_ = prepare("SELECT id, host, key, itemid, clock, ns, state, text FROM value ORDER BY id LIMIT ?");
    remove_ = prepare("DELETE FROM value WHERE id <= ?");
  }
  ~Rows() {
    for (sqlite3_stmt* statement : {insert_, clock_, select_, remove_}) sqlite3_finalize(statement);
    sqlite3_close(connection_);
  }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  void put(const std::vector<agent::Value>& values) {
    execute("BEGIN");
    for (const agent::Value& value : values) {
      text(insert_, 1, value.host);
      text(insert_, 2, value.key);
      number(insert_, 3, static_cast<int64_t>(value.itemid));
      number(insert_, 4, value.clock);
      number(insert_, 5, value.ns);
      number(insert_, 6, value.supported ? 0 : 1);
      text(insert_, 7, value.text);
      number(insert_, 8, value.priority);
      step(insert_);
      const agent::SeriesHash hash = agent::hash_series(value.host, value.key);
      sqlite3_bind_blob(clock_, 1, &hash, sizeof hash, SQLITE_STATIC);
      number(clock_, 2, value.clock);
      step(clock_);
    }
    execute("COMMIT");
  }
  size_t next(size_t limit, int64_t& last) {
    size_t count = 0;
    size_t bytes = 0;
    number(select_, 1, static_cast<int64_t>(limit));
    while (sqlite3_step(select_) == SQLITE_ROW) {
      last = sqlite3_column_int64(select_, 0);
      for (const int column : {1, 2, 7}) {
        bytes += std::string(reinterpret_cast<const char*>(sqlite3_column_text(select_, column))).size();
      }
      ++count;
    }
    sqlite3_reset(select_);
    return bytes == 0 ? 0 : count;
  }
  void remove(int64_t up_to) {
    number(remove_, 1, up_to);
    step(remove_);
  }

 private:
  void execute(const char* sql) {
    if (sqlite3_exec(connection_, sql, nullptr, nullptr, nullptr) != SQLITE_OK)
      die(sqlite3_errmsg(connection_));
  }
  sqlite3_stmt* prepare(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(connection_, sql, -1, &statement, nullptr) != SQLITE_OK)
      die(sqlite3_errmsg(connection_));
    return statement;
  }
  static void text(sqlite3_stmt* statement, int at, std::string_view bytes) {
    sqlite3_bind_text(statement, at, bytes.data(), static_cast<int>(bytes.size()), SQLITE_STATIC);
  }
  static void number(sqlite3_stmt* statement, int at, int64_t number) {
    sqlite3_bind_int64(statement, at, number);
  }
  void step(sqlite3_stmt* statement) {
    if (sqlite3_step(statement) != SQLITE_DONE) die(sqlite3_errmsg(connection_));
    sqlite3_reset(statement);
  }

  sqlite3* connection_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
  sqlite3_stmt* clock_ = nullptr;
  sqlite3_stmt* select_ = nullptr;
  sqlite3_stmt* remove_ = nullptr;
};

Costs measure_rows(const std::string& path, size_t puts, size_t batch) {
  Load load(batch);
  Rows rows(path);
  Costs costs;
  int64_t last = 0;
  for (size_t i = 0; i < puts; ++i) {
    const auto& values = load.at(i);
    costs.put.take([&] { rows.put(values); });
    costs.next.take([&] { costs.values += rows.next(batch, last); });
    costs.acknowledge.take([&] { rows.remove(last); });
  }
  if (costs.values != puts * batch) die("not every row came out");
  return costs;
}

void print(const char* name, Costs& costs) {
  const auto each = [&](double seconds) { return seconds / static_cast<double>(costs.values) * 1e6; };
  std::printf("| %-28s | %6.3f | %6.3f | %6.3f | %6.3f | %7.2f | %7.2f |\n", name, each(costs.put.cpu),
              each(costs.next.cpu), each(costs.acknowledge.cpu), each(costs.cpu()),
              1e3 * std::max({costs.put.percentile(0.99), costs.next.percentile(0.99),
                              costs.acknowledge.percentile(0.99)}),
              1e3 * std::max({costs.put.longest, costs.next.longest, costs.acknowledge.longest}));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 3) die("usage: spool_bench [FOLDER [VALUES]]");
  const fs::path base = argc > 1 ? argv[1] : ".";
  const size_t values = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1'000'000;
  constexpr size_t kBatch = 500;
  if (values < kBatch) die("VALUES is a number, at least 500");
  const fs::path folder = base / ("spool_bench." + std::to_string(::getpid()));
  std::error_code wrong;
  if (!fs::create_directory(folder, wrong)) die(folder.string() + ": " + wrong.message());
  std::printf("%zu values of %zu series, CPU in us per value, in batches of %zu; calls in ms\n\n", values,
              kHosts * kKeys, kBatch);
  std::printf("| %-28s | %6s | %6s | %6s | %6s | %7s | %7s |\n", "", "put", "next", "ack", "all", "p99",
              "longest");
  std::printf("| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n");
  const size_t puts = values / kBatch;
  Costs rows = measure_rows(folder / "rows.db", puts, kBatch);
  print("one SQLite row per value", rows);
  Costs spool = measure_spool(folder / "spool.db", puts, kBatch, agent::Durability::normal);
  print("spool", spool);
  Costs durable = measure_spool(folder / "durable.db", puts / 4 + 1, kBatch, agent::Durability::full);
  print("spool, durable puts", durable);
  Costs memory = measure_spool("", puts, kBatch, agent::Durability::normal);
  print("spool in memory", memory);
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  std::printf("\nspool against rows: %.1f times less CPU; at most %.1f MB of memory in all\n",
              rows.cpu() / spool.cpu(), static_cast<double>(usage.ru_maxrss) / 1024);
  fs::remove_all(folder, wrong);
  return 0;
}
