"""bakusoku.so in a real zabbix_server and a real zabbix_proxy: a value is right when Zabbix's own API returns it, and is
what boto3 reads from the same endpoint."""

import json
import time
import unittest

from api import ItemType, ValueType
from lab import MODULE, REGION, wait_for
from reference import Reference
from server import ServerTestCase


class InServerAndProxy(ServerTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.aws = cls.zabbix.simaws("--instances", "40", "--regions", REGION)
        cls.reference = Reference(cls.aws.url)
        cls.addClassCleanup(cls.reference.close)
        cls.bakusoku = cls.zabbix.agent(cls.aws.url, sections='[inventory]\nintervals = {alarm = "10s"}')
        loaded = {"modules": [MODULE], "environment": {"BAKUSOKU_SOCKET": str(cls.bakusoku.socket)}}
        cls.server = cls.zabbix.start_server(**loaded)
        cls.proxy = cls.zabbix.add_proxy(**loaded)
        # All that the tests look at is made at once: Zabbix needs some seconds until the first values are there.
        cls.instance = cls.reference.named("web-1")
        cls.items, cls.hosts = {}, []
        for where, proxy in (("server", None), ("proxy", cls.proxy)):
            host = cls.zabbix.api.add_host(f"at the {where}", proxy=proxy)
            for name, key, value_type in (
                    ("echo", 'bakusoku.echo[hello,"a, b",日本語]', ValueType.TEXT),
                    ("ping", "bakusoku.ping", ValueType.UNSIGNED),
                    ("id", "aws.ec2.name2id[web-1]", ValueType.CHARACTER),
                    ("nobody", "aws.ec2.name2id[no such name]", ValueType.CHARACTER),
                    ("cpu", f'aws.metric[AWS/EC2,CPUUtilization,"InstanceId={cls.instance}",Average,300]', ValueType.FLOAT),
                    ("network", f'aws.metric[AWS/EC2,NetworkIn,"InstanceId={cls.instance}",Sum,300]', ValueType.UNSIGNED),
                    ("rows", "aws.discovery[ec2]", ValueType.TEXT)):
                cls.items[where, name] = host.add_item(key, ItemType.SIMPLE, value_type)
            host.add_discovery(f"aws.discovery[ec2,{REGION}]", {"aws.resource[ec2,{#ID},type]": ValueType.CHARACTER}, delay="2s")
            host.add_discovery(f'aws.discovery[alarm,,,"dimension.InstanceId={cls.instance}"]',
                               {'aws.resource[alarm,"{#ID}",state]': ValueType.CHARACTER}, delay="2s")
            cls.hosts.append(host)
        cls.zabbix.reload()

    def setUp(self):
        super().setUp()
        self.children = {daemon: set(daemon.children()) for daemon in (self.server, self.proxy)}

    def of(self, name):
        """That item of the host at the server, and that of the host at the proxy."""
        return [self.items[where, name] for where in ("server", "proxy")]

    def assertSameProcesses(self):
        for daemon, children in self.children.items():
            self.assertTrue(daemon.alive())
            self.assertEqual(set(daemon.children()), children, f"{daemon.name}: a worker was restarted")
            self.assertNotIn("child process died", daemon.log())

    def test_text(self):
        for name, text in (("echo", "hello a, b 日本語"), ("id", self.instance), ("ping", "1")):
            for item in self.of(name):
                item.wait_value(text)
        self.assertSameProcesses()

    def test_metrics(self):
        for name, metric, statistic in (("cpu", "CPUUtilization", "Average"), ("network", "NetworkIn", "Sum")):
            def is_newest(text, metric=metric, statistic=statistic):
                # Asked each time: a period may become final meanwhile. Zabbix's database and API keep fifteen digits of
                # a floating point number, and an unsigned item takes what is before the point.
                wanted = self.reference.newest("AWS/EC2", metric, [("InstanceId", self.instance)], statistic, 300)
                return float(text) == float(f"{wanted:.15g}") if name == "cpu" else int(text) == int(wanted)
            for item in self.of(name):
                item.wait_value(is_newest)
        self.assertSameProcesses()

    def test_an_item_that_cannot_be_answered_says_why(self):
        for item in self.of("nobody"):
            item.wait_error("no such name")
            self.assertEqual(item.values(), [])
        self.assertSameProcesses()

    def test_discovery(self):
        there = {instance["InstanceId"]: instance["InstanceType"] for instance in self.reference.instances()
                 if instance["State"]["Name"] not in ("terminated", "shutting-down")}
        for item in self.of("rows"):
            rows = json.loads(item.wait_value())
            self.assertEqual({row["{#ID}"] for row in rows}, set(there))
        for host in self.hosts:
            # Zabbix makes an item of each row, and the proxy hears of them from the server.
            found = wait_for("discovered", lambda host=host: self._discovered(host, "ec2", len(there)), 20, pause=0.3)
            self.zabbix.reload()
            for instance, kind in sorted(there.items())[:5]:
                found[f"aws.resource[ec2,{instance},type]"].wait_value(kind)
        self.assertSameProcesses()

    @staticmethod
    def _discovered(host, service, count):
        found = {key: item for key, item in host.items().items() if key.startswith(f"aws.resource[{service},")}
        return found if len(found) == count else None

    def test_a_host_has_its_own_alarms_and_their_states(self):
        metric, _ = self.reference.alarms()
        own = {f"CPUUtilization of {self.instance}", "simaws-math"}
        self.assertLess(own, set(metric))
        self.addCleanup(self.aws.set_alarm, "*", "OK")
        for host in self.hosts:
            found = wait_for("discovered", lambda host=host: self._discovered(host, "alarm", len(own)), 20, pause=0.3)
            self.zabbix.reload()
            self.assertEqual(set(found), {f'aws.resource[alarm,"{name}",state]' for name in own})
            for name in own:
                found[f'aws.resource[alarm,"{name}",state]'].wait_value(metric[name]["StateValue"])
        for state in ("ALARM", "OK"):
            self.aws.set_alarm(f"CPUUtilization of {self.instance}", state)
            for host in self.hosts:
                host.items()[f'aws.resource[alarm,"CPUUtilization of {self.instance}",state]'].wait_value(state, seconds=30)
        self.assertSameProcesses()

    def test_the_agent_killed_and_restarted(self):
        items = [*self.of("id"), *self.of("cpu"), *self.of("network")]
        for item in items:
            item.wait_value()
        self.bakusoku.kill()
        try:
            for item in items:
                item.wait_error(f"bakusoku.*{self.bakusoku.socket}")
            since = time.time()
            for item in self.of("echo"):
                item.wait_values(2, since=since)  # what needs no agent goes on
        finally:
            self.bakusoku.start()
        since = time.time()
        for item in items:
            item.wait_supported()
        for item in self.of("id"):
            item.wait_value(self.instance, since=since)
        self.assertSameProcesses()

    def test_the_frontend_tests_an_item(self):
        for proxy in (None, self.proxy):
            self.assertEqual(self.zabbix.test_item("aws.ec2.name2id[web-1]", proxy), {"result": self.instance})
        self.assertIn("no such name", self.zabbix.test_item("aws.ec2.name2id[no such name]")["error"])
        self.assertSameProcesses()


if __name__ == "__main__":
    unittest.main()
