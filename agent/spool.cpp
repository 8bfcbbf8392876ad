#include "agent/spool.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <random>
#include <tuple>

#include "agent/spool_look.h"

namespace bakusoku::agent {
namespace {

constexpr size_t kChunkValues = 1000;
constexpr size_t kChunkBytes = 128 * 1024;  // of strings; a longer value has a chunk of its own
constexpr size_t kValueBytes = 64 << 20;    // of one value's strings
constexpr size_t kJoinBytes = 3000;         // a chunk that fits a page of SQLite's takes more values in
constexpr int64_t kJoinSeconds = 60;
constexpr uint64_t kRowBytes = 64;            // what a row costs besides its body
constexpr uint64_t kReservedIds = 1'000'000;  // one durable commit for so many
constexpr uint64_t kIdsLost = uint64_t{1} << 32;

// What one call tidies at most.
constexpr size_t kTidyPages = 16;
constexpr size_t kTidyChunks = 64;
constexpr uint64_t kTidyBytes = 1 << 20;
constexpr size_t kTidyLooks = 256;
constexpr size_t kOfferedRows = 32;
constexpr int64_t kRoundSeconds = 10;
constexpr int kKeptAside = 100;
constexpr int64_t kClockMaySlip = 60;
constexpr int64_t kClockAhead = 86'400;  // a last clock later than that is none

constexpr const char* kSchema = R"(
CREATE TABLE chunk(first_id INTEGER PRIMARY KEY, head BLOB NOT NULL, body BLOB NOT NULL);
CREATE TABLE waiting(number INTEGER PRIMARY KEY, not_before INTEGER NOT NULL, head BLOB NOT NULL, body BLOB NOT NULL);
CREATE TABLE destination(number INTEGER PRIMARY KEY AUTOINCREMENT, name BLOB NOT NULL UNIQUE, session BLOB NOT NULL,
  progress BLOB NOT NULL);
CREATE TABLE refused(number INTEGER PRIMARY KEY, destination INTEGER NOT NULL, last_id INTEGER NOT NULL,
  ranges BLOB NOT NULL);
CREATE TABLE clocks(page INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE numbers(name TEXT PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE aside(number INTEGER PRIMARY KEY, first_id INTEGER NOT NULL, head BLOB, body BLOB);
)";
/// Files of versions before have no such table.
constexpr const char* kLaterSchema =
    "CREATE TABLE IF NOT EXISTS root_host(destination INTEGER PRIMARY KEY, name BLOB NOT NULL)";

constexpr std::string_view kNumbersContext = "numbers";

std::string progress_context(uint32_t number, std::string_view name, std::string_view session) {
  return fmt::format("destination {} {} {}", number, session, name);
}

std::string refused_context(uint32_t destination, uint64_t last_id) {
  return fmt::format("refused {} {}", destination, last_id);
}

uint64_t record_bytes(const ChunkHead& head) { return head.body_bytes + kRowBytes; }

std::string new_session() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

bool is_refused(const std::map<uint64_t, uint64_t>& refused, uint64_t id) {
  auto after = refused.upper_bound(id);
  return after != refused.begin() && std::prev(after)->second >= id;
}

uint64_t refused_between(const std::map<uint64_t, uint64_t>& refused, uint64_t first, uint64_t last) {
  uint64_t count = 0;
  auto range = refused.upper_bound(first);
  if (range != refused.begin()) --range;
  for (; range != refused.end() && range->first <= last; ++range) {
    const uint64_t from = std::max(first, range->first);
    const uint64_t to = std::min(last, range->second);
    if (from <= to) count += to - from + 1;
  }
  return count;
}

std::string blob_at(sqlite3_stmt* statement, int column) {
  const void* bytes = sqlite3_column_blob(statement, column);
  const auto size = static_cast<size_t>(sqlite3_column_bytes(statement, column));
  return bytes ? std::string(static_cast<const char*>(bytes), size) : std::string{};
}

}  // namespace

std::string_view to_string(DropReason reason) {
  switch (reason) {
    case DropReason::full:
      return "the spool is full";
    case DropReason::too_old:
      return "not delivered in time";
    case DropReason::refused:
      return "refused by the destination";
    case DropReason::unknown:
      return "host or item unknown to the destination for too long";
    case DropReason::damaged:
      return "damaged on disk";
    case DropReason::forgotten:
      return "the destination is no longer configured";
  }
  return "unknown reason";
}

/// The connection and its prepared statements.
struct Spool::Database {
  enum Sql : size_t {
    kBegin,
    kCommit,
    kRollback,
    kInsertChunk,
    kUpdateChunk,
    kReadBody,
    kRemoveChunk,
    kInsertWaiting,
    kReadWaiting,
    kRemoveWaiting,
    kProgress,
    kInsertRefused,
    kRemoveRefused,
    kWritePage,
    kWriteNumbers,
    kSetAside,
    kSqls
  };
  static constexpr std::array<const char*, kSqls> kText{
      "BEGIN IMMEDIATE",
      "COMMIT",
      "ROLLBACK",
      "INSERT INTO chunk(first_id, head, body) VALUES(?1, ?2, ?3)",
      "UPDATE chunk SET head = ?2, body = ?3 WHERE first_id = ?1",
      "SELECT body FROM chunk WHERE first_id = ?1",
      "DELETE FROM chunk WHERE first_id = ?1",
      "INSERT INTO waiting(number, not_before, head, body) VALUES(?1, ?2, ?3, ?4)",
      "SELECT body FROM waiting WHERE number = ?1",
      "DELETE FROM waiting WHERE number = ?1",
      "UPDATE destination SET progress = ?2 WHERE number = ?1",
      "INSERT INTO refused(destination, last_id, ranges) VALUES(?1, ?2, ?3)",
      "DELETE FROM refused WHERE destination = ?1 AND last_id <= ?2",
      "INSERT OR REPLACE INTO clocks(page, body) VALUES(?1, ?2)",
      "INSERT OR REPLACE INTO numbers(name, sealed) VALUES('ids', ?1)",
      "INSERT INTO aside(first_id, head, body) SELECT first_id, head, body FROM chunk WHERE first_id = ?1 "
      "AND "
      "(SELECT count(*) FROM aside) < ?2",
  };

  /// One use of a statement: numbers are bound as integers, strings as blobs that must outlive it.
  class Run {
   public:
    template <typename... Args>
    Run(Database& database, sqlite3_stmt* statement, const Args&... args)
        : database_(database), statement_(statement) {
      [[maybe_unused]] int at = 0;
      (bind(++at, args), ...);
    }
    ~Run() {
      sqlite3_reset(statement_);
      sqlite3_clear_bindings(statement_);
    }
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;

    [[nodiscard]] bool row() {
      const int code = sqlite3_step(statement_);
      if (code != SQLITE_ROW && code != SQLITE_DONE) error_ = database_.error();
      return code == SQLITE_ROW;
    }
    [[nodiscard]] Result<void> done() {
      while (row()) {
      }
      if (error_) return fail(*error_);
      return {};
    }
    [[nodiscard]] uint64_t number(int column) const {
      return static_cast<uint64_t>(sqlite3_column_int64(statement_, column));
    }
    [[nodiscard]] std::string blob(int column) const { return blob_at(statement_, column); }

   private:
    void bind(int at, uint64_t number) {
      sqlite3_bind_int64(statement_, at, static_cast<sqlite3_int64>(number));
    }
    void bind(int at, int64_t number) { sqlite3_bind_int64(statement_, at, number); }
    void bind(int at, uint32_t number) { sqlite3_bind_int64(statement_, at, number); }
    void bind(int at, int number) { sqlite3_bind_int64(statement_, at, number); }
    void bind(int at, const std::string& bytes) {
      sqlite3_bind_blob64(statement_, at, bytes.data(), bytes.size(), SQLITE_STATIC);
    }

    Database& database_;
    sqlite3_stmt* statement_;
    std::optional<Error> error_;
  };

  explicit Database(std::string path_) : path(std::move(path_)) {}
  ~Database() {
    for (sqlite3_stmt* statement : statements) sqlite3_finalize(statement);
    sqlite3_close(connection);
  }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  [[nodiscard]] Error error() const {
    const int code = sqlite3_errcode(connection) & 0xff;
    const std::string said = sqlite3_errmsg(connection);
    const std::string file = path.empty() ? "spool in memory" : fmt::format("spool {}", path);
    // A flipped byte in its header makes SQLite take a file for read-only.
    if (code == SQLITE_READONLY && !path.empty() && ::access(path.c_str(), W_OK) == 0) {
      return {ErrorKind::corrupt, fmt::format("{} is damaged: {}", file, said)};
    }
    switch (code) {
      case SQLITE_ERROR:  // an unknown file format, a table that is not there
      case SQLITE_CORRUPT:
      case SQLITE_NOTADB:
        return {ErrorKind::corrupt, fmt::format("{} is damaged: {}", file, said)};
      case SQLITE_BUSY:
        return {ErrorKind::unavailable,
                fmt::format(
                    "{} is open in another process ({}); stop that one, or give this one a spool of its own",
                    file, said)};
      case SQLITE_FULL:
        return {ErrorKind::io,
                fmt::format("{}: no space left ({}); free some, or lower the spool's max_bytes", file, said)};
      case SQLITE_CANTOPEN:
      case SQLITE_READONLY:
      case SQLITE_PERM:
        return {ErrorKind::io,
                fmt::format("{} cannot be written: {} ({}); its directory must exist and be writable "
                            "for this user",
                            file, said, std::strerror(sqlite3_system_errno(connection)))};
      case SQLITE_IOERR:
        return {ErrorKind::io, fmt::format("{}: {} ({}); look at the disk and its free space", file, said,
                                           std::strerror(sqlite3_system_errno(connection)))};
      default:
        return {ErrorKind::io, fmt::format("{}: {}", file, said)};
    }
  }

  [[nodiscard]] Result<void> execute(const std::string& sql) {
    if (sqlite3_exec(connection, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) return fail(error());
    return {};
  }
  [[nodiscard]] Result<int64_t> pragma(const std::string& name) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(connection, ("PRAGMA " + name).c_str(), -1, &statement, nullptr) != SQLITE_OK) {
      return fail(error());
    }
    const int code = sqlite3_step(statement);
    const int64_t number = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    std::optional<Error> wrong;
    if (code != SQLITE_ROW && code != SQLITE_DONE) wrong = error();
    sqlite3_finalize(statement);
    if (wrong) return fail(*wrong);
    return number;
  }
  [[nodiscard]] Result<void> prepare() {
    for (size_t i = 0; i < kSqls; ++i) {
      if (sqlite3_prepare_v3(connection, kText[i], -1, SQLITE_PREPARE_PERSISTENT, &statements[i], nullptr) !=
          SQLITE_OK) {
        return fail(error());
      }
    }
    return {};
  }
  /// Calls `each(statement)` for every row of a query that is made once.
  template <typename Each>
  [[nodiscard]] Result<void> query(const char* sql, Each&& each) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(connection, sql, -1, &statement, nullptr) != SQLITE_OK) return fail(error());
    int code = SQLITE_ROW;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) each(statement);
    std::optional<Error> wrong;
    if (code != SQLITE_DONE) wrong = error();
    sqlite3_finalize(statement);
    if (wrong) return fail(*wrong);
    return {};
  }
  template <typename... Args>
  [[nodiscard]] Result<void> run(Sql sql, const Args&... args) {
    return Run(*this, statements[sql], args...).done();
  }
  [[nodiscard]] Result<void> set_durability(Durability wanted) {
    if (durability == wanted) return {};
    auto set = execute(wanted == Durability::full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
    if (set) durability = wanted;
    return set;
  }

  std::string path;
  sqlite3* connection = nullptr;
  std::array<sqlite3_stmt*, kSqls> statements{};
  std::optional<Durability> durability;
};

Spool::Spool(SpoolOptions options, Clock clock, SteadyClock steady)
    : options_(std::move(options)), clock_(std::move(clock)), steady_(std::move(steady)), ahead_(ahead()) {}

Spool::~Spool() = default;

// Opening

Result<std::unique_ptr<Spool>> Spool::open(SpoolOptions options, Clock clock, SteadyClock steady) {
  std::unique_ptr<Spool> spool(new Spool(options, std::move(clock), std::move(steady)));
  auto opened = spool->open_and_read();
  if (!opened && opened.error().kind == ErrorKind::corrupt && !spool->options_.path.empty()) {
    const Error why = opened.error();
    spool->forget_contents();
    spool->destinations_.clear();
    spool->clocks_ = {};
    spool->next_id_ = 1;
    opened = spool->set_aside_file(why);
    if (opened) opened = spool->open_and_read();
  }
  if (!opened && opened.error().kind == ErrorKind::io && spool->options_.memory_if_unwritable &&
      !spool->in_memory()) {
    const Error why = opened.error();
    options.path.clear();
    spool = std::unique_ptr<Spool>(new Spool(std::move(options), spool->clock_, spool->steady_));
    opened = spool->open_and_read();
    spool->warnings_.push_back(
        {ErrorKind::io,
         fmt::format("{}; values are kept in memory until this process is started again, and go with it",
                     why.message)});
  }
  if (!opened) return fail(opened.error());
  spool->forget_times_to_come();
  return spool;
}

Result<void> Spool::open_file() {
  database_ = std::make_unique<Database>(options_.path);
  Database& database = *database_;
  if (!options_.path.empty()) {
    // Only a file that is made here may be closed here: closing any other would free the locks on it.
    const int made = ::open(options_.path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0640);
    if (made >= 0) {
      ::close(made);
      const auto directory = std::filesystem::path(options_.path).parent_path();
      const int folder =
          ::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      if (folder >= 0) {
        ::fsync(folder);
        ::close(folder);
      }
    } else if (errno != EEXIST) {
      return fail(ErrorKind::io,
                  "spool {} cannot be made: {}; its directory must exist and be writable for this user",
                  options_.path, std::strerror(errno));
    }
  }
  const std::string name = options_.path.empty() ? ":memory:" : options_.path;
  const int flags =
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
  if (sqlite3_open_v2(name.c_str(), &database.connection, flags,
                      options_.vfs.empty() ? nullptr : options_.vfs.c_str()) != SQLITE_OK) {
    return fail(database.error());
  }
  sqlite3_extended_result_codes(database.connection, 1);
  // An exclusive lock keeps other processes out and the WAL's index in this process's memory.
  for (const char* setting :
       {"locking_mode=EXCLUSIVE", "cell_size_check=ON", "journal_mode=WAL", "secure_delete=OFF",
        "temp_store=MEMORY", "cache_size=-4096", "wal_autocheckpoint=1000", "journal_size_limit=16777216"}) {
    if (auto set = database.pragma(setting); !set) return fail(set.error());
  }
  if (auto set = database.set_durability(Durability::normal); !set) return set;
  const auto version = database.pragma("user_version");
  const auto application = version ? database.pragma("application_id") : version;
  const auto tables = application ? database.pragma("schema_version") : application;
  if (!tables) return fail(tables.error());
  if (*tables == 0) {
    if (auto made = make_schema(); !made) return made;
  } else if (auto ours = check_spool_version(options_.path, *application, *version); !ours) {
    return ours;
  } else if (auto added = database.execute(kLaterSchema); !added) {
    return added;
  }
  if (!options_.path.empty()) file_ = KeptFile(options_.path);
  return database.prepare();
}

Result<void> Spool::make_schema() {
  return database_->execute(
      fmt::format("BEGIN IMMEDIATE; PRAGMA application_id={}; PRAGMA user_version={}; {} {}; COMMIT;",
                  kSpoolApplicationId, kSpoolSchemaVersion, kSchema, kLaterSchema));
}

Result<void> Spool::open_and_read() {
  if (auto opened = open_file(); !opened) return opened;
  for (const auto step : {&Spool::read_chunks, &Spool::read_waiting, &Spool::read_destinations,
                          &Spool::read_numbers, &Spool::read_clocks}) {
    if (auto read = (this->*step)(); !read) return read;
  }
  // Takes the lock, and promises on disk that no id is used twice.
  if (auto reserved = reserve_ids(1); !reserved) return reserved;
  // After a long outage the file may be large and empty: without contents this costs nothing.
  const auto free_pages = database_->pragma("freelist_count");
  if (!options_.path.empty() && free_pages && *free_pages > 16384 && bytes_ < (8 << 20)) {
    if (auto shrunk = database_->execute("VACUUM"); !shrunk) warnings_.push_back(shrunk.error());
  }
  return {};
}

Result<void> Spool::read_chunks() {
  std::vector<std::pair<uint64_t, Error>> bad;
  uint64_t last = 0;
  auto read = database_->query("SELECT first_id, head FROM chunk ORDER BY first_id", [&](sqlite3_stmt* row) {
    const auto first_id = static_cast<uint64_t>(sqlite3_column_int64(row, 0));
    auto head = decode_chunk_head(first_id, blob_at(row, 1));
    if (head && (head->values == 0 || first_id <= last || head->values > (uint64_t{1} << 62) - last)) {
      head = fail(ErrorKind::corrupt, "chunks are out of order");
    }
    if (!head) {
      bad.emplace_back(first_id, head.error());
      return;
    }
    insert_chunk(first_id, *head);
    last = chunks_.rbegin()->second.last_id(first_id);
  });
  if (!read) return read;
  next_id_ = last + 1;
  for (const auto& [first_id, why] : bad) {
    if (auto aside = set_aside_chunk(first_id, why); !aside) return aside;
  }
  return {};
}

Result<void> Spool::read_waiting() {
  std::vector<int64_t> bad;
  auto read = database_->query(
      "SELECT number, not_before, head FROM waiting ORDER BY number", [&](sqlite3_stmt* row) {
        const int64_t number = sqlite3_column_int64(row, 0);
        auto head = decode_chunk_head(static_cast<uint64_t>(number), blob_at(row, 2));
        next_waiting_ = std::max(next_waiting_, number + 1);
        if (!head) {
          bad.push_back(number);
        } else {
          insert_waiting(number, {*head, sqlite3_column_int64(row, 1)});
        }
      });
  if (!read) return read;
  for (const int64_t number : bad) {
    count_drop({DropReason::damaged, 0, "", 1, 0});
    if (auto removed = database_->run(Database::kRemoveWaiting, number); !removed) return removed;
  }
  return {};
}

Result<void> Spool::read_destinations() {
  std::vector<uint32_t> bad;
  auto read = database_->query(
      "SELECT number, name, session, progress FROM destination ORDER BY number", [&](sqlite3_stmt* row) {
        Destination destination;
        destination.number = static_cast<uint32_t>(sqlite3_column_int64(row, 0));
        destination.name = blob_at(row, 1);
        destination.session = blob_at(row, 2);
        const auto progress = open_numbers(
            progress_context(destination.number, destination.name, destination.session), blob_at(row, 3));
        if (!progress || progress->size() != 2) {
          bad.push_back(destination.number);
          return;
        }
        destination.cursor = (*progress)[0];
        destination.floor = (*progress)[1];
        destinations_.push_back(std::move(destination));
      });
  if (!read) return read;
  for (const uint32_t number : bad) {
    lost_destination_ = true;
    warnings_.push_back(
        {ErrorKind::corrupt,
         fmt::format("spool {}: the progress of a destination is damaged; everything still stored is "
                     "sent to it again",
                     options_.path)});
    if (auto removed = database_->execute(fmt::format("DELETE FROM destination WHERE number = {}", number));
        !removed) {
      return removed;
    }
  }
  read = database_->query("SELECT destination, last_id, ranges FROM refused", [&](sqlite3_stmt* row) {
    const auto number = static_cast<uint32_t>(sqlite3_column_int64(row, 0));
    const auto last_id = static_cast<uint64_t>(sqlite3_column_int64(row, 1));
    const auto ranges = open_numbers(refused_context(number, last_id), blob_at(row, 2));
    for (Destination& destination : destinations_) {
      if (destination.number != number || !ranges) continue;
      for (size_t i = 0; i + 1 < ranges->size(); i += 2) destination.refused[(*ranges)[i]] = (*ranges)[i + 1];
    }
  });
  if (!read) return read;
  read = database_->query("SELECT destination, name FROM root_host", [&](sqlite3_stmt* row) {
    const auto number = static_cast<uint32_t>(sqlite3_column_int64(row, 0));
    for (Destination& destination : destinations_) {
      if (destination.number == number) destination.root_host = blob_at(row, 1);
    }
  });
  if (!read) return read;
  for (Destination& destination : destinations_) {
    next_id_ = std::max(next_id_, destination.cursor + 1);
    // When it was acknowledged is not stored: all of it counts as acknowledged now.
    if (destination.cursor > destination.floor) destination.window.push_back({now(), destination.cursor});
    for (const auto& [number, waiting] : waiting_) {
      if (waiting.head.destination == destination.number) destination.waiting += waiting.head.values;
    }
  }
  for (Destination& destination : destinations_) {
    destination.pending = pending_between(destination, destination.cursor, last_put());
  }
  return {};
}

Result<void> Spool::read_numbers() {
  std::optional<Result<std::vector<uint64_t>>> numbers;
  auto read = database_->query("SELECT sealed FROM numbers WHERE name = 'ids'", [&](sqlite3_stmt* row) {
    numbers = open_numbers(kNumbersContext, blob_at(row, 0));
  });
  if (!read) return read;
  if (numbers && *numbers && (*numbers)->size() == 2) {
    next_id_ = std::max(next_id_, (**numbers)[0]);
    clocks_through_ = (**numbers)[1];
  } else if (numbers || next_id_ > 1) {
    next_id_ += kIdsLost;
    warnings_.push_back(
        {ErrorKind::corrupt,
         fmt::format("spool {}: the record of used ids is damaged; ids go on far beyond", options_.path)});
  }
  reserved_ = 0;
  return {};
}

Result<void> Spool::read_clocks() {
  size_t bad_pages = 0;
  auto read = database_->query("SELECT page, body FROM clocks ORDER BY page", [&](sqlite3_stmt* row) {
    const auto page = static_cast<uint64_t>(sqlite3_column_int64(row, 0));
    // A page number out of all measure is damage, not a reason to take that much memory.
    if (page > (uint64_t{1} << 20) || !clocks_.load_page(page, blob_at(row, 1))) ++bad_pages;
  });
  if (!read) return read;
  if (bad_pages > 0) {
    warnings_.push_back({ErrorKind::corrupt,
                         fmt::format("spool {}: {} pages of last clocks are damaged; their series start anew",
                                     options_.path, bad_pages)});
  }
  const LastClocks::Believed believed = believed_at(now());
  std::vector<uint64_t> later;
  for (const auto& [first_id, chunk] : chunks_) {
    if (chunk.last_id(first_id) > clocks_through_) later.push_back(first_id);
  }
  std::vector<Value> values;
  for (const uint64_t first_id : later) {
    auto body = read_body(first_id);
    if (!body) return fail(body.error());
    values.clear();
    if (auto decoded = decoder_.decode(*body, values); !decoded) {
      if (auto aside = set_aside_chunk(first_id, decoded.error()); !aside) return aside;
      continue;
    }
    for (const Value& value : values) move_clock(value, believed);
  }
  return {};
}

/// Everything about values; destinations, clocks and ids stay.
void Spool::forget_contents() {
  // Closing must not write into a file that is kept to be looked at.
  if (database_) sqlite3_db_config(database_->connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  database_.reset();
  chunks_.clear();
  chunks_of_priority_.fill(0);
  evicted_to_.fill(0);
  waiting_.clear();
  bytes_ = 0;
  tail_.clear();
  clocks_through_ = 0;
  round_.clear();
  in_round_ = false;
  reserved_ = 0;
  for (Destination& destination : destinations_) {
    destination.cursor = destination.floor = last_put();
    destination.window.clear();
    destination.refused.clear();
    destination.pending = destination.waiting = 0;
  }
}

Result<void> Spool::set_aside_file(const Error& why) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(clock_());
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  std::array<char, 32> stamp{};
  (void)std::strftime(stamp.data(), stamp.size(), "%Y%m%dT%H%M%SZ", &utc);
  const std::string base = fmt::format("{}.damaged-{}", options_.path, stamp.data());
  std::string target = base;
  std::error_code wrong;
  for (int i = 2; std::filesystem::exists(target, wrong); ++i) target = fmt::format("{}.{}", base, i);
  for (const char* part : {"", "-wal"}) {
    const std::string from = options_.path + part;
    if (!std::filesystem::exists(from, wrong)) continue;
    std::filesystem::rename(from, target + part, wrong);
    if (wrong) {
      return fail(ErrorKind::io, "{}; it cannot be moved aside to {} either: {}", why.message, target,
                  wrong.message());
    }
  }
  warnings_.push_back({ErrorKind::corrupt,
                       fmt::format("{}; it was moved to {} and a new one is begun", why.message, target)});
  return {};
}

/// A damaged file in the middle of work: what is in memory goes into a new one.
Result<void> Spool::start_anew(const Error& why) {
  for (const auto& [first_id, chunk] : chunks_) {
    if (auto drop = drop_of(DropReason::damaged, first_id, chunk); drop.values > 0)
      count_drop(std::move(drop));
  }
  for (const auto& [number, waiting] : waiting_) {
    count_drop({DropReason::damaged, waiting.head.priority, name_of(waiting.head.destination),
                waiting.head.values, waiting.head.oldest_clock});
  }
  forget_contents();
  if (!options_.path.empty()) {
    if (auto aside = set_aside_file(why); !aside) return aside;
  }
  if (auto opened = open_file(); !opened) return opened;
  if (auto reserved = reserve_ids(1); !reserved) return reserved;
  return transaction(Durability::full, [&]() -> Result<void> {
    for (const Destination& each : destinations_) {
      const std::array<uint64_t, 2> progress{each.cursor, each.floor};
      const std::string sealed =
          seal_numbers(progress_context(each.number, each.name, each.session), progress);
      sqlite3_stmt* insert = nullptr;
      if (sqlite3_prepare_v2(database_->connection, "INSERT INTO destination VALUES(?1, ?2, ?3, ?4)", -1,
                             &insert, nullptr) != SQLITE_OK) {
        return fail(database_->error());
      }
      auto inserted = Database::Run(*database_, insert, each.number, each.name, each.session, sealed).done();
      sqlite3_finalize(insert);
      if (inserted && !each.root_host.empty()) inserted = write_root_host(each, each.root_host);
      if (!inserted) return inserted;
    }
    for (size_t page = 0; page < clocks_.pages(); ++page) {
      const std::string body = clocks_.encode_page(page);
      if (auto written = database_->run(Database::kWritePage, uint64_t{page}, body); !written) return written;
    }
    return {};
  });
}

template <typename Work>
auto Spool::guarded(Work&& work) -> decltype(work()) {
  if (!database_ || !database_->connection) {
    // A new file could not be made the last time.
    if (auto anew = start_anew({ErrorKind::corrupt, fmt::format("spool {} is damaged", options_.path)});
        !anew) {
      return fail(anew.error());
    }
  }
  auto done = work();
  if (done || done.error().kind != ErrorKind::corrupt) return done;
  if (auto anew = start_anew(done.error()); !anew) {
    database_.reset();
    return fail(anew.error());
  }
  return work();
}

template <typename Work>
Result<void> Spool::transaction(Durability durability, Work&& work) {
  if (auto set = database_->set_durability(durability); !set) return set;
  if (auto begun = database_->run(Database::kBegin); !begun) return begun;
  Result<void> done = work();
  if (done) done = database_->run(Database::kCommit);
  if (!done && sqlite3_get_autocommit(database_->connection) == 0) (void)database_->run(Database::kRollback);
  return done;
}

// Destinations

const Spool::Destination* Spool::known(std::string_view name) const {
  const auto found = std::find_if(destinations_.begin(), destinations_.end(),
                                  [&](const Destination& each) { return each.name == name; });
  return found == destinations_.end() ? nullptr : &*found;
}

Result<Spool::Destination*> Spool::find(std::string_view name) {
  for (Destination& destination : destinations_) {
    if (destination.name == name) return &destination;
  }
  return fail(ErrorKind::not_found, "the spool has no destination {}", name);
}

std::string Spool::name_of(uint32_t number) const {
  for (const Destination& destination : destinations_) {
    if (destination.number == number) return destination.name;
  }
  return {};
}

void Spool::set_limits(uint64_t max_bytes, std::chrono::seconds max_age, std::chrono::seconds resend_window) {
  options_.max_bytes = max_bytes;
  options_.max_age = max_age;
  options_.resend_window = resend_window;
}

std::vector<std::string> Spool::destinations() const {
  std::vector<std::string> names;
  for (const Destination& destination : destinations_) names.push_back(destination.name);
  return names;
}

Result<std::string> Spool::session(std::string_view name) const {
  if (const Destination* const destination = known(name)) return destination->session;
  return fail(ErrorKind::not_found, "the spool has no destination {}", name);
}

std::string Spool::root_host(std::string_view name) const {
  const Destination* const destination = known(name);
  return destination == nullptr ? std::string() : destination->root_host;
}

Result<void> Spool::set_root_host(std::string_view destination, std::string_view name) {
  if (auto found = find(destination); !found) return fail(found.error());
  if (root_host(destination) == name) return {};
  return guarded([&]() -> Result<void> {
    Destination& of = **find(destination);
    auto done = transaction(Durability::full, [&] { return write_root_host(of, name); });
    if (done) of.root_host = name;
    return done;
  });
}

Result<void> Spool::write_root_host(const Destination& destination, std::string_view name) {
  sqlite3_stmt* write = nullptr;
  if (sqlite3_prepare_v2(database_->connection, "INSERT OR REPLACE INTO root_host VALUES(?1, ?2)", -1, &write,
                         nullptr) != SQLITE_OK) {
    return fail(database_->error());
  }
  auto written = Database::Run(*database_, write, destination.number, std::string(name)).done();
  sqlite3_finalize(write);
  return written;
}

Result<void> Spool::add_destination(std::string_view name) {
  if (find(name)) return {};
  return guarded([&]() -> Result<void> {
    Destination added;
    added.name = name;
    added.session = new_session();
    added.cursor = added.floor = lost_destination_ ? 0 : last_put();
    auto done = transaction(Durability::full, [&]() -> Result<void> {
      if (auto inserted = database_->execute(
              "INSERT INTO destination(name, session, progress) VALUES(hex(randomblob(16)), "
              "'', x'')");
          !inserted) {
        return inserted;
      }
      added.number = static_cast<uint32_t>(sqlite3_last_insert_rowid(database_->connection));
      sqlite3_stmt* update = nullptr;
      if (sqlite3_prepare_v2(
              database_->connection,
              "UPDATE destination SET name = ?2, session = ?3, progress = ?4 WHERE number = ?1", -1, &update,
              nullptr) != SQLITE_OK) {
        return fail(database_->error());
      }
      const std::array<uint64_t, 2> progress{added.cursor, added.floor};
      const std::string sealed =
          seal_numbers(progress_context(added.number, added.name, added.session), progress);
      auto updated =
          Database::Run(*database_, update, added.number, added.name, added.session, sealed).done();
      sqlite3_finalize(update);
      return updated;
    });
    if (!done) return done;
    added.pending = pending_between(added, added.cursor, last_put());
    destinations_.push_back(std::move(added));
    return {};
  });
}

Result<void> Spool::forget_destination(std::string_view name) {
  if (auto found = find(name); !found) return fail(found.error());
  return guarded([&]() -> Result<void> {
    const uint32_t number = (*find(name))->number;
    auto done = transaction(Durability::full, [&] {
      return database_->execute(
          fmt::format("DELETE FROM destination WHERE number = {0}; DELETE FROM refused WHERE "
                      "destination = {0}; DELETE FROM root_host WHERE destination = {0};",
                      number));
    });
    if (!done) return done;
    std::vector<int64_t> waiting;
    for (const auto& [row, each] : waiting_) {
      if (each.head.destination == number) waiting.push_back(row);
    }
    for (const int64_t row : waiting) {
      const ChunkHead& head = waiting_.at(row).head;
      count_drop({DropReason::forgotten, head.priority, std::string(name), head.values, head.oldest_clock});
      if (auto removed = database_->run(Database::kRemoveWaiting, row); !removed) return removed;
      remove_waiting(row);
    }
    // Chunks that were only its own are tidied away like those that everybody has; what is lost is counted
    // here.
    const Destination& gone = **find(name);
    for (auto chunk = chunks_.upper_bound(gone.cursor); chunk != chunks_.end(); ++chunk) {
      if (chunk->second.head.destination != number && destinations_.size() > 1) continue;
      const uint64_t values = pending_between(gone, chunk->first - 1, chunk->second.last_id(chunk->first));
      if (values > 0) {
        count_drop({DropReason::forgotten, chunk->second.head.priority, gone.name, values,
                    chunk->second.head.oldest_clock});
      }
    }
    std::erase_if(destinations_, [&](const Destination& each) { return each.name == name; });
    return {};
  });
}

// What is in memory of the tables

void Spool::insert_chunk(uint64_t first_id, const ChunkHead& head) {
  chunks_.insert_or_assign(chunks_.end(), first_id, Chunk{head});
  ++chunks_of_priority_[head.priority];
  bytes_ += record_bytes(head);
  for (Destination& destination : destinations_) {
    if (head.destination == 0 || head.destination == destination.number) destination.pending += head.values;
  }
}

void Spool::remove_chunk(uint64_t first_id) {
  const auto found = chunks_.find(first_id);
  if (found == chunks_.end()) return;
  const Chunk& chunk = found->second;
  for (Destination& destination : destinations_) {
    destination.pending -=
        pending_between(destination, std::max(destination.cursor, first_id - 1), chunk.last_id(first_id));
  }
  --chunks_of_priority_[chunk.head.priority];
  bytes_ -= record_bytes(chunk.head);
  chunks_.erase(found);
}

void Spool::insert_waiting(int64_t number, const Waiting& waiting) {
  waiting_.emplace(number, waiting);
  bytes_ += record_bytes(waiting.head);
  for (Destination& destination : destinations_) {
    if (destination.number == waiting.head.destination) destination.waiting += waiting.head.values;
  }
}

void Spool::remove_waiting(int64_t number) {
  const auto found = waiting_.find(number);
  if (found == waiting_.end()) return;
  bytes_ -= record_bytes(found->second.head);
  for (Destination& destination : destinations_) {
    if (destination.number == found->second.head.destination)
      destination.waiting -= found->second.head.values;
  }
  waiting_.erase(found);
}

/// How many values the destination is still offered of those with ids in (after, up_to].
uint64_t Spool::pending_between(const Destination& destination, uint64_t after, uint64_t up_to) const {
  if (after >= up_to) return 0;
  uint64_t count = 0;
  auto chunk = chunks_.upper_bound(after);
  if (chunk != chunks_.begin()) --chunk;
  for (; chunk != chunks_.end() && chunk->first <= up_to; ++chunk) {
    const ChunkHead& head = chunk->second.head;
    if (head.destination != 0 && head.destination != destination.number) continue;
    const uint64_t first = std::max(chunk->first, after + 1);
    const uint64_t last = std::min(chunk->second.last_id(chunk->first), up_to);
    if (first > last) continue;
    count += last - first + 1;
    if (!destination.refused.empty()) count -= refused_between(destination.refused, first, last);
  }
  return count;
}

bool Spool::kept_by_nobody(uint64_t first_id, const Chunk& chunk, bool in_window_too) const {
  const uint64_t last_id = chunk.last_id(first_id);
  return std::all_of(destinations_.begin(), destinations_.end(), [&](const Destination& destination) {
    if (chunk.head.destination != 0 && chunk.head.destination != destination.number) return true;
    return last_id <= (in_window_too ? destination.cursor : destination.floor);
  });
}

SpoolDrop Spool::drop_of(DropReason reason, uint64_t first_id, const Chunk& chunk) const {
  SpoolDrop drop{reason, chunk.head.priority, name_of(chunk.head.destination), 0, chunk.head.oldest_clock};
  for (const Destination& destination : destinations_) {
    drop.values = std::max(
        drop.values,
        pending_between(destination, std::max(destination.cursor, first_id - 1), chunk.last_id(first_id)));
  }
  return drop;
}

void Spool::count_drop(SpoolDrop drop) {
  dropped_[drop.priority][static_cast<size_t>(drop.reason)] += drop.values;
  for (SpoolDrop& known : drops_) {
    if (std::tie(known.reason, known.priority, known.destination) !=
        std::tie(drop.reason, drop.priority, drop.destination)) {
      continue;
    }
    known.values += drop.values;
    known.oldest_clock = std::min(known.oldest_clock, drop.oldest_clock);
    return;
  }
  drops_.push_back(std::move(drop));
}

std::vector<SpoolDrop> Spool::take_drops() { return std::exchange(drops_, {}); }

std::vector<Error> Spool::take_warnings() { return std::exchange(warnings_, {}); }

// Tidying: a bounded piece within the transaction of somebody else

int64_t Spool::ahead() const {
  if (!steady_) return 0;
  return now() - std::chrono::duration_cast<std::chrono::seconds>(steady_().time_since_epoch()).count();
}

void Spool::heed_clock() {
  const int64_t moved = ahead() - ahead_;
  if (moved >= -kClockMaySlip && moved <= kClockMaySlip) return;
  ahead_ += moved;
  for (Destination& destination : destinations_) {
    for (Acknowledged& each : destination.window) each.at += moved;
  }
  for (auto& [number, waiting] : waiting_) waiting.not_before += moved;
  if (moved > 0) ages_from_ = now();
  forget_times_to_come();
}

// Of a clock that was ahead: nothing has been put, and nothing waits that long, at a time that has not come.
void Spool::forget_times_to_come() {
  const int64_t at = now();
  ages_from_ = std::min(ages_from_, at);
  for (auto& [first_id, chunk] : chunks_) chunk.head.put_time = std::min(chunk.head.put_time, at);
  for (auto& [number, waiting] : waiting_) {
    waiting.head.put_time = std::min(waiting.head.put_time, at);
    waiting.not_before = std::min(waiting.not_before, at + options_.retry_max_age.count());
  }
}

bool Spool::is_older(int64_t put_time, std::chrono::seconds limit) const {
  return std::max(put_time, ages_from_) < now() - limit.count();
}

void Spool::pass_window(Destination& destination) {
  const int64_t at = now();
  while (!destination.window.empty() &&
         destination.window.front().at <= at - options_.resend_window.count()) {
    destination.floor = std::max(destination.floor, destination.window.front().up_to);
    destination.window.pop_front();
  }
}

void Spool::plan_tidying(Tidying& plan) {
  heed_clock();
  const int64_t at = now();
  for (Destination& destination : destinations_) pass_window(destination);
  if (!in_round_ && clocks_through_ < last_put() &&
      (at >= round_started_ + kRoundSeconds || at < round_started_)) {
    in_round_ = true;
    round_started_ = at;
    round_through_ = last_put();
    round_.clear();
    for (size_t page = clocks_.pages(); page > 0; --page) {
      if (clocks_.changed(page - 1)) round_.push_back(page - 1);
    }
  }
  if (in_round_) {
    const size_t pages = std::min(kTidyPages, round_.size());
    plan.pages.assign(round_.rbegin(), round_.rbegin() + static_cast<std::ptrdiff_t>(pages));
    if (pages == round_.size()) plan.clocks_through = round_through_;
  }
  uint64_t bytes = 0;
  size_t looks = 0;
  for (const auto& [first_id, chunk] : chunks_) {
    if (++looks > kTidyLooks || plan.removed.size() >= kTidyChunks || bytes >= kTidyBytes) break;
    if (chunk.last_id(first_id) > clocks_through_) break;
    if (is_older(chunk.head.put_time, options_.max_age)) {
      if (auto drop = drop_of(DropReason::too_old, first_id, chunk); drop.values > 0)
        plan.drops.push_back(std::move(drop));
    } else if (!kept_by_nobody(first_id, chunk, false)) {
      if (chunk.head.destination == 0) break;
      continue;
    }
    plan.removed.push_back(first_id);
    bytes += record_bytes(chunk.head);
  }
}

void Spool::plan_all_pages(Tidying& plan) const {
  plan.pages.clear();
  for (size_t page = 0; page < clocks_.pages(); ++page) {
    if (clocks_.changed(page)) plan.pages.push_back(page);
  }
  plan.clocks_through = last_put();
}

Result<void> Spool::write(const Tidying& plan) {
  for (const size_t page : plan.pages) {
    const std::string body = clocks_.encode_page(page);
    if (auto written = database_->run(Database::kWritePage, uint64_t{page}, body); !written) return written;
  }
  if (plan.clocks_through) {
    if (auto written = write_numbers(reserved_, *plan.clocks_through); !written) return written;
  }
  for (const uint64_t first_id : plan.removed) {
    if (auto removed = database_->run(Database::kRemoveChunk, first_id); !removed) return removed;
  }
  for (const int64_t number : plan.waiting_removed) {
    if (auto removed = database_->run(Database::kRemoveWaiting, number); !removed) return removed;
  }
  for (const Destination& destination : destinations_) {
    if (destination.refused.empty() || destination.refused.begin()->second > destination.floor) continue;
    if (auto removed = database_->run(Database::kRemoveRefused, destination.number, destination.floor);
        !removed) {
      return removed;
    }
  }
  return {};
}

void Spool::apply(Tidying& plan) {
  for (const size_t page : plan.pages) clocks_.set_changed(page, false);
  if (plan.clocks_through) {
    clocks_through_ = *plan.clocks_through;
    in_round_ = false;
    round_.clear();
  } else {
    round_.resize(round_.size() - plan.pages.size());
  }
  for (const uint64_t first_id : plan.removed) remove_chunk(first_id);
  for (const int64_t number : plan.waiting_removed) remove_waiting(number);
  for (SpoolDrop& drop : plan.drops) count_drop(std::move(drop));
  for (Destination& destination : destinations_) {
    // As on disk: a row goes as a whole, its ranges one by one; what is below the floor is never asked for.
    while (!destination.refused.empty() && destination.refused.begin()->second <= destination.floor) {
      destination.refused.erase(destination.refused.begin());
    }
  }
}

Result<bool> Spool::tidy() {
  return guarded([&]() -> Result<bool> {
    Tidying plan;
    plan_tidying(plan);
    if (plan.empty()) return false;
    auto done = transaction(Durability::normal, [&] { return write(plan); });
    if (!done) return fail(done.error());
    apply(plan);
    return in_round_ || !plan.removed.empty();
  });
}

// Putting

Result<void> Spool::write_numbers(uint64_t reserved, uint64_t clocks_through) {
  const std::array<uint64_t, 2> numbers{reserved, clocks_through};
  const std::string sealed = seal_numbers(kNumbersContext, numbers);
  return database_->run(Database::kWriteNumbers, sealed);
}

/// Ids are promised on disk before they are used: one that a server has seen must not come again with another
/// value, even when a power cut took the value itself.
Result<void> Spool::reserve_ids(uint64_t count) {
  if (next_id_ + count <= reserved_) return {};
  const uint64_t reserved = next_id_ + count + kReservedIds;
  auto done = transaction(Durability::full, [&] { return write_numbers(reserved, clocks_through_); });
  if (done) reserved_ = reserved;
  return done;
}

void Spool::encode(std::span<const Value> values, uint32_t destination, int64_t put_time,
                   std::vector<NewChunk>& out) {
  size_t start = 0;
  while (start < values.size()) {
    const uint8_t priority = values[start].priority;
    size_t end = start;
    size_t bytes = 0;
    int64_t oldest = values[start].clock;
    while (end < values.size() && end - start < kChunkValues && values[end].priority == priority) {
      const Value& value = values[end];
      bytes += value.text.size() + value.host.size() / 8 + value.key.size() / 2 + 16;
      if (end > start && bytes > kChunkBytes) break;
      oldest = std::min(oldest, value.clock);
      ++end;
    }
    NewChunk& chunk = out.emplace_back();
    chunk.values = values.subspan(start, end - start);
    encoder_.append_segment(chunk.body, chunk.values);
    chunk.head = {
        destination, priority, static_cast<uint32_t>(end - start), static_cast<uint32_t>(chunk.body.size()),
        put_time,    oldest};
    start = end;
  }
}

bool Spool::can_join(const NewChunk& chunk, const Tidying& plan) const {
  if (tail_.empty() || chunks_.empty()) return false;
  const auto& [first_id, last] = *chunks_.rbegin();
  return last.last_id(first_id) == last_put() && last.head.body_bytes == tail_.size() &&
         last.head.destination == 0 && last.head.priority == chunk.head.priority &&
         tail_.size() + chunk.body.size() <= kJoinBytes &&
         std::abs(chunk.head.put_time - last.head.put_time) < kJoinSeconds &&
         (plan.removed.empty() || plan.removed.back() != first_id) &&
         std::find(plan.removed.begin(), plan.removed.end(), first_id) == plan.removed.end();
}

void Spool::make_room(std::vector<NewChunk>& wanted, WhenFull when_full, Tidying& plan) {
  uint64_t have = bytes_;
  for (const uint64_t first_id : plan.removed) have -= record_bytes(chunks_.at(first_id).head);
  for (const NewChunk& chunk : wanted) have += record_bytes(chunk.head);
  if (have <= options_.max_bytes) return;

  Tidying before = plan;
  const auto evicted_before = evicted_to_;
  bool uncovered = false;
  const auto remove = [&](std::map<uint64_t, Chunk>::const_iterator chunk) {
    plan.removed.push_back(chunk->first);
    have -= record_bytes(chunk->second.head);
    uncovered = uncovered || chunk->second.last_id(chunk->first) > clocks_through_;
  };
  std::vector<uint64_t> already = plan.removed;
  std::sort(already.begin(), already.end());
  const auto is_removed = [&](uint64_t id) { return std::binary_search(already.begin(), already.end(), id); };
  // What everybody has acknowledged goes before its window is over.
  for (auto chunk = chunks_.cbegin(); chunk != chunks_.cend() && have > options_.max_bytes; ++chunk) {
    if (is_removed(chunk->first)) continue;
    if (!kept_by_nobody(chunk->first, chunk->second, true)) {
      if (chunk->second.head.destination == 0) break;
      continue;
    }
    remove(chunk);
  }
  already = plan.removed;
  std::sort(already.begin(), already.end());
  std::array<size_t, 256> left = chunks_of_priority_;
  for (const uint64_t first_id : already) --left[chunks_.at(first_id).head.priority];
  auto waiting = waiting_.cbegin();
  for (int priority = 0; priority < 256 && have > options_.max_bytes; ++priority) {
    const auto of = static_cast<uint8_t>(priority);
    if (when_full == WhenFull::keep && !wanted.empty() && wanted.back().head.priority == of) {
      wanted.clear();  // and nothing has to go for it
      plan = std::move(before);
      evicted_to_ = evicted_before;
      return;
    }
    for (waiting = waiting_.cbegin(); waiting != waiting_.cend() && have > options_.max_bytes; ++waiting) {
      const ChunkHead& head = waiting->second.head;
      if (head.priority != of) continue;
      plan.waiting_removed.push_back(waiting->first);
      plan.drops.push_back({DropReason::full, of, name_of(head.destination), head.values, head.oldest_clock});
      have -= record_bytes(head);
    }
    for (auto chunk = chunks_.lower_bound(evicted_to_[of]);
         left[of] > 0 && chunk != chunks_.end() && have > options_.max_bytes; ++chunk) {
      if (chunk->second.head.priority != of || is_removed(chunk->first)) continue;
      if (auto drop = drop_of(DropReason::full, chunk->first, chunk->second); drop.values > 0) {
        plan.drops.push_back(std::move(drop));
      }
      remove(chunk);
      --left[of];
      evicted_to_[of] = chunk->first;
    }
    for (auto chunk = wanted.begin(); chunk != wanted.end() && have > options_.max_bytes;) {
      if (chunk->head.priority != of) {
        ++chunk;
        continue;
      }
      plan.drops.push_back({DropReason::full, of, "", chunk->head.values, chunk->head.oldest_clock});
      have -= record_bytes(chunk->head);
      chunk = wanted.erase(chunk);
    }
  }
  if (uncovered) plan_all_pages(plan);
}

Result<void> Spool::write_chunk(uint64_t first_id, const NewChunk& chunk) {
  const std::string head = encode_chunk_head(first_id, chunk.head);
  return database_->run(Database::kInsertChunk, first_id, head, chunk.body);
}

Result<SpoolRange> Spool::put(std::span<const Value> values, Durability durability, WhenFull when_full) {
  if (values.empty()) return SpoolRange{};
  if (destinations_.empty())
    return fail(ErrorKind::invalid, "nothing can be spooled: there is no destination");
  for (const Value& value : values) {
    if (value.ns > 999'999'999)
      return fail(ErrorKind::invalid, "{}: {} ns are more than a second", value.key, value.ns);
    if (value.host.size() + value.key.size() + value.text.size() > kValueBytes) {
      return fail(ErrorKind::invalid, "{} of {}: a value of more than {} bytes cannot be spooled",
                  value.key.substr(0, 255), value.host.substr(0, 255), kValueBytes);
    }
  }
  auto range = guarded([&] { return put_once(values, durability, when_full); });
  if (!range || durability != Durability::full) return range;
  // On disk is what a name leads to. The values are in what is made again here, too.
  if (auto kept = keep_file(); !kept) return fail(kept.error());
  return range;
}

Result<void> Spool::keep_file() {
  if (in_memory() || !database_ || database_->connection == nullptr) return {};
  switch (file_.state()) {
    case KeptFile::State::there:
      return {};
    case KeptFile::State::replaced:
      return fail(
          ErrorKind::io,
          "spool {} was replaced by another file while it was in use; stop the agent, put the file back that "
          "is to be continued, and start it",
          options_.path);
    case KeptFile::State::removed:
      break;
  }
  if (auto made = file_.make_again(database_->connection); !made) return made;
  const auto new_file = file_;
  auto before = std::move(database_);
  if (auto opened = open_file(); !opened) {
    database_ = std::move(before);
    file_ = new_file;
    return opened;
  }
  warnings_.push_back(
      {ErrorKind::io,
       fmt::format("spool {} was removed while it was in use; it is there again, with all that it held",
                   options_.path)});
  return {};
}

Result<SpoolRange> Spool::put_once(std::span<const Value> values, Durability durability, WhenFull when_full) {
  const bool mixed = std::any_of(values.begin(), values.end(), [&](const Value& value) {
    return value.priority != values.front().priority;
  });
  std::vector<Value> sorted;
  if (mixed) {
    sorted.assign(values.begin(), values.end());
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const Value& left, const Value& right) { return left.priority > right.priority; });
    values = sorted;
  }
  std::vector<NewChunk> chunks;
  const int64_t at = now();
  encode(values, 0, at, chunks);
  Tidying plan;
  plan_tidying(plan);
  make_room(chunks, when_full, plan);
  SpoolRange range;
  for (const NewChunk& chunk : chunks) range.last_id += chunk.head.values;
  range.dropped = values.size() - range.last_id;
  if (chunks.empty() && plan.removed.empty() && plan.waiting_removed.empty()) {
    for (SpoolDrop& drop : plan.drops) count_drop(std::move(drop));
    return range;
  }
  if (auto reserved = reserve_ids(range.last_id); !reserved) return fail(reserved.error());

  const bool joins = chunks.size() == 1 && can_join(chunks.front(), plan);
  uint64_t tail_id = 0;
  if (joins) {
    NewChunk& chunk = chunks.front();
    tail_id = chunks_.rbegin()->first;
    ChunkHead head = chunks_.rbegin()->second.head;
    chunk.body.insert(0, tail_);
    head.values += chunk.head.values;
    head.body_bytes = static_cast<uint32_t>(chunk.body.size());
    head.oldest_clock = std::min(head.oldest_clock, chunk.head.oldest_clock);
    chunk.head = head;
  }
  auto done = transaction(durability, [&]() -> Result<void> {
    if (joins) {
      const std::string head = encode_chunk_head(tail_id, chunks.front().head);
      if (auto joined = database_->run(Database::kUpdateChunk, tail_id, head, chunks.front().body); !joined) {
        return joined;
      }
    } else {
      uint64_t id = next_id_;
      for (const NewChunk& chunk : chunks) {
        if (auto written = write_chunk(id, chunk); !written) return written;
        id += chunk.head.values;
      }
    }
    return write(plan);
  });
  if (!done) return fail(done.error());

  apply(plan);
  const LastClocks::Believed believed = believed_at(at);
  if (range.last_id > 0) {
    range.first_id = next_id_;
    range.last_id += next_id_ - 1;
  }
  if (joins) {
    Chunk& chunk = chunks_.rbegin()->second;
    bytes_ += chunks.front().head.body_bytes - chunk.head.body_bytes;
    const uint64_t added = chunks.front().head.values - chunk.head.values;
    chunk.head = chunks.front().head;
    for (Destination& destination : destinations_) destination.pending += added;
    next_id_ += added;
  }
  for (NewChunk& chunk : chunks) {
    if (!joins) {
      insert_chunk(next_id_, chunk.head);
      next_id_ += chunk.head.values;
    }
    for (const Value& value : chunk.values) move_clock(value, believed);
  }
  tail_.clear();
  if (!chunks.empty() && chunks.back().body.size() < kJoinBytes) tail_ = std::move(chunks.back().body);
  return range;
}

std::optional<int64_t> Spool::last_clock(std::string_view host, std::string_view key, uint64_t itemid) const {
  std::optional<int64_t> clock;
  if (itemid != 0) clock = clocks_.find(hash_item(itemid));
  return clock ? clock : clocks_.find(hash_series(host, key));
}

LastClocks::Believed Spool::believed_at(int64_t now) const {
  return {now - options_.forget_clocks_after.count(), now + kClockAhead};
}

void Spool::move_clock(const Value& value, const LastClocks::Believed& believed) {
  if (!value.moves_clock) return;
  if (value.itemid == 0) return clocks_.raise(hash_series(value.host, value.key), value.clock, believed);
  clocks_.raise(value.itemid, value.host, value.key, value.clock, believed);
}

// Reading

Result<std::string> Spool::read_body(uint64_t first_id) {
  Database::Run run(*database_, database_->statements[Database::kReadBody], first_id);
  if (run.row()) return run.blob(0);
  if (auto ended = run.done(); !ended) return fail(ended.error());
  return fail(ErrorKind::corrupt, "spool {} is damaged: a chunk is gone", options_.path);
}

Result<SpoolPacket> Spool::next(std::string_view name, size_t max_values, size_t max_bytes, uint64_t after) {
  if (auto found = find(name); !found) return fail(found.error());
  auto packet = guarded([&] { return next_once(name, max_values, max_bytes, after); });
  if (packet && packet->values.empty() && packet->up_to > 0 && after == 0) {
    // Nothing of it was for this destination.
    if (auto passed = acknowledge(name, packet->up_to); !passed) return fail(passed.error());
    packet->up_to = 0;
  }
  return packet;
}

Result<SpoolPacket> Spool::next_once(std::string_view name, size_t max_values, size_t max_bytes,
                                     uint64_t after) {
  Destination& destination = **find(name);
  if (destination.waiting > 0) {
    if (auto offered = offer_waiting(destination); !offered) return fail(offered.error());
  }
  return read(destination, std::max(destination.cursor, after), max_values, max_bytes);
}

uint64_t Spool::in_window(std::string_view name) {
  const auto found = find(name);
  if (!found) return 0;
  heed_clock();
  pass_window(**found);
  return pending_between(**found, (*found)->floor, (*found)->cursor);
}

// The values after `from` that are for this destination.
Result<SpoolPacket> Spool::read(const Destination& destination, uint64_t from, size_t max_values,
                                size_t max_bytes) {
  SpoolPacket packet;
  auto chunk = chunks_.upper_bound(from);
  if (chunk != chunks_.begin()) --chunk;
  size_t bytes = 0;
  while (chunk != chunks_.end()) {
    const uint64_t first_id = chunk->first;
    const ChunkHead& head = chunk->second.head;
    const uint64_t last_id = chunk->second.last_id(first_id);
    if (last_id <= from) {
      ++chunk;
      continue;
    }
    if (head.destination != 0 && head.destination != destination.number) {
      packet.up_to = last_id;
      ++chunk;
      continue;
    }
    auto body = read_body(first_id);
    if (!body) return fail(body.error());
    const size_t before = packet.values.size();
    packet.bodies.push_back(std::move(*body));
    Result<void> decoded = decoder_.decode(packet.bodies.back(), packet.values);
    if (decoded && packet.values.size() - before != head.values) {
      packet.values.resize(before);
      decoded =
          fail(ErrorKind::corrupt, "spooled values are damaged: there are not as many as there should be");
    }
    if (!decoded) {
      packet.bodies.pop_back();
      ++chunk;
      if (auto aside = set_aside_chunk(first_id, decoded.error()); !aside) return fail(aside.error());
      continue;
    }
    // The values that are wanted close up to the front.
    size_t kept = before;
    bool full = false;
    for (size_t i = 0; i < head.values; ++i) {
      const uint64_t id = first_id + i;
      if (id <= from) continue;
      if (!destination.refused.empty() && is_refused(destination.refused, id)) {
        packet.up_to = id;
        continue;
      }
      Value value = packet.values[before + i];
      const size_t size = value.host.size() + value.key.size() + value.text.size();
      if (kept > 0 && (kept >= max_values || bytes + size > max_bytes)) {
        full = true;
        break;
      }
      bytes += size;
      value.priority = head.priority;
      packet.values[kept++] = value;
      packet.ids.push_back(id);
      packet.up_to = id;
    }
    packet.values.resize(kept);
    if (full) break;
    ++chunk;
  }
  return packet;
}

Result<void> Spool::set_aside_chunk(uint64_t first_id, const Error& why) {
  const auto found = chunks_.find(first_id);
  SpoolDrop drop{DropReason::damaged, 0, "", 1, 0};
  if (found != chunks_.end()) drop = drop_of(DropReason::damaged, first_id, found->second);
  Tidying plan;
  if (found != chunks_.end() && found->second.last_id(first_id) > clocks_through_ && next_id_ > 1) {
    plan_all_pages(plan);
    // While the file is being read, later chunks have not been seen yet.
    if (reserved_ == 0) plan = {};
  }
  auto done = transaction(Durability::normal, [&]() -> Result<void> {
    if (auto kept = database_->run(Database::kSetAside, first_id, kKeptAside); !kept) return kept;
    if (auto removed = database_->run(Database::kRemoveChunk, first_id); !removed) return removed;
    return write(plan);
  });
  if (!done) return done;
  apply(plan);
  remove_chunk(first_id);
  warnings_.push_back({ErrorKind::corrupt, fmt::format("spool {}: {}; {} values were set aside (table aside)",
                                                       options_.path, why.message, drop.values)});
  count_drop(std::move(drop));
  return {};
}

// Settling

Result<void> Spool::write_cursor(const Destination& destination, uint64_t cursor) {
  const std::array<uint64_t, 2> progress{cursor, destination.floor};
  const std::string sealed =
      seal_numbers(progress_context(destination.number, destination.name, destination.session), progress);
  return database_->run(Database::kProgress, destination.number, sealed);
}

void Spool::move_cursor(Destination& destination, uint64_t cursor) {
  if (cursor >= destination.cursor) {
    destination.pending -= pending_between(destination, destination.cursor, cursor);
  } else {
    destination.pending += pending_between(destination, cursor, destination.cursor);
  }
  destination.cursor = cursor;
}

Result<void> Spool::acknowledge(std::string_view name, uint64_t up_to_id) {
  if (auto found = find(name); !found) return fail(found.error());
  if (up_to_id > last_put()) {
    return fail(ErrorKind::invalid, "{} acknowledges id {}, and the last one put is {}", name, up_to_id,
                last_put());
  }
  return guarded([&]() -> Result<void> {
    Destination& destination = **find(name);
    if (up_to_id <= destination.cursor) return {};
    Tidying plan;
    plan_tidying(plan);
    auto done = transaction(Durability::normal, [&]() -> Result<void> {
      if (auto written = write_cursor(destination, up_to_id); !written) return written;
      return write(plan);
    });
    if (!done) return done;
    move_cursor(destination, up_to_id);
    const int64_t at = now();
    if (destination.window.empty() || destination.window.back().at != at) {
      destination.window.push_back({at, up_to_id});
    } else {
      destination.window.back().up_to = up_to_id;
    }
    apply(plan);
    return {};
  });
}

Result<void> Spool::rewind(std::string_view name) {
  if (auto found = find(name); !found) return fail(found.error());
  return guarded([&]() -> Result<void> {
    Destination& destination = **find(name);
    heed_clock();
    pass_window(destination);
    if (destination.floor >= destination.cursor) return {};
    // Durable: a power cut after it must not forget that these are to be sent again.
    auto done = transaction(Durability::full, [&] { return write_cursor(destination, destination.floor); });
    if (!done) return done;
    move_cursor(destination, destination.floor);
    destination.window.clear();
    return {};
  });
}

Result<void> Spool::retry_later(std::string_view name, std::span<const uint64_t> ids, WallTime not_before) {
  if (auto found = find(name); !found) return fail(found.error());
  return guarded([&] { return take_away(**find(name), ids, unix_seconds(not_before), DropReason::unknown); });
}

Result<void> Spool::drop(std::string_view name, std::span<const uint64_t> ids, DropReason reason) {
  if (auto found = find(name); !found) return fail(found.error());
  return guarded([&] { return take_away(**find(name), ids, std::nullopt, reason); });
}

Result<void> Spool::write_waiting(int64_t number, int64_t not_before, const NewChunk& chunk) {
  const std::string head = encode_chunk_head(static_cast<uint64_t>(number), chunk.head);
  return database_->run(Database::kInsertWaiting, number, not_before, head, chunk.body);
}

Result<void> Spool::take_away(Destination& destination, std::span<const uint64_t> ids,
                              std::optional<int64_t> retry_at, DropReason reason) {
  std::vector<uint64_t> ranges;  // first, last, first, last, ...
  std::vector<NewChunk> waiting;
  std::vector<SpoolDrop> drops;
  uint64_t from_pending = 0;
  heed_clock();
  for (size_t i = 0; i < ids.size();) {
    auto chunk = chunks_.upper_bound(ids[i]);
    if (chunk == chunks_.begin() || (--chunk)->second.last_id(chunk->first) < ids[i] ||
        (chunk->second.head.destination != 0 && chunk->second.head.destination != destination.number)) {
      ++i;
      continue;
    }
    const uint64_t first_id = chunk->first;
    const ChunkHead head = chunk->second.head;
    const uint64_t last_id = chunk->second.last_id(first_id);
    std::vector<uint64_t> here;
    for (; i < ids.size() && ids[i] <= last_id; ++i) {
      if (ids[i] < first_id || (!here.empty() && ids[i] <= here.back()) ||
          is_refused(destination.refused, ids[i]))
        continue;
      here.push_back(ids[i]);
      if (ids[i] > destination.cursor) ++from_pending;
      if (!ranges.empty() && ranges.back() + 1 == ids[i]) {
        ranges.back() = ids[i];
      } else {
        ranges.insert(ranges.end(), {ids[i], ids[i]});
      }
    }
    if (here.empty()) continue;
    if (!retry_at || is_older(head.put_time, options_.retry_max_age)) {
      drops.push_back({reason, head.priority, destination.name, here.size(), head.oldest_clock});
      continue;
    }
    auto body = read_body(first_id);
    if (!body) return fail(body.error());
    std::vector<Value> values;
    if (auto decoded = decoder_.decode(*body, values); !decoded || values.size() != head.values) {
      drops.push_back({DropReason::damaged, head.priority, destination.name, here.size(), head.oldest_clock});
      continue;
    }
    std::vector<Value> again;
    for (const uint64_t id : here) {
      again.push_back(values[id - first_id]);
      again.back().priority = head.priority;
    }
    encode(again, destination.number, head.put_time, waiting);
  }
  if (ranges.empty()) return {};

  auto done = transaction(Durability::normal, [&]() -> Result<void> {
    const uint64_t last_id = ranges.back();
    const std::string sealed = seal_numbers(refused_context(destination.number, last_id), ranges);
    if (auto written = database_->run(Database::kInsertRefused, destination.number, last_id, sealed);
        !written) {
      return written;
    }
    int64_t number = next_waiting_;
    for (const NewChunk& chunk : waiting) {
      if (auto written = write_waiting(number++, *retry_at, chunk); !written) return written;
    }
    return {};
  });
  if (!done) return done;
  destination.pending -= from_pending;
  for (size_t i = 0; i < ranges.size(); i += 2) destination.refused[ranges[i]] = ranges[i + 1];
  for (const NewChunk& chunk : waiting) insert_waiting(next_waiting_++, {chunk.head, *retry_at});
  for (SpoolDrop& drop : drops) count_drop(std::move(drop));
  return {};
}

/// Waiting values whose time has come get their ids now: had they been given before, values with later ids
/// would have gone first, and a server takes no id below the last it saw.
Result<void> Spool::offer_waiting(Destination& destination) {
  heed_clock();
  const int64_t at = now();
  std::vector<int64_t> due;
  uint64_t values = 0;
  for (const auto& [number, waiting] : waiting_) {
    if (due.size() >= kOfferedRows) break;
    if (waiting.head.destination != destination.number || waiting.not_before > at) continue;
    due.push_back(number);
    values += waiting.head.values;
  }
  if (due.empty()) return {};
  if (auto reserved = reserve_ids(values); !reserved) return reserved;
  std::vector<std::pair<uint64_t, ChunkHead>> offered;
  std::vector<SpoolDrop> drops;
  uint64_t id = next_id_;
  auto done = transaction(Durability::normal, [&]() -> Result<void> {
    for (const int64_t number : due) {
      const ChunkHead& head = waiting_.at(number).head;
      if (is_older(head.put_time, options_.retry_max_age)) {
        drops.push_back(
            {DropReason::unknown, head.priority, destination.name, head.values, head.oldest_clock});
      } else {
        NewChunk chunk;
        chunk.head = head;
        {
          Database::Run run(*database_, database_->statements[Database::kReadWaiting], number);
          if (run.row()) chunk.body = run.blob(0);
          if (auto ended = run.done(); !ended) return ended;
        }
        if (auto written = write_chunk(id, chunk); !written) return written;
        offered.emplace_back(id, head);
        id += head.values;
      }
      if (auto removed = database_->run(Database::kRemoveWaiting, number); !removed) return removed;
    }
    return {};
  });
  if (!done) return done;
  for (const int64_t number : due) remove_waiting(number);
  for (const auto& [first_id, head] : offered) insert_chunk(first_id, head);
  for (SpoolDrop& drop : drops) count_drop(std::move(drop));
  next_id_ = id;
  if (!offered.empty()) tail_.clear();
  return {};
}

Result<void> Spool::look_for(std::string_view name, const Sought& item, size_t max_bytes, SpoolTrace& trace) {
  auto found = find(name);
  if (!found) return fail(found.error());
  const Destination& destination = **found;
  std::vector<Value> values;
  const auto is_it = [&](const Value& value) { return item.is_of(value); };
  if (trace.looked_from == UINT64_MAX) {
    size_t bytes = 0;
    for (const auto& [number, waiting] : waiting_) {
      if (waiting.head.destination != destination.number || bytes >= max_bytes) continue;
      bytes += record_bytes(waiting.head);
      Database::Run run(*database_, database_->statements[Database::kReadWaiting], number);
      if (!run.row()) continue;
      const std::string body = run.blob(0);
      values.clear();
      if (!decoder_.decode(body, values)) continue;
      const auto count = static_cast<uint64_t>(std::count_if(values.begin(), values.end(), is_it));
      if (count == 0) continue;
      trace.waiting += count;
      if (trace.not_before == 0 || waiting.not_before < trace.not_before)
        trace.not_before = waiting.not_before;
    }
  }
  size_t looked = 0;
  auto chunk = chunks_.lower_bound(trace.looked_from);
  while (chunk != chunks_.begin() && looked < max_bytes) {
    --chunk;
    const uint64_t first_id = chunk->first;
    const ChunkHead& head = chunk->second.head;
    trace.looked_from = first_id;
    if (head.destination != 0 && head.destination != destination.number) continue;
    looked += record_bytes(head);
    const auto body = read_body(first_id);
    values.clear();
    if (!body || !decoder_.decode(*body, values)) continue;
    for (size_t at = values.size(); at-- > 0;) {
      if (!is_it(values[at])) continue;
      const uint64_t id = first_id + at;
      if (trace.newest_id == 0) {
        trace.newest_id = id;
        trace.newest_clock = values[at].clock;
        trace.newest_supported = values[at].supported;
        trace.newest_text = values[at].text;
      }
      if (id <= destination.cursor || is_refused(destination.refused, id)) continue;
      ++trace.pending;
      trace.first_id = id;
      trace.first_clock = values[at].clock;
      trace.first_put = head.put_time;
    }
  }
  trace.complete = chunk == chunks_.begin();
  trace.ahead =
      trace.first_id == 0 ? 0 : pending_between(destination, destination.cursor, trace.first_id - 1);
  return {};
}

uint64_t Spool::acknowledged(std::string_view name) const {
  const Destination* const destination = known(name);
  return destination == nullptr ? 0 : destination->cursor;
}

SpoolStats Spool::stats() const {
  SpoolStats stats;
  stats.bytes = bytes_;
  stats.chunks = chunks_.size();
  stats.series = clocks_.series();
  stats.dropped = dropped_;
  for (const Destination& destination : destinations_) {
    SpoolStats::Destination& shown = stats.destinations.emplace_back();
    shown.name = destination.name;
    shown.values = destination.pending;
    shown.waiting = destination.waiting;
    for (const auto& [first_id, chunk] : chunks_) {
      if (chunk.head.destination != 0 && chunk.head.destination != destination.number) continue;
      const uint64_t last_id = chunk.last_id(first_id);
      if (last_id > destination.cursor) {
        shown.bytes += record_bytes(chunk.head);
        if (shown.oldest_clock == 0) {
          shown.oldest_clock = chunk.head.oldest_clock;
          shown.oldest_put = chunk.head.put_time;
        }
      }
      if (last_id > destination.floor && first_id <= destination.cursor) {
        const uint64_t from = std::max(first_id, destination.floor + 1);
        shown.in_window += std::min(last_id, destination.cursor) - from + 1;
      }
    }
  }
  return stats;
}

}  // namespace bakusoku::agent
