"""The estate of Zabbix's own template "AWS EC2 by HTTP": hosts with a volume each, 23 metrics of the instance and 11 of the
volume, read at three intervals, each by an agent of its own beside a simulator of its own, through an hour and more of
simulated time. What the agents ask and are billed is counted at the simulators, and compared with the agents' own ledgers,
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
INTERVALS = {"5m": 300, "15m": 900, "1h": 3600}

# What the template's scripts ask for, in their order (template_cloud_aws_ec2_http.yaml of Zabbix 7.0, get_metrics and
# get_ebs_metrics; there the two balances of the instance have a blank before the %, and so never get data).
EC2 = ("CPUCreditUsage", "CPUCreditBalance", "CPUSurplusCreditBalance", "CPUSurplusCreditsCharged", "CPUUtilization",
       "DiskReadOps", "DiskWriteOps", "DiskReadBytes", "DiskWriteBytes", "EBSReadOps", "EBSWriteOps", "EBSReadBytes",
       "EBSWriteBytes", "EBSIOBalance%", "EBSByteBalance%", "MetadataNoToken", "NetworkIn", "NetworkOut",
       "NetworkPacketsIn", "NetworkPacketsOut", "StatusCheckFailed", "StatusCheckFailed_Instance",
       "StatusCheckFailed_System")
EBS = ("VolumeReadBytes", "VolumeWriteBytes", "VolumeReadOps", "VolumeWriteOps", "VolumeTotalReadTime",
       "VolumeTotalWriteTime", "VolumeIdleTime", "VolumeQueueLength", "VolumeThroughputPercentage",
       "VolumeConsumedReadWriteOps", "BurstBalance")
# And how often it calls AWS for one host with one volume in five minutes.
TEMPLATE_CALLS = {
    "GetMetricData, metrics of the instance": 1,   # aws.ec2.get_metrics, 0s;m/5
    "GetMetricData, metrics of the volume": 1,     # aws.ec2.get_ebs_metrics[], once per volume
    "DescribeVolumes, volumes of the instance": 1,  # aws.ec2.get_volumes, every five minutes
    "DescribeVolumes, for the alarms": 5,          # aws.ec2.get_alarms, every minute
    "DescribeAlarms": 5,                           # the same, with up to 100 alarms in the region
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
        self.aws = lab.Simaws(folder, "--instances", fleet.size, "--regions", lab.REGION, "--publish", PUBLISHED, "--quotas")
        self.aws.environment = clock.environment
        bench.begin(self.aws)
        items = {host: [(key, interval) for key in fleet.keys(host)] for host in fleet.volume}
        self.points = {}
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
        if value is not None:
            self.points.setdefault((host, key), set()).add(clock)

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

    def counts(self):
        """What AWS would have counted so far: requests by action, and metrics billed."""
        usage = self.aws.stats()["accounts"].get("000000000000", {}).get(lab.REGION, {})
        calls = {action.rpartition(".")[2]: count for action, count in usage.get("calls", {}).items()}
        return {**calls, "billed": usage.get("billed", 0), "throttled": usage.get("throttled", 0)}

    def ledger(self):
        """The same as the stopped agent's ledger says."""
        with sqlite3.connect(f"file:{self.folder}/state/ledger.sqlite?mode=ro", uri=True) as database:
            return dict(database.execute("select action, sum(units) from charge group by action"))


def difference(after, before):
    return {name: count - before.get(name, 0) for name, count in after.items()}


def wait_quiet(estates):
    """Until no agent has asked anything for longer than its beat of a second."""
    before, since = None, time.monotonic()
    while time.monotonic() - since < 1.3:
        now = [estate.counts() for estate in estates]
        if now != before:
            before, since = now, time.monotonic()
        time.sleep(0.1)


def measure_estate(quick):
    fleet = Fleet(HOSTS // 10 if quick else HOSTS)
    with Bench() as bench:
        # A moment at which the newest period is final and nothing is due.
        start = (int(time.time()) // PERIOD - 16) * PERIOD + 200
        clock = SimulatedClock(bench.folder / "clock", start)
        bench.callback(clock.stop)
        say(f"estate: {len(fleet.volume)} hosts, {fleet.there} metrics that exist of {len(fleet.volume) * 34} that are wanted")
        estates = [Estate(bench, clock, fleet, interval) for interval in INTERVALS]
        clock.run_to(start + 60, 1)
        for estate in estates:
            say(f"{estate.interval} {difference(estate.counts(), estate.planning)} {len(estate.points)}")
        return {}


if __name__ == "__main__":
    import sys
    measure_estate("--quick" in sys.argv)
