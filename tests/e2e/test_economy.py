"""What is asked of AWS is no more than needed: a thousand name look-ups are one paged sweep, unknown names cause one
more, and metrics asked for together travel together."""

import concurrent.futures
import json
import subprocess
import unittest

from lab import LabTestCase, program

INSTANCES = 2300
PAGES = 3  # of 1000 instances


class Economy(LabTestCase):
    def setUp(self):
        super().setUp()
        self.aws = self.simaws("--instances", str(INSTANCES), "--regions", "eu-central-1")
        self.bakusoku = self.agent(self.aws.url)

    def ask_many(self, keys, in_flight=64):
        file = self.folder / "keys"
        file.write_text("\n".join(keys) + "\n", encoding="utf-8")
        done = subprocess.run([program("zbxload"), "--json", "--port", str(self.bakusoku.port), "--in-flight", str(in_flight),
                               "--checks", str(len(keys)), "--keys-file", str(file)], capture_output=True, text=True,
                              timeout=100, check=False)
        return json.loads(done.stdout)

    def test_a_thousand_names_are_one_sweep(self):
        # Every 64th of the simulator's instances is terminated and holds its name no more.
        names = [f"aws.ec2.name2id[web-{number}]" for number in range(100, 1200) if (number - 1) % 64 != 33][:1000]
        report = self.ask_many(names)
        self.assertEqual(report["answered"], 1000)
        self.assertEqual(report["good"], 1000, report)
        self.assertEqual(self.aws.calls("ec2.DescribeInstances"), PAGES)
        # Again, and everything else that is known of them: nothing more is asked.
        self.ask_many(names)
        json.loads(self.bakusoku.ask("aws.discovery[ec2]"))
        self.bakusoku.ask("aws.resource[ec2,i-unknown,state]")
        self.assertEqual(self.aws.calls("ec2.DescribeInstances"), 2 * PAGES, "an unknown id was looked for once")

    def test_unknown_names_are_looked_for_once(self):
        self.bakusoku.ask("aws.ec2.name2id[web-1]")
        report = self.ask_many([f"aws.ec2.name2id[nobody-{number}]" for number in range(500)])
        self.assertEqual(report["not_supported"], 500)
        self.assertEqual(self.aws.calls("ec2.DescribeInstances"), 2 * PAGES)

    def test_metrics_asked_together_are_read_together(self):
        rows = json.loads(self.bakusoku.ask("aws.discovery[ec2]"))
        running = [row["{#ID}"] for row in rows if row["{#STATE}"] == "running"][:1000]
        keys = [f'aws.metric[AWS/EC2,CPUUtilization,"InstanceId={instance}",Average,300]' for instance in running]
        report = self.ask_many(keys, in_flight=250)
        self.assertEqual(report["good"], len(keys))
        # 250 at a time: four calls would be the least, some may find the others on their way.
        self.assertLessEqual(self.aws.calls("monitoring.GetMetricData"), 20)
        before = self.aws.calls("monitoring.GetMetricData")
        self.assertEqual(self.ask_many(keys, in_flight=250)["good"], len(keys))
        self.assertLessEqual(self.aws.calls("monitoring.GetMetricData") - before, 4, "what is known is not read again within its period")

    def test_one_metric_asked_by_many_at_once_is_read_once(self):
        instance = self.bakusoku.ask("aws.ec2.name2id[web-1]")
        key = f'aws.metric[AWS/EC2,NetworkIn,"InstanceId={instance}",Sum,300]'
        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            answers = set(pool.map(lambda _: self.bakusoku.ask(key), range(50)))
        self.assertEqual(len(answers), 1)
        self.assertEqual(self.aws.calls("monitoring.GetMetricData"), 1)


if __name__ == "__main__":
    unittest.main()
