// What is to be delivered to Zabbix and is not yet, and how far each series is: one SQLite file, or memory
// for trials. Values are put by whoever has them, read and acknowledged by the delivery to each destination
// on its own, and kept a while longer in case the server dies with what it had acknowledged. The last clock
// of a series is stored with the values themselves, so that after a crash a datapoint is either spooled and
// known to be, or neither. One object, one thread (the agent's); no call waits for anything but the disk, and
// each does a bounded piece of the tidying. docs/spool.md describes the file and what a power cut can take.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/kept_file.h"
#include "agent/spool_clocks.h"
#include "agent/spool_format.h"
#include "base/clock.h"
#include "base/result.h"

namespace bakusoku::agent {

struct SpoolOptions {
  std::string path;  // empty: in memory
  uint64_t max_bytes = uint64_t{1} << 30;
  std::chrono::seconds max_age = std::chrono::days{7};
  std::chrono::seconds resend_window{120};
  std::chrono::seconds retry_max_age = std::chrono::hours{1};        // refused values, since they were put
  std::chrono::seconds forget_clocks_after = std::chrono::days{60};  // series that have not moved
  std::string vfs{};                  // SQLite's name of a file system layer; empty: the system's
  bool memory_if_unwritable = false;  // rather than failing with io; take_warnings() says so
};

enum class Durability {
  normal,  // survives kill -9; a power cut may take the last values, never part of a put
  full,    // on disk when put() returns
};

/// What a put does when the spool is full of what is not acknowledged.
enum class WhenFull {
  make_room,  // the lowest priority goes first, then the oldest
  keep        // only lower priorities go; else the put is dropped as a whole, which its caller tells
};

enum class DropReason {
  full,       // max_bytes; lowest priority first, then oldest
  too_old,    // max_age
  refused,    // drop(): the destination will never take it
  unknown,    // the destination did not know host or item for retry_max_age
  damaged,    // the bytes on disk are not those that were written
  forgotten,  // its destination left the configuration
};
inline constexpr size_t kDropReasons = 6;
[[nodiscard]] std::string_view to_string(DropReason reason);

/// Values that will not be delivered, of one reason and priority.
struct SpoolDrop {
  DropReason reason = DropReason::full;
  uint8_t priority = 0;
  std::string destination;  // empty: for all that had not acknowledged them
  uint64_t values = 0;
  int64_t oldest_clock = 0;  // no value of them is older
};

struct SpoolRange {
  uint64_t first_id = 0;  // 0: nothing was put
  uint64_t last_id = 0;
  uint64_t dropped = 0;  // of these values: the spool is full of more important ones
};

/// Values for one destination, in the order of their ids. Owns the bytes that the values are views of.
struct SpoolPacket {
  SpoolPacket() = default;
  SpoolPacket(SpoolPacket&&) = default;
  SpoolPacket& operator=(SpoolPacket&&) = default;
  SpoolPacket(const SpoolPacket&) = delete;  // the copy's values would be views of the original's bytes
  SpoolPacket& operator=(const SpoolPacket&) = delete;

  std::vector<uint64_t> ids;
  std::vector<Value> values;
  /// What to acknowledge when all of them are settled; also passes what is not for this destination. 0:
  /// nothing to acknowledge.
  uint64_t up_to = 0;
  std::deque<std::string> bodies;
};

struct SpoolStats {
  struct Destination {
    std::string name;
    uint64_t values = 0;       // pending
    uint64_t bytes = 0;        // of the chunks that hold them
    int64_t oldest_clock = 0;  // of the first pending chunk; 0: none
    int64_t oldest_put = 0;    // when that chunk's oldest value was put
    uint64_t waiting = 0;      // refused for now, to be tried again
    uint64_t in_window = 0;    // acknowledged and kept
  };
  std::vector<Destination> destinations;
  uint64_t bytes = 0;  // stored in all
  uint64_t chunks = 0;
  uint64_t series = 0;                                            // whose last clock is known
  std::array<std::array<uint64_t, kDropReasons>, 256> dropped{};  // [priority][reason] since the start
};

/// What is stored of one item, for one destination. Times are unix seconds.
struct SpoolTrace {
  uint64_t pending = 0;   // to be delivered
  uint64_t first_id = 0;  // of them, the oldest; 0: none
  int64_t first_clock = 0;
  int64_t first_put = 0;   // or a little earlier: of the chunk that holds it
  uint64_t ahead = 0;      // values of any item that are delivered before it
  uint64_t waiting = 0;    // refused for now
  int64_t not_before = 0;  // when the first of those is offered again
  uint64_t newest_id = 0;  // of the newest value that is stored, delivered or not; 0: none
  int64_t newest_clock = 0;
  bool newest_supported = true;
  std::string newest_text{};

  uint64_t looked_from = UINT64_MAX;  // what is stored from this id on has been looked at
  bool complete = false;              // all has
};

class Spool {
 public:
  /// Opens or makes the file. A damaged one is moved aside (see take_warnings) and a new one made. Errors:
  /// unavailable when another process has it, io when it cannot be written, invalid when a newer version of
  /// Bakusoku wrote it.
  /// By `steady` it is noticed that the clock was set: without it the clock is taken for one that never is.
  [[nodiscard]] static Result<std::unique_ptr<Spool>> open(SpoolOptions options, Clock clock,
                                                           SteadyClock steady = {});
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  /// Makes sure that there is such a destination. A new one is offered what is put from now on.
  [[nodiscard]] Result<void> add_destination(std::string_view name);
  /// Its progress, its waiting values and its session are gone.
  [[nodiscard]] Result<void> forget_destination(std::string_view name);
  [[nodiscard]] std::vector<std::string> destinations() const;
  /// 32 hex digits, the same for the life of the file; ids never come twice within one.
  [[nodiscard]] Result<std::string> session(std::string_view destination) const;
  /// In whose name its values went last, as whoever delivers has set it; empty: it has not.
  [[nodiscard]] std::string root_host(std::string_view destination) const;
  /// Durably, if it changes anything.
  [[nodiscard]] Result<void> set_root_host(std::string_view destination, std::string_view name);

  /// Stores all of the values, or on an error none; then the caller may try again. Their ids increase in
  /// their order, or where priorities differ, in their order within a priority.
  [[nodiscard]] Result<SpoolRange> put(std::span<const Value> values, Durability durability,
                                       WhenFull when_full = WhenFull::make_room);

  /// The clock of the item's latest value put with `moves_clock`; of one without an id (0) by host and key.
  /// An item whose id is new here has what is known by host and key, where versions before kept it.
  [[nodiscard]] std::optional<int64_t> last_clock(std::string_view host, std::string_view key,
                                                  uint64_t itemid = 0) const;

  /// The values that follow what is acknowledged, or `after` if that is later (for a second packet under
  /// way). At least one value if there is any, whatever its size. Changes nothing: the same question has the
  /// same answer until something is acknowledged or dropped.
  [[nodiscard]] Result<SpoolPacket> next(std::string_view destination, size_t max_values, size_t max_bytes,
                                         uint64_t after = 0);
  [[nodiscard]] Result<void> acknowledge(std::string_view destination, uint64_t up_to_id);
  /// How many values were acknowledged within the resend window.
  [[nodiscard]] uint64_t in_window(std::string_view destination);

  /// From now on. What is above a smaller limit goes with the next put.
  void set_limits(uint64_t max_bytes, std::chrono::seconds max_age, std::chrono::seconds resend_window);

  /// The destination was away: what it acknowledged within the resend window is offered again, under the same
  /// ids. After a start, everything that is still stored counts as within the window.
  [[nodiscard]] Result<void> rewind(std::string_view destination);
  [[nodiscard]] std::chrono::seconds resend_window() const { return options_.resend_window; }

  /// These are offered again to this destination, under new ids, when `not_before` has come; under their old
  /// ids never again. Ids increase. Ids that are not stored are passed over.
  [[nodiscard]] Result<void> retry_later(std::string_view destination, std::span<const uint64_t> ids,
                                         WallTime not_before);
  /// These are not offered to this destination again. Ids increase.
  [[nodiscard]] Result<void> drop(std::string_view destination, std::span<const uint64_t> ids,
                                  DropReason reason);

  /// The item that look_for() looks for.
  struct Sought {
    std::string_view host{};
    std::string_view key{};
    uint64_t itemid = 0;  // 0: host and key tell it
    [[nodiscard]] bool is_of(const Value& value) const {
      return itemid != 0 ? value.itemid == itemid : value.key == key && value.host == host;
    }
  };
  /// Looks for the item in what is stored, newest first, about `max_bytes` further with each call, until
  /// trace.complete. A look only: nothing is offered or moved, and what is damaged is passed over.
  [[nodiscard]] Result<void> look_for(std::string_view destination, const Sought& item, size_t max_bytes,
                                      SpoolTrace& trace);
  /// The id of the newest value that was put.
  [[nodiscard]] uint64_t last_id() const { return last_put(); }
  /// Acknowledged up to this id.
  [[nodiscard]] uint64_t acknowledged(std::string_view destination) const;

  /// Tidies a bounded piece, for when nothing is put or acknowledged; true when there is more to do.
  [[nodiscard]] Result<bool> tidy();

  /// What was dropped, and what went wrong and was got over (a damaged file set aside), since the last call.
  [[nodiscard]] std::vector<SpoolDrop> take_drops();
  [[nodiscard]] std::vector<Error> take_warnings();
  [[nodiscard]] SpoolStats stats() const;
  /// Looks whether the file is still there, and makes it again if somebody has removed it (take_warnings()
  /// says so). put() with Durability::full does that too. Errors: io, it cannot be made, or another file is
  /// in its place: what is put until then goes with the process.
  [[nodiscard]] Result<void> keep_file();
  /// What was put goes with the process.
  [[nodiscard]] bool in_memory() const { return options_.path.empty(); }

 private:
  struct Database;

  struct Chunk {
    ChunkHead head;
    [[nodiscard]] uint64_t last_id(uint64_t first_id) const { return first_id + head.values - 1; }
  };
  struct Acknowledged {
    int64_t at = 0;
    uint64_t up_to = 0;
  };
  struct Destination {
    uint32_t number = 0;
    std::string name;
    std::string session;
    std::string root_host;
    uint64_t cursor = 0;  // acknowledged up to here
    uint64_t floor = 0;   // acknowledged up to here, longer ago than the resend window
    std::deque<Acknowledged> window;
    std::map<uint64_t, uint64_t> refused;  // first id -> last id of what is not offered again
    uint64_t pending = 0;
    uint64_t waiting = 0;
  };
  struct Waiting {
    ChunkHead head;
    int64_t not_before = 0;
  };
  struct NewChunk {
    ChunkHead head;
    std::string body;
    std::span<const Value> values;
  };
  /// What a transaction does besides its purpose; memory follows when it is committed.
  struct Tidying {
    std::vector<size_t> pages;
    std::optional<uint64_t> clocks_through;
    std::vector<uint64_t> removed;
    std::vector<int64_t> waiting_removed;
    std::vector<SpoolDrop> drops;
    [[nodiscard]] bool empty() const { return pages.empty() && removed.empty() && !clocks_through; }
  };

  Spool(SpoolOptions options, Clock clock, SteadyClock steady);

  [[nodiscard]] Result<void> open_file();
  [[nodiscard]] Result<void> open_and_read();
  [[nodiscard]] Result<void> make_schema();
  [[nodiscard]] Result<void> read_numbers();
  [[nodiscard]] Result<void> read_destinations();
  [[nodiscard]] Result<void> read_chunks();
  [[nodiscard]] Result<void> read_waiting();
  [[nodiscard]] Result<void> read_clocks();
  [[nodiscard]] Result<void> set_aside_file(const Error& why);
  [[nodiscard]] Result<void> start_anew(const Error& why);
  void forget_contents();
  template <typename Work>
  auto guarded(Work&& work) -> decltype(work());
  template <typename Work>
  [[nodiscard]] Result<void> transaction(Durability durability, Work&& work);

  [[nodiscard]] int64_t now() const { return unix_seconds(clock_()); }
  /// How far the clock is ahead of the time that has really passed; only what it changes by tells anything.
  [[nodiscard]] int64_t ahead() const;
  /// When the clock was set, waiting times and the window go with it. Call before looking at one of them.
  void heed_clock();
  void forget_times_to_come();
  [[nodiscard]] bool is_older(int64_t put_time, std::chrono::seconds limit) const;
  [[nodiscard]] Result<Destination*> find(std::string_view name);
  /// Null: there is none of that name.
  [[nodiscard]] const Destination* known(std::string_view name) const;
  [[nodiscard]] Result<void> reserve_ids(uint64_t count);
  [[nodiscard]] Result<SpoolRange> put_once(std::span<const Value> values, Durability durability,
                                            WhenFull when_full);
  void encode(std::span<const Value> values, uint32_t destination, int64_t put_time,
              std::vector<NewChunk>& out);
  [[nodiscard]] bool can_join(const NewChunk& chunk, const Tidying& plan) const;
  [[nodiscard]] Result<std::string> read_body(uint64_t first_id);
  [[nodiscard]] Result<void> write_chunk(uint64_t first_id, const NewChunk& chunk);
  [[nodiscard]] Result<void> write_waiting(int64_t number, int64_t not_before, const NewChunk& chunk);
  void make_room(std::vector<NewChunk>& wanted, WhenFull when_full, Tidying& plan);
  [[nodiscard]] Result<SpoolPacket> next_once(std::string_view destination, size_t max_values,
                                              size_t max_bytes, uint64_t after);
  [[nodiscard]] Result<SpoolPacket> read(const Destination& destination, uint64_t from, size_t max_values,
                                         size_t max_bytes);
  [[nodiscard]] Result<void> offer_waiting(Destination& destination);
  [[nodiscard]] Result<void> take_away(Destination& destination, std::span<const uint64_t> ids,
                                       std::optional<int64_t> retry_at, DropReason reason);
  [[nodiscard]] Result<void> set_aside_chunk(uint64_t first_id, const Error& why);
  [[nodiscard]] Result<void> write_root_host(const Destination& destination, std::string_view name);
  [[nodiscard]] Result<void> write_cursor(const Destination& destination, uint64_t cursor);
  [[nodiscard]] Result<void> write_numbers(uint64_t reserved, uint64_t clocks_through);

  void plan_tidying(Tidying& plan);
  void plan_all_pages(Tidying& plan) const;
  [[nodiscard]] Result<void> write(const Tidying& plan);
  void apply(Tidying& plan);
  void insert_chunk(uint64_t first_id, const ChunkHead& head);
  void remove_chunk(uint64_t first_id);
  void insert_waiting(int64_t number, const Waiting& waiting);
  void remove_waiting(int64_t number);
  void move_cursor(Destination& destination, uint64_t cursor);
  [[nodiscard]] uint64_t pending_between(const Destination& destination, uint64_t after,
                                         uint64_t up_to) const;
  [[nodiscard]] SpoolDrop drop_of(DropReason reason, uint64_t first_id, const Chunk& chunk) const;
  [[nodiscard]] bool kept_by_nobody(uint64_t first_id, const Chunk& chunk, bool in_window_too) const;
  void pass_window(Destination& destination);
  void count_drop(SpoolDrop drop);
  [[nodiscard]] LastClocks::Believed believed_at(int64_t now) const;
  void move_clock(const Value& value, const LastClocks::Believed& believed);
  [[nodiscard]] std::string name_of(uint32_t destination) const;
  [[nodiscard]] uint64_t last_put() const { return next_id_ - 1; }

  SpoolOptions options_;
  Clock clock_;
  SteadyClock steady_;
  int64_t ahead_ = 0;      // as was last heeded
  int64_t ages_from_ = 0;  // nothing counts as put earlier: when the clock was last set forward
  std::unique_ptr<Database> database_;
  KeptFile file_;
  std::deque<Destination> destinations_;
  std::map<uint64_t, Chunk> chunks_;
  std::array<size_t, 256> chunks_of_priority_{};
  std::array<uint64_t, 256> evicted_to_{};  // no chunk of the priority is before this id
  std::map<int64_t, Waiting> waiting_;
  int64_t next_waiting_ = 1;
  uint64_t bytes_ = 0;
  uint64_t next_id_ = 1;
  uint64_t reserved_ = 0;          // ids below were promised on disk: after a start they begin here
  std::string tail_;               // the body of the last chunk while others may join it
  bool lost_destination_ = false;  // one could not be read: a new one may be it and is offered everything

  LastClocks clocks_;
  uint64_t clocks_through_ = 0;  // the pages on disk hold the clocks of all chunks up to this id
  std::vector<size_t> round_;    // pages still to be written in this round
  bool in_round_ = false;
  uint64_t round_through_ = 0;
  int64_t round_started_ = 0;

  ChunkEncoder encoder_;
  ChunkDecoder decoder_;
  std::vector<SpoolDrop> drops_;
  std::vector<Error> warnings_;
  std::array<std::array<uint64_t, kDropReasons>, 256> dropped_{};
};

}  // namespace bakusoku::agent
