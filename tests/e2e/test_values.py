"""Values are right: what the agent answers is what boto3, asked on its own over another protocol, reads from the same
endpoint."""

import collections
import json
import unittest

from lab import REGION, LabTestCase, wait_for
from reference import Reference

INSTANCES = 2300  # three pages of DescribeInstances


class Values(LabTestCase):
    def setUp(self):
        super().setUp()
        self.aws = self.simaws("--instances", str(INSTANCES), "--regions", REGION)
        self.bakusoku = self.agent(self.aws.url)
        self.reference = Reference(self.aws.url)
        self.addCleanup(self.reference.close)
        self.instances = self.reference.instances()
        self.tags = self.reference.tags
        self.assertEqual(len(self.instances), INSTANCES)

    def test_metrics(self):
        instance = next(i["InstanceId"] for i in self.instances if i["State"]["Name"] == "running")
        on_instance = [("InstanceId", instance)]
        checked = 0
        for namespace, metric, dimensions in (("AWS/EC2", "CPUUtilization", on_instance), ("AWS/EC2", "NetworkIn", on_instance),
                                              ("AWS/EC2", "StatusCheckFailed", on_instance), ("AWS/Lambda", "Invocations", []),
                                              ("Sim/App", "Latency", [("Service", "checkout"), ("Stage", "prod")]),
                                              ("Sim/App", "Temperature", [])):
            for statistic in ("Average", "Sum", "Minimum", "Maximum", "SampleCount", "p90", "p99.9", "tm90"):
                for period in (60, 300, 3600):
                    text = ";".join(f"{name}={value}" for name, value in dimensions)
                    key = f'aws.metric[{namespace},{metric},"{text}",{statistic},{period}]'
                    for _ in range(2):  # a period may become final between the two readings
                        wanted = self.reference.newest(namespace, metric, dimensions, statistic, period)
                        answer = self.bakusoku.ask(key)
                        if wanted is not None and answer == answer.strip() and self._equal(answer, wanted):
                            checked += 1
                            break
                    else:
                        self.fail(f"{key}: {answer}, boto3 reads {wanted}")
        self.assertEqual(checked, 6 * 8 * 3)

    @staticmethod
    def _equal(answer, wanted):
        try:
            return float(answer) == wanted
        except ValueError:
            return False

    def test_names(self):
        by_name = collections.defaultdict(list)
        for instance in self.instances:
            name = self.tags(instance).get("Name")
            if name and instance["State"]["Name"] not in ("terminated", "shutting-down"):
                by_name[name].append(instance["InstanceId"])
        asked = several = 0
        for name, ids in list(by_name.items())[:400]:
            if name.endswith("\\"):
                continue  # a quoted parameter of Zabbix cannot end in a backslash
            quoted = name.replace('"', '\\"')
            answer = self.bakusoku.ask(f'aws.ec2.name2id["{quoted}"]')
            if len(ids) == 1:
                self.assertEqual(answer, ids[0], name)
                asked += 1
            else:
                self.assertNotSupported(answer, *ids)
                several += 1
        self.assertGreater(asked, 300)
        self.assertGreater(several, 0)
        self.assertNotSupported(self.bakusoku.ask("aws.ec2.name2id[no such name]"), "no such name")

    def test_discovery_and_facts(self):
        rows = json.loads(self.bakusoku.ask("aws.discovery[ec2]"))
        there = {i["InstanceId"]: i for i in self.instances if i["State"]["Name"] not in ("terminated", "shutting-down")}
        self.assertEqual({row["{#ID}"] for row in rows}, set(there))
        for row in rows:
            instance = there[row["{#ID}"]]
            self.assertEqual(row["tags"], self.tags(instance))
            self.assertEqual(row["{#NAME}"], self.tags(instance).get("Name", ""))
            self.assertEqual(row["{#TYPE}"], instance["InstanceType"])
            self.assertEqual(row["{#STATE}"], instance["State"]["Name"])
        for instance in list(there.values())[:40]:
            def fact(field, instance=instance):
                answer = self.bakusoku.ask(f"aws.resource[ec2,{instance['InstanceId']},{field}]")
                # A fact the instance does not have is not supported, in words; here it stands as "".
                return "" if answer.endswith(f"{instance['InstanceId']} has no {field}") else answer
            self.assertEqual(fact("state"), instance["State"]["Name"])
            self.assertEqual(fact("type"), instance["InstanceType"])
            self.assertEqual(fact("zone"), instance["Placement"]["AvailabilityZone"])
            self.assertEqual(fact("private_ip"), instance.get("PrivateIpAddress", ""))
            self.assertEqual(fact("tag.Name"), self.tags(instance).get("Name", ""))

    def test_alarms(self):
        metric, composite = self.reference.alarms()
        before = self.aws.calls("monitoring.DescribeAlarms")
        # The first reading takes longer than an asker waits: half of nine requests a second.
        wait_for("the list is read", lambda: self.bakusoku.ask("aws.discovery[alarm]").startswith("["), 60)
        rows = {row["{#ID}"]: row for row in json.loads(self.bakusoku.ask("aws.discovery[alarm]"))}
        pages = self.aws.calls("monitoring.DescribeAlarms") - before
        self.assertEqual(pages, -(-len(metric | composite) // 100))
        self.assertEqual(set(rows), set(metric | composite))
        for name, alarm in (metric | composite).items():
            row = rows[name]
            self.assertEqual(row["{#STATE}"], alarm["StateValue"])
            self.assertEqual(row["{#REASON}"], alarm["StateReason"])
            self.assertEqual(row["{#UPDATED}"], alarm["StateUpdatedTimestamp"].strftime("%Y-%m-%dT%H:%M:%S.000Z"))
            self.assertEqual(row["{#ACTIONS_ENABLED}"], str(alarm["ActionsEnabled"]).lower())
            self.assertEqual(row["{#TYPE}"], "metric" if name in metric else "composite")
            self.assertEqual(row.get("{#RULE}"), alarm.get("AlarmRule"))
            self.assertEqual(row.get("{#METRIC}"), alarm.get("MetricName"))
            self.assertEqual(row.get("{#STATISTIC}"), alarm.get("Statistic", alarm.get("ExtendedStatistic")))
            self.assertEqual(float(row["{#THRESHOLD}"]) if "{#THRESHOLD}" in row else None, alarm.get("Threshold"))
            if "MetricName" in alarm:
                self.assertEqual(row["dimensions"], {one["Name"]: one["Value"] for one in alarm["Dimensions"]})
        # What each host finds is what a look through boto3's list finds.
        def dimensions(alarm):
            queries = [query["MetricStat"]["Metric"] for query in alarm.get("Metrics", []) if "MetricStat" in query]
            return {(one["Name"], one["Value"]) for part in [alarm, *queries] for one in part.get("Dimensions", [])}
        for instance in self.instances[:60]:
            pair = ("InstanceId", instance["InstanceId"])
            own = json.loads(self.bakusoku.ask(f'aws.discovery[alarm,,,"dimension.{pair[0]}={pair[1]}"]'))
            self.assertEqual({row["{#ID}"] for row in own}, {name for name, alarm in metric.items() if pair in dimensions(alarm)})
        self.assertEqual(self.aws.calls("monitoring.DescribeAlarms") - before, pages, "all of it from one sweep")


if __name__ == "__main__":
    unittest.main()
