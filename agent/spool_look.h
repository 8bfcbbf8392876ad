// What opening a spool's file would meet, found out without opening it as a database: nothing is made,
// written or locked. Not for a process that has the file open: closing a file frees the process's own locks
// on it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"

namespace bakusoku::agent {

inline constexpr int kSpoolApplicationId = 0x42616b75;  // "Baku"
inline constexpr int kSpoolSchemaVersion = 1;

/// Whether a database of that application id and version is one that this Bakusoku takes. Errors: invalid.
[[nodiscard]] Result<void> check_spool_version(const std::string& path, int64_t application, int64_t version);

/// A process that holds SQLite's lock on the file; its pid is 0 where it is of another container. Nothing:
/// nobody does, or the file is not there.
[[nodiscard]] std::optional<pid_t> holder_of_database(const std::string& path);

/// Errors, as Spool::open() would have them: unavailable (another process has it), invalid (no spool, or of
/// another version), corrupt (it would be moved aside), io (it cannot be read or written by this user).
[[nodiscard]] Result<void> look_at_spool(const std::string& path);

}  // namespace bakusoku::agent
