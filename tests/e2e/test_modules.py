"""The SDK's examples, the same binaries, in a real zabbix_agentd, zabbix_server and zabbix_proxy: items, discovery, what a
worker keeps, and the export of history."""

import collections
import contextlib
import json
import re
import socket
import time
import unittest

from api import ItemType, ValueType
from lab import BUILD, Agentd, LabTestCase, wait_for
from server import ServerTestCase

EXAMPLES = [BUILD / "lib/examples" / f"{name}.so" for name in ("echo", "dummy", "discovery", "counter", "history")]
KEYS = ("example.echo", "dummy.ping", "dummy.echo", "dummy.random", "example.interfaces", "example.interface", "example.counter")
INTERFACES = {name for _, name in socket.if_nameindex()}


class InAgentd(LabTestCase):
    def new_agentd(self):
        return Agentd(self._subfolder("agentd"), self.folder / "nobody.sock", modules=EXAMPLES)

    def setUp(self):
        super().setUp()
        self.zabbix = self.begin(self.new_agentd())

    def test_answers(self):
        get = self.zabbix.zabbix_get
        self.assertEqual(get("example.echo[hello]"), "hello")
        self.assertEqual(get('example.echo["a, b"]'), "a, b")
        self.assertEqual(get("dummy.ping"), "1")
        self.assertEqual(get("dummy.echo[日本語]"), "日本語")
        drawn = {int(get("dummy.random[-5,1000000]")) for _ in range(20)}
        self.assertGreater(len(drawn), 15)
        self.assertTrue(all(-5 <= number <= 1000000 for number in drawn), drawn)
        self.assertEqual({row["{#NAME}"] for row in json.loads(get("example.interfaces"))}, INTERFACES)
        self.assertGreaterEqual(int(get("example.interface[lo,tx]")), 0)

    def test_wrong_questions_are_answered_in_words(self):
        for key in ("example.echo[a,b]", "dummy.ping[1]", "dummy.random[1]", "dummy.random[2,1]", "dummy.random[1,x]",
                    "example.interface[no such interface]", "example.interface[lo,up]"):
            answer = self.zabbix.ask(key)
            self.assertNotSupported(answer, ": .{10}")
        self.assertEqual(self.zabbix.ask("agent.ping"), "1")

    def test_each_worker_counts_for_itself(self):
        lost = 0
        for pid in self.zabbix.listeners():
            counts = []
            with self.zabbix.only_worker(pid):
                while len(counts) < 4 and lost < 20:
                    try:
                        counts.append(int(self.zabbix.ask("example.counter", seconds=4)))
                    except TimeoutError:  # a worker that is stopped was woken for it; it may be counted all the same
                        lost += 1
                        counts.clear()
            self.assertEqual(counts, list(range(counts[0], counts[0] + 4)), "one after the other")
            self.assertLessEqual(counts[0], 1 + 4 * lost, "not with what the others counted")

    def test_t_and_p(self):
        zabbix = self.new_agentd()
        self.assertRegex(zabbix.options("-t", "example.echo[hello]"), r"\[[st]\|hello\]")
        self.assertRegex(zabbix.options("-t", "example.interfaces"), r'\{#NAME\}":"lo"')
        listing = zabbix.options("-p")
        for key in KEYS:
            row = next((line for line in listing.splitlines() if re.match(rf"{re.escape(key)}[\[ ]", line)), f"no {key}")
            self.assertRegex(row, r"\[[udst]\|")


class InServerAndProxy(ServerTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.files = {where: cls.zabbix.folder / f"history-of-{where}" for where in ("server", "proxy")}
        cls.server = cls.zabbix.start_server(modules=EXAMPLES, environment={"EXAMPLE_HISTORY_FILE": str(cls.files["server"])})
        cls.proxy = cls.zabbix.add_proxy(modules=EXAMPLES, environment={"EXAMPLE_HISTORY_FILE": str(cls.files["proxy"])})
        cls.hosts = {"server": cls.zabbix.api.add_host("at the server"),
                     "proxy": cls.zabbix.api.add_host("at the proxy", proxy=cls.proxy)}
        cls.items, cls.trappers = {}, {}
        for where, host in cls.hosts.items():
            for key, value_type in (("example.echo[hello]", ValueType.CHARACTER), ("dummy.ping", ValueType.UNSIGNED),
                                    ('dummy.echo["a, b"]', ValueType.TEXT), ("dummy.random[7,9]", ValueType.FLOAT),
                                    ("dummy.random[2,1]", ValueType.UNSIGNED), ("example.counter", ValueType.UNSIGNED)):
                cls.items[where, key] = host.add_item(key, ItemType.SIMPLE, value_type)
            host.add_discovery("example.interfaces", {"example.interface[{#NAME},rx]": ValueType.UNSIGNED})
            for value_type in ValueType:
                cls.trappers[where, value_type] = host.add_item(f"sent.{value_type.name}", ItemType.TRAPPER, value_type)
        cls.zabbix.reload()

    def test_simple_checks(self):
        for where in ("server", "proxy"):
            item = lambda key, where=where: self.items[where, key]
            item("example.echo[hello]").wait_value("hello")
            item("dummy.ping").wait_value("1")
            item('dummy.echo["a, b"]').wait_value("a, b")
            item("dummy.random[7,9]").wait_value(lambda text: 7 <= float(text) <= 9)
            item("dummy.random[2,1]").wait_error("low")
            # Three pollers count, each for itself: no count comes more than three times.
            counts = [int(value.value) for value in item("example.counter").wait_values(4)]
            self.assertTrue(all(counts.count(count) <= 3 for count in counts), counts)
            self.assertGreater(max(counts), 1)

    def test_discovery(self):
        for host in self.hosts.values():
            wanted = {f"example.interface[{name},rx]" for name in INTERFACES}
            found = wait_for("discovered", lambda host=host, wanted=wanted: wanted <= set(items := host.items()) and items, 20,
                             pause=0.3)
            self.zabbix.reload()
            found["example.interface[lo,rx]"].wait_value(lambda text: int(text) > 0)

    VALUES = {
        ValueType.FLOAT: ["0", "0.1", "-1e-09", "1.2345678901234567e+300", "3.5", "-0.3333333333333333"],
        ValueType.UNSIGNED: ["0", "1", "18446744073709551615"],
        ValueType.CHARACTER: ["plain", "日本語 \\ \"quoted\"", "x" * 255],
        ValueType.TEXT: ["plain", "two\nlines\tand a tab", "日本語", "y" * 60000],
        ValueType.LOG: ["a line of a log", "日本語 \\ \"quoted\""],
    }
    TYPES = {ValueType.FLOAT: "float", ValueType.UNSIGNED: "integer", ValueType.CHARACTER: "string", ValueType.TEXT: "text",
             ValueType.LOG: "log"}

    def send(self, where, daemon, begin):
        """Sends all values, and 500 numbers more; what was sent, as tuples of type, itemid, clock, ns and value."""
        sent, rows = [], []
        values = [(value_type, value) for value_type, texts in self.VALUES.items() for value in texts]
        values += [(ValueType.UNSIGNED, str(number)) for number in range(1000, 1500)]
        for number, (value_type, value) in enumerate(values):
            item = self.trappers[where, value_type]
            rows.append((item.host, item.key, begin + number, 1000 + number, value))
            converted = {ValueType.FLOAT: float, ValueType.UNSIGNED: int}.get(value_type, str)(value)
            sent.append((self.TYPES[value_type], int(item.itemid), begin + number, 1000 + number, converted))
        self.assertEqual(daemon.send(rows), (len(rows), 0))
        return sent

    def exported(self, file):
        """What the module wrote about the trapper items."""
        sent = {int(item.itemid) for item in self.trappers.values()}
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
        return [(line["type"], line["itemid"], line["clock"], line["ns"],
                 float(line["value"]) if line["type"] == "float" else line["value"]) for line in lines if line["itemid"] in sent]

    def test_history_export(self):
        begin = int(time.time()) - 3600
        sent = self.send("server", self.server, begin) + self.send("proxy", self.proxy, begin)
        with contextlib.suppress(TimeoutError):  # what is missing shows below
            wait_for("all are exported", lambda: len(self.exported(self.files["server"])) >= len(sent), 20)
        self.assertEqual(collections.Counter(self.exported(self.files["server"])), collections.Counter(sent))
        # The API tells the same.
        for (_, value_type), item in self.trappers.items():
            of_item = [(clock, ns) for _, itemid, clock, ns, _ in sent if itemid == int(item.itemid)]
            stored = item.wait_values(len(of_item))
            self.assertEqual([(value.clock, value.ns) for value in stored], of_item)
            if value_type in (ValueType.UNSIGNED, ValueType.CHARACTER, ValueType.TEXT, ValueType.LOG):
                self.assertEqual([value.value for value in stored], [str(row[4]) for row in sent if row[1] == int(item.itemid)])
        # What a proxy gathers, it passes on: the module hears of it in the server only.
        self.assertFalse(self.files["proxy"].exists())

    def test_a_polled_value_is_exported_too(self):
        item = self.items["server", "example.echo[hello]"]
        stored = item.wait_values(2)
        lines = wait_for("exported", lambda: [line for line in self.files["server"].read_text().splitlines()
                                              if f'"itemid":{item.itemid},' in line], 10)
        first = json.loads(lines[0])
        self.assertEqual((first["clock"], first["ns"], first["value"]), (stored[0].clock, stored[0].ns, stored[0].value))


if __name__ == "__main__":
    unittest.main()
