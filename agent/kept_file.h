// KeptFile: whether the file of an SQLite database that is open is still there. Somebody may remove it, or
// its folder, while it is in use: SQLite goes on writing into what no name leads to any more, and all of it
// is gone with the process. Then it is made again from what the open database holds.
#pragma once

#include <sqlite3.h>
#include <sys/types.h>

#include <string>

#include "base/result.h"

namespace bakusoku::agent {

class KeptFile {
 public:
  /// Of a database in memory: it is always there.
  KeptFile() = default;
  /// Of a database that has just been opened; looks which file that is.
  explicit KeptFile(std::string path);

  enum class State {
    there,
    removed,  // the file, or its companion with what was written last
    replaced  // another one is in its place
  };
  [[nodiscard]] State state();

  /// Makes file and folder again, with all that the database holds, on disk when this returns. The database
  /// is to be closed next, once the file has been opened anew; it leaves the new file's companion alone then.
  /// Errors: io.
  [[nodiscard]] Result<void> make_again(sqlite3* database);

 private:
  struct File {
    dev_t device = 0;
    ino_t inode = 0;
    friend bool operator==(const File&, const File&) = default;
  };
  [[nodiscard]] static File look(const std::string& path);

  std::string path_;
  File file_{};
  File wal_{};
};

}  // namespace bakusoku::agent
