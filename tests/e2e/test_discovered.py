"""Hosts that a discovery rule makes, on a real Zabbix: one template serves all regions, every resource has a visible name that
Zabbix takes, and a host that registers itself has the right interface and Zabbix's own items of agents."""

import json
import re
import time
import unittest

import boto3

from api import Host, Item, ItemType, ValueType
from lab import ACCESS_KEY, REGION, SECRET_KEY, Agent, wait_for
from reference import Reference
from server import ServerTestCase

OTHER = "us-east-1"
ROOT = "aws-collector"
METRIC = ("Sim/App", "Latency", [("Service", "checkout"), ("Stage", "prod")], "Average", 60)
CHARACTERS = 128  # of a visible name: Zabbix's limit


class Elsewhere(Reference):
    """The reference of another region."""

    def __init__(self, url, region):
        def client(service):
            return boto3.client(service, region_name=region, endpoint_url=url, aws_access_key_id=ACCESS_KEY,
                                aws_secret_access_key=SECRET_KEY)
        self.ec2, self.cloudwatch = client("ec2"), client("cloudwatch")


class DiscoveredTestCase(ServerTestCase):
    @classmethod
    def new_agent(cls, zabbix, aws=""):
        folder = cls.zabbix._subfolder("agent")
        sections = (f'{aws}\n[metrics]\ndelay = "5s"\n[zabbix]\nserver = "127.0.0.1:{cls.server.port}"\nrefresh = "2s"\n'
                    f'state_dir = "{folder}/state"\n{zabbix}\n')
        return cls.zabbix.begin(Agent(folder, cls.aws.url, sections=sections))


class OneTemplate(DiscoveredTestCase):
    """Instances of two regions, all with the template that names no region."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.aws = cls.zabbix.simaws("--instances", "33", "--regions", f"{REGION},{OTHER}")  # the odd names, and no more
        cls.references = {region: Elsewhere(cls.aws.url, region) for region in (REGION, OTHER)}
        for reference in cls.references.values():
            cls.addClassCleanup(reference.close)
        cls.server = cls.zabbix.start_server()
        api = cls.zabbix.api
        cls.root = api.add_host(ROOT)
        cls.own_name = cls.root.add_item("aws.ec2.name2id[web-1]", ItemType.ACTIVE, delay="5s")
        cls.templateid = api.call("template.create", {"host": "instance", "groups": [{"groupid": api.group()}]})["templateids"][0]
        cls.keys = {
            "metric": (f"aws.metric[{METRIC[0]},{METRIC[1]},Service=checkout;Stage=prod,Average,60]", ValueType.FLOAT),
            "math": ('aws.math[2*l,"l=Sim/App,Latency,Service=checkout;Stage=prod,Average",period=60]', ValueType.FLOAT),
            "name": ("aws.ec2.name2id[web-1]", ValueType.CHARACTER),
            "alarm": ("aws.resource[alarm,simaws-math,dimension.InstanceId]", ValueType.CHARACTER),
            "list": ("aws.discovery[ec2,,,tag.Name=web-1]", ValueType.TEXT),
            "ping": ("agent.ping", ValueType.UNSIGNED),
        }
        for key, value_type in cls.keys.values():
            api.call("item.create", {"hostid": cls.templateid, "name": key, "key_": key, "type": int(ItemType.ACTIVE),
                                     "value_type": int(value_type), "delay": "30s"})
        cls.ruleid = cls.root.add_discovery("aws.discovery[ec2,*]", {}, ItemType.ACTIVE, delay="10s")
        paths = {"{#BY_PATH}": "$.tags['環境']", "{#OTHER_CASE}": "$.tags['Env']", "{#CASE}": "$.tags['env']"}
        api.call("discoveryrule.update", {"itemid": cls.ruleid, "lld_macro_paths": [
            {"lld_macro": macro, "path": path} for macro, path in paths.items()]})
        cls.tags = {"by path": "{#BY_PATH}", "Env": "{#OTHER_CASE}", "env": "{#CASE}", "by hash": "{#TAG.026F1E50}",
                    "first": "{#TAG.ENV}", "second": "{#TAG.ENV_F4F52AA7}", "a-b": "{#TAG.A_B}", "a_b": "{#TAG.A_B_3F0C684C}"}
        api.call("hostprototype.create", {"ruleid": cls.ruleid, "host": "{#ID}", "name": "{#LABEL}",
                                          "groupLinks": [{"groupid": api.group()}],
                                          "templates": [{"templateid": cls.templateid}],
                                          "tags": [{"tag": tag, "value": macro} for tag, macro in cls.tags.items()]})
        cls.zabbix.reload()
        cls.there = {region: {instance["InstanceId"]: instance for instance in reference.instances()
                              if instance["State"]["Name"] != "terminated"} for region, reference in cls.references.items()}

        cls.bakusoku = cls.new_agent(f'hostname = "{ROOT}"\ndiscover = ["ec2"]\n', aws=f'regions = ["{REGION}", "{OTHER}"]')
        cls.hosts = cls.made()
        cls.zabbix.reload()

    @classmethod
    def made(cls):
        wanted = {instance for instances in cls.there.values() for instance in instances}

        def hosts():
            found = cls.zabbix.api.call("host.get", {"output": ["host", "name"], "filter": {"flags": 4},
                                                      "selectItems": ["itemid", "key_", "value_type"],
                                                      "selectTags": ["tag", "value"]})
            hosts.found = {host["host"]: host for host in found}
            whole = all(len(host["items"]) == len(cls.keys) for host in found)  # its template is linked after it is made
            return hosts.found if whole and set(hosts.found) == wanted else None
        try:
            return wait_for("a host of each instance", hosts, 60, pause=0.5)
        except TimeoutError:
            rule = cls.zabbix.api.call("discoveryrule.get", {"itemids": cls.ruleid, "output": ["error"]})
            raise AssertionError(f"missing: {wanted - set(hosts.found)}; Zabbix says: {rule}") from None

    def item(self, host, name):
        key, value_type = self.keys[name]
        itemid = next(item["itemid"] for item in self.hosts[host]["items"] if item["key_"] == key)
        return Item(self.zabbix.api, itemid, host, key, value_type)

    @staticmethod
    def label(instance):
        """What the documents say."""
        name = re.sub(r"[ \x00-\x1f\x7f]+", " ", Reference.tags(instance).get("Name", "")).strip()
        tail = f" ({instance['InstanceId']})"
        return name[:CHARACTERS - len(tail)] + tail if name else instance["InstanceId"]

    def test_every_instance_has_a_host_and_a_visible_name(self):
        instances = {instance: row for there in self.there.values() for instance, row in there.items()}
        names = {Reference.tags(row).get("Name") for row in instances.values()}
        self.assertTrue({None, "", "line\nbreak", "dup-name"} < names and max(len(name or "") for name in names) == 255)
        for instance, row in instances.items():
            self.assertEqual(self.hosts[instance]["name"], self.label(row))
        rule = self.zabbix.api.call("discoveryrule.get", {"itemids": self.ruleid, "output": ["error", "state"]})[0]
        self.assertEqual((rule["error"], rule["state"]), ("", "0"))

    def test_no_tag_is_lost(self):
        for region, there in self.there.items():
            odd = next(instance for instance, row in there.items() if "環境" in Reference.tags(row))
            found = {tag["tag"]: tag["value"] for tag in self.hosts[odd]["tags"]}
            self.assertEqual(found, {"by path": "本番", "by hash": "本番", "Env": "other case", "env": found["env"],
                                     "first": "other case", "second": found["env"], "a-b": "1", "a_b": "2"}, region)
            self.assertIn(found["env"], ("prod", "test"))
        self.assertEqual(self.bakusoku.log().count("the tag '環境' is the macro {#TAG.026F1E50}"), 1)
        self.assertEqual(self.bakusoku.log().count("the tags 'Env' and 'env' of one resource"), 1)
        told = self.bakusoku.get("-t", "10", f'bakusoku.explain[{ROOT},"aws.discovery[ec2,*]"]').stdout
        self.assertIn("{#TAG.ENV_F4F52AA7}", told)

    def test_items_are_of_the_hosts_own_region(self):
        for region, reference in self.references.items():
            host = sorted(self.there[region])[0]
            named = reference.named("web-1")
            self.item(host, "name").wait_value(named, seconds=120)
            self.assertEqual([row["{#ID}"] for row in json.loads(self.item(host, "list").wait_value(seconds=60))], [named])
            metrics, _ = reference.alarms()
            dimensions = [dimension["Value"] for query in metrics["simaws-math"]["Metrics"] if "MetricStat" in query
                          for dimension in query["MetricStat"]["Metric"]["Dimensions"] if dimension["Name"] == "InstanceId"]
            self.item(host, "alarm").wait_value(dimensions[0], seconds=60)
            for name, factor in (("metric", 1), ("math", 2)):
                values = self.item(host, name).wait_values(1, seconds=60)
                wanted = reference.points(*METRIC, values[0].clock, values[-1].clock + 60)
                for value in values:
                    self.assertAlmostEqual(float(value.value), factor * wanted[value.clock], places=6)
        start = int(time.time()) // 60 * 60 - 600
        points = [reference.points(*METRIC, start, start + 60) for reference in self.references.values()]
        self.assertNotEqual(*points, "the regions are told apart by their values")

    def test_the_agents_own_host_means_the_defaults(self):
        self.own_name.wait_value(self.references[REGION].named("web-1"), seconds=60)

    def test_agent_ping_is_not_said_of_an_instance(self):
        self.item(sorted(self.there[OTHER])[0], "ping").wait_error("would be of the machine the agent runs on", seconds=120)

    def test_explain_says_which_region_was_taken(self):
        host = sorted(self.there[OTHER])[0]
        self.item(host, "alarm").wait_values(1, seconds=120)
        for name in ("metric", "alarm"):
            told = self.bakusoku.get("-t", "10", f'bakusoku.explain[{host},"{self.keys[name][0]}"]').stdout
            self.assertIn(f"{OTHER}", told)
            self.assertIn("those of the resource that the host is named by", told)


class Registers(DiscoveredTestCase):
    """An autoregistration action makes the agent's host, with Zabbix's own templates of agents."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.aws = cls.zabbix.simaws("--instances", "1", "--regions", REGION)
        cls.server = cls.zabbix.start_server()
        api = cls.zabbix.api
        cls.templates = {name: api.call("template.get", {"filter": {"host": name}, "output": ["templateid"]})[0]["templateid"]
                         for name in ("Zabbix agent", "Zabbix agent active")}
        api.call("action.create", {
            "name": "register", "eventsource": 2, "status": 0,
            "filter": {"evaltype": 0, "conditions": [{"conditiontype": 24, "operator": 2, "value": "bakusoku"}]},
            "operations": [{"operationtype": 2}, {"operationtype": 4, "opgroup": [{"groupid": api.group()}]},
                           {"operationtype": 6, "optemplate": [{"templateid": cls.templates["Zabbix agent active"]}]}]})
        cls.zabbix.reload()
        cls.bakusoku = cls.new_agent(f'hostname = "{ROOT}"\nhost_metadata = "bakusoku"\n')

    def test_interface_and_stock_templates(self):
        api = self.zabbix.api
        found = wait_for("registered", lambda: api.call("host.get", {"filter": {"host": ROOT}, "selectInterfaces": "extend",
                                                                     "selectParentTemplates": ["host"]}), 60, pause=0.5)[0]
        self.assertEqual([(one["ip"], one["port"], one["useip"]) for one in found["interfaces"]],
                         [("127.0.0.1", str(self.bakusoku.port), "1")])
        host = Host(api, ROOT, found["hostid"], found["interfaces"][0]["interfaceid"])
        wait_for("its template", lambda: "agent.ping" in host.items(), 30, pause=0.5)
        self.zabbix.reload()
        wanted = {"agent.ping": "1", "agent.hostname": ROOT}
        for key, value in wanted.items():
            host.items()[key].wait_value(value, seconds=90)
        self.assertRegex(host.items()["agent.version"].wait_value(seconds=60), r"^\d+\.\d+")
        # The same, asked by the server through that interface.
        api.call("host.update", {"hostid": host.hostid, "templates_clear": [{"templateid": self.templates["Zabbix agent active"]}],
                                 "templates": [{"templateid": self.templates["Zabbix agent"]}]})
        self.zabbix.reload()
        items = host.items()
        api.call("task.create", [{"type": 6, "request": {"itemid": items[key].itemid}}
                                 for key in ("agent.ping", "agent.version", "agent.hostname")])
        for key, value in wanted.items():
            items[key].wait_value(value, seconds=90)
        items["zabbix[host,agent,available]"].wait_value("1", seconds=90)


if __name__ == "__main__":
    unittest.main()
