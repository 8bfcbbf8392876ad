#include "weblog/logs.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <sys/stat.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "weblog/bytes.h"

namespace bakusoku::weblog {
namespace {

using std::chrono::steady_clock;

constexpr size_t kChunk = size_t{256} * 1024;  // about two milliseconds of reading
constexpr std::chrono::milliseconds kRound{1000};
constexpr std::chrono::milliseconds kFreshEnough{100};
constexpr int64_t kWatchedUnasked = int64_t{2} * 86400;  // Zabbix's longest interval is a day
constexpr int64_t kKeptUnasked = int64_t{30} * 86400;
constexpr int64_t kAskedStep = 3600;  // a state is written again for when it was asked about so often
constexpr size_t kMostLogs = 256;
constexpr size_t kLongestPath = 4000;
constexpr size_t kLargestState = size_t{64} << 20;
constexpr uint64_t kEnoughToJudge = 10;        // lines
constexpr uint64_t kEnoughToJudgeAgain = 100;  // of a log that could be read before
constexpr int64_t kAskedLately = 600;          // seconds; such a log is not left for another
constexpr std::string_view kMagic = "BAKUSOKU weblog 1\n";
constexpr std::string_view kPrefix = "weblog-";
constexpr std::string_view kSuffix = ".state";

std::string hash_text(std::string_view text) {
  return fmt::format("{:016x}", XXH3_64bits(text.data(), text.size()));
}

bool fits(const std::string& pattern, const std::string& path) {
  return ::fnmatch(pattern.c_str(), path.c_str(), 0) == 0;
}

Result<std::string> read_file(const std::string& file) {
  const Descriptor descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat info {};
  if (!descriptor.is_open() || ::fstat(descriptor.get(), &info) != 0) {
    const auto kind = errno == ENOENT ? ErrorKind::not_found : ErrorKind::io;
    return fail(kind, "{} cannot be read: {}", file, std::strerror(errno));
  }
  if (!S_ISREG(info.st_mode) || static_cast<size_t>(info.st_size) > kLargestState) {
    return fail(ErrorKind::corrupt, "{} is not a state file", file);
  }
  std::string bytes(static_cast<size_t>(info.st_size), '\0');
  size_t at = 0;
  while (at < bytes.size()) {
    const ssize_t got = ::read(descriptor.get(), bytes.data() + at, bytes.size() - at);
    if (got < 0) return fail(ErrorKind::io, "{} cannot be read: {}", file, std::strerror(errno));
    if (got == 0) break;
    at += static_cast<size_t>(got);
  }
  bytes.resize(at);
  return bytes;
}

// As a whole or not at all; not synchronised, as a state that is lost costs a count, not a value.
Result<void> write_file(const std::string& file, std::string_view bytes) {
  const std::string fresh = file + ".new";
  Descriptor descriptor(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  const auto wrong = [&fresh] {
    return fail(ErrorKind::io, "{} cannot be written: {}", fresh, std::strerror(errno));
  };
  if (!descriptor.is_open()) return wrong();
  while (!bytes.empty()) {
    const ssize_t put = ::write(descriptor.get(), bytes.data(), bytes.size());
    if (put < 0) return wrong();
    bytes.remove_prefix(static_cast<size_t>(put));
  }
  descriptor.reset();
  if (::rename(fresh.c_str(), file.c_str()) != 0) return wrong();
  return {};
}

}  // namespace

std::string encode_state(std::string_view path, int64_t asked, const Follower& follower) {
  std::string out(kMagic);
  append_text(out, path);
  append_number(out, static_cast<uint64_t>(asked));
  follower.write(out);
  const uint64_t hash = XXH3_64bits(out.data(), out.size());
  for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>(hash >> shift & 0xFF);
  return out;
}

Result<State> decode_state(std::string_view bytes) {
  constexpr size_t kHash = 8;
  const auto broken = [] { return fail(ErrorKind::corrupt, "is damaged"); };
  if (bytes.size() < kMagic.size() + kHash || !bytes.starts_with(kMagic)) return broken();
  uint64_t hash = 0;
  for (size_t at = 0; at < kHash; ++at) {
    hash |= uint64_t{static_cast<unsigned char>(bytes[bytes.size() - kHash + at])} << (8 * at);
  }
  bytes.remove_suffix(kHash);
  if (XXH3_64bits(bytes.data(), bytes.size()) != hash) return broken();
  bytes.remove_prefix(kMagic.size());
  const auto path = take_text(bytes);
  const auto asked = take_number(bytes);
  if (!path || !asked || *asked > INT64_MAX) return broken();
  return State{std::string(*path), static_cast<int64_t>(*asked), bytes};
}

Logs::~Logs() {
  for (auto& [path, log] : logs_) save(*log);
}

Result<void> Logs::keep_in(std::string folder, std::chrono::milliseconds save_every) {
  folder_ = std::move(folder);
  save_every_ = save_every;
  std::error_code ignored;
  if (folder_.empty() || !std::filesystem::is_directory(folder_, ignored)) return {};
  if (auto locked = lock(); !locked) {
    if (locked.error().kind == ErrorKind::unavailable) return locked;
    spdlog::warn("positions in web server logs are not kept: {}", locked.error().message);
    trouble_ = locked.error().message;
    return {};
  }
  std::vector<std::string> files;
  if (DIR* open = ::opendir(folder_.c_str()); open != nullptr) {
    while (const dirent* entry = ::readdir(open)) {
      const std::string_view name(entry->d_name);
      if (name.starts_with(kPrefix) && name.ends_with(kSuffix)) files.emplace_back(name);
    }
    ::closedir(open);
  }
  const int64_t now = unix_seconds(clock_());
  for (const std::string& name : files) {
    const std::string file = folder_ + "/" + name;
    auto log = load(file);
    if (!log) continue;
    if (now - log->asked > kKeptUnasked) ::unlink(file.c_str());
    if (now - log->asked > kWatchedUnasked || logs_.size() >= kMostLogs) continue;
    std::string path = log->follower.path();
    logs_.emplace(std::move(path), std::move(log));
  }
  return {};
}

Result<void> Logs::lock() {
  if (lock_.is_open()) return {};
  const std::string file = folder_ + "/weblog.lock";
  Descriptor descriptor(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!descriptor.is_open()) {
    return fail(ErrorKind::io, "{} cannot be opened: {}", file, std::strerror(errno));
  }
  if (::flock(descriptor.get(), LOCK_EX | LOCK_NB) != 0) {
    return fail(ErrorKind::unavailable, "another agent keeps its positions in web server logs in {}",
                folder_);
  }
  lock_ = std::move(descriptor);
  return {};
}

Result<void> Logs::check_path(std::string_view path) const {
  if (path.empty()) return fail(ErrorKind::invalid, "the path (parameter 1) is missing");
  if (path.front() != '/' || path.size() > kLongestPath || path.find("//") != std::string_view::npos ||
      path.ends_with('/') || (std::string(path) + "/").find("/./") != std::string::npos ||
      (std::string(path) + "/").find("/../") != std::string::npos ||
      path.find('\0') != std::string_view::npos) {
    return fail(ErrorKind::invalid, "'{}' is not the whole path of a log, without '.', '..' or '//'",
                path.substr(0, 200));
  }
  if (!may_read(std::string(path))) {
    std::string allowed;
    for (const std::string& pattern : options_.allow) allowed += (allowed.empty() ? "" : ", ") + pattern;
    return fail(ErrorKind::denied, "'{}' is not among the logs that [weblog] allow names: {}", path,
                allowed.empty() ? "none" : allowed);
  }
  return {};
}

bool Logs::may_read(const std::string& path) const {
  return std::any_of(options_.allow.begin(), options_.allow.end(),
                     [&](const std::string& pattern) { return fits(pattern, path); });
}

std::unique_ptr<Logs::Log> Logs::make(const std::string& path) const {
  Follower::Parts parts{path, Format{}, options_.from_start, clock_,
                        [this](const std::string& file) { return may_read(file); }};
  if (const FileOptions* const file = options_of(path)) {
    parts.format = file->format;
    parts.from_start = file->from_start;
  }
  return std::make_unique<Log>(std::move(parts));
}

// By its whole path: any number of paths fit a pattern.
bool Logs::named(std::string_view path) const {
  return std::any_of(options_.files.begin(), options_.files.end(),
                     [&](const FileOptions& file) { return file.path == path; });
}

const FileOptions* Logs::options_of(const std::string& path) const {
  const auto found = std::find_if(options_.files.begin(), options_.files.end(),
                                  [&](const FileOptions& file) { return fits(file.path, path); });
  return found == options_.files.end() ? nullptr : &*found;
}

void Logs::change(Options options) {
  options_ = std::move(options);
  for (auto at = logs_.begin(); at != logs_.end();) {
    auto& [path, log] = *at;
    if (!may_read(path)) {
      save(*log);
      at = logs_.erase(at);
      continue;
    }
    const FileOptions* const file = options_of(path);
    if ((file == nullptr ? FormatOptions() : file->format.options()) != log->follower.format()) {
      std::string state;
      log->follower.write(state);
      auto fresh = make(path);
      std::string_view rest = state;
      if (fresh->follower.read(rest)) {
        fresh->asked = log->asked;
        fresh->queued = log->queued;
        log = std::move(fresh);
      }
    }
    ++at;
  }
}

Result<const Follower*> Logs::watch(std::string_view path) {
  auto found = logs_.find(path);
  if (found == logs_.end()) {
    if (auto good = check_path(path); !good) return fail(good.error());
    if (logs_.size() >= kMostLogs && !make_room(path)) {
      return fail(
          ErrorKind::unavailable,
          "{} logs are watched already, which is the most there can be; one that is asked for less often "
          "than every {} minutes would give way, and one that a [[weblog.file]] names has precedence",
          kMostLogs, kAskedLately / 60);
    }
    const std::string name(path);
    auto log = folder_.empty() ? nullptr : load(state_file(path));
    if (!log || log->follower.path() != name) log = make(name);
    found = logs_.emplace(name, std::move(log)).first;
  }
  Log& log = *found->second;
  log.asked = unix_seconds(clock_());
  const bool first = log.read_at == steady_clock::time_point();
  if (steady_clock::now() - log.read_at >= kFreshEnough) read_some(log);
  if (first) save(log);  // from here on it is counted, also by an agent that is killed now
  return &log.follower;
}

// Whoever may ask can name any path. So a log that was never there goes first, then one that nobody has asked
// about for long: its state is kept, and it goes on from there. What the configuration names stays.
bool Logs::make_room(std::string_view wanted) {
  const bool is_named = named(wanted);
  auto victim = logs_.end();
  std::pair<int, int64_t> least{};
  const int64_t lately = unix_seconds(clock_()) - kAskedLately;
  for (auto at = logs_.begin(); at != logs_.end(); ++at) {
    const Log& log = *at->second;
    const bool at_is_named = named(at->first);
    const bool seen = log.follower.seen();
    if (at_is_named && !is_named) continue;
    if (seen && (at_is_named || !is_named) && (log.asked > lately || folder_.empty())) continue;
    const std::pair<int, int64_t> rank{(at_is_named ? 2 : 0) + (seen ? 1 : 0), log.asked};
    if (victim != logs_.end() && rank >= least) continue;
    victim = at;
    least = rank;
  }
  if (victim == logs_.end()) return false;
  Log& log = *victim->second;
  if (log.follower.seen()) {
    save(log);
  } else if (!folder_.empty()) {
    ::unlink(state_file(victim->first).c_str());
  }
  logs_.erase(victim);
  return true;
}

Result<const Follower*> Logs::ask(std::string_view path) {
  auto watched = watch(path);
  if (!watched) return watched;
  const Follower& follower = **watched;
  if (follower.trouble()) return fail(*follower.trouble());
  const Tally& tally = follower.tally();
  const uint64_t in_a_row = tally.unreadable_in_a_row();
  if (in_a_row >= (tally.requests() == 0 ? kEnoughToJudge : kEnoughToJudgeAgain)) {
    return fail(ErrorKind::invalid,
                "none of the {} {} lines is in a format that is known; name the format of {} in a "
                "[[weblog.file]] of the configuration",
                tally.requests() == 0 ? "first" : "latest", in_a_row, follower.path());
  }
  return watched;
}

bool Logs::read_some(Log& log) {
  const bool more = log.follower.turn(kChunk);
  log.read_at = steady_clock::now();
  for (const std::string& news : log.follower.take_news()) spdlog::warn("{}", news);
  const auto& newest = log.follower.tally().newest();
  if (!log.doubt_told && newest && newest->evidence == Evidence::doubtful) {
    log.doubt_told = true;
    spdlog::info("{}: {}", log.follower.path(), describe(*newest, log.follower.format()));
  }
  // The next rotation may compress what this one renamed.
  if (!more && log.follower.rotations() != log.rotations_saved) save(log);
  return more;
}

bool Logs::step() {
  const auto now = steady_clock::now();
  if (now - round_ >= kRound) {
    round_ = now;
    forget_unasked();
    for (auto& [path, log] : logs_) {
      if (log->queued) continue;
      log->queued = true;
      queue_.push_back(path);
    }
  }
  if (queue_.empty()) return false;
  const std::string path = std::move(queue_.front());
  queue_.pop_front();
  const auto found = logs_.find(path);
  if (found != logs_.end()) {
    Log& log = *found->second;
    log.queued = read_some(log);
    if (log.queued) queue_.push_back(path);
    if (now - log.saved_at >= save_every_) save(log);
  }
  return !queue_.empty();
}

void Logs::forget_unasked() {
  const int64_t now = unix_seconds(clock_());
  std::erase_if(logs_, [&](auto& entry) {
    if (now - entry.second->asked <= kWatchedUnasked) return false;
    save(*entry.second);
    return true;
  });
}

std::string Logs::state_file(std::string_view path) const {
  return fmt::format("{}/{}{}{}", folder_, kPrefix, hash_text(path), kSuffix);
}

void Logs::save(Log& log) {
  const uint64_t changes = log.follower.changes();
  if (folder_.empty() || changes == 0) return;
  if (log.saved == changes && log.asked - log.asked_saved < kAskedStep) return;
  log.saved_at = steady_clock::now();
  std::error_code ignored;
  std::filesystem::create_directories(folder_, ignored);
  auto saved = lock();
  if (saved) {
    saved = write_file(state_file(log.follower.path()),
                       encode_state(log.follower.path(), log.asked, log.follower));
  }
  if (!saved) {
    if (trouble_ != saved.error().message) {
      spdlog::warn("positions in web server logs are not kept: {}", saved.error().message);
    }
    trouble_ = saved.error().message;
    return;
  }
  trouble_.clear();
  log.saved = changes;
  log.rotations_saved = log.follower.rotations();
  log.asked_saved = log.asked;
}

std::unique_ptr<Logs::Log> Logs::load(const std::string& file) {
  const auto bytes = read_file(file);
  if (!bytes) {
    if (bytes.error().kind != ErrorKind::not_found) spdlog::warn("{}", bytes.error().message);
    return nullptr;
  }
  const auto state = decode_state(*bytes);
  std::unique_ptr<Log> log;
  bool good = state.has_value();
  if (good) {
    if (!check_path(state->path)) return nullptr;  // no longer allowed
    log = make(state->path);
    std::string_view rest = state->follower;
    good = log->follower.read(rest).has_value() && rest.empty();
  }
  if (!good) {
    const std::string aside = file + ".damaged";
    ::rename(file.c_str(), aside.c_str());
    spdlog::error("{} is damaged and was renamed to {}; the counters of its log begin anew", file, aside);
    return nullptr;
  }
  log->asked = log->asked_saved = state->asked;
  log->rotations_saved = log->follower.rotations();
  return log;
}

}  // namespace bakusoku::weblog
