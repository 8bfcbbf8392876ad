"""The way of an administrator, from a template to a full history: it is imported, linked to one host, and a few minutes later
every item of every instance of two regions has its datapoints, whatever is killed meanwhile. Server, proxy and agent have
the intervals that they are installed with, but for the server's and the proxy's reading of their configuration."""

import collections
import os
import random
import re
import time
import unittest

from api import ValueType
from lab import SOURCE, Agent, wait_for
from reference import Reference
from server import ServerTestCase

REGIONS = ("eu-central-1", "us-east-1")
PER_REGION = 26   # of which one is terminated
INSTANCES = 50
ALARMS = 3        # of each instance; two of them are the instance's own, one its volume's
SYNC = ["CacheUpdateFrequency=10"]
WITHIN = 240      # seconds from the link of the template until every item has a value
ROOT = "aws"
SEED = 20170401
KILLS = 50 if os.environ.get("BAKUSOKU_LONG") == "1" else 12
TEMPLATE = SOURCE / "tests/e2e/template_estate.yaml"


class Estate(ServerTestCase):
    PERIOD = 300  # of the template's metrics

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.aws = cls.zabbix.simaws("--instances", str(PER_REGION), "--regions", ",".join(REGIONS), "--alarms", str(ALARMS))
        cls.references = {region: Reference(cls.aws.url, region) for region in REGIONS}
        for reference in cls.references.values():
            cls.addClassCleanup(reference.close)
        cls.home = {instance["InstanceId"]: region for region, reference in cls.references.items()
                    for instance in reference.instances() if instance["State"]["Name"] != "terminated"}
        assert len(cls.home) == INSTANCES, len(cls.home)
        cls.server = cls.zabbix.start_server(lines=SYNC)
        cls.proxy = None
        cls.peer = cls.server
        cls.import_template()

    @classmethod
    def import_template(cls):
        rules = {name: {"createMissing": True, "updateExisting": True}
                 for name in ("groups", "templates", "items", "triggers", "discoveryRules")}
        cls.zabbix.api.call("configuration.import", {"format": "yaml", "source": TEMPLATE.read_text(), "rules": rules})

    def make_root_host(self):
        return self.zabbix.api.add_host(ROOT, proxy=self.proxy)

    def link(self, host):
        template = self.zabbix.api.call("template.get", {"filter": {"host": "EC2 instances of all regions"}})[0]
        self.zabbix.api.call("host.update", {"hostid": host.hostid, "templates": [{"templateid": template["templateid"]}]})

    def new_agent(self, **more):
        folder = self.zabbix._subfolder("agent")
        regions = ", ".join(f'"{region}"' for region in REGIONS)
        lines = "".join(f"{key} = {value}\n" for key, value in more.items())
        sections = (f'regions = [{regions}]\n[zabbix]\nserver = "127.0.0.1:{self.peer.port}"\nhostname = "{ROOT}"\n'
                    f'discover = ["ec2"]\nstate_dir = "{folder}/state"\n{lines}')
        return self.zabbix.begin(Agent(folder, self.aws.url, sections=sections))

    def items(self):
        """{(instance, key as the template has it): row} of all items of all hosts that discovery made."""
        found = self.zabbix.api.call("item.get", {
            "output": ["itemid", "key_", "value_type", "state", "error", "flags"], "selectHosts": ["host"], "monitored": True})
        return {(row["hosts"][0]["host"], row["key_"]): row for row in found if row["hosts"][0]["host"] in self.home}

    def wanted(self):
        """How many items each instance has, when all is there."""
        alarms = collections.Counter()
        for region, reference in self.references.items():
            metric, _ = reference.alarms()
            for alarm in metric.values():
                named = {d["Value"] for d in alarm.get("Dimensions", []) if d["Name"] == "InstanceId"}
                for query in alarm.get("Metrics", []):
                    named |= {d["Value"] for d in query.get("MetricStat", {}).get("Metric", {}).get("Dimensions", [])
                              if d["Name"] == "InstanceId"}
                alarms.update(instance for instance in named if self.home.get(instance) == region)
        return {instance: 4 + alarms[instance] for instance in self.home}

    def moments(self):
        """{itemid: its (clock, ns)} of all that the history holds, as often as it holds them."""
        tables = ("history", "history_uint", "history_str", "history_text")
        text = self.zabbix.postgres.sql(" union all ".join(f"select itemid, clock, ns from {table}" for table in tables))
        found = collections.defaultdict(list)
        for line in text.splitlines():
            itemid, clock, ns = line.split("|")
            found[itemid].append((int(clock), int(ns)))
        return found

    def clocks(self):
        found = collections.defaultdict(list)
        for itemid, moments in self.moments().items():
            found[itemid] = [clock for clock, _ in moments]
        return found

    def wait_full(self, seconds, since=0):
        """Until each item of each instance has a value of `since` or later."""
        wanted = self.wanted()

        def full():
            items, clocks = self.items(), self.clocks()
            have = collections.Counter(instance for (instance, _), row in items.items()
                                       if any(clock >= since for clock in clocks[row["itemid"]]))
            self.missing = {instance: wanted[instance] - have[instance] for instance in wanted if have[instance] < wanted[instance]}
            return items if not self.missing else None
        try:
            return wait_for("every item of every instance has a value", full, seconds, pause=1)
        except TimeoutError as error:
            errors = {row["error"] for row in self.items().values() if row["error"]}
            raise TimeoutError(f"{error}; missing: {self.missing}; errors: {errors}") from None

    def series(self, instance, key):
        found = re.match(r"aws\.metric\[AWS/EC2,(\w+),.*?,(Average|Sum),", key)
        return ("AWS/EC2", found[1], [("InstanceId", instance)], found[2], self.PERIOD) if found else None

    def check_values(self, items, complete=False):
        """Each value is that of the instance's own region, at its own clock, and there once; with `complete`, none is
        missing between an item's first and last."""
        everything = self.moments()
        for (instance, key), row in items.items():
            self.assertEqual((row["state"], row["error"]), ("0", ""), f"{instance}: {key}")
            moments = everything[row["itemid"]]
            self.assertEqual(len(set(moments)), len(moments), f"{instance}: {key}: twice at one time")
            clocks = [clock for clock, _ in moments]
            values = self.zabbix.api.call("history.get", {"itemids": row["itemid"], "history": row["value_type"],
                                                          "output": ["clock", "value"]})
            reference, series = self.references[self.home[instance]], self.series(instance, key)
            if series:
                until = max(int(value["clock"]) for value in values)  # more has come since
                points = reference.points(*series, min(clocks), until + self.PERIOD)
                clocks = [int(value["clock"]) for value in values]
                for value in values:
                    point = points[int(value["clock"])]
                    whole = row["value_type"] == str(int(ValueType.UNSIGNED))
                    self.assertEqual(float(value["value"]), float(int(point)) if whole else float(f"{point:.15g}"),
                                     f"{instance}: {key} at {value['clock']}")
                if complete:
                    self.assertEqual(sorted(set(points) - set(clocks)), [], f"{instance}: {key}")
            elif ",zone]" in key:
                self.assertEqual({value["value"][:-1] for value in values}, {self.home[instance]})
            elif key.startswith("aws.resource[ec2"):
                self.assertEqual({value["value"] for value in values}, {"running"})
            else:
                metric, _ = reference.alarms()
                name = re.match(r'aws\.resource\[alarm,"(.*)",state,', key)[1]
                self.assertEqual({value["value"] for value in values}, {metric[name]["StateValue"]})

    def assertQuiet(self, agent):
        self.assertEqual([line for line in agent.log().splitlines() if re.search(r"\[(warning|error|critical)\]", line)], [])
        self.assertEqual(agent.ask("bakusoku.stats[values.refused]"), "0")

    def fill(self):
        host = self.make_root_host()
        self.zabbix.reload()
        agent = self.new_agent()
        wait_for("the root host is known", lambda: agent.ask("bakusoku.stats[active.hosts.known]") == "1", 60, pause=0.5)
        linked = time.time()
        self.link(host)
        items = self.wait_full(WITHIN)
        print(f"{len(items)} items of {INSTANCES} instances: {time.time() - linked:.0f} s after the link", flush=True)
        self.check_values(items)
        names = self.zabbix.api.call("host.get", {"output": ["host", "name"]})
        for row in names:
            if row["host"] in self.home:
                self.assertTrue(row["name"] == row["host"] or row["name"].endswith(f"({row['host']})"), row)
        return agent


class AtTheServer(Estate):
    def test_a_template_fills_the_history(self):
        self.assertQuiet(self.fill())


class Killed(Estate):
    """Each item has a value a minute, so that something is acknowledged in nearly every second."""

    PERIOD = 60
    GAP = 100  # seconds; facts are read once a minute

    @classmethod
    def import_template(cls):
        super().import_template()
        for macro in cls.zabbix.api.call("usermacro.get", {"output": ["hostmacroid", "macro"]}):
            if macro["macro"] in ("{$EC2.PERIOD}", "{$EC2.INTERVAL}"):
                cls.zabbix.api.call("usermacro.update", {"hostmacroid": macro["hostmacroid"], "value": "1m"})
        cls.server.reload()

    def check_whole(self, agent, first):
        """Each item has all that it should have from its first value on until now."""
        self.wait_full(180, since=int(time.time()) - self.PERIOD)
        items, everything = self.items(), self.clocks()
        self.check_values(items, complete=True)
        for (instance, key), row in items.items():
            clocks = sorted(everything[row["itemid"]])
            self.assertEqual(clocks[0], first[row["itemid"]], f"{instance}: {key}: its first value is gone")
            if not self.series(instance, key):
                longest = max((after - before for before, after in zip(clocks, clocks[1:])), default=0)
                self.assertLessEqual(longest, self.GAP, f"{instance}: {key}")
        self.assertEqual(agent.ask("bakusoku.stats[values.refused]"), "0")

    def firsts(self):
        everything = self.clocks()
        return {row["itemid"]: min(everything[row["itemid"]]) for row in self.items().values()}


class AgentKilled(Killed):
    """On a database that was upgraded from before 6.0, where the server itself drops nothing that comes twice."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.stop()
        for table in ("history", "history_uint", "history_str", "history_text", "history_log"):
            cls.zabbix.postgres.sql(f"alter table {table} drop constraint {table}_pkey; "
                                    f"create index {table}_1 on {table} (itemid, clock)")
        cls.server.start()

    def test_nothing_is_lost_and_nothing_twice(self):
        chance = random.Random(SEED)
        agent = self.fill()
        first = self.firsts()
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.5, 8))
            agent.kill()
            time.sleep(chance.uniform(0, 2))
            agent.start()
        self.check_whole(agent, first)


class ServerKilled(Killed):
    def test_nothing_that_was_acknowledged_is_lost(self):
        chance = random.Random(SEED)
        agent = self.fill()
        first = self.firsts()
        delivered = lambda: int(agent.ask("bakusoku.stats[values.delivered]"))
        for _ in range(KILLS):
            time.sleep(chance.uniform(1, 10))
            before = delivered()
            wait_for("something is acknowledged", lambda before=before: delivered() > before, 70)
            time.sleep(chance.uniform(0, 1))
            self.server.kill()
            time.sleep(chance.uniform(0, 1))
            self.server.start()
        self.check_whole(agent, first)


class ThroughAProxy(Estate):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = cls.peer = cls.zabbix.add_proxy(lines=["ConfigFrequency=10"])

    def test_a_template_fills_the_history(self):
        self.assertQuiet(self.fill())


if __name__ == "__main__":
    unittest.main()
