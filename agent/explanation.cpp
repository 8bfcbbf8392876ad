#include "agent/explanation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "agent/rare_metrics.h"
#include "base/json.h"
#include "base/time_text.h"
#include "zabbix/reply.h"

namespace bakusoku::agent {
namespace {

constexpr size_t kLongestValue = 200;  // bytes shown
constexpr double kDollarsPerReading = 0.01 / 1000;

std::string shown(std::string_view text) {
  if (text.size() <= kLongestValue) return valid_utf8(text);
  size_t end = kLongestValue;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return valid_utf8(text.substr(0, end)) + "...";
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += fmt::format("{}{}", text.empty() ? "" : ", ", name);
  return text;
}

std::string count_of(uint64_t count, std::string_view one) {
  return fmt::format("{} {}{}", count, one, count == 1 ? "" : "s");
}

// Collects the sentences about one item; with several destinations each is named where it matters.
class Words {
 public:
  explicit Words(int64_t now) : now_(now) {}

  template <typename... Args>
  void say(std::string_view about, fmt::format_string<Args...> format, Args&&... args) {
    sentences_.push_back({std::string(about), fmt::format(format, std::forward<Args>(args)...)});
  }
  [[nodiscard]] std::string moment(int64_t time) const { return moment_text(time, now_); }
  /// A moment to come; one that has passed is due now.
  [[nodiscard]] std::string coming(int64_t time) const { return time <= now_ ? "now" : moment(time); }
  [[nodiscard]] std::string clock(int64_t time) const { return clock_text(time, now_); }
  [[nodiscard]] int64_t now() const { return now_; }
  [[nodiscard]] std::vector<Sentence> take() { return std::move(sentences_); }

 private:
  int64_t now_;
  std::vector<Sentence> sentences_;
};

void say_host_not_ours(Words& words, const std::string& host, int64_t hosts,
                       const std::vector<std::string>& similar) {
  words.say(
      "wanted",
      "The agent answers for no host named \"{}\". It answers for {}: those of hostname, hosts and discover "
      "in [zabbix] of its configuration. A host is meant by its technical name in Zabbix, not by its "
      "visible name.",
      host, count_of(static_cast<uint64_t>(hosts), "host"));
  if (!similar.empty()) words.say("wanted", "Similar hosts: {}.", joined(similar));
}

void say_asks_again(Words& words, const DestinationFacts& facts) {
  if (!facts.no_answer.empty()) {
    words.say("wanted", "Zabbix at {} has not said since {} which items it wants: {}", facts.name,
              words.moment(facts.no_answer_since), facts.no_answer);
  }
}

/// About the host alone. False: nothing more can be said about its items.
bool say_host(Words& words, const DestinationFacts& facts, const std::string& host) {
  say_asks_again(words, facts);
  if (facts.host_known) return true;
  if (facts.host_refusal.empty()) {
    words.say("wanted",
              "Zabbix at {} has not answered yet which items it wants of host \"{}\"; it is asked {}.",
              facts.name, host, words.coming(facts.host_asks));
    return false;
  }
  const bool unknown = zabbix::says_unknown_host(facts.host_refusal);
  if (!facts.known_to.empty()) {
    words.say("wanted",
              "Zabbix at {} does not answer for host \"{}\" (\"{}\"): Zabbix at {} does, and the values go "
              "there.",
              facts.name, host, facts.host_refusal, facts.known_to);
    return false;
  }
  words.say(
      "wanted",
      "Zabbix at {} wants nothing of host \"{}\". It says: \"{}\". {}. It was asked {} and is asked again "
      "{}, "
      "within five minutes at the latest; SIGHUP asks at once.",
      facts.name, host, facts.host_refusal,
      unknown
          ? "Create a host with exactly this name there, or leave it out of the agent's configuration; a "
            "new host is known when Zabbix has read its configuration again, up to a minute later. A host "
            "that is monitored by a proxy is known to that proxy only, and one that is not, to the server "
            "only: look at \"Monitored by proxy\" of the host, and name that one in [zabbix] server"
          : "Is the host enabled, monitored by this server or proxy and not by another, and does its "
            "encryption allow this kind of connection?",
      words.moment(facts.host_asked), words.coming(facts.host_asks));
  return false;
}

void say_sent(Words& words, const DestinationFacts& facts) {
  if (facts.origin == Origin::intake) {
    words.say("wanted",
              "Another program sends its values to the intake, which passes them on to Zabbix at {}.",
              facts.name);
    return;
  }
  words.say("wanted", "[[send]] in the configuration collects it every {}{}; it is due {}{}.", facts.interval,
            facts.sent_key.empty() ? std::string()
                                   : fmt::format(" and sends it to the trapper item {}", facts.sent_key),
            words.coming(facts.due), facts.asking ? ", and being asked now" : "");
}

void say_same_key(Words& words, const DestinationFacts& facts) {
  if (facts.same_key.empty() || facts.itemid == 0) return;
  words.say("wanted",
            "The host has {} more with this key once macros are expanded; this is about item {}. Name "
            "another by its "
            "id instead of the key: {}.",
            count_of(facts.same_key.size(), "item"), facts.itemid, fmt::join(facts.same_key, ", "));
}

// The one that answers for the host, where a group of proxies or a cluster may have several.
std::string who_tells(const DestinationFacts& facts) {
  return facts.told_by.empty() || facts.told_by == facts.name
             ? facts.name
             : fmt::format("{} (which answers for the host; {} is asked first)", facts.told_by, facts.name);
}

void say_macros(Words& words, const DestinationFacts& facts) {
  const std::vector<std::string> left = macros_left_in(facts.key);
  if (left.empty()) return;
  words.say(
      "wanted",
      "Zabbix has left {} in the key as {}: no such macro is defined for the host, in its templates or "
      "globally, or this kind is not replaced in keys. Define it there, or correct the key; the new one "
      "comes when Zabbix has read its configuration again.",
      joined(left), left.size() == 1 ? "it is" : "they are");
}

void say_wanted(Words& words, const DestinationFacts& facts) {
  say_same_key(words, facts);
  words.say("wanted", "Zabbix at {} wants it every {}{}; it is due {}{}.", who_tells(facts), facts.interval,
            facts.sent_key.empty()
                ? std::string()
                : fmt::format(" (its key is {} there, before macros are replaced)", facts.sent_key),
            words.coming(facts.due), facts.asking ? ", and being asked now" : "");
  if (!facts.has_interval) {
    words.say(
        "missing",
        "Its update interval \"{}\" cannot be read, so it is never collected: {}. Correct it in Zabbix.",
        facts.interval, facts.error);
  }
  say_macros(words, facts);
}

void say_not_wanted(Words& words, const DestinationFacts& facts) {
  words.say("wanted",
            "Zabbix at {} knows the host and wants {} of it, but not this one: there is no such item, it is "
            "disabled, "
            "it is of another type than \"Zabbix agent (active)\", or its key is written otherwise. A change "
            "arrives "
            "when Zabbix has read its configuration again (6.0: up to a minute) and is asked again, {}.",
            facts.name, count_of(facts.items, "item"), words.coming(facts.host_asks));
  if (!facts.similar.empty()) words.say("wanted", "Similar keys of this host: {}.", joined(facts.similar));
}

void say_series(Words& words, const SeriesFacts& series) {
  words.say("metric", "{} over {} s, in {} with {}.", series.description, series.period, series.region,
            series.account.empty() ? "the default account" : fmt::format("account {}", series.account));
  if (series.readings > 0) {
    words.say(
        "metric",
        "It was read {} since the agent knows it, which costs about US${:.5f} (US$0.01 per 1000; up to five "
        "statistics of one metric that are read together cost one).",
        series.readings == 1 ? "once" : fmt::format("{} times", series.readings),
        static_cast<double>(series.readings) * kDollarsPerReading);
  }
  if (series.last_asked != 0 && !series.fed) {
    words.say("wanted", "It is asked for through the module, the passive port or bakusoku get: last {}{}.",
              words.moment(series.last_asked),
              series.ask_gap > 0 ? fmt::format(", {} after the time before", duration_text(series.ask_gap))
                                 : std::string());
  }
}

std::string limit_text(const SeriesFacts& series) {
  switch (series.postponed_by) {
    case Limit::quota:
      return "The share of AWS's quotas that the agent may use is used up, or AWS throttles: a higher [aws] "
             "quota_share helps, "
             "or a "
             "higher quota from AWS, or longer update intervals.";
    case Limit::all_calls:
      return fmt::format("All {} calls that the agent makes at once are under way: AWS answers slowly.",
                         series.most_calls);
    case Limit::calls_in_flight:
    case Limit::none:
      break;
  }
  return fmt::format(
      "All {} calls that may be under way at once to an account and region ([aws] calls_in_flight) are: AWS "
      "answers slowly, or more of them help.",
      series.most_calls);
}

void say_reading(Words& words, const SeriesFacts& series) {
  if (series.absent) {
    words.say(
        "missing",
        "CloudWatch lists no such metric in this region and account, so it is not asked for, which would "
        "cost as much as one that is there. It is looked for again {}. A new metric is listed up to 15 "
        "minutes late, one that was silent for two weeks no more: does the resource exist, and publish it "
        "under exactly these dimensions?{}",
        words.coming(series.looks_again),
        series.missing_is_zero ? " Until then it counts as 0 (<missing> is zero)." : "");
    if (series.absent_since != 0) {
      words.say("missing", "Nothing was seen of it since {}, for {}{}: {}.", words.clock(series.absent_since),
                duration_text(std::max<int64_t>(words.now() - series.absent_since, 0)),
                series.readings == 0 ? ", as long as the agent knows it" : "",
                series.missing_is_zero || series.zero
                    ? "a 0 may mean that nothing was counted yet, or that the key is mistaken"
                    : "it may have had no datapoint yet, or the key is mistaken");
    }
    return;
  }
  if (series.last_read != 0) {
    words.say("reading", "CloudWatch was last asked {} for the periods from {} to {}.",
              words.moment(series.last_read), words.clock(series.window_start),
              words.clock(series.window_end));
  }
  if (series.postponed_since != 0) {
    words.say("reading",
              "It is postponed: it has been due since {}, but more metrics are due in {} than may be read in "
              "time. {} Those of high priority go first ([[priority]]; this one is {}). Nothing is lost: its "
              "next reading begins where the last one ended.",
              words.moment(series.postponed_since), series.region, limit_text(series), series.priority);
  } else if (series.reading) {
    words.say("reading", "It is being read now.{}",
              series.waiting_calls == 0
                  ? std::string()
                  : fmt::format(" {} calls to CloudWatch in {} wait because our share of AWS's quotas ([aws] "
                                "quota_share) is used up, its own perhaps among them.",
                                series.waiting_calls, series.region));
  }
  if (series.stretched_interval != 0) {
    words.say(
        "reading",
        "It is read every {} instead of every {}, because the month would cost US${:.2f} of a budget of "
        "US${:.2f} ([budget] usd_per_month); every datapoint still comes, only later.",
        duration_text(series.stretched_interval), duration_text(series.own_interval), series.forecast_usd,
        series.budget_usd);
  }
  if (series.waits_for_budget) {
    words.say("missing", "It is {}. The next look is {}.", series.failure,
              series.retry != 0 ? words.coming(series.retry) : "when somebody asks for it");
  } else if (!series.failure.empty()) {
    words.say("missing", "The last reading failed: {}{}", series.failure,
              series.retry != 0 ? fmt::format(" It is tried again {}.", words.coming(series.retry))
                                : std::string());
  } else if (const std::string rare = rare_metric_words(series.namespace_, series.metric, series.period);
             series.window_end != 0 && series.point_clock == 0 && !rare.empty()) {
    words.say("missing", "CloudWatch had no datapoint of it in these periods. {}", rare);
  } else if (series.window_end != 0 && series.point_clock == 0 && series.missing_is_zero) {
    words.say("reading",
              "CloudWatch had no datapoint of it in these periods, which counts as 0 (<missing> is zero).");
  } else if (series.window_end != 0 && series.point_clock == 0) {
    words.say(
        "missing",
        "CloudWatch had no datapoint of it in these periods. Does the resource exist in this region and "
        "account, does it publish this metric under exactly these dimensions, and does it do so every {} s? "
        "Many metrics have a datapoint only when something happens (parameter <missing> = zero makes it 0), "
        "and EC2 without detailed monitoring has one in 300 s.",
        series.period);
  } else if (series.point_clock != 0) {
    words.say("reading", "The newest datapoint there was {} of {}.", series.point_value,
              words.moment(series.point_clock));
  }
  if (!series.remark.empty())
    words.say("reading", "CloudWatch said of the newest reading: {}.", series.remark);
  if (series.behind_from != 0) {
    words.say("reading", "Its datapoints from {} on have not been read yet; the next reading starts there.",
              words.clock(series.behind_from));
  }
  if (series.next_reading != 0 && !series.reading && series.failure.empty()) {
    words.say("reading",
              "The next reading is {}. A period counts as final {} s after its end, so the one "
              "that ends at {} is delivered from {} on.",
              series.next_reading <= words.now() ? "due now" : "about " + words.moment(series.next_reading),
              series.delay, words.clock(series.window_end + series.period),
              words.clock(series.window_end + series.period + series.delay));
  }
}

void say_refusal(Words& words, const DestinationFacts& facts) {
  const Refusal& refusal = *facts.refusal;
  const std::string times = refusal.times == 1
                                ? fmt::format("once, {}", words.moment(refusal.last))
                                : fmt::format("{} times since {}, last {}", refusal.times,
                                              words.moment(refusal.since), words.moment(refusal.last));
  if (refusal.taken != 0) {
    words.say("delivery", "Zabbix at {} did not take a value of it {}, but takes them again since {}.",
              facts.name, times, words.moment(refusal.taken));
    return;
  }
  if (facts.itemid != 0 && facts.wanted) {
    words.say(
        "delivery",
        "Zabbix at {} did not take a value of it {}, although it names item {} among those it wants. Its "
        "answer only counts (\"{}\"), so it does not say why: the item was disabled, deleted or made one "
        "of another type since, or the host was disabled or given to another proxy (the list is asked "
        "for again {}), or its encryption settings want another kind of connection for values. It is "
        "tried again {}, until the value is an hour old.",
        facts.name, times, facts.itemid, refusal.info, words.coming(facts.host_asks),
        words.coming(refusal.again));
    return;
  }
  words.say(
      "delivery",
      "Zabbix at {} did not take a value of it {}. Its answer only counts (\"{}\"), so it does not say why: "
      "host or item is not there or not yet read from its database, disabled, not of the type the values are "
      "sent for, monitored by another server or proxy, or its encryption settings want another kind of "
      "connection. It is tried again {}, until the value is an hour old.",
      facts.name, times, refusal.info, words.coming(refusal.again));
}

void say_value(Words& words, const DestinationFacts& facts) {
  if (facts.put_at == 0) {
    if (facts.earlier_clock != 0) {
      words.say("value", "Since the agent's start there was no value of it; the newest before was of {}.",
                words.moment(facts.earlier_clock));
    }
    return;
  }
  const bool is_error = !facts.error.empty();
  const std::string what = is_error         ? std::string("that the item is not supported")
                           : facts.put_text ? "the value " + shown(*facts.put_text)
                                            : std::string("a value");
  words.say("value", "The newest for {} is {}, of {}; it was stored {}.", facts.name, what,
            words.clock(facts.put_clock), words.moment(facts.put_at));
}

void say_where(Words& words, const DestinationFacts& facts) {
  const bool have_trace = facts.trace.has_value();
  const uint64_t pending = have_trace ? facts.trace->pending : 0;
  if (pending > 0 || facts.put_pending) {
    const std::string least = have_trace && !facts.trace->complete ? "at least " : "";
    if (pending > 0) {
      words.say("delivery", "{}{} of it {} in the spool for {}, the oldest of {} since {}; {} go before it.",
                least, count_of(pending, "value"), pending == 1 ? "waits" : "wait", facts.name,
                words.clock(facts.trace->first_clock), words.moment(facts.trace->first_put),
                count_of(facts.trace->ahead, "value"));
    } else {
      words.say("delivery", "It waits in the spool for {}.", facts.name);
    }
    if (facts.put_pending && facts.acknowledged_at != 0) {
      words.say(
          "delivery",
          "Zabbix had acknowledged it {}, shortly before it went away; in case it lost it, it is sent again.",
          words.moment(facts.acknowledged_at));
    }
    if (!facts.no_values.empty()) {
      words.say("missing", "Zabbix at {} has taken no values since {}: {} Nothing is lost meanwhile.",
                facts.name, words.moment(facts.no_values_since), facts.no_values);
    }
  } else if (facts.given_up) {
    words.say("missing",
              "It was given up undelivered: the spool was full (spool_size), the value too old (spool_age), "
              "or Zabbix "
              "refused it for an hour. The log says which.");
  } else if (facts.put_at != 0 && !(facts.refusal && facts.refusal->taken == 0)) {
    words.say(
        "delivery",
        "Zabbix at {} acknowledged it{}. If Zabbix does not show it, look at the item there: a value "
        "that does not fit its type of information, or that preprocessing fails on, is acknowledged too; "
        "and of a host in maintenance without data collection every value is, and none is kept.",
        facts.name, facts.acknowledged_at != 0 ? " " + words.moment(facts.acknowledged_at) : std::string());
  }
  if (have_trace && facts.trace->waiting > 0) {
    words.say("delivery", "{} that Zabbix at {} refused {} until {}.",
              count_of(facts.trace->waiting, "value"), facts.name,
              facts.trace->waiting == 1 ? "waits" : "wait", words.moment(facts.trace->not_before));
  }
  if (facts.refusal) say_refusal(words, facts);
  if (!facts.unstored.empty()) {
    words.say("missing", "Values cannot be stored and wait in memory: {}", facts.unstored);
  }
}

void say_destination(Words& words, const DestinationFacts& facts, const ItemFacts& item) {
  if (facts.origin != Origin::active) {
    say_sent(words, facts);
    if (!facts.error.empty()) {
      words.say("missing", "The item is not supported at the moment, and Zabbix is told so: {}", facts.error);
    }
    say_value(words, facts);
    say_where(words, facts);
    return;
  }
  if (!facts.has_host || !say_host(words, facts, item.host)) {
    say_value(words, facts);
    say_where(words, facts);
    return;
  }
  if (facts.wanted) {
    say_wanted(words, facts);
  } else {
    say_not_wanted(words, facts);
  }
  if (!facts.error.empty() && facts.has_interval) {
    words.say("missing", "The item is not supported at the moment, and Zabbix is told so: {}", facts.error);
  }
  say_value(words, facts);
  say_where(words, facts);
  if (facts.wanted && facts.put_at == 0 && facts.has_interval && facts.error.empty() && !facts.refusal &&
      !(item.series && item.series->last_read != 0)) {
    words.say(
        "missing", "{}",
        facts.asking || (item.series && item.series->reading)
            ? "Its first value is being read."
            : "It has not been collected yet: it is due for the first time " + words.coming(facts.due) + ".");
  }
}

std::string sentences_json(const std::vector<Sentence>& sentences) {
  JsonArray array;
  for (const Sentence& sentence : sentences) {
    array.add_raw(JsonObject().add("about", sentence.about).add("text", sentence.text).finish());
  }
  return array.finish();
}

std::string names_json(const std::vector<std::string>& names) {
  JsonArray array;
  for (const std::string& name : names) array.add_raw(json_string(name));
  return array.finish();
}

std::string destination_json(const DestinationFacts& facts, const ItemFacts& item) {
  JsonObject json;
  json.add("name", facts.name).add("state", to_string(state_of(facts, item.series)));
  json.add("host_known", facts.host_known).add("wanted", facts.wanted);
  if (!facts.host_refusal.empty()) json.add("host_refusal", facts.host_refusal);
  if (facts.host_asked != 0) json.add("host_asked", facts.host_asked);
  if (!facts.no_answer.empty())
    json.add("no_answer", facts.no_answer).add("no_answer_since", facts.no_answer_since);
  if (!facts.no_values.empty())
    json.add("no_values", facts.no_values).add("no_values_since", facts.no_values_since);
  if (facts.wanted) json.add("interval", facts.interval).add("due", facts.due);
  if (!facts.sent_key.empty()) json.add("sent_key", facts.sent_key);
  if (facts.itemid != 0) json.add("itemid", facts.itemid);
  if (!facts.told_by.empty()) json.add("told_by", facts.told_by);
  const std::vector<std::string> macros = macros_left_in(facts.key);
  if (!macros.empty()) json.add_raw("macros_left", names_json(macros));
  if (!facts.error.empty()) json.add("error", facts.error);
  if (facts.put_at != 0) {
    json.add("clock", facts.put_clock).add("stored", facts.put_at);
    if (facts.put_text) json.add("value", shown(*facts.put_text));
    if (facts.acknowledged_at != 0) json.add("acknowledged", facts.acknowledged_at);
  }
  if (facts.trace) {
    json.add("pending", facts.trace->pending).add("ahead", facts.trace->ahead);
    json.add("refused_waiting", facts.trace->waiting).add("complete", facts.trace->complete);
    if (facts.trace->pending > 0) json.add("oldest_pending", facts.trace->first_clock);
  }
  if (facts.refusal) {
    JsonObject refusal;
    refusal.add("times", facts.refusal->times)
        .add("since", facts.refusal->since)
        .add("last", facts.refusal->last);
    refusal.add("again", facts.refusal->again).add("taken", facts.refusal->taken);
    json.add_raw("refusal", refusal.add("info", facts.refusal->info).finish());
  }
  if (!facts.similar.empty()) json.add_raw("similar", names_json(facts.similar));
  return json.finish();
}

std::string series_json(const SeriesFacts& series) {
  JsonObject dimensions;
  for (const auto& [name, value] : series.dimensions) dimensions.add(name, value);
  JsonObject json;
  json.add("namespace", series.namespace_).add("metric", series.metric);
  json.add_raw("dimensions", dimensions.finish());
  json.add("statistic", series.statistic).add("period", int64_t{series.period});
  json.add("region", series.region).add("account", series.account);
  json.add("readings", series.readings).add("last_read", series.last_read);
  json.add("window_start", series.window_start).add("window_end", series.window_end);
  if (series.point_clock != 0) json.add("clock", series.point_clock).add("value", series.point_value);
  json.add("reading", series.reading).add("next_reading", series.next_reading);
  if (series.waiting_calls != 0) json.add("waiting_calls", series.waiting_calls);
  if (series.postponed_since != 0)
    json.add("postponed_since", series.postponed_since).add("postponed_by", to_string(series.postponed_by));
  if (series.absent) json.add("absent", true).add("looks_again", series.looks_again);
  if (series.absent_since != 0) json.add("absent_since", series.absent_since);
  if (!series.remark.empty()) json.add("remark", series.remark);
  if (!series.failure.empty()) json.add("failure", series.failure).add("retry", series.retry);
  return json.add("last_asked", series.last_asked).finish();
}

}  // namespace

std::vector<std::string> macros_left_in(std::string_view key) {
  std::vector<std::string> macros;
  const auto is_upper = [](char ch) { return ch >= 'A' && ch <= 'Z'; };
  for (size_t at = key.find('{'); at != std::string_view::npos; at = key.find('{', at + 1)) {
    const size_t end = key.find('}', at);
    if (end == std::string_view::npos) break;
    const std::string_view inner = key.substr(at + 1, end - at - 1);
    // User macros may have a context: {$NAME:context}. Others are words in capitals with dots.
    const bool is_user = inner.size() > 1 && (inner[0] == '$' || inner[0] == '#') &&
                         (is_upper(inner[1]) || inner[1] == '_' || (inner[1] >= '0' && inner[1] <= '9'));
    const bool is_built_in =
        inner.find('.') != std::string_view::npos && std::all_of(inner.begin(), inner.end(), [&](char ch) {
          return is_upper(ch) || ch == '.' || ch == '_' || (ch >= '0' && ch <= '9');
        });
    if (!is_user && !(is_built_in && is_upper(inner[0]))) continue;
    std::string macro(key.substr(at, end - at + 1));
    if (std::find(macros.begin(), macros.end(), macro) == macros.end()) macros.push_back(std::move(macro));
  }
  return macros;
}

std::string_view to_string(ItemState state) {
  switch (state) {
    case ItemState::not_configured:
      return "no Zabbix server configured";
    case ItemState::host_not_ours:
      return "not a host of this agent";
    case ItemState::host_not_asked:
      return "host not asked for yet";
    case ItemState::host_unknown:
      return "host unknown to Zabbix";
    case ItemState::not_wanted:
      return "not wanted";
    case ItemState::interval_wrong:
      return "interval wrong";
    case ItemState::not_due_yet:
      return "not due yet";
    case ItemState::being_read:
      return "being read";
    case ItemState::no_datapoint:
      return "no datapoint";
    case ItemState::failing:
      return "not supported";
    case ItemState::not_stored:
      return "not stored";
    case ItemState::waiting:
      return "waiting";
    case ItemState::refused:
      return "refused";
    case ItemState::delivered:
      return "delivered";
    case ItemState::delivered_earlier:
      return "delivered before the start";
  }
  return "unknown";
}

ItemState state_of(const DestinationFacts& facts, const std::optional<SeriesFacts>& series) {
  if (facts.refusal && facts.refusal->taken == 0) return ItemState::refused;
  if (facts.put_pending || (facts.trace && facts.trace->pending > 0)) return ItemState::waiting;
  if (facts.origin == Origin::intake) return ItemState::delivered;
  if (facts.origin == Origin::active) {
    if (!facts.has_host) return ItemState::host_not_ours;
    if (!facts.host_known)
      return facts.host_refusal.empty() ? ItemState::host_not_asked : ItemState::host_unknown;
    if (!facts.wanted) return ItemState::not_wanted;
  }
  if (!facts.has_interval) return ItemState::interval_wrong;
  if (!facts.unstored.empty()) return ItemState::not_stored;
  if (!facts.error.empty() || (series && !series->failure.empty())) return ItemState::failing;
  if (series && series->window_end != 0 && series->point_clock == 0 && !series->missing_is_zero)
    return ItemState::no_datapoint;
  if (facts.put_at != 0) return ItemState::delivered;
  if (facts.asking || (series && series->reading)) return ItemState::being_read;
  if (facts.earlier_clock != 0) return ItemState::delivered_earlier;
  return ItemState::not_due_yet;
}

ItemState state_of(const ItemFacts& facts) {
  if (facts.destinations.empty()) return ItemState::not_configured;
  ItemState worst = state_of(facts.destinations.front(), facts.series);
  const auto badness = [](ItemState state) {
    return state == ItemState::delivered || state == ItemState::delivered_earlier ? 0
           : state == ItemState::host_unknown || state == ItemState::not_wanted ||
                   state == ItemState::host_not_asked
               ? 1  // what one destination does not want another may
               : 2;
  };
  for (const DestinationFacts& destination : facts.destinations) {
    const ItemState state = state_of(destination, facts.series);
    if (badness(state) > badness(worst)) worst = state;
  }
  return worst;
}

std::vector<Sentence> explain(const ItemFacts& facts) {
  Words words(facts.now);
  if (!facts.key_error.empty()) words.say("missing", "{}", facts.key_error);
  if (facts.destinations.empty()) {
    words.say(
        "wanted",
        "No Zabbix server is configured (server in [zabbix]), so this agent sends nothing by itself: "
        "Zabbix's "
        "own daemons ask for items, through the module or the passive port. Which host an item belongs to is "
        "not said then.");
  } else if (!facts.destinations.front().has_host && facts.destinations.front().origin == Origin::active) {
    say_host_not_ours(words, facts.host, facts.hosts, facts.similar_hosts);
  }
  for (const DestinationFacts& destination : facts.destinations) say_destination(words, destination, facts);
  if (!facts.place.empty()) words.say("wanted", "{}", facts.place);
  for (const std::string& text : facts.odd_macros) words.say("reading", "Of what it finds, {}.", text);
  if (facts.series) {
    say_series(words, *facts.series);
    say_reading(words, *facts.series);
  } else if (facts.is_metric) {
    words.say("metric",
              "Nobody has asked this agent for the metric of this key lately, so it is not read and costs "
              "nothing.");
  }
  return words.take();
}

std::string explanation_json(const ItemFacts& facts) {
  JsonObject json;
  json.add("host", facts.host).add("key", facts.key).add("now", facts.now);
  json.add("state", to_string(state_of(facts)));
  json.add_raw("explanation", sentences_json(explain(facts)));
  JsonArray destinations;
  for (const DestinationFacts& destination : facts.destinations) {
    destinations.add_raw(destination_json(destination, facts));
  }
  json.add_raw("destinations", destinations.finish());
  if (facts.series) json.add_raw("series", series_json(*facts.series));
  return json.finish();
}

std::string explanation_json(const HostFacts& facts) {
  Words words(facts.now);
  if (facts.destinations.empty()) {
    words.say(
        "wanted",
        "No Zabbix server is configured (server in [zabbix]), so this agent answers for no host by itself.");
  } else if (!facts.destinations.front().facts.has_host) {
    say_host_not_ours(words, facts.host, facts.hosts, facts.similar_hosts);
  }
  JsonArray destinations;
  for (const HostFacts::Destination& destination : facts.destinations) {
    const DestinationFacts& of = destination.facts;
    if (of.has_host && say_host(words, of, facts.host)) {
      words.say("wanted", "Zabbix at {} wants {} of it. It was asked {} and is asked again {}.",
                who_tells(of), count_of(destination.rows.size(), "item"), words.moment(of.host_asked),
                words.coming(of.host_asks));
    }
    if (!of.no_values.empty()) {
      words.say("missing", "Zabbix at {} has taken no values since {}: {} They wait in the spool.", of.name,
                words.moment(of.no_values_since), of.no_values);
    }
    JsonArray items;
    for (const ItemRow& row : destination.rows) {
      JsonObject item;
      item.add("key", row.key).add("interval", row.interval).add("state", to_string(row.state));
      if (row.clock != 0) item.add("clock", row.clock);
      if (row.value) item.add("value", shown(*row.value));
      if (row.due != 0) item.add("due", row.due);
      if (!row.error.empty()) item.add("error", shown(row.error));
      items.add_raw(item.finish());
    }
    JsonObject json;
    json.add("name", of.name).add("host_known", of.host_known);
    destinations.add_raw(json.add_raw("items", items.finish()).finish());
  }
  JsonObject json;
  json.add("host", facts.host).add("now", facts.now);
  json.add_raw("explanation", sentences_json(words.take()));
  return json.add_raw("destinations", destinations.finish()).finish();
}

}  // namespace bakusoku::agent
