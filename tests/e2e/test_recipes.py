"""Items as templates write them: every recipe of the documents, with macros of every shape in the keys, at a real server and
through a real proxy. Zabbix tells such items by their ids and takes their values by nothing else."""

import json
import pathlib
import re
import time
import unittest

from api import Host, ItemType, ValueType
from lab import REGION, Agent, wait_for
from reference import Reference
from server import ServerTestCase, request

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
TEMPLATE = "An instance of EC2"

MACROS = {"PLAIN": "plain", "EMPTY": "", "COMMA": "a,b", "BRACKET": "a]b", "OPENING": "[a", "QUOTE": 'a"b', "QUOTED": '"a',
          "BLANK": " a", "BACKSLASH": "a\\b", "JAPANESE": "日本", "SAME": "same", "EQUAL": "same", "PERIOD": "300",
          "CONTEXT": "any", 'CONTEXT:"one"': "of one"}
# Keys, and what of their parameters comes out in the end.
ECHOES = {
    "bakusoku.echo[{$PLAIN}]": "plain",
    'bakusoku.echo["{$PLAIN}"]': "plain",
    "bakusoku.echo[x{$PLAIN}y,{$PLAIN}]": "xplainy plain",
    'bakusoku.echo["x {$PLAIN}, y"]': "x plain, y",
    "bakusoku.echo[[{$PLAIN},b]]": None,  # an array: as Zabbix hands it on
    "bakusoku.echo[x{$EMPTY}]": "x",
    'bakusoku.echo["{$EMPTY}",x]': " x",
    "bakusoku.echo[{$EMPTY},x]": " x",
    "bakusoku.echo[{$COMMA}]": "a,b",
    'bakusoku.echo["{$COMMA}"]': "a,b",
    "bakusoku.echo[{$BRACKET}]": "a]b",
    'bakusoku.echo["{$BRACKET}"]': "a]b",
    "bakusoku.echo[{$OPENING}]": "[a",
    'bakusoku.echo["{$OPENING}"]': "[a",
    "bakusoku.echo[{$QUOTE}]": 'a"b',
    'bakusoku.echo["{$QUOTE}"]': 'a"b',
    "bakusoku.echo[{$QUOTED}]": '"a',
    'bakusoku.echo["{$QUOTED}"]': '"a',
    "bakusoku.echo[{$BLANK}]": " a",
    'bakusoku.echo["{$BLANK}"]': " a",
    "bakusoku.echo[{$BACKSLASH}]": "a\\b",
    "bakusoku.echo[{$JAPANESE}]": "日本",
    'bakusoku.echo[{$CONTEXT:"one"},{$CONTEXT:two}]': "of one any",
    # Three items whose keys are one when their macros are expanded.
    "bakusoku.echo[same]": "same",
    "bakusoku.echo[{$SAME}]": "same",
    "bakusoku.echo[{$EQUAL}]": "same",
}
OF_HOST = {"bakusoku.echo[{HOST.HOST}]": "{host}", 'bakusoku.echo["{HOST.HOST}"]': "{host}",
           "bakusoku.echo[{HOST.NAME},{HOST.IP}]": "{visible} 127.0.0.1"}
METRICS = ('aws.metric[AWS/EC2,CPUUtilization,"InstanceId={HOST.HOST}",Average,300]',
           'aws.metric[AWS/EC2,CPUUtilization,"InstanceId={HOST.HOST}",Average,{$PERIOD}]',
           'aws.metric[AWS/EC2,NetworkIn,"InstanceId={HOST.HOST}",Sum,{$PERIOD}]')


def recipe(document, words):
    """What the rows of a table of the documents that begin with these words have between backquotes in the end."""
    rows = re.findall(rf"^ *\| {re.escape(words)}[^|]*\| `(.*)` \|$", (DOCS / document).read_text(), re.MULTILINE)
    if not rows:
        raise ValueError(f"{document} has no {words}")
    return rows


class Recipes(ServerTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.aws = cls.zabbix.simaws("--instances", "12", "--regions", REGION)
        cls.reference = Reference(cls.aws.url)
        cls.addClassCleanup(cls.reference.close)
        cls.server = cls.zabbix.start_server(lines=["CacheUpdateFrequency=10"])
        cls.proxy = cls.zabbix.add_proxy(lines=["ConfigFrequency=10"])
        cls.api = cls.zabbix.api
        metric, _ = cls.reference.alarms()
        running = sorted(instance["InstanceId"] for instance in cls.reference.instances()
                         if instance["State"]["Name"] == "running")
        cls.alarms = {instance: {name for name in metric if name == f"CPUUtilization of {instance}"} for instance in running}
        running = [instance for instance in running if cls.alarms[instance]]
        cls.instances = {"server": running[-1], "proxy": running[-2]}
        cls.make_template()
        for macro, value in MACROS.items():
            cls.api.call("usermacro.createglobal", {"macro": f"{{${macro}}}", "value": value})
        cls.agents = {}
        for where, proxy in (("server", None), ("proxy", cls.proxy)):
            cls.make_collector(where, proxy)
            port = (proxy or cls.server).port
            folder = cls.zabbix._subfolder("agent")
            sections = (f'[zabbix]\nserver = "127.0.0.1:{port}"\nhostname = "collector at the {where}"\ndiscover = ["ec2"]\n'
                        f'refresh = "5s"\nstate_dir = "{folder}/state"\n[inventory]\nintervals = {{alarm = "10s"}}\n')
            cls.agents[where] = cls.zabbix.begin(Agent(folder, cls.aws.url, sections=sections, config='log_level = "info"'))
        cls.started = time.time()

    @classmethod
    def make_template(cls):
        cls.templateid = cls.api.call("template.create", {
            "host": TEMPLATE, "groups": [{"groupid": cls.api.group()}]})["templateids"][0]
        template = Host(cls.api, TEMPLATE, cls.templateid, None)
        for key in (*ECHOES, *OF_HOST):
            template.add_item(key, ItemType.ACTIVE, delay="5s")
        for key in METRICS:
            template.add_item(key, ItemType.ACTIVE, ValueType.FLOAT, delay="1m")
        # The alarms of one host, word for word.
        rule, = (rule for rule in recipe("items.md", "discovery rule") if rule.startswith("aws.discovery[alarm"))
        ruleid = template.add_discovery(rule, {key: ValueType.TEXT for key in recipe("items.md", "item prototype")},
                                        ItemType.ACTIVE, delay="5s")
        trigger, = recipe("items.md", "trigger prototype")
        cls.api.call("triggerprototype.create", {"description": "{#ID}", "priority": 3,
                                                 "expression": trigger.replace("<template>", TEMPLATE)})
        cls.ruleid = ruleid

    @classmethod
    def make_collector(cls, where, proxy):
        collector = cls.api.add_host(f"collector at the {where}", proxy=proxy,
                                     macros=[{"macro": "{$INSTANCE}", "value": cls.instances[where]}])
        # Hosts of their own, word for word, and narrowed to one by a macro within quotes.
        rule, = recipe("active.md", "discovery rule, on the host of the agent's `hostname`")
        name, = recipe("active.md", "host prototype")
        visible, = recipe("active.md", "its visible name")
        rule = rule.replace("aws.discovery[ec2]", 'aws.discovery[ec2,,,"id={$INSTANCE}"]')
        ruleid = collector.add_discovery(rule, {}, ItemType.ACTIVE, delay="30s")
        cls.api.call("hostprototype.create", {
            "ruleid": ruleid, "host": name, "name": visible, "groupLinks": [{"groupid": cls.api.group()}],
            "templates": [{"templateid": cls.templateid}]})

    def host(self, where):
        """The host that discovery has made there."""
        def found():
            rows = self.api.call("host.get", {"filter": {"host": self.instances[where]}, "output": ["hostid"]})
            return rows and Host(self.api, self.instances[where], rows[0]["hostid"], None)
        return wait_for(f"{self.instances[where]} at the {where}", found, 60, pause=0.3)

    def visible_name(self, host):
        name = self.api.call("host.get", {"hostids": host.hostid, "output": ["name"]})[0]["name"]
        self.assertTrue(name.endswith(f"({host.name})"), name)
        return name

    def each(self):
        for where in ("server", "proxy"):
            with self.subTest(where):
                yield where, self.host(where)

    def tearDown(self):
        for where, agent in self.agents.items():
            self.assertNotIn("did not take", agent.log(), f"refused at the {where}")

    def test_a_macro_of_any_shape(self):
        for where, host in self.each():
            items = host.items()
            for key, text in {**ECHOES, **OF_HOST}.items():
                if text is None:
                    items[key].wait_value(seconds=120)
                else:
                    if key in OF_HOST:
                        text = text.format(host=host.name, visible=self.visible_name(host))
                    items[key].wait_value(text, seconds=120)

    def test_every_datapoint_of_items_with_macros(self):
        for where, host in self.each():
            items = host.items()
            for key in METRICS:
                values = items[key].wait_values(1, seconds=120)
                clocks = [value.clock for value in values]
                self.assertEqual(len(set(clocks)), len(clocks))
                metric, statistic = ("NetworkIn", "Sum") if "NetworkIn" in key else ("CPUUtilization", "Average")
                wanted = self.reference.points("AWS/EC2", metric, [("InstanceId", host.name)], statistic, 300, min(clocks),
                                               max(clocks) + 300)
                for value in values:
                    self.assertEqual(float(value.value), float(f"{wanted[value.clock]:.15g}"))
            one, other = (items[key].values() for key in METRICS[:2])
            self.assertEqual(one[0], other[0], "two items, one expanded key")

    def test_the_alarms_of_one_host(self):
        self.addCleanup(self.aws.set_alarm, "*", "OK")
        for where, host in self.each():
            alarm = next(iter(self.alarms[host.name]))
            key = f'aws.resource[alarm,"{alarm}",state,{REGION},]'
            found = wait_for(key, lambda host=host, key=key: host.items().get(key), 120, pause=0.5)
            found.wait_value(seconds=120)
            self.aws.set_alarm(alarm, "ALARM")
            found.wait_value("ALARM", seconds=60)
            host.items()[f'aws.resource[alarm,"{alarm}",reason,{REGION},]'].wait_value(seconds=60)
            problem = {"hostids": host.hostid, "output": ["description"], "filter": {"value": 1}}
            wait_for("a problem", lambda problem=problem: self.api.call("trigger.get", problem), 60, pause=0.5)

    def test_a_host_that_zabbix_has_just_made_is_asked_for_soon(self):
        for where, host in self.each():
            first = host.items()["bakusoku.echo[{$PLAIN}]"].wait_values(1, seconds=120)[0]
            self.assertLess(first.clock - self.started, 90, f"at the {where}")

    def test_two_items_with_one_key_are_explained_by_their_ids(self):
        host = self.host("server")
        items = host.items()
        same = [items[f"bakusoku.echo[{text}]"] for text in ("same", "{$SAME}", "{$EQUAL}")]
        for item in same:
            item.wait_value("same", seconds=120)
        socket = self.agents["server"].get(f'bakusoku.explain[{host.name},{same[2].itemid}]').stdout
        told = json.loads(socket)
        self.assertEqual(told["key"], "bakusoku.echo[same]")
        self.assertEqual(told["destinations"][0]["itemid"], int(same[2].itemid))
        self.assertIn(same[0].itemid, json.dumps(told["explanation"]))

    def test_the_recorded_exchange_is_what_the_server_says(self):
        """fuzz/corpus/fuzz_active_reply/v6-macros was recorded with the question that the agent sends."""
        host = self.host("server")
        question = {"request": "active checks", "host": host.name, "config_revision": 0, "session": "0" * 32,
                    "version": "7.0.0", "variant": 1}
        def answered():
            answer = request(self.server.port, question)
            return answer if answer.get("data") else None
        answer = wait_for("items of the host", answered, 60, pause=0.5)
        recorded = json.loads((DOCS.parent / "fuzz/corpus/fuzz_active_reply/v6-macros").read_text())
        self.assertEqual({frozenset(row) for row in answer["data"]}, {frozenset(row) for row in recorded["data"]})
        self.assertEqual(set(answer), set(recorded))


if __name__ == "__main__":
    unittest.main()
