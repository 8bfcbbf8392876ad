"""The estate of Zabbix's own template "AWS EC2 by HTTP": hosts with a volume each, 23 metrics of the instance and 11 of the
volume, read at three intervals, and an alarm on each of both, looked at every minute; each by an agent of its own beside a
simulator of its own, through an hour and more of simulated time. What the agents ask and are billed is counted at the simulators, and compared with the agents' own ledgers,
with what `bakusoku plan` said before anything was asked, and with what the template would ask and be billed."""

import json
import sqlite3
import subprocess
import time
import tomllib

from measuring import SOURCE, Bench, lab, number, say, table
from value_sink import ValueSink

from simulated_clock import SimulatedClock

HOSTS = 500
PERIOD = 300
PUBLISHED = 60    # seconds after a period's end until the simulator shows it
MONTH = 2_629_800  # seconds, as `bakusoku plan` counts
HOUR = 3600
DUE, MOMENT = 150, 200  # seconds after a period's end: it can be read (the agent's delay is 120), and it has been
MINUTE = 60        # between two looks at the alarms, as in the template
BEAT = 1.3         # a little longer than that of the agents, in seconds of the machine
ALARMS_PER_SECOND = 9  # AWS's quota of DescribeAlarms in an account and region
RATE = 60          # at which simulated time passes between two such moments
INTERVALS = {"5m": 300, "15m": 900, "1h": 3600}

# What the template's scripts ask for (template_cloud_aws_ec2_http.yaml of Zabbix 7.0, get_metrics and
# get_ebs_metrics; there the two balances of the instance have a blank before the %, and so never get data).
EC2 = ("CPUCreditUsage", "CPUCreditBalance", "CPUSurplusCreditBalance", "CPUSurplusCreditsCharged", "CPUUtilization",
       "DiskReadOps", "DiskWriteOps", "DiskReadBytes", "DiskWriteBytes", "EBSReadOps", "EBSWriteOps", "EBSReadBytes",
       "EBSWriteBytes", "EBSIOBalance%", "EBSByteBalance%", "MetadataNoToken", "NetworkIn", "NetworkOut",
       "NetworkPacketsIn", "NetworkPacketsOut", "StatusCheckFailed", "StatusCheckFailed_Instance",
       "StatusCheckFailed_System")
EBS = ("VolumeReadBytes", "VolumeWriteBytes", "VolumeReadOps", "VolumeWriteOps", "VolumeTotalReadTime",
       "VolumeTotalWriteTime", "VolumeIdleTime", "VolumeQueueLength", "VolumeThroughputPercentage",
       "VolumeConsumedReadWriteOps", "BurstBalance")
# And the alarms, by their names in the simulator.
ALARMS = (("InstanceId", "CPUUtilization"), ("VolumeId", "VolumeQueueLength"))


def template_calls(pages):
    """How often it calls AWS for one host with one volume in five minutes; all alarms of the region take so many pages."""
    return {
        "GetMetricData, metrics of the instance": 1,   # aws.ec2.get_metrics, 0s;m/5
        "GetMetricData, metrics of the volume": 1,     # aws.ec2.get_ebs_metrics[], once per volume
        "DescribeVolumes, volumes of the instance": 1,  # aws.ec2.get_volumes, every five minutes
        "DescribeVolumes, for the alarms": 5,          # aws.ec2.get_alarms, every minute
        "DescribeAlarms": 5 * pages,                   # the same: 100 alarms a page
    }


def mix(value):
    value &= 2 ** 64 - 1
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & 2 ** 64 - 1
    value = (value ^ value >> 27) * 0x94D049BB133111EB & 2 ** 64 - 1
    return value ^ value >> 31


def fnv1a(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 & 2 ** 64 - 1
    return value


def price(action):
    """US$ of one unit, and how many are free a month, of the file that is built into the agent."""
    entries = tomllib.loads((SOURCE / "data/aws-prices.toml").read_text(encoding="utf-8"))["price"]
    found = next(entry for entry in entries if action in entry["actions"] or "*" in entry["actions"])
    return found["usd"] / found["units"], found["free"]


def usd(metrics, requests):
    """Of a month's metrics requested and other requests."""
    each, _ = price("GetMetricData")
    other, free = price("ListMetrics")
    return metrics * each + max(requests - free, 0) * other


class Fleet:
    """Which hosts the simulator has, by the formula of docs/simaws.md, and what the template wants of them."""

    def __init__(self, hosts):
        instances, volumes = (mix(fnv1a(f"1\n{lab.REGION}{more}")) for more in ("", "\nvolumes"))
        # From 32 on, where none has a state of its own.
        running = [at for at in range(32, 10 * hosts + 100) if at % 64 != 33 and at % 16 != 7][:hosts]
        self.size = running[-1] + 1
        self.volume = {f"i-0{mix(at ^ instances):016x}": f"vol-0{mix(at ^ volumes):016x}" for at in running}
        # Of these 34 a running instance has 24 and, if its type is t3, the two of its CPU credits.
        self.there = sum(26 if at % 4 in (0, 3) else 24 for at in running)

    def alarms(self, instance):
        """The host's discovery rules, and the names of the alarms that each has to find."""
        of = {"InstanceId": instance, "VolumeId": self.volume[instance]}
        return {f'aws.discovery[alarm,,,"dimension.{name}={of[name]}"]': f"{metric} of {of[name]}" for name, metric in ALARMS}

    def alarm_keys(self, instance):
        for rule, name in self.alarms(instance).items():
            yield rule
            yield f"aws.resource[alarm,{name},state]"
            yield f"aws.resource[alarm,{name},reason]"

    def keys(self, instance):
        for metric in EC2:
            yield f"aws.metric[AWS/EC2,{metric},InstanceId={instance},Average,{PERIOD}]"
        for metric in EBS:
            yield f"aws.metric[AWS/EBS,{metric},VolumeId={self.volume[instance]},Average,{PERIOD}]"


class Estate:
    """A simulator, an agent and a Zabbix for one interval."""

    def __init__(self, bench, clock, fleet, interval):
        self.interval, self.clock = interval, clock
        folder = bench.subfolder()
        self.aws = lab.Simaws(folder, "--instances", fleet.size, "--regions", lab.REGION, "--publish", PUBLISHED)
        self.aws.environment = clock.environment
        bench.begin(self.aws)
        items = {host: [(key, interval) for key in fleet.keys(host)] + [(key, MINUTE) for key in fleet.alarm_keys(host)]
                 for host in fleet.volume}
        self.points, self.alarms = {}, {}
        self.sink = ValueSink(items, self.note)
        bench.callback(self.sink.stop)
        self.folder = bench.subfolder()
        sections = (f'[zabbix]\nserver = "127.0.0.1:{self.sink.port}"\ndiscover = ["ec2"]\nrefresh = "1h"\n'
                    f'state_dir = "{self.folder}/state"\n')
        self.agent = lab.Agent(self.folder, self.aws.url, sections=sections, environment=clock.environment)
        self.plan = self.planned(items)
        self.planning = self.counts()
        self.agent.start()
        bench.callback(self.agent.stop)

    def note(self, host, key, value, clock, when):
        if value is None:
            return
        if key.startswith("aws.metric["):
            self.points.setdefault((host, key), set()).add(clock)
        else:
            self.alarms.setdefault((host, key), []).append(value)

    def run(self, *arguments):
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), **self.agent.environment}
        done = subprocess.run([lab.program("bakusoku"), *map(str, arguments)], capture_output=True, text=True, timeout=120,
                              check=False, env=environment)
        if done.returncode != 0:
            raise RuntimeError(f"bakusoku {arguments[0]}: {done.stderr}")
        return done.stdout

    def planned(self, items):
        """What `bakusoku plan` says before anything is asked."""
        file = self.folder / "items"
        file.write_text("".join(f"{key} {interval}\n" for keys in items.values() for key, interval in keys))
        return json.loads(self.run("plan", "--alone", "--json", "--config", self.agent.config_file, "--items", file))

    def strange_alarms(self, fleet):
        """Answers of discovery that are not exactly the host's own alarm, and alarms without a state or a reason."""
        strange = 0
        for host in fleet.volume:
            for rule, name in fleet.alarms(host).items():
                answers = self.alarms.get((host, rule), [])
                strange += (not answers) + sum([row["{#ID}"] for row in json.loads(answer)] != [name] for answer in answers)
                strange += sum((host, f"aws.resource[alarm,{name},{field}]") not in self.alarms for field in ("state", "reason"))
        return strange

    def resolution(self):
        """The longest time between two datapoints of a series."""
        longest = 0
        for clocks in self.points.values():
            ordered = sorted(clocks)
            longest = max([longest, *(b - a for a, b in zip(ordered, ordered[1:]))])
        return longest

    def counts(self):
        """What AWS would have counted so far: requests by action, and metrics billed."""
        stats = self.aws.stats()
        calls = {action.rpartition(".")[2]: count["calls"] - count["errors"] for action, count in stats["calls"].items()}
        return {**calls, "billed": stats["metrics_billed"]}

    def ledger(self):
        """The same as the stopped agent's ledger says."""
        with sqlite3.connect(f"file:{self.folder}/state/ledger.sqlite?mode=ro", uri=True) as database:
            return dict(database.execute("select action, sum(units) from charge group by action"))


def difference(after, before):
    return {name: count - before.get(name, 0) for name, count in after.items()}


def wait_quiet(estates):
    """Until no agent has asked anything for longer than its beat of a second."""
    before, since = None, time.monotonic()
    while time.monotonic() - since < BEAT:
        now = [estate.counts() for estate in estates]
        if now != before:
            before, since = now, time.monotonic()
        time.sleep(0.1)


def pass_moment(clock, end, estates):
    """Time passes until what is due after a period's end has been read."""
    clock.run_to(end - MOMENT + DUE, RATE)
    time.sleep(BEAT)  # the agents find what is due, and spread it over some seconds
    clock.run_to(end, RATE)
    wait_quiet(estates)


def measure_discovery(quick):
    """CPU of a minute in which each of many hosts finds its own alarms."""
    many = "1000" if quick else "10000"
    done = subprocess.run([lab.program("discovery_bench"), many, many], capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"discovery_bench: {done.stderr[-500:]}")
    return json.loads(done.stdout)


def measure_estate(quick):
    fleet = Fleet(HOSTS // 10 if quick else HOSTS)
    wanted = len(fleet.volume) * (len(EC2) + len(EBS))
    with Bench() as bench:
        # A moment at which the newest period is final, and an hour and a half from now.
        start = (int(time.time()) // PERIOD - 18) * PERIOD + MOMENT + 60
        clock = SimulatedClock(bench.folder / "clock", start)
        bench.callback(clock.stop)
        say(f"estate: {len(fleet.volume)} hosts want {wanted} metrics, of which {fleet.there} exist, and {len(ALARMS)} alarms each; "
            "an hour, simulated")
        estates = {interval: Estate(bench, clock, fleet, interval) for interval in INTERVALS}
        for estate in estates.values():
            lab.wait_for(f"first values at {estate.interval}", lambda estate=estate: len(estate.points) >= fleet.there and
                         len(estate.alarms) >= 3 * len(ALARMS) * len(fleet.volume), 120, 0.1)
        wait_quiet(estates.values())
        first = {interval: difference(estate.counts(), estate.planning) for interval, estate in estates.items()}
        end = (int(clock.seconds) // PERIOD + 1) * PERIOD + MOMENT
        pass_moment(clock, end, estates.values())
        before = {interval: estate.counts() for interval, estate in estates.items()}
        own = {interval: int(estate.agent.ask("bakusoku.stats[metrics.billed]")) for interval, estate in estates.items()}
        for _ in range(HOUR // PERIOD):
            end += PERIOD
            pass_moment(clock, end, estates.values())
        # The last values reach the sink.
        lab.wait_for("nothing waits", lambda: all(estate.agent.ask("bakusoku.stats[values.waiting]") == "0"
                                                  for estate in estates.values()), 30, 0.2)
        results = {"hosts": len(fleet.volume), "wanted": wanted, "there": fleet.there,
                   "alarm_pages": next(iter(estates.values())).planning["DescribeAlarms"], "intervals": {},
                   "discovery": measure_discovery(quick)}
        for interval, estate in estates.items():
            hour = difference(estate.counts(), before[interval])
            billed = hour.pop("billed")
            # Lists follow the machine's time: that of the instances is read once in five minutes, that of the alarms, which
            # the plan has read once, once a minute.
            hour["DescribeInstances"] = first[interval]["DescribeInstances"] * HOUR // PERIOD
            hour["DescribeAlarms"] = results["alarm_pages"] * HOUR // MINUTE
            own_billed = int(estate.agent.ask("bakusoku.stats[metrics.billed]")) - own[interval]
            estate.agent.stop()
            all_of_it, ledger = difference(estate.counts(), estate.planning), estate.ledger()
            monthly = MONTH / HOUR
            requests = sum(count for action, count in hour.items() if action in ("ListMetrics", "DescribeAlarms"))
            results["intervals"][interval] = {
                "first_billed": first[interval]["billed"], "calls": hour, "billed": billed,
                "usd": usd(billed * monthly, requests * monthly) / len(fleet.volume),
                "own_billed": own_billed, "all_billed": all_of_it["billed"], "all_listed": all_of_it["ListMetrics"],
                "all_alarms": all_of_it["DescribeAlarms"], "strange_alarms": estate.strange_alarms(fleet),
                "ledger_billed": ledger["GetMetricData"], "ledger_listed": ledger.get("ListMetrics", 0),
                "ledger_alarms": ledger.get("DescribeAlarms", 0),
                "plan_usd": estate.plan["usd_per_month"] / len(fleet.volume), "plan_metrics": estate.plan["metrics"],
                "resolution": estate.resolution(), "errors": len(estate.sink.errors)}
        return results


def template(estate):
    """The template's own arithmetic, of one host with one volume in five minutes and in a month."""
    calls, billed = template_calls(estate["alarm_pages"]), len(EC2) + len(EBS)
    hosts = estate["hosts"]
    per_second = calls["DescribeAlarms"] * hosts / PERIOD
    alarms = usd(0, min(per_second, ALARMS_PER_SECOND) * MONTH) / hosts  # AWS bills no request that it throttles
    return {"calls": sum(calls.values()), "of": calls, "billed": billed, "usd": usd(billed * MONTH / PERIOD, 0) + alarms,
            "usd_alarms": alarms, "alarms_per_second": per_second}


def add_wanted(results, add):
    if "estate" not in results:
        return
    estate = results["estate"]
    five, quarter, hour = (estate["intervals"][name] for name in INTERVALS)
    each = five["billed"] / (estate["there"] * HOUR / PERIOD)
    add("the template's estate every 5 min: metrics billed per metric that exists", "1", f"{each:.4g}", each == 1)
    ratio = template(estate)["calls"] * estate["hosts"] * (HOUR / PERIOD) / sum(five["calls"].values())
    add("the same, alarms included: calls of the template per call of the agent", "at least 100", number(ratio), ratio >= 100)
    strange = sum(row["strange_alarms"] for row in estate["intervals"].values())
    add("hosts that found other alarms than their own, or no state of them", "0", f"{strange}", strange == 0)
    add("every 15 min, all 5 min datapoints: US$ per host and month", "at most 0.80", f"{quarter['usd']:.2f}",
        round(quarter["usd"], 2) <= 0.80 and quarter["resolution"] == PERIOD)
    add("every hour, all 5 min datapoints: US$ per host and month", "at most 0.20", f"{hour['usd']:.2f}",
        round(hour["usd"], 2) <= 0.20 and hour["resolution"] == PERIOD)
    many = estate["discovery"]
    cpu = many["list_seconds"] + many["filtered_seconds"]
    add(f"{many['hosts']:,} hosts that find their own among {many['alarms']:,} alarms: CPU seconds a minute", "at most 1", f"{cpu:.2f}",
        cpu <= 1)
    for name, row in estate["intervals"].items():
        exact = (row["own_billed"], row["ledger_billed"], row["ledger_listed"], row["ledger_alarms"]) == \
            (row["billed"], row["all_billed"], row["all_listed"], row["all_alarms"])
        add(f"every {name}: the agent's ledger against what AWS counts", "equal", "equal" if exact else
            f"{row['ledger_billed']:,} to {row['all_billed']:,} metrics, {row['ledger_alarms']} to {row['all_alarms']} of the alarms",
            exact)
        off = abs(row["plan_usd"] / row["usd"] - 1)
        add(f"every {name}: `bakusoku plan` beforehand against what is billed", "within 1 %", f"{off * 100:.2f} %", off <= 0.01)


def report(results):
    if "estate" not in results:
        return []
    estate = results["estate"]
    hosts, theirs, many = estate["hosts"], template(estate), estate["discovery"]
    steps = hosts * HOUR / PERIOD
    rows = [["template (computed)", f"{theirs['calls']}", "0", f"{theirs['of']['DescribeAlarms']}", f"{theirs['billed']}",
             f"{theirs['usd']:.2f}", "", ""]]
    for name, row in estate["intervals"].items():
        calls = sum(row["calls"].values())
        rows.append([f"bakusoku, every {name}", f"{calls / steps:.3g}", f"{row['calls'].get('ListMetrics', 0) / steps:.2g}",
                     f"{row['calls']['DescribeAlarms'] / steps:.2g}", f"{row['billed'] / steps:.4g}", f"{row['usd']:.2f}",
                     f"1/{theirs['calls'] * steps / calls:.0f}", f"1/{theirs['usd'] / row['usd']:.2f}"])
    five = estate["intervals"]["5m"]
    calls = ", ".join(f"{count:,} {action}" for action, count in five["calls"].items())
    agree = [[f"every {name}", f"{row['first_billed']:,}", f"{row['all_billed']:,}", f"{row['ledger_billed']:,}",
              f"{row['usd']:.4f}", f"{row['plan_usd']:.4f}"] for name, row in estate["intervals"].items()]
    rules = "; ".join(f"{action} {count}" for action, count in theirs["of"].items())
    without = theirs["usd"] - theirs["usd_alarms"]
    return [f"### The estate of Zabbix's template: {hosts:,} EC2 hosts with a volume each",
            f"{len(EC2)} metrics of each instance and {len(EBS)} of each volume in periods of five minutes, {estate['wanted']:,} "
            f"items, of which {estate['there']:,} are of metrics that exist; and {len(ALARMS)} alarms of each host, found by its own "
            "two discovery rules, each with its state and reason, every minute. Real agents, told the items by Zabbix (a sink), read "
            "them for a simulated hour at each interval; requests and billed metrics are counted by the simulator, look-ups of "
            "what does not exist (which become rarer with time) among them. Every datapoint of five minutes arrived in each case.",
            table(["per host and five minutes", "calls", "of them ListMetrics", "of them DescribeAlarms", "metrics billed",
                   "US$ per host and month", "calls : template", "US$ : template"], rows),
            f"In the hour at five minutes: {calls}. The agent reads the alarms of all hosts together, {estate['alarm_pages']} requests "
            "a minute (those of the lists are computed from one reading, because they follow the machine's time). The template is "
            f"computed from its scripts, which run once per host (in five minutes: {rules}), ask for all {theirs['billed']} metrics "
            f"whether or not they exist, and are billed for them at the same price, US${without:.2f}. Its DescribeAlarms, all pages for "
            f"each host, are {theirs['alarms_per_second']:.1f} requests a second, of which AWS answers {ALARMS_PER_SECOND} at most; "
            f"what it answers comes to US${theirs['usd_alarms']:.2f} more, after the free million of requests a month. The agent's "
            f"are {estate['alarm_pages'] * MONTH // MINUTE:,} a month.",
            f"Each minute the agent makes a new list of the alarms and answers every host from it. For {many['hosts']:,} hosts with "
            f"{many['alarms']:,} alarms that takes {many['list_seconds'] + many['filtered_seconds']:.2f} s of CPU, {many['filtered_seconds']:.2f} s of them for the "
            f"hosts; looking through the list for each host would take {many['ratio']:.0f} times as long ({many['scanned_seconds']:.1f} s).",
            "What the agent is billed in the first readings after its start, and in all, beside its own ledger; and what a host "
            "comes to a month by the simulator's count and by `bakusoku plan`, asked beforehand:",
            table(["", "billed at first", "billed in all", "ledger", "US$ counted", "US$ planned"], agree)]


if __name__ == "__main__":
    import sys
    measured = {"estate": measure_estate("--quick" in sys.argv)}
    print(json.dumps(measured, indent=1))
    add_wanted(measured, lambda *row: print(row))
    print("\n\n".join(report(measured)))
