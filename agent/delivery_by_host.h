// DeliveryByHost: delivery to a group of proxies, each of which takes values of its own hosts only. One reads
// the spool in order and sends each host's values to its proxy, to several proxies at once, and waits for
// none longer than seconds: a host whose values could not be delivered is held, and whoever reads passes it
// by. What is held is delivered by one coroutine per endpoint, which reads from the first undelivered value
// of its hosts until it has caught up. So a proxy that is away or slow holds up its own hosts only, a host's
// values keep their order, and what is acknowledged in the spool is what all hosts have behind them; the
// account of held hosts is in memory, and after a crash what came after it is sent again under the same
// session and ids.
//
// What a proxy took of a host shortly before the host's values begin to go elsewhere is sent again there,
// oldest first: the server drops what comes from a proxy that is not the host's any more. So values of a host
// that somebody took lately go to nobody else before that. A host that comes back to a proxy is sent them in
// a session of its own: in the one of then the proxy has seen them, and the server may have dropped them
// since. The same when a proxy was started anew, which a witness per proxy tells. On the agent's thread.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/event.h"
#include "agent/log_limit.h"
#include "agent/sending.h"
#include "agent/spool.h"
#include "agent/witness.h"
#include "base/clock.h"
#include "zabbix/destination.h"

namespace bakusoku::agent {

/// How long a group of proxies is waited for.
struct Patience {
  std::chrono::milliseconds front = std::chrono::seconds(10);   // a packet's values to one endpoint
  std::chrono::milliseconds pause = std::chrono::seconds(1);    // until an endpoint is tried again; doubled
  std::chrono::milliseconds longest = std::chrono::seconds(4);  // up to this
  std::chrono::milliseconds astray = std::chrono::seconds(4);   // a host refused by one that answers
  std::chrono::milliseconds look = std::chrono::seconds(10);    // at one that is sent nothing new
};

class DeliveryByHost {
 public:
  struct Parts {
    asio::io_context& io;
    Spool& spool;
    zabbix::Alternatives& alternatives;
    Clock clock;
    Sending& sending;
    Patience patience{};
  };

  explicit DeliveryByHost(Parts parts) : parts_(std::move(parts)) {}
  DeliveryByHost(const DeliveryByHost&) = delete;
  DeliveryByHost& operator=(const DeliveryByHost&) = delete;

  /// Sends what is next in the spool; false when there is nothing. Values with ids below `fresh_from` have
  /// been acknowledged before. Errors: of the spool; what Zabbix does not answer is held.
  [[nodiscard]] asio::awaitable<Result<bool>> deliver(uint64_t fresh_from);
  /// No host's values are on their way or wait.
  [[nodiscard]] bool settled() const;
  /// What was acknowledged is read anew, and what was known of the hosts is forgotten; while settled.
  void begin();
  /// Catches up no more; what is under way goes on until ended().
  void stop() { stopping_ = true; }
  [[nodiscard]] bool ended() const { return catching_up_.empty(); }

 private:
  enum class State {
    settled,  // all its values up to front_ are
    sending,  // by the one coroutine that will say how it went
    held,     // waits to be caught up with
  };
  /// Who may have seen a host's values in the session of its present stay.
  struct Seen {
    zabbix::Endpoint by{};
    int64_t when = 0;
    bool passed = false;  // somebody else took values since: what was taken there may have been dropped
  };
  struct Host {
    State state = State::settled;
    uint64_t from = 0;     // unless settled: values with smaller ids are
    uint64_t fresh = 0;    // of the others, those with smaller ids have been acknowledged before
    bool go_back = false;  // when sending has ended
    std::chrono::steady_clock::time_point not_before{};
    zabbix::Endpoint to{};                              // who took its values last
    std::vector<std::pair<int64_t, uint64_t>> taken{};  // within the resend window: when, from which id
    std::vector<Seen> seen{};                           // within the resend window
    uint64_t stay = 0;  // counted up when it comes back to where its values were seen in this session
  };
  struct Share {  // of a packet
    std::string host;
    Sending::Rows rows;
  };
  struct Lane {
    std::string endpoint;
    std::vector<Share> shares;
  };

  enum class Sent { yes, again, astray, away };  // again: from further back, at once
  struct Found {
    Sent sent = Sent::away;
    zabbix::Endpoint at{};  // when it answered
  };
  struct Proxy {
    Witness witness;
    EventPtr looking{};  // set when the look under way has ended; null: none
    bool forgetful = false;
    std::chrono::steady_clock::time_point sure_until{};
    std::chrono::steady_clock::time_point look_at{};  // although it is sent nothing new
  };

  [[nodiscard]] asio::awaitable<void> send_lane(Sending::PacketPtr packet, std::shared_ptr<const Lane> lane,
                                                Deadline until);
  [[nodiscard]] asio::awaitable<Sent> send_share(Sending::PacketPtr packet, const Share& share,
                                                 std::optional<Deadline> until);
  /// Where its values go and in which session; yes: `way` says it.
  [[nodiscard]] asio::awaitable<Sent> find_way(const Share& share, const Value& newest, Sending::Way& way);
  /// Asks the witness of the place, unless that has just answered; yes: its values may go.
  [[nodiscard]] asio::awaitable<Sent> look_first(const Share& share, const Value& newest, Sending::Way& way);
  void note_waiting(const std::string& host, const Error& why);
  /// Asks where the host belongs without sending values of it.
  [[nodiscard]] asio::awaitable<Found> find(Host& host, const Value& value, std::optional<Deadline> until);
  /// Asks the witness of a proxy; true when what it took lately is to be sent again. `sure`: it was there a
  /// moment ago.
  [[nodiscard]] asio::awaitable<Result<bool>> look(zabbix::Endpoint endpoint, bool sure,
                                                   std::optional<Deadline> until);
  [[nodiscard]] asio::awaitable<Result<bool>> look_alone(Proxy& proxy, Sending::Reach reach, bool sure);
  /// There is nothing new: goes back with hosts that have moved since their last values, and from time to
  /// time begins a look at the proxies that took those; true when some are to be sent again.
  [[nodiscard]] bool look_around();
  [[nodiscard]] asio::awaitable<void> look_at_quiet(zabbix::Endpoint endpoint);
  /// Whether it has been redirected to another than who took its values.
  [[nodiscard]] bool has_moved(const std::string& name, const Host& host) const;
  void finish(Host& host, bool done);
  /// What was acknowledged is to be read again.
  void rewind();
  /// What `endpoint` took lately is to be sent again; whether that is anything.
  bool go_back(const zabbix::Endpoint& endpoint);
  [[nodiscard]] bool go_back(Host& host) const;
  void forget_old(Host& host) const;
  /// `by` may have seen values of the host, or `took` them.
  void note_seen(Host& host, const zabbix::Endpoint& by, bool took) const;
  /// Where the values of a host go: where it was redirected to, else who took them last, else the first.
  [[nodiscard]] zabbix::Endpoint place_of(const std::string& name, const Host& host) const;
  [[nodiscard]] Result<void> acknowledge();
  void start_catching_up();
  [[nodiscard]] asio::awaitable<void> catch_up(std::string endpoint);
  /// One packet of the held hosts of `endpoint`; whether it answered, or nothing when there is nobody left.
  [[nodiscard]] asio::awaitable<Result<bool>> catch_up_once(std::string endpoint,
                                                            std::vector<std::string> hosts);
  [[nodiscard]] std::string endpoint_of(const std::string& host) const;
  [[nodiscard]] int64_t now() const { return unix_seconds(parts_.clock()); }

  Parts parts_;
  bool stopping_ = false;
  uint64_t front_ = 0;  // values up to this id have been sent or their hosts are held
  std::map<std::string, Host> hosts_;
  std::map<std::string, Proxy> proxies_;  // by endpoint
  std::set<std::string> catching_up_;     // endpoints that a coroutine is for
  std::set<std::string> away_;            // endpoints that did not answer when last asked
  LogLimit log_limit_;
};

}  // namespace bakusoku::agent
