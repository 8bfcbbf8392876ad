"""Zabbix alone decides what is collected: active items of many hosts, made through its API, get every datapoint of
CloudWatch once, at its own time and with its own value, whatever is killed meanwhile. BAKUSOKU_LONG=1 kills fifty times."""

import json
import os
import random
import subprocess
import time
import unittest

from api import ItemType, ValueType
from lab import REGION, Agent, free_port, program, wait_for
from reference import Reference
from server import ServerTestCase

SEED = 20170401
PERIOD = 10  # seconds; the shortest at which a period's end comes often enough for a test
DELAY = 5
KILLS = 50 if os.environ.get("BAKUSOKU_LONG") == "1" else 12


class ActiveTestCase(ServerTestCase):
    HOSTS = 3
    ROOT = "aws-collector"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.aws = cls.zabbix.simaws("--instances", "40", "--regions", REGION)
        cls.reference = Reference(cls.aws.url)
        cls.addClassCleanup(cls.reference.close)
        cls.server = cls.zabbix.start_server()
        running = [instance["InstanceId"] for instance in cls.reference.instances()
                   if instance["State"]["Name"] == "running"]
        cls.instances = sorted(running)[:cls.HOSTS]
        cls.metrics = []  # (item, what it is of)
        cls.hosts = {name: cls.zabbix.api.add_host(name) for name in (cls.ROOT, *cls.instances)}
        for instance in cls.instances:
            for metric, statistic in (("CPUUtilization", "Average"), ("NetworkIn", "Maximum")):
                item = cls.hosts[instance].add_item(
                    f'aws.metric[AWS/EC2,{metric},"InstanceId={instance}",{statistic},60]', ItemType.ACTIVE, ValueType.FLOAT,
                    delay="30s")
                cls.metrics.append((item, ("AWS/EC2", metric, [("InstanceId", instance)], statistic, 60)))
        dimensions = [("Service", "checkout"), ("Stage", "prod")]
        for statistic in ("Average", "p90"):
            item = cls.hosts[cls.ROOT].add_item(
                f"aws.metric[Sim/App,Latency,Service=checkout;Stage=prod,{statistic},{PERIOD}]", ItemType.ACTIVE,
                ValueType.FLOAT, delay=f"{PERIOD}s")
            cls.metrics.append((item, ("Sim/App", "Latency", dimensions, statistic, PERIOD)))
        cls.zabbix.reload()

    @classmethod
    def new_agent(cls, **more):
        names = json.dumps(cls.instances)
        sections = (f'[metrics]\ndelay = "{DELAY}s"\n[zabbix]\nserver = "127.0.0.1:{cls.server.port}"\nhostname = "{cls.ROOT}"\n'
                    f'hosts = {names}\nrefresh = "2s"\n')
        folder = cls.zabbix._subfolder("agent")
        more = "".join(f"{key} = {json.dumps(value)}\n" for key, value in more.items())
        return cls.zabbix.begin(Agent(folder, cls.aws.url, sections=f'{sections}state_dir = "{folder}/state"\n{more}'))

    def check_history(self, item, series, complete_from=None):
        """Each value is CloudWatch's own, at its own clock, once; from `complete_from` on none is missing."""
        period = series[4]
        values = item.values()
        clocks = [value.clock for value in values]
        self.assertEqual(len(set(clocks)), len(clocks), f"{item.key}: a datapoint is there twice")
        self.assertTrue(all(value.ns == 0 for value in values))
        wanted = self.reference.points(*series, min(clocks), max(clocks) + period)
        for value in values:
            self.assertEqual(float(value.value), float(f"{wanted[value.clock]:.15g}"), f"{item.key} at {value.clock}")
        if complete_from is not None:
            missing = sorted(clock for clock in wanted if clock >= complete_from and clock not in clocks)
            self.assertEqual(missing, [], f"{item.key}: has {clocks}")
        return values


class Collects(ActiveTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        root, instance = cls.hosts[cls.ROOT], cls.instances[0]
        cls.name = root.add_item("aws.ec2.name2id[web-1]", ItemType.ACTIVE, delay="2s")
        cls.state = cls.hosts[instance].add_item(f"aws.resource[ec2,{instance},state]", ItemType.ACTIVE, delay="2s")
        cls.rows = root.add_item("aws.discovery[ec2]", ItemType.ACTIVE, delay="3s")
        cls.wrong = root.add_item("aws.metric[AWS/EC2]", ItemType.ACTIVE, ValueType.FLOAT, delay="2s")
        cls.unknown = root.add_item("aws.ec2.name2id[nobody]", ItemType.ACTIVE, delay="2s")
        cls.rare = root.add_item("aws.metric[Sim/App,Latency,Service=search;Stage=test,Maximum,10]", ItemType.ACTIVE,
                                 ValueType.FLOAT, delay="30s")
        cls.zero = root.add_item("aws.metric[Sim/App,Nothing,,Sum,10,,,zero]", ItemType.ACTIVE, ValueType.FLOAT, delay="10s")
        # Two metrics to pay for, one of them with two statistics, and one that does not exist.
        planned = cls.zabbix.api.add_host("planned")
        for wanted in ("Latency,Service=checkout;Stage=prod,Average", "Latency,Service=checkout;Stage=prod,Maximum",
                       "Latency,Service=search;Stage=test,Average", "Nothing,,Sum"):
            planned.add_item(f"aws.metric[Sim/App,{wanted},10]", ItemType.ACTIVE, ValueType.FLOAT, delay="10s")
        cls.zabbix.reload()
        cls.started = time.time()
        cls.bakusoku = cls.new_agent()

    def test_metrics_at_their_own_times(self):
        for item, series in self.metrics:
            item.wait_values(1, seconds=30)
        for item, series in self.metrics[-2:]:
            item.wait_values(3, seconds=60)
        for item, series in self.metrics:
            values = self.check_history(item, series, complete_from=item.values()[0].clock)
            self.assertLess(values[0].clock, self.started, "the newest datapoint that was final when the item came")

    def test_an_interval_longer_than_the_period_yields_every_datapoint_for_one_reading(self):
        series = ("Sim/App", "Latency", [("Service", "search"), ("Stage", "test")], "Maximum", 10)
        values = self.rare.wait_values(7, seconds=100)
        self.check_history(self.rare, series, complete_from=values[0].clock)

    def test_facts_at_the_time_they_were_read(self):
        self.name.wait_value(self.reference.named("web-1"))
        self.state.wait_value("running")
        rows = json.loads(self.rows.wait_value())
        self.assertGreater(len(rows), 30)
        # The first waits for the list of instances, and may be read in the second in which the next one is due.
        found = self.name.wait_values(4)
        self.assertLess((found[0].clock, found[0].ns), (found[1].clock, found[1].ns))
        for before, after in zip(found[1:], found[2:]):
            self.assertGreaterEqual(after.clock - before.clock, 1)
        self.assertGreaterEqual(found[0].clock, int(self.started))

    def test_errors_in_words(self):
        self.wrong.wait_error(r"metric \(parameter 2\) is missing")
        self.unknown.wait_error("no EC2 instance with the Name tag 'nobody'")
        self.assertEqual(self.unknown.values(), [])

    def test_a_missing_value_may_be_zero(self):
        values = self.zero.wait_values(2, seconds=40)
        self.assertEqual({value.value for value in values}, {"0"})

    def test_an_item_that_goes_and_one_that_comes(self):
        host = self.hosts[self.instances[1]]
        item = host.add_item("bakusoku.ping", ItemType.ACTIVE, ValueType.UNSIGNED, delay="1s")
        self.zabbix.reload()
        item.wait_value("1")
        self.zabbix.api.call("item.update", {"itemid": item.itemid, "status": 1})
        self.zabbix.reload()
        time.sleep(4)
        before = len(item.values())
        time.sleep(4)
        self.assertLessEqual(len(item.values()) - before, 0, "a disabled item is still collected")

    def test_a_plan_of_what_zabbix_wants_is_what_is_billed(self):
        aws = self.simaws("--instances", "1", "--regions", REGION)
        folder = self._subfolder("agent")
        agent = Agent(folder, aws.url, sections=f'[metrics]\ndelay = "{DELAY}s"\n[zabbix]\nserver = "127.0.0.1:'
                      f'{self.server.port}"\nhosts = ["planned"]\nstate_dir = "{folder}/state"\n')
        done = subprocess.run([program("bakusoku"), "plan", "--json", "--config", agent.config_file], capture_output=True,
                              text=True, timeout=30, check=False, env=agent.environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        plan = json.loads(done.stdout)
        self.assertEqual(plan["metrics"], {"there": 2, "absent": 1, "zero": 0, "unknown": 0})
        self.assertNotIn("monitoring.GetMetricData", aws.stats()["calls"], "it is asked beforehand")

        self.begin(agent)
        readings = [(0, 0)]
        for _ in range(3):  # the first, and at two moments
            def another():
                stats = aws.stats()
                found = stats["metrics_billed"], stats["calls"].get("monitoring.GetMetricData", {}).get("calls", 0)
                return found if found != readings[-1] else None
            readings.append(wait_for("a reading", another, 2 * PERIOD))
        metrics, calls = (after - before for after, before in zip(readings[-1], readings[-2]))
        self.assertEqual(metrics, 2)
        self.assertEqual(plan["calls_per_minute"], calls * 60 / PERIOD)
        month = 365.25 * 86400 / 12
        self.assertAlmostEqual(plan["usd_per_month"], metrics * month / PERIOD * 0.01 / 1000, places=3)


class Survives(ActiveTestCase):
    HOSTS = 2

    def test_each_datapoint_once_whatever_is_killed(self):
        chance = random.Random(SEED)
        bakusoku = self.new_agent()
        for item, _ in self.metrics:
            item.wait_values(1, seconds=30)
        first = {item.itemid: item.values()[0].clock for item, _ in self.metrics}
        for kill in range(KILLS):
            time.sleep(chance.uniform(0.1, 4))
            bakusoku.kill()
            if kill % 4 == 1:
                self.server.kill()
                time.sleep(chance.uniform(0, 2))
                bakusoku.start()  # it collects while there is no server
                time.sleep(chance.uniform(2, 6))
                self.server.start()
            elif kill % 4 == 3:
                self.server.stop()
                bakusoku.start()
                time.sleep(chance.uniform(2, 6))
                self.server.start()
            else:
                bakusoku.start()
        end = int(time.time()) // 60 * 60
        for item, series in self.metrics:
            last = (end - series[4]) // series[4] * series[4]
            wait_for(f"{item.key} up to {last}", lambda item=item, last=last: item.values()[-1].clock >= last, 150, pause=0.5)
        for item, series in self.metrics:
            values = self.check_history(item, series, complete_from=first[item.itemid])
            clocks = [value.clock for value in values]
            self.assertEqual(clocks, sorted(clocks))


class Delivers(ServerTestCase):
    """Ways to Zabbix, and what Zabbix does not take."""

    PSK = "1f87b595725ac58dd977beef14b97461a7c1045b9a1c963065002c5473194952"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.aws = cls.zabbix.simaws("--instances", "20", "--regions", REGION)
        cls.server = cls.zabbix.start_server()
        cls.proxy = cls.zabbix.add_proxy()

    def start_agent(self, hosts, server, lines=""):
        folder = self._subfolder("agent")
        sections = (f'[zabbix]\nserver = "{server}"\nhosts = {json.dumps(hosts)}\nrefresh = "1s"\n'
                    f'state_dir = "{folder}/state"\n{lines}\n')
        return self.begin(Agent(folder, self.aws.url, sections=sections))

    def add_item(self, name, **more):
        host = self.zabbix.api.add_host(name, **more)
        item = host.add_item("bakusoku.ping", ItemType.ACTIVE, ValueType.UNSIGNED, delay="1s")
        return host, item

    def here(self):
        return f"127.0.0.1:{self.server.port}"

    def test_a_cluster_of_which_one_is_down(self):
        _, item = self.add_item("clustered")
        self.zabbix.reload()
        self.start_agent(["clustered"], f"127.0.0.1:{free_port()};{self.here()}")
        item.wait_values(3)

    def test_through_a_proxy(self):
        _, item = self.add_item("proxied", proxy=self.proxy)
        self.zabbix.reload()
        self.start_agent(["proxied"], f"127.0.0.1:{self.proxy.port}")
        item.wait_values(3)

    def test_two_destinations_each_get_what_they_want(self):
        _, item = self.add_item("at the server")
        _, other = self.add_item("behind the proxy", proxy=self.proxy)
        self.zabbix.reload()
        self.start_agent(["at the server", "behind the proxy"], f"{self.here()},127.0.0.1:{self.proxy.port}")
        item.wait_values(3)
        other.wait_values(3)

    def test_a_pre_shared_key(self):
        _, item = self.add_item("secret", tls_accept=2, tls_psk_identity="bakusoku", tls_psk=self.PSK)
        self.zabbix.reload()
        for name, key in (("right", self.PSK), ("wrong", self.PSK[::-1])):
            file = self.folder / name
            file.write_text(key + "\n")
            file.chmod(0o600)
        tls = 'tls_connect = "psk"\ntls_psk_identity = "bakusoku"\ntls_psk_file = "{}"'
        wrong = self.start_agent(["secret"], self.here(), tls.format(self.folder / "wrong"))
        wait_for("a word about the key", lambda: "PSK" in wrong.log(), 20)
        self.assertNotIn(self.PSK[::-1], wrong.log())
        self.assertEqual(item.values(), [])
        wrong.stop()
        self.start_agent(["secret"], self.here(), tls.format(self.folder / "right"))
        item.wait_values(3)

    def test_what_is_refused_is_named_and_holds_up_no_other(self):
        doomed, _ = self.add_item("doomed")
        _, item = self.add_item("lasting")
        self.zabbix.reload()
        bakusoku = self.start_agent(["doomed", "lasting"], self.here())
        item.wait_values(2)
        self.server.stop()
        away = int(time.time())
        time.sleep(5)
        self.zabbix.api.call("host.delete", [doomed.hostid])
        self.server.start()
        back = int(time.time())
        wait_for("the refusal is in the log", lambda: "did not take" in bakusoku.log(), 40)
        self.assertRegex(bakusoku.log(), "the first of host doomed, item bakusoku.ping")
        values = wait_for("something newer than the server's return",
                          lambda: (values := item.values())[-1].clock > back and values, 40)
        clocks = [value.clock for value in values if away < value.clock <= back]
        self.assertEqual(len(clocks), len(set(clocks)))
        self.assertGreaterEqual(len(clocks), 4)
        wait_for("it is counted", lambda: int(bakusoku.ask("bakusoku.stats[values.refused]")) > 0)


if __name__ == "__main__":
    unittest.main()
