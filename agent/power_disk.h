// For tests: a disk in memory that knows what was synchronised, as a file system layer of SQLite's named
// "power-disk". After a power cut each write since then is there, or not, or cut at a sector. One at a time.
#pragma once

#include <sqlite3.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace bakusoku::agent {

class PowerDisk {
 public:
  PowerDisk() {
    vfs_ = *sqlite3_vfs_find(nullptr);
    vfs_.szOsFile = sizeof(Open);
    vfs_.zName = "power-disk";
    vfs_.pNext = nullptr;
    vfs_.pAppData = this;
    vfs_.iVersion = 1;
    vfs_.xOpen = [](sqlite3_vfs* vfs, const char* name, sqlite3_file* opened, int flags, int* out) {
      auto* file = reinterpret_cast<Open*>(opened);
      auto* disk = static_cast<PowerDisk*>(vfs->pAppData);
      *file = {};
      file->base.pMethods = methods();
      file->file = &disk->files_[name ? name : "temporary"];
      if (out) *out = flags;
      return SQLITE_OK;
    };
    vfs_.xDelete = [](sqlite3_vfs* vfs, const char* name, int) {
      if (!off_) static_cast<PowerDisk*>(vfs->pAppData)->files_[name] = {};
      return SQLITE_OK;
    };
    vfs_.xAccess = [](sqlite3_vfs* vfs, const char* name, int, int* there) {
      auto& files = static_cast<PowerDisk*>(vfs->pAppData)->files_;
      *there = files.contains(name) && !files[name].now.empty();
      return SQLITE_OK;
    };
    sqlite3_vfs_register(&vfs_, 0);
  }
  ~PowerDisk() { sqlite3_vfs_unregister(&vfs_); }

  /// The power goes: what `close` still writes goes nowhere, and what was not synchronised may be lost.
  template <typename Close>
  void cut(std::mt19937& random, Close&& close) {
    off_ = true;
    close();
    off_ = false;
    for (auto& [name, file] : files_) {
      std::string left = file.synced;
      const auto fate = random() % 3;  // all of it reached the disk, nothing, or anything
      for (const auto& [at, bytes] : file.since) {
        if (fate == 0 || (fate == 2 && random() % 2 == 0)) continue;
        size_t length = bytes.size();
        if (fate == 2 && random() % 4 == 0) length = length / 512 * (random() % 2) / 2 * 512;
        if (left.size() < at + length) left.resize(at + length);
        left.replace(at, length, bytes, 0, length);
      }
      file = {left, left, {}};
    }
  }

 private:
  struct File {
    std::string now;
    std::string synced;
    std::vector<std::pair<size_t, std::string>> since;
  };
  struct Open {
    sqlite3_file base;
    File* file;
  };
  static File& of(sqlite3_file* file) { return *reinterpret_cast<Open*>(file)->file; }
  static const sqlite3_io_methods* methods() {
    static const sqlite3_io_methods all = [] {
      sqlite3_io_methods made{};
      made.iVersion = 1;
      made.xClose = [](sqlite3_file*) { return SQLITE_OK; };
      made.xRead = [](sqlite3_file* file, void* to, int count, sqlite3_int64 from) {
        const std::string& now = of(file).now;
        const auto at = static_cast<size_t>(from);
        const auto wanted = static_cast<size_t>(count);
        std::memset(to, 0, wanted);
        if (at < now.size()) std::memcpy(to, now.data() + at, std::min(wanted, now.size() - at));
        return at + wanted <= now.size() ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
      };
      made.xWrite = [](sqlite3_file* file, const void* bytes, int count, sqlite3_int64 to) {
        if (off_) return SQLITE_IOERR;
        const auto at = static_cast<size_t>(to);
        const auto size = static_cast<size_t>(count);
        std::string& now = of(file).now;
        if (now.size() < at + size) now.resize(at + size);
        std::memcpy(now.data() + at, bytes, size);
        of(file).since.emplace_back(at, std::string(static_cast<const char*>(bytes), size));
        return SQLITE_OK;
      };
      made.xTruncate = [](sqlite3_file* file, sqlite3_int64 size) {
        if (off_) return SQLITE_IOERR;
        of(file).now.resize(static_cast<size_t>(size));
        return SQLITE_OK;
      };
      made.xSync = [](sqlite3_file* file, int) {
        if (off_) return SQLITE_IOERR;
        of(file).synced = of(file).now;
        of(file).since.clear();
        return SQLITE_OK;
      };
      made.xFileSize = [](sqlite3_file* file, sqlite3_int64* size) {
        *size = static_cast<sqlite3_int64>(of(file).now.size());
        return SQLITE_OK;
      };
      made.xLock = [](sqlite3_file*, int) { return SQLITE_OK; };
      made.xUnlock = [](sqlite3_file*, int) { return SQLITE_OK; };
      made.xCheckReservedLock = [](sqlite3_file*, int* held) {
        *held = 0;
        return SQLITE_OK;
      };
      made.xFileControl = [](sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; };
      made.xSectorSize = [](sqlite3_file*) { return 512; };
      made.xDeviceCharacteristics = [](sqlite3_file*) { return 0; };
      return made;
    }();
    return &all;
  }

  inline static bool off_ = false;

  sqlite3_vfs vfs_{};
  std::map<std::string, File> files_;
};

}  // namespace bakusoku::agent
