#include "agent/ledger.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <optional>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace bakusoku::agent {
namespace {

constexpr int64_t kDay = 86400;
constexpr int64_t kDaysOfSums = 400;
constexpr int64_t kDaysOfItems = 35;
constexpr int kVersion = 1;
constexpr int kApplicationId = 0x42616b6c;  // "Bakl"
constexpr size_t kMostItems = 1'000'000;
constexpr size_t kMostCharges = 50'000;  // of a month
constexpr std::string_view kOtherNamespaces = "(others)";
constexpr const char* kDayNote = "day";  // by which things are old
constexpr float kFullest = 0.9F;         // of the table of items
constexpr size_t kNamesAtOnce = 5000;    // some tens of milliseconds
constexpr Ledger::ItemId kOtherItems = 0;

constexpr const char* kSchema[] = {
    "CREATE TABLE IF NOT EXISTS charge(day INTEGER, account TEXT, region TEXT, action TEXT, namespace TEXT, "
    "units INTEGER NOT NULL, PRIMARY KEY(day, account, region, action, namespace)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS item(id INTEGER PRIMARY KEY, host TEXT NOT NULL, key TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS item_day(day INTEGER PRIMARY KEY, shares BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS note(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
};

struct Finish {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finish>;

Error error_of(sqlite3* database) {
  const int code = sqlite3_errcode(database) & 0xff;
  const ErrorKind kind = code == SQLITE_BUSY || code == SQLITE_LOCKED      ? ErrorKind::unavailable
                         : code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? ErrorKind::corrupt
                                                                           : ErrorKind::io;
  const std::string_view what = kind == ErrorKind::unavailable
                                    ? "another agent has the ledger of costs"
                                    : "the ledger of costs cannot be read or written";
  return Error{kind, fmt::format("{} ({})", what, sqlite3_errmsg(database)), {}};
}

Result<void> run(sqlite3* database, const std::string& sql) {
  if (sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return fail(error_of(database));
}

Result<Statement> prepare(sqlite3* database, std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database, sql.data(), static_cast<int>(sql.size()), &statement, nullptr) !=
      SQLITE_OK)
    return fail(error_of(database));
  return Statement(statement);
}

void set(const Statement& statement, int at, int64_t number) {
  sqlite3_bind_int64(statement.get(), at, number);
}
void set(const Statement& statement, int at, std::string_view text) {
  sqlite3_bind_text(statement.get(), at, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
}
void set_blob(const Statement& statement, int at, std::string_view bytes) {
  sqlite3_bind_blob64(statement.get(), at, bytes.data(), bytes.size(), SQLITE_STATIC);
}

// Runs it to its end, for the next bindings.
Result<void> finish(sqlite3* database, const Statement& statement) {
  const int step = sqlite3_step(statement.get());
  sqlite3_reset(statement.get());
  if (step != SQLITE_DONE && step != SQLITE_ROW) return fail(error_of(database));
  return {};
}

template <typename Take>
Result<void> each_row(sqlite3* database, const Statement& statement, Take take) {
  int step = SQLITE_ROW;
  while ((step = sqlite3_step(statement.get())) == SQLITE_ROW) take(statement.get());
  if (step != SQLITE_DONE) return fail(error_of(database));
  return {};
}

std::string text_at(sqlite3_stmt* statement, int column) {
  const unsigned char* text = sqlite3_column_text(statement, column);
  const auto size = static_cast<size_t>(sqlite3_column_bytes(statement, column));
  return text == nullptr ? std::string() : std::string(reinterpret_cast<const char*>(text), size);
}

std::string_view blob_at(sqlite3_stmt* statement, int column) {
  const void* bytes = sqlite3_column_blob(statement, column);
  const auto size = static_cast<size_t>(sqlite3_column_bytes(statement, column));
  return bytes == nullptr ? std::string_view() : std::string_view(static_cast<const char*>(bytes), size);
}

Result<int64_t> pragma(sqlite3* database, std::string_view name) {
  auto statement = prepare(database, fmt::format("PRAGMA {}", name));
  if (!statement) return fail(statement.error());
  if (sqlite3_step(statement->get()) != SQLITE_ROW) return fail(error_of(database));
  return sqlite3_column_int64(statement->get(), 0);
}

void put_varint(std::string& out, uint64_t number) {
  for (; number >= 0x80; number >>= 7) out += static_cast<char>(number | 0x80);
  out += static_cast<char>(number);
}

std::optional<uint64_t> take_varint(std::string_view& bytes) {
  uint64_t number = 0;
  for (unsigned shift = 0; shift < 63 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    number |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return number;
  }
  return std::nullopt;
}

// Stops at the first thing that is not what it should be.
template <typename Take>
void each_share(std::string_view bytes, Take take) {
  for (uint64_t id = 0; !bytes.empty();) {
    const auto step = take_varint(bytes);
    const auto shares = take_varint(bytes);
    if (!step || !shares || *step > kMostItems) return;
    id += *step;
    if (id > kMostItems) return;
    take(static_cast<Ledger::ItemId>(id), *shares);
  }
}

uint64_t hash_of(std::string_view host, std::string_view key) {
  return XXH3_64bits_withSeed(key.data(), key.size(), XXH3_64bits(host.data(), host.size()));
}

// SQLite would let everybody read it. What lies beside it takes its mode. No file that is there is opened
// here: closing it would free SQLite's locks on it.
void keep_from_others(const std::string& path) {
  const int made = ::open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0640);
  if (made >= 0) ::close(made);
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && (info.st_mode & 0027) != 0)
    ::chmod(path.c_str(), info.st_mode & 0750);
}

bool can_make_temporary_file() {
  std::FILE* const file = std::tmpfile();
  return file != nullptr && std::fclose(file) == 0;
}

}  // namespace

Month month_of(int64_t day) {
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{day}}};
  const std::chrono::year_month month = date.year() / date.month();
  return Month{std::chrono::sys_days{month / 1}.time_since_epoch().count(),
               std::chrono::sys_days{month / std::chrono::last}.time_since_epoch().count()};
}

Ledger::Ledger(Clock clock) : clock_(std::move(clock)), ids_(0, HashOf{&hashes_}, Same{&hashes_}) {
  day_ = believed_ = unix_seconds(clock_()) / kDay;
  ids_.max_load_factor(kFullest);
  make_room(1);
}

void Ledger::make_room(size_t items) {
  if (items <= shares_.size()) return;
  shares_.resize(items, 0);
  last_day_.resize(items, 0);
  hashes_.resize(items, 0);
}

Ledger::~Ledger() {
  if (database_ == nullptr) return;
  while (write() && !unwritten_names_.empty()) {
  }
  (void)write_items();
  sqlite3_close(database_);
}

Result<std::unique_ptr<Ledger>> Ledger::open(const std::string& path, const Clock& clock) {
  std::unique_ptr<Ledger> ledger(new Ledger(clock));
  auto opened = ledger->open_file(path);
  if (!opened && opened.error().kind == ErrorKind::corrupt && !path.empty()) {
    const std::string aside = fmt::format("{}.damaged-{}", path, unix_seconds(clock()));
    sqlite3_close(std::exchange(ledger->database_, nullptr));
    std::error_code failed;
    std::filesystem::rename(path, aside, failed);
    for (const char* companion : {"-wal", "-shm"}) {
      std::error_code ignored;
      std::filesystem::rename(path + companion, aside + companion, ignored);
    }
    if (failed) return fail(opened.error().with_context(path));
    ledger.reset(new Ledger(clock));
    ledger->warnings_.push_back(
        Error{ErrorKind::corrupt,
              fmt::format("{} is damaged ({}); it is kept as {}, and what AWS bills is counted from zero",
                          path, opened.error().message, aside),
              {}});
    opened = ledger->open_file(path);
  }
  if (!opened) return fail(opened.error().with_context(path));
  return ledger;
}

Result<void> Ledger::open_file(const std::string& path) {
  // What has no file of its own is in one that SQLite removes: a hundred thousand names are ten megabytes.
  const std::string name = !path.empty() ? path : can_make_temporary_file() ? "" : ":memory:";
  if (!path.empty()) keep_from_others(path);
  if (sqlite3_open_v2(name.c_str(), &database_,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                      nullptr) != SQLITE_OK) {
    return fail(error_of(database_));
  }
  on_disk_ = !path.empty();
  // Exclusive: two agents on one file would count everything twice.
  // What it writes it does not read again: SQLite's own two megabytes of cache would stay full of it.
  for (const char* sql :
       {"PRAGMA locking_mode=EXCLUSIVE", "PRAGMA cache_size=-256", "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=NORMAL", "BEGIN EXCLUSIVE", "COMMIT"}) {
    if (auto done = run(database_, sql); !done) return done;
  }
  const auto id = pragma(database_, "application_id");
  const auto version = pragma(database_, "user_version");
  if (!id) return fail(id.error());
  if (!version) return fail(version.error());
  if (*id == kApplicationId && *version > kVersion) {
    return fail(ErrorKind::invalid,
                "a newer version of Bakusoku wrote it; update this one or name another [zabbix] state_dir");
  }
  for (const char* sql : kSchema) {
    if (auto made = run(database_, sql); !made) return made;
  }
  for (const std::string& sql : {fmt::format("PRAGMA application_id={}", kApplicationId),
                                 fmt::format("PRAGMA user_version={}", kVersion)}) {
    if (auto named = run(database_, sql); !named) return named;
  }
  if (on_disk_) file_ = KeptFile(path);
  if (auto read = load_sums(); !read) return read;
  auto oldest = prepare(database_, "SELECT min(day) FROM charge");
  if (!oldest) return fail(oldest.error());
  if (sqlite3_step(oldest->get()) == SQLITE_ROW) since_ = sqlite3_column_int64(oldest->get(), 0) * kDay;
  // By what the file says of itself; one of before by the newest day that is not to come.
  int64_t before = 0;
  const std::string said = note(kDayNote);
  if (std::from_chars(said.data(), said.data() + said.size(), before).ec != std::errc()) {
    auto newest = prepare(database_, "SELECT max(day) FROM charge WHERE day <= ?1");
    if (!newest) return fail(newest.error());
    set(*newest, 1, day_);
    if (sqlite3_step(newest->get()) == SQLITE_ROW) before = sqlite3_column_int64(newest->get(), 0);
  }
  if (before > 0 && day_ - before > kDaysOfItems) believed_ = before;
  return read_items();
}

Result<bool> Ledger::made_again() {
  switch (file_.state()) {
    case KeptFile::State::there:
      return false;
    case KeptFile::State::replaced:
      return fail(ErrorKind::io,
                  "another file is in the place of the ledger of costs; what is counted goes with the agent");
    case KeptFile::State::removed:
      break;
  }
  if (auto written = write(); !written) return fail(written.error());
  if (auto written = write_items(); !written) return fail(written.error());
  if (auto made = file_.make_again(database_); !made) return fail(made.error());
  return true;
}

Result<void> Ledger::load_sums() {
  const Month month = month_of(day_);
  Charges today;
  Charges yesterday;
  Charges whole;
  const auto take = [&](int64_t day, const Charge& charge, uint64_t units) {
    if (day == day_) today[charge] += units;
    if (day == day_ - 1) yesterday[charge] += units;
    if (day >= month.first && day <= month.last) whole[charge] += units;
  };
  auto rows = prepare(database_,
                      "SELECT day, account, region, action, namespace, units FROM charge "
                      "WHERE day BETWEEN ?1 AND ?2");
  if (!rows) return fail(rows.error());
  set(*rows, 1, std::min(month.first, day_ - 1));
  set(*rows, 2, month.last);
  auto read = each_row(database_, *rows, [&](sqlite3_stmt* row) {
    take(sqlite3_column_int64(row, 0),
         Charge{text_at(row, 1), text_at(row, 2), text_at(row, 3), text_at(row, 4)},
         static_cast<uint64_t>(sqlite3_column_int64(row, 5)));
  });
  if (!read) return read;
  for (const auto& [key, units] : unwritten_) take(key.first, key.second, units);
  today_ = std::move(today);
  yesterday_ = std::move(yesterday);
  month_ = std::move(whole);
  return {};
}

Result<void> Ledger::read_items() {
  auto rows = prepare(database_, "SELECT id, host, key FROM item");
  if (!rows) return fail(rows.error());
  auto read = each_row(database_, *rows, [&](sqlite3_stmt* row) {
    const int64_t id = sqlite3_column_int64(row, 0);
    if (id <= 0 || id > static_cast<int64_t>(kMostItems)) return;
    const auto at = static_cast<size_t>(id);
    make_room(at + 1);
    hashes_[at] = hash_of(text_at(row, 1), text_at(row, 2));
    if (!ids_.contains(hashes_[at])) ids_.insert(static_cast<ItemId>(id));
  });
  if (!read) return read;
  // An id whose name was not written before the end of an agent is not given to another item.
  read = each_item_day(0, day_, [this](int64_t day, ItemId id, uint64_t shares) {
    make_room(size_t{id} + 1);
    last_day_[id] = std::max(last_day_[id], static_cast<uint16_t>(day));
    if (day == day_) shares_[id] = static_cast<uint32_t>(shares);
  });
  if (!read) return read;
  std::vector<bool> used(shares_.size(), false);
  for (const ItemId id : ids_) {
    used[id] = true;
    // Named, and killed before it was written what it cost.
    if (last_day_[id] == 0) last_day_[id] = static_cast<uint16_t>(day_);
  }
  for (size_t id = 1; id < used.size(); ++id) {
    if (!used[id] && last_day_[id] == 0) free_ids_.push_back(static_cast<ItemId>(id));
  }
  return {};
}

Result<void> Ledger::each_item_day(int64_t first, int64_t last,
                                   const std::function<void(int64_t, ItemId, uint64_t)>& take) {
  auto rows = prepare(database_, "SELECT day, shares FROM item_day WHERE day BETWEEN ?1 AND ?2");
  if (!rows) return fail(rows.error());
  set(*rows, 1, first);
  set(*rows, 2, last);
  return each_row(database_, *rows, [&](sqlite3_stmt* row) {
    const int64_t day = sqlite3_column_int64(row, 0);
    if (day < 0 || day > UINT16_MAX || unwritten_days_.contains(day)) return;
    each_share(blob_at(row, 1), [&](ItemId id, uint64_t shares) { take(day, id, shares); });
  });
}

Result<void> Ledger::load_item_day() {
  std::fill(shares_.begin(), shares_.end(), 0);
  const auto take = [this](ItemId id, uint64_t shares) {
    if (id < shares_.size()) shares_[id] = static_cast<uint32_t>(shares);
  };
  const auto kept = unwritten_days_.find(day_);
  if (kept != unwritten_days_.end()) {
    each_share(kept->second, take);
    unwritten_days_.erase(kept);
    return {};
  }
  return each_item_day(day_, day_, [&](int64_t, ItemId id, uint64_t shares) { take(id, shares); });
}

// To the day it is now, which may be an earlier one.
void Ledger::roll() {
  const int64_t day = unix_seconds(clock_()) / kDay;
  if (day == day_) return;
  if (std::any_of(shares_.begin(), shares_.end(), [](uint32_t shares) { return shares != 0; }))
    unwritten_days_[day_] = encode_today();
  const bool next = day == day_ + 1;
  // Set forward by ten years for a minute, it must not make everything old.
  if (next || day < believed_ || day - believed_ <= kDaysOfItems) believed_ = day;
  const bool same_month = month_of(day).first == month_of(day_).first;
  day_ = day;
  if (auto loaded = load_sums(); !loaded) {
    warnings_.push_back(loaded.error());
    yesterday_ = next ? std::exchange(today_, {}) : Charges();
    today_.clear();
    if (!same_month) month_.clear();
  }
  if (auto loaded = load_item_day(); !loaded) warnings_.push_back(loaded.error());
}

int64_t Ledger::day() {
  roll();
  return day_;
}
const Charges& Ledger::today() {
  roll();
  return today_;
}
const Charges& Ledger::yesterday() {
  roll();
  return yesterday_;
}
const Charges& Ledger::month() {
  roll();
  return month_;
}

void Ledger::add(const Charge& charge, uint64_t units) {
  if (units == 0) return;
  roll();
  // Namespaces are as many as somebody invents.
  if (month_.size() >= kMostCharges && charge.namespace_ != kOtherNamespaces && !month_.contains(charge)) {
    add(Charge{charge.account, charge.region, charge.action, std::string(kOtherNamespaces)}, units);
    return;
  }
  if (since_ == 0) since_ = unix_seconds(clock_());
  today_[charge] += units;
  month_[charge] += units;
  unwritten_[{day_, charge}] += units;
}

bool Ledger::knows(std::string_view host, std::string_view key) const {
  return ids_.contains(hash_of(host, key));
}

Ledger::ItemId Ledger::item(std::string_view host, std::string_view key) {
  const uint64_t hash = hash_of(host, key);
  const auto known = ids_.find(hash);
  if (known != ids_.end()) return *known;
  // What anybody asks leaves room for what Zabbix's hosts want.
  if (host.empty() && ids_.size() >= kMostItems / 2) return kOtherItems;
  ItemId id = kOtherItems;
  if (!free_ids_.empty()) {
    id = free_ids_.back();
    free_ids_.pop_back();
  } else if (shares_.size() <= kMostItems) {
    id = static_cast<ItemId>(shares_.size());
    make_room(shares_.size() + 1);
  } else {
    return kOtherItems;
  }
  last_day_[id] = static_cast<uint16_t>(day_);
  hashes_[id] = hash;
  ids_.insert(id);
  std::string text;
  text.reserve(host.size() + key.size());
  text.append(host).append(key);
  unwritten_names_.push_back(Name{id, static_cast<uint32_t>(host.size()), std::move(text)});
  return id;
}

void Ledger::add_shares(ItemId item, uint32_t sixtieths) {
  roll();
  if (item >= shares_.size()) return;
  shares_[item] += sixtieths;
  last_day_[item] = static_cast<uint16_t>(day_);
}

std::string Ledger::encode_today() const {
  std::string bytes;
  size_t before = 0;
  for (size_t id = 0; id < shares_.size(); ++id) {
    if (shares_[id] == 0) continue;
    put_varint(bytes, id - before);
    put_varint(bytes, shares_[id]);
    before = id;
  }
  return bytes;
}

Result<void> Ledger::in_transaction(const std::function<Result<void>()>& work) {
  if (auto begun = run(database_, "BEGIN"); !begun) return begun;
  Result<void> done = work();
  if (done) done = run(database_, "COMMIT");
  if (!done) (void)run(database_, "ROLLBACK");
  return done;
}

bool Ledger::has_much_to_write() const { return unwritten_names_.size() >= kNamesAtOnce; }

Result<void> Ledger::write() {
  roll();
  if (unwritten_.empty() && unwritten_names_.empty()) return {};
  const size_t names = std::min(unwritten_names_.size(), kNamesAtOnce);
  auto done = in_transaction([&]() -> Result<void> {
    auto sums = prepare(database_,
                        "INSERT INTO charge VALUES(?1, ?2, ?3, ?4, ?5, ?6) "
                        "ON CONFLICT DO UPDATE SET units = units + excluded.units");
    if (!sums) return fail(sums.error());
    for (const auto& [key, units] : unwritten_) {
      set(*sums, 1, key.first);
      set(*sums, 2, key.second.account);
      set(*sums, 3, key.second.region);
      set(*sums, 4, key.second.action);
      set(*sums, 5, key.second.namespace_);
      set(*sums, 6, static_cast<int64_t>(units));
      if (auto put = finish(database_, *sums); !put) return put;
    }
    auto item = prepare(database_, "INSERT OR REPLACE INTO item VALUES(?1, ?2, ?3)");
    if (!item) return fail(item.error());
    for (auto name = unwritten_names_.end() - static_cast<ptrdiff_t>(names); name != unwritten_names_.end();
         ++name) {
      set(*item, 1, int64_t{name->id});
      set(*item, 2, name->host());
      set(*item, 3, name->key());
      if (auto put = finish(database_, *item); !put) return put;
    }
    return {};
  });
  if (!done) return done;
  unwritten_.clear();
  unwritten_names_.resize(unwritten_names_.size() - names);
  if (unwritten_names_.empty()) unwritten_names_.shrink_to_fit();
  return {};
}

Result<void> Ledger::write_items() {
  roll();
  std::vector<ItemId> gone;
  if (looked_for_old_ != believed_) forget_items(gone);
  auto done = in_transaction([&]() -> Result<void> {
    auto put = prepare(database_, "INSERT OR REPLACE INTO item_day VALUES(?1, ?2)");
    if (!put) return fail(put.error());
    const auto write_day = [&](int64_t day, const std::string& bytes) {
      set(*put, 1, day);
      set_blob(*put, 2, bytes);
      return finish(database_, *put);
    };
    for (const auto& [day, bytes] : unwritten_days_) {
      if (auto written = write_day(day, bytes); !written) return written;
    }
    if (const std::string today = encode_today(); !today.empty()) {
      if (auto written = write_day(day_, today); !written) return written;
    }
    auto remove = prepare(database_, "DELETE FROM item WHERE id = ?1");
    if (!remove) return fail(remove.error());
    for (const ItemId id : gone) {
      set(*remove, 1, int64_t{id});
      if (auto removed = finish(database_, *remove); !removed) return removed;
    }
    if (auto old =
            run(database_, fmt::format("DELETE FROM item_day WHERE day < {}", believed_ - kDaysOfItems));
        !old)
      return old;
    if (auto noted = run(database_,
                         fmt::format("INSERT OR REPLACE INTO note VALUES('{}', '{}')", kDayNote, believed_));
        !noted)
      return noted;
    return run(database_, fmt::format("DELETE FROM charge WHERE day < {}", believed_ - kDaysOfSums));
  });
  if (!done) return done;
  unwritten_days_.clear();
  looked_for_old_ = believed_;
  // Only now: an id that the file still holds under its old name is not given away.
  free_ids_.insert(free_ids_.end(), gone.begin(), gone.end());
  return {};
}

void Ledger::forget_items(std::vector<ItemId>& gone) {
  for (auto at = ids_.begin(); at != ids_.end();) {
    const ItemId id = *at;
    if (day_ == believed_) last_day_[id] = std::min(last_day_[id], static_cast<uint16_t>(day_));
    if (last_day_[id] + kDaysOfItems >= believed_) {
      ++at;
    } else {
      gone.push_back(id);
      at = ids_.erase(at);
    }
  }
  if (gone.empty()) return;
  std::sort(gone.begin(), gone.end());
  std::erase_if(unwritten_names_,
                [&](const Name& name) { return std::binary_search(gone.begin(), gone.end(), name.id); });
}

Result<std::vector<Ledger::Line>> Ledger::lines(int64_t first, int64_t last) {
  roll();
  std::map<Key, uint64_t> found;
  auto rows = prepare(database_,
                      "SELECT day, account, region, action, namespace, units FROM charge "
                      "WHERE day BETWEEN ?1 AND ?2");
  if (!rows) return fail(rows.error());
  set(*rows, 1, first);
  set(*rows, 2, last);
  auto read = each_row(database_, *rows, [&](sqlite3_stmt* row) {
    found[{sqlite3_column_int64(row, 0),
           Charge{text_at(row, 1), text_at(row, 2), text_at(row, 3), text_at(row, 4)}}] +=
        static_cast<uint64_t>(sqlite3_column_int64(row, 5));
  });
  if (!read) return fail(read.error());
  for (const auto& [key, units] : unwritten_) {
    if (key.first >= first && key.first <= last) found[key] += units;
  }
  std::vector<Line> lines;
  lines.reserve(found.size());
  for (const auto& [key, units] : found) lines.push_back(Line{key.first, key.second, units});
  return lines;
}

Result<std::vector<Ledger::ItemLine>> Ledger::items(int64_t first, int64_t last, size_t most) {
  roll();
  std::vector<uint64_t> sums(shares_.size(), 0);
  const auto add = [&](ItemId id, uint64_t shares) {
    if (id < sums.size()) sums[id] += shares;
  };
  auto read = each_item_day(first, last, [&](int64_t day, ItemId id, uint64_t shares) {
    if (day != day_) add(id, shares);
  });
  if (!read) return fail(read.error());
  for (const auto& [day, bytes] : unwritten_days_) {
    if (day >= first && day <= last) each_share(bytes, add);
  }
  if (first <= day_ && day_ <= last) {
    for (size_t id = 0; id < shares_.size(); ++id) sums[id] += shares_[id];
  }
  std::vector<ItemId> order;
  for (size_t id = 0; id < sums.size(); ++id) {
    if (sums[id] != 0) order.push_back(static_cast<ItemId>(id));
  }
  const size_t shown = std::min(most, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(shown), order.end(),
                    [&](ItemId a, ItemId b) { return sums[a] != sums[b] ? sums[a] > sums[b] : a < b; });
  order.resize(shown);
  auto named = prepare(database_, "SELECT host, key FROM item WHERE id = ?1");
  if (!named) return fail(named.error());
  std::vector<ItemLine> lines;
  for (const ItemId id : order) {
    ItemLine line{{}, "(others)", sums[id]};
    const auto fresh = std::find_if(unwritten_names_.begin(), unwritten_names_.end(),
                                    [id](const Name& name) { return name.id == id; });
    if (fresh != unwritten_names_.end()) {
      line.host = fresh->host();
      line.key = fresh->key();
    } else if (id != kOtherItems) {
      set(*named, 1, int64_t{id});
      if (sqlite3_step(named->get()) == SQLITE_ROW) {
        line.host = text_at(named->get(), 0);
        line.key = text_at(named->get(), 1);
      }
      sqlite3_reset(named->get());
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string Ledger::note(std::string_view name) {
  auto row = prepare(database_, "SELECT value FROM note WHERE name = ?1");
  if (!row) return {};
  set(*row, 1, name);
  return sqlite3_step(row->get()) == SQLITE_ROW ? text_at(row->get(), 0) : std::string();
}

Result<void> Ledger::set_note(std::string_view name, std::string_view value) {
  auto put = prepare(database_, "INSERT OR REPLACE INTO note VALUES(?1, ?2)");
  if (!put) return fail(put.error());
  set(*put, 1, name);
  set(*put, 2, value);
  return finish(database_, *put);
}

}  // namespace bakusoku::agent
