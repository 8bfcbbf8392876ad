"""How fresh values are: from a datapoint's being final at CloudWatch, a period's end and the publication delay of its namespace,
to its arrival at Zabbix (a sink), and from an item's first being handed out to its first value. Real time, real agents; the
simulator publishes as late as it is told to."""

import time

from estate import Fleet
from measuring import Bench, lab, say, table
from value_sink import ValueSink

SERIES = 5_000
PERIOD = 60
HOSTS = 25          # that share the items
MARGIN = 5          # seconds by which a learnt delay that has settled is longer than it need be, at most (agent/delays.h)
LEARNT = 115        # the publication delay behind which the learnt one starts (120 s) by that margin
NEW = 250           # items that come to a running agent
EC2 = ("CPUUtilization", "NetworkIn", "NetworkOut", "NetworkPacketsIn", "NetworkPacketsOut", "DiskReadBytes", "DiskWriteBytes",
       "DiskReadOps", "DiskWriteOps", "EBSReadBytes", "EBSWriteBytes", "StatusCheckFailed")
OTHERS = (("AWS/Lambda", "Invocations", "FunctionName=ingest"), ("AWS/Lambda", "Duration", "FunctionName=ingest"),
          ("Sim/App", "Temperature", ""), ("Sim/App", "Heartbeat", ""), ("Sim/App", "Latency", "Service=checkout;Stage=prod"),
          ("Sim/App", "Latency", "Service=search;Stage=test"))
STATISTICS = ("Average", "Sum", "Minimum", "Maximum", "SampleCount", "p50", "p90", "p99")


def keys_of(fleet, statistic):
    for instance in fleet.volume:
        for metric in EC2:
            yield f"aws.metric[AWS/EC2,{metric},InstanceId={instance},{statistic},{PERIOD}]"


class Watched:
    """An agent that reads 5,000 series of three namespaces, and when their values arrive."""

    def __init__(self, bench, fleet, published, metrics):
        self.published, self.arrived, self.first = published, [], {}
        text = ",".join(f"{namespace}={seconds}" for namespace, seconds in published.items())
        aws = bench.begin(lab.Simaws(bench.subfolder(), "--instances", fleet.size, "--regions", lab.REGION, "--publish", text,
                                     "--quotas"))
        keys = list(keys_of(fleet, "Average"))
        keys += [f"aws.metric[{namespace},{metric},{dimensions},{statistic},{PERIOD}]"
                 for namespace, metric, dimensions in OTHERS for statistic in STATISTICS]
        names = [f"host-{number}" for number in range(HOSTS)]
        self.keys = len(keys)
        self.items = {name: [(key, "1m") for key in keys[number::HOSTS]] for number, name in enumerate(names)}
        self.sink = ValueSink(self.items, self.note)
        bench.callback(self.sink.stop)
        folder = bench.subfolder()
        hosts = ", ".join(f'"{name}"' for name in names)
        self.agent = bench.begin(lab.Agent(folder, aws.url, sections=(
            f'[metrics]\n{metrics}\n[zabbix]\nserver = "127.0.0.1:{self.sink.port}"\nhosts = [{hosts}]\nrefresh = "5s"\n'
            f'state_dir = "{folder}/state"\n')))

    def note(self, host, key, value, clock, when):
        if value is None:
            return
        self.first.setdefault((host, key), when)
        namespace = key[len("aws.metric["):key.index(",")]
        self.arrived.append((clock + PERIOD + self.published[namespace], when))

    def first_values(self):
        """Of each item that has a value: the seconds from when it was first handed out to its arrival."""
        return {item: when - self.sink.first_told[item] for item, when in self.first.items()}

    def add(self, keys):
        """New items, which the running agent finds when it asks next."""
        names = list(self.items)
        for number, key in enumerate(keys):
            self.items[names[number % HOSTS]].append((key, "1m"))

    def ages(self, since, until):
        """Of what became final between two times: how long after that it arrived, in order."""
        return sorted(when - final for final, when in self.arrived if since <= final < until)


def percentiles(values):
    ordered = sorted(values)
    at = lambda share: ordered[min(int(len(ordered) * share), len(ordered) - 1)]
    return {"count": len(ordered), "p50": at(0.5), "p95": at(0.95), "max": ordered[-1]} if ordered else {"count": 0}


def measure_freshness(quick):
    fleet = Fleet((SERIES // 10 if quick else SERIES - len(OTHERS) * len(STATISTICS)) // len(EC2))
    periods = 1 if quick else 2
    with Bench() as bench:
        # The first moment at which a period is final comes shortly, when everything is known.
        begin = time.time()
        final = int(begin) + (14 if quick else 35)
        seconds = final % PERIOD + PERIOD
        published = {"AWS/EC2": seconds, "AWS/Lambda": seconds + 2, "Sim/App": seconds + 4}
        delays = ", ".join(f'"{namespace}" = "{delay + MARGIN}s"' for namespace, delay in published.items())
        watched = {"margin": Watched(bench, fleet, published, f"delays = {{{delays}}}")}
        if not quick:
            watched["learnt"] = Watched(bench, fleet, {namespace: LEARNT for namespace in published}, "")
        say(f"freshness: {sum(one.keys for one in watched.values())} series, {periods} periods of {PERIOD} s")
        for one in watched.values():
            lab.wait_for("first values", lambda one=one: len(one.first) >= one.keys, 60, 0.1)
        known = time.time()
        if known > final:
            raise RuntimeError(f"the first values took {known - begin:.0f} s, longer than this machine should need")
        cold = [seconds for one in watched.values() for seconds in one.first_values().values()]
        new = list(keys_of(fleet, "Maximum"))[:NEW]
        watched["margin"].add(new)
        lab.wait_for("the new items' values", lambda: len(watched["margin"].first) >= watched["margin"].keys + len(new), 60, 0.1)
        fresh = [seconds for (_, key), seconds in watched["margin"].first_values().items() if key in set(new)]
        results = {"cold": percentiles(cold), "new": percentiles(fresh), "periods": periods, "series": watched["margin"].keys}
        # Until every namespace has had its moments, and the longest spread after them.
        while time.time() < final + 4 + (periods - 1) * PERIOD + (PERIOD if not quick else 0) + 25:
            time.sleep(0.2)
        for name, one in watched.items():
            since = known if name == "learnt" else final - 1
            ages = one.ages(since, since + periods * PERIOD)
            results[name] = {**percentiles(ages), "expected": one.keys * periods}
        return results


def add_wanted(results, add):
    if "freshness" not in results:
        return
    found = results["freshness"]
    add("first value of a new item, after Zabbix first lists it", "at most 2 s", f"{found['new']['max']:.2f} s",
        found["new"]["max"] <= 2)
    for name, what in (("margin", f"delay {MARGIN} s above what CloudWatch needs"), ("learnt", "learnt delay")):
        if name in found:
            row = found[name]
            add(f"a final datapoint is at Zabbix, p95, {what}", "at most 15 s", f"{row['p95']:.1f} s",
                row["p95"] <= 15 and row["count"] >= row["expected"])


def report(results):
    if "freshness" not in results:
        return []
    found = results["freshness"]
    rows = [[what, f"{found[name]['count']:,}", *(f"{found[name][field]:.2f} s" for field in ("p50", "p95", "max"))]
            for name, what in (("new", "first value of a new item, after it was first handed out"),
                               ("cold", "the same of all items at the agent's start"),
                               ("margin", f"datapoint, delay {MARGIN} s longer than needed"),
                               ("learnt", "datapoint, learnt delay")) if name in found]
    return ["### Freshness",
            f"{found['series']:,} series of three namespaces in periods of {PERIOD} s, {found['periods']} of them; a datapoint's "
            "time runs from when the simulator first shows it to its arrival at Zabbix (a sink), which is later than in the "
            "spool. The agent's calls of one moment are spread over seven seconds.",
            table(["", "values", "p50", "p95", "max"], rows)]


if __name__ == "__main__":
    import json
    import sys
    measured = {"freshness": measure_freshness("--quick" in sys.argv)}
    print(json.dumps(measured, indent=1))
    add_wanted(measured, lambda *row: print(row))
    print("\n\n".join(report(measured)))
