#include "weblog/follower.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <time.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>

#include "weblog/bytes.h"

namespace bakusoku::weblog {
namespace {

constexpr size_t kBeginning = 1024;
constexpr size_t kMostFiles = 64;
constexpr int64_t kQuiet = 3600;  // a file that was rotated away may still be written to by old processes
constexpr int64_t kQuietDeleted = 60;  // one without a name
constexpr int64_t kMissingIsError = 300;
constexpr int kTries = 8;
constexpr int64_t kNanoseconds = 1'000'000'000;
constexpr int64_t kClockStep = 50'000'000;  // file times move in steps shorter than this

int64_t nanoseconds(const timespec& time) { return time.tv_sec * kNanoseconds + time.tv_nsec; }

// The clock that files are stamped with: what is stamped later is not before it.
int64_t file_clock() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &time);
  return nanoseconds(time);
}

std::pair<std::string, std::string> split(const std::string& path) {
  const size_t slash = path.rfind('/');
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

bool is_compressed(std::string_view name) {
  for (const std::string_view end : {".gz", ".bz2", ".xz", ".zst", ".lz4", ".Z", ".zip"}) {
    if (name.ends_with(end)) return true;
  }
  return false;
}

std::string_view stem_of(std::string_view name) {
  const size_t point = name.rfind('.');
  return point == std::string_view::npos || point == 0 ? name : name.substr(0, point);
}

bool is_number_or_date(std::string_view text) {
  if (text.size() < 2 || std::string_view(".-_").find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return text == "old" || text.find_first_not_of("0123456789.-_T:") == std::string_view::npos;
}

// access.log.1, access.log-20261124; with logrotate's `extension`, access-20261124.log.
bool names_predecessor(std::string_view candidate, std::string_view name) {
  if (candidate.starts_with(name) && is_number_or_date(candidate.substr(name.size()))) return true;
  const std::string_view stem = stem_of(name);
  const std::string_view extension = name.substr(stem.size());
  return !extension.empty() && candidate.size() > name.size() && candidate.starts_with(stem) &&
         candidate.ends_with(extension) &&
         is_number_or_date(candidate.substr(stem.size(), candidate.size() - name.size()));
}

std::string pread_some(int descriptor, size_t size, uint64_t offset) {
  std::string bytes(size, '\0');
  const ssize_t got = ::pread(descriptor, bytes.data(), size, static_cast<off_t>(offset));
  bytes.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return bytes;
}

uint64_t hash_of(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

std::string name_of_user(uid_t user) {
  const passwd* entry = ::getpwuid(user);
  return entry != nullptr ? entry->pw_name : fmt::format("{}", user);
}

std::string name_of_group(gid_t group) {
  const struct group* entry = ::getgrgid(group);
  return entry != nullptr ? entry->gr_name : fmt::format("{}", group);
}

// Which of a path's folders, or the file itself, is closed to us.
Error denied(const std::string& path) {
  const std::string user = name_of_user(::geteuid());
  for (size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const std::string folder = path.substr(0, slash);
    struct stat info {};
    if (::faccessat(AT_FDCWD, folder.c_str(), X_OK, AT_EACCESS) == 0 || errno != EACCES) continue;
    const bool known = ::stat(folder.c_str(), &info) == 0;
    return Error{
        ErrorKind::denied,
        fmt::format("user '{}' may not enter the folder {} of {}{}", user, folder, path,
                    known ? fmt::format(" (owner {}, group {}, mode {:04o})", name_of_user(info.st_uid),
                                        name_of_group(info.st_gid), info.st_mode & 07777)
                          : "")};
  }
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    return Error{ErrorKind::denied, fmt::format("user '{}' may not read {}", user, path)};
  }
  return Error{ErrorKind::denied,
               fmt::format("user '{}' may not read {} (owner {}, group {}, mode {:04o})", user, path,
                           name_of_user(info.st_uid), name_of_group(info.st_gid), info.st_mode & 07777)};
}

// The name a file is really found under, links resolved.
std::string real_path(int descriptor) {
  std::array<char, 4097> target{};
  const std::string link = fmt::format("/proc/self/fd/{}", descriptor);
  const ssize_t size = ::readlink(link.c_str(), target.data(), target.size() - 1);
  std::string path(target.data(), size > 0 ? static_cast<size_t>(size) : 0);
  constexpr std::string_view kDeleted = " (deleted)";
  if (path.ends_with(kDeleted)) path.resize(path.size() - kDeleted.size());
  return path;
}

struct Entry {
  std::string path;
  uint64_t inode = 0;
  friend auto operator<=>(const Entry&, const Entry&) = default;
};

// The log and what may have been it, in some folders.
std::vector<Entry> list(const std::vector<std::string>& folders, std::string_view name) {
  std::vector<Entry> entries;
  const std::string_view stem = stem_of(name);
  for (const std::string& folder : folders) {
    DIR* open = ::opendir(folder.c_str());
    if (open == nullptr) continue;
    while (const dirent* entry = ::readdir(open)) {
      const std::string_view found(entry->d_name);
      if (!found.starts_with(stem) || is_compressed(found)) continue;
      entries.push_back(Entry{folder + (folder == "/" ? "" : "/") + std::string(found), entry->d_ino});
    }
    ::closedir(open);
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

}  // namespace

Follower::Follower(Parts parts) : parts_(std::move(parts)) {}

bool Follower::turn(size_t most) {
  look();
  const bool was_stale = stale_;
  size_t total = 0;
  bool more = false;
  for (File& file : files_) {
    while (file.descriptor.is_open()) {
      if (total >= most) {
        more = true;
        break;
      }
      const size_t read = read_some(file);
      if (read == 0) break;
      total += read;
    }
  }
  uint64_t behind = 0;
  for (File& file : files_) {
    if (!file.descriptor.is_open()) continue;
    struct stat info {};
    if (::fstat(file.descriptor.get(), &info) != 0) continue;
    const auto size = static_cast<uint64_t>(info.st_size);
    file.unread = size > file.position;
    if (file.unread) behind += size - file.position;
  }
  behind_ = behind;
  if (!more) close_finished();
  if (stale_ && !was_stale) more = true;  // a file was truncated; its copy holds the rest
  caught_up_ = !more && !stale_;
  return more;
}

void Follower::look() {
  const int64_t seen_ns = file_clock();
  if (!started_) return start(seen_ns);
  struct stat info {};
  const bool there = ::stat(parts_.path.c_str(), &info) == 0;
  const int why = there ? 0 : errno;
  if (there) {
    missing_since_ = 0;
  } else if (why == ENOENT && missing_since_ == 0) {
    missing_since_ = now();
  }
  const bool same = there && has_live_ && files_.back().descriptor.is_open() &&
                    files_.back().identity == Identity{info.st_dev, info.st_ino};
  const bool changed = folders_changed(seen_ns);
  if (same && !changed && !stale_) {
    as_of_ = seen_ns;
    trouble_.reset();
    return;
  }
  if (!there && !stale_) {
    // Until there is a log again nothing can be said to be its predecessor.
    const int64_t missing = now() - missing_since_;
    if (why == EACCES) {
      if (!trouble_ || trouble_->kind != ErrorKind::denied) trouble_ = denied(parts_.path);
    } else if (files_.empty()) {
      trouble_ = Error{ErrorKind::not_found, fmt::format("there is no file {}", parts_.path)};
    } else if (missing_since_ != 0 && missing >= kMissingIsError) {
      trouble_ = Error{ErrorKind::not_found,
                       fmt::format("there has been no file {} for {} minutes", parts_.path, missing / 60)};
    }
    return;
  }
  find_again(seen_ns);
}

void Follower::start(int64_t seen_ns) {
  auto live = open_path();
  if (!live) {
    trouble_ = live.error();
    if (live.error().kind != ErrorKind::not_found) return;
    // What comes is counted from its first line.
    started_ = true;
    as_of_ = seen_ns;
    missing_since_ = now();
    ++changes_;
    return;
  }
  File file;
  file.identity = live->identity;
  file.grew = now();
  if (!parts_.from_start && live->size > 0) {
    const uint64_t from = live->size > kLongestLine ? live->size - kLongestLine : 0;
    const std::string end = pread_some(live->descriptor.get(), live->size - from, from);
    const size_t newline = end.rfind('\n');
    file.position = newline != std::string::npos ? from + newline + 1 : from == 0 ? 0 : from + end.size();
    file.skipping = newline == std::string::npos && from != 0;
    file.head = pread_some(live->descriptor.get(), std::min<uint64_t>(kBeginning, file.position), 0);
    file.beginning = {file.head.size(), hash_of(file.head)};
  }
  file.descriptor = std::move(live->descriptor);
  files_.push_back(std::move(file));
  has_live_ = true;
  started_ = true;
  as_of_ = seen_ns;
  trouble_.reset();
  ++changes_;
}

Result<Follower::Candidate> Follower::open_path() const {
  Descriptor descriptor(::open(parts_.path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (!descriptor.is_open()) {
    const int why = errno;
    if (why == EACCES || why == EPERM) {
      // Names of users may come from far away; they are asked for once.
      const bool known = trouble_ && trouble_->kind == ErrorKind::denied;
      return fail(known ? *trouble_ : denied(parts_.path));
    }
    if (why == ENOENT || why == ENOTDIR) {
      return fail(ErrorKind::not_found, "there is no file {}", parts_.path);
    }
    return fail(ErrorKind::io, "{} cannot be opened: {}", parts_.path, std::strerror(why));
  }
  struct stat info {};
  if (::fstat(descriptor.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return fail(ErrorKind::invalid, "{} is not a regular file", parts_.path);
  }
  const std::string real = real_path(descriptor.get());
  if (!parts_.may_read(real)) {
    return fail(ErrorKind::denied, "{} leads to {}, which [weblog] allow does not name", parts_.path, real);
  }
  Candidate live;
  live.descriptor = std::move(descriptor);
  live.identity = {info.st_dev, info.st_ino};
  live.size = static_cast<uint64_t>(info.st_size);
  live.modified = nanoseconds(info.st_mtim);
  live.head = pread_some(live.descriptor.get(), kBeginning, 0);
  return live;
}

// The folder of the path, and that of the file it leads to.
std::vector<std::string> Follower::folders() const {
  std::vector<std::string> found{split(parts_.path).first};
  if (has_live_ && files_.back().descriptor.is_open()) {
    const std::string real = real_path(files_.back().descriptor.get());
    if (real.find('/') != std::string::npos) found.push_back(split(real).first);
  }
  if (found.size() == 2 && found[0] == found[1]) found.pop_back();
  return found;
}

// Every rotation makes or renames a file. Called once per look.
bool Follower::folders_changed(int64_t seen_ns) {
  struct stat info {};
  int64_t modified = 0;
  int64_t newest = 0;
  std::vector<std::string> watched{split(parts_.path).first};
  if (::lstat(parts_.path.c_str(), &info) == 0 && S_ISLNK(info.st_mode)) watched = folders();
  for (const std::string& folder : watched) {
    if (::stat(folder.c_str(), &info) != 0) continue;
    const int64_t time = nanoseconds(info.st_mtim);
    modified = static_cast<int64_t>(static_cast<uint64_t>(modified) * 31 + static_cast<uint64_t>(time));
    newest = std::max(newest, time);
  }
  if (modified == folders_modified_) return false;
  // Another change within the clock's step would bear the same time.
  if (seen_ns - newest > kClockStep) folders_modified_ = modified;
  return true;
}

// The newest of those beside the log, oldest first.
std::vector<Follower::Candidate> Follower::open_around(const std::vector<std::string>& around) const {
  const std::string name = split(parts_.path).second;
  struct stat info {};
  std::vector<std::pair<int64_t, std::string>> newest;
  for (const Entry& entry : list(around, name)) {
    if (entry.path == parts_.path || !parts_.may_read(entry.path)) continue;
    if (::lstat(entry.path.c_str(), &info) == 0) newest.emplace_back(nanoseconds(info.st_mtim), entry.path);
  }
  std::sort(newest.begin(), newest.end(), std::greater<>());
  if (newest.size() > kMostFiles) newest.resize(kMostFiles);
  std::vector<Candidate> found;
  for (const auto& [modified, path] : newest) {
    Candidate one;
    one.descriptor =
        Descriptor(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW));
    if (!one.descriptor.is_open() || ::fstat(one.descriptor.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
      continue;
    }
    one.identity = {info.st_dev, info.st_ino};
    one.size = static_cast<uint64_t>(info.st_size);
    one.modified = nanoseconds(info.st_mtim);
    one.head = pread_some(one.descriptor.get(), kBeginning, 0);
    one.predecessor = names_predecessor(split(path).second, name);
    found.push_back(std::move(one));
  }
  std::sort(found.begin(), found.end(),
            [](const Candidate& a, const Candidate& b) { return a.modified < b.modified; });
  return found;
}

// Something was rotated, or we have just begun. Names move and files are truncated while we look, so all is
// decided from what was seen between two listings of the folder that are alike: no copy was begun in between.
// The log is looked at before the others: is it truncated by then, its copy is whole.
void Follower::find_again(int64_t seen_ns) {
  const std::string name = split(parts_.path).second;
  std::vector<Candidate> candidates;
  std::optional<Candidate> live;
  bool steady = false;
  for (int at = 0; at < kTries && !steady; ++at) {
    seen_ns = file_clock();
    const std::vector<std::string> around = folders();
    const std::vector<Entry> before = list(around, name);
    live.reset();
    auto opened = open_path();
    if (opened) {
      live = std::move(*opened);
      trouble_.reset();
    } else if (opened.error().kind != ErrorKind::not_found) {
      trouble_ = opened.error();
    }
    candidates = open_around(around);
    steady = list(around, name) == before;
  }
  stale_ = !steady;
  if (!steady) return;
  // The log may be found in its folder under another name too, behind a link.
  if (live) std::erase_if(candidates, [&](const Candidate& one) { return one.identity == live->identity; });
  find_sought(candidates, live ? &*live : nullptr);
  if (!live) return;
  take_live(*live);
  if (take_predecessors(candidates, *live)) as_of_ = seen_ns;
  if (files_.size() > kMostFiles) {
    files_.erase(files_.begin(), files_.end() - static_cast<ptrdiff_t>(kMostFiles));
  }
  ++changes_;
}

bool Follower::is_file(const Candidate& candidate, const File& file) {
  return candidate.identity == file.identity && candidate.size >= file.position &&
         begins_as(candidate, file.beginning);
}

bool Follower::begins_as(const Candidate& candidate, const Beginning& beginning) {
  return beginning.size == 0 ||
         (candidate.head.size() >= beginning.size &&
          hash_of(std::string_view(candidate.head).substr(0, beginning.size)) == beginning.hash);
}

void Follower::adopt(File& file, Candidate& candidate) {
  file.identity = candidate.identity;
  file.head = candidate.head.substr(0, file.beginning.size);
  file.descriptor = std::move(candidate.descriptor);
  file.sought = true;
  file.grew = now();
  candidate.taken = true;
}

void Follower::find_sought(std::vector<Candidate>& candidates, Candidate* live) {
  std::vector<Identity> gone;
  for (size_t at = 0; at < files_.size(); ++at) {
    File& file = files_[at];
    if (file.descriptor.is_open()) continue;
    if (live != nullptr && !live->taken && is_file(*live, file)) {
      adopt(file, *live);
      continue;
    }
    const auto same = std::find_if(candidates.begin(), candidates.end(),
                                   [&](const Candidate& one) { return !one.taken && is_file(one, file); });
    if (same != candidates.end()) {
      if (file.sought || same->size > file.position) adopt(file, *same);
      continue;
    }
    if (!file.sought) continue;
    // A copy: of a file that was truncated, or moved to where its number is another.
    Candidate* copy = nullptr;
    for (Candidate& one : candidates) {
      if (one.taken || file.beginning.size == 0) continue;
      const bool known = std::any_of(files_.begin(), files_.end(), [&](const File& other) {
        return other.descriptor.is_open() && other.identity == one.identity;
      });
      if (known) continue;
      if (begins_as(one, file.beginning)) copy = &one;
    }
    if (copy != nullptr) {
      file.position = std::min(file.position, copy->size);
      file.finished = true;
      adopt(file, *copy);
      continue;
    }
    file.sought = false;
    const bool was_live = has_live_ && at + 1 == files_.size();
    if (was_live || file.unread) {
      ++lost_;
      news_.push_back(
          fmt::format("{}: what was written to it after byte {} and before it was rotated or truncated "
                      "cannot be found any more, and is not counted",
                      parts_.path, file.position));
    }
    gone.push_back(file.identity);
  }
  if (has_live_ && !files_.back().sought) has_live_ = false;
  std::erase_if(files_, [&](const File& file) {
    return !file.sought && std::find(gone.begin(), gone.end(), file.identity) != gone.end();
  });
}

void Follower::take_live(Candidate& live) {
  const auto known = std::find_if(files_.begin(), files_.end(), [&](const File& file) {
    return file.descriptor.is_open() && file.identity == live.identity;
  });
  if (known != files_.end()) {
    known->finished = false;
    std::rotate(known, known + 1, files_.end());
  } else {
    // An inode that is used again.
    std::erase_if(files_, [&](const File& file) { return file.identity == live.identity; });
    if (!files_.empty()) ++rotations_;
    adopt(files_.emplace_back(File{.identity = live.identity}), live);
  }
  has_live_ = true;
}

// Logs that came and went between two looks: what bears a predecessor's name, was written to since, and is
// none that we know nor a copy of one. False: one may be a copy that is being made, so look again.
bool Follower::take_predecessors(std::vector<Candidate>& candidates, const Candidate& live) {
  bool all_seen = true;
  for (Candidate& one : candidates) {
    if (one.taken || !one.predecessor || one.modified < as_of_) continue;
    const bool known = std::any_of(files_.begin(), files_.end(), [&](const File& file) {
      const bool same = file.descriptor.is_open() ? file.identity == one.identity : is_file(one, file);
      return same || (file.beginning.size != 0 && begins_as(one, file.beginning));
    });
    if (known) continue;
    const size_t common = std::min(live.head.size(), one.head.size());
    const std::string_view start = std::string_view(one.head).substr(0, common);
    if (one.size == 0 || (common != 0 && live.head.starts_with(start))) {
      all_seen = false;
      stale_ = stale_ || one.size != 0;
      continue;
    }
    std::erase_if(files_, [&](const File& file) { return file.identity == one.identity; });
    File file{.identity = one.identity};
    adopt(file, one);
    files_.insert(files_.end() - 1, std::move(file));
    ++rotations_;
  }
  return all_seen;
}

size_t Follower::read_some(File& file) {
  static thread_local std::vector<char> buffer(kLongestLine);
  const int descriptor = file.descriptor.get();
  const ssize_t got = ::pread(descriptor, buffer.data(), buffer.size(), static_cast<off_t>(file.position));
  if (got < 0) {
    trouble_ = Error{ErrorKind::io, fmt::format("{} cannot be read: {}", parts_.path, std::strerror(errno))};
    return 0;
  }
  // Looked at after the reading: was the file not truncated by now, what was read is what it held.
  struct stat info {};
  const bool shorter = ::fstat(descriptor, &info) != 0 || static_cast<uint64_t>(info.st_size) < file.position;
  std::array<char, kBeginning> head{};
  const size_t size = file.head.size();
  const bool differs =
      size != 0 && (::pread(descriptor, head.data(), size, 0) != static_cast<ssize_t>(size) ||
                    std::memcmp(head.data(), file.head.data(), size) != 0);
  if (shorter || differs) {
    file.descriptor.reset();
    file.unread = true;
    stale_ = true;
    return 0;
  }
  const std::string_view bytes(buffer.data(), static_cast<size_t>(got));
  const size_t counted = count_lines(file, bytes, bytes.size() == buffer.size());
  if (counted == 0) return 0;
  if (file.head.size() < kBeginning) {
    file.head += bytes.substr(0, std::min(counted, kBeginning - file.head.size()));
    file.beginning = {file.head.size(), hash_of(file.head)};
  }
  file.position += counted;
  file.grew = now();
  ++changes_;
  return counted;
}

// Counts the whole lines; how many bytes are done with.
size_t Follower::count_lines(File& file, std::string_view bytes, bool full) {
  const int64_t read_at = now();
  size_t at = 0;
  while (at < bytes.size()) {
    if (!file.skipping && bytes[at] == '\0') {
      // A writer that does not append leaves a hole where the file was truncated.
      at = std::min(bytes.find_first_not_of('\0', at), bytes.size());
      continue;
    }
    const void* newline = std::memchr(bytes.data() + at, '\n', bytes.size() - at);
    if (newline == nullptr) {
      if (at == 0 && full && !file.skipping) {
        tally_.count_unreadable();
        file.skipping = true;
      }
      if (file.skipping) at = bytes.size();
      break;
    }
    const auto end = static_cast<size_t>(static_cast<const char*>(newline) - bytes.data());
    if (file.skipping) {
      file.skipping = false;
    } else {
      tally_.count_line(parts_.format, bytes.substr(at, end - at), read_at, caught_up_);
    }
    at = end + 1;
  }
  return at;
}

void Follower::close_finished() {
  for (size_t at = 0; at + (has_live_ ? 1 : 0) < files_.size(); ++at) {
    File& file = files_[at];
    struct stat info {};
    if (!file.descriptor.is_open() || ::fstat(file.descriptor.get(), &info) != 0) continue;
    const int64_t quiet = now() - file.grew;
    const bool done = file.finished || quiet >= kQuiet || (info.st_nlink == 0 && quiet >= kQuietDeleted);
    if (!done) continue;
    // A last line without an end will not get one.
    const auto size = static_cast<uint64_t>(info.st_size);
    if (size > file.position && !file.skipping) {
      tally_.count_line(parts_.format,
                        pread_some(file.descriptor.get(),
                                   std::min<uint64_t>(size - file.position, kLongestLine), file.position),
                        now(), false);
      file.position = size;
    }
    file.descriptor.reset();
    file.sought = false;
    file.unread = false;
    file.head.clear();
    ++changes_;
  }
}

void Follower::write(std::string& out) const {
  append_number(out, started_ ? 1 : 0);
  append_number(out, has_live_ ? 1 : 0);
  append_number(out, static_cast<uint64_t>(as_of_));
  append_number(out, rotations_);
  append_number(out, lost_);
  append_number(out, files_.size());
  for (const File& file : files_) {
    append_number(out, file.identity.device);
    append_number(out, file.identity.inode);
    append_number(out, file.position);
    append_number(out, file.beginning.size);
    append_number(out, file.beginning.hash);
    append_number(out, (file.skipping ? 1u : 0u) | (file.sought ? 2u : 0u) | (file.unread ? 4u : 0u) |
                           (file.finished ? 8u : 0u));
  }
  tally_.write(out);
}

Result<void> Follower::read(std::string_view& bytes) {
  const auto broken = [] { return fail(ErrorKind::corrupt, "its positions are not what was written"); };
  const auto started = take_number(bytes);
  const auto has_live = take_number(bytes);
  const auto as_of = take_number(bytes);
  const auto rotations = take_number(bytes);
  const auto lost = take_number(bytes);
  const auto count = take_number(bytes);
  if (!started || !has_live || !as_of || !rotations || !lost || !count || *count > kMostFiles ||
      (*has_live != 0 && *count == 0)) {
    return broken();
  }
  std::vector<File> files;
  for (uint64_t at = 0; at < *count; ++at) {
    File file;
    for (uint64_t* number : {&file.identity.device, &file.identity.inode, &file.position,
                             &file.beginning.size, &file.beginning.hash}) {
      const auto read = take_number(bytes);
      if (!read) return broken();
      *number = *read;
    }
    const auto flags = take_number(bytes);
    if (!flags || file.beginning.size > kBeginning || file.position > INT64_MAX) return broken();
    file.skipping = (*flags & 1) != 0;
    file.sought = (*flags & 2) != 0;
    file.unread = (*flags & 4) != 0;
    file.finished = (*flags & 8) != 0;
    files.push_back(std::move(file));
  }
  auto tally = Tally::read(bytes);
  if (!tally) return fail(tally.error());
  tally_ = std::move(*tally);
  files_ = std::move(files);
  started_ = *started != 0;
  has_live_ = *has_live != 0;
  as_of_ = static_cast<int64_t>(*as_of);
  rotations_ = *rotations;
  lost_ = *lost;
  stale_ = started_;
  caught_up_ = false;
  return {};
}

}  // namespace bakusoku::weblog
