"""AWS failing in every way it does: an error in words that names the call, never a wrong value or an empty discovery; and
what passes by itself is never seen."""

import concurrent.futures
import json
import unittest

from lab import LabTestCase, wait_for

NAME = "aws.ec2.name2id[web-1]"
DISCOVERY = "aws.discovery[ec2]"
TIMEOUT = 6  # seconds for an answer, so that the agent's own retries have their time

LASTING = (
    # fault, what the answer says besides the call
    ("throttle", "RequestLimitExceeded|Throttl"),
    ("500", "InternalError|InternalFailure|InternalService|500"),
    ("503", "Unavailable|503"),
    ("denied", "UnauthorizedOperation|AccessDenied|not authorized"),
    ("expired", "[Ee]xpired"),
    ("hang", "in time|timed? ?out|still being read"),
    ("cut", "."),
    ("reset", "."),
    ("garbage", "."),
    ("junk", "."),
)
PASSING = ("throttle:1", "500:1", "503:1", "reset:1", "cut:1", "slow=300")


class Faults(LabTestCase):
    def fresh(self, fault):
        """An agent that has asked nothing yet, with AWS failing so."""
        aws = self.simaws("--instances", "40", "--regions", "eu-central-1")
        bakusoku = self.agent(aws.url, config=f'timeout = "{TIMEOUT}s"')
        return aws, bakusoku

    def metric_key(self, bakusoku):
        instance = bakusoku.ask(NAME, TIMEOUT + 5)
        self.assertRegex(instance, "^i-")
        return f'aws.metric[AWS/EC2,CPUUtilization,"InstanceId={instance}",Average,300]'

    def assertWords(self, answer, call, words):
        self.assertNotSupported(answer, words)
        self.assertGreater(len(answer), 40, "a sentence")
        if not ("in time" in answer or "still being read" in answer):
            self.assertIn(call, answer)

    def test_instances(self):
        for fault, words in LASTING:
            with self.subTest(fault):
                aws, bakusoku = self.fresh(fault)
                aws.set_faults(f"DescribeInstances:{fault}")
                self.assertWords(bakusoku.ask(NAME, TIMEOUT + 5), "DescribeInstances", words)
                self.assertNotSupported(bakusoku.ask(DISCOVERY, TIMEOUT + 5), words)  # never []
                self.assertEqual(bakusoku.ask("bakusoku.ping"), "1")
                bakusoku.stop()
                aws.stop()

    def test_metrics(self):
        for fault, words in LASTING:
            with self.subTest(fault):
                aws, bakusoku = self.fresh(fault)
                key = self.metric_key(bakusoku)
                aws.set_faults(f"GetMetricData:{fault}")
                self.assertWords(bakusoku.ask(key, TIMEOUT + 5), "GetMetricData", words)
                self.assertEqual(bakusoku.ask("bakusoku.ping"), "1")
                bakusoku.stop()
                aws.stop()

    def ask_four(self, fault):
        """The answers of four metrics that are read in one call, of which every second series fails."""
        aws = self.simaws("--instances", "40", "--regions", "eu-central-1")
        bakusoku = self.agent(aws.url, sections='[metrics]\ngather = "500ms"\nlist = 0')
        instances = [bakusoku.ask(f"aws.ec2.name2id[web-{number}]") for number in (1, 2, 3, 4)]
        aws.set_faults(f"GetMetricData:{fault}")
        keys = [f'aws.metric[AWS/EC2,CPUUtilization,"InstanceId={instance}",Average,300]' for instance in instances]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda key: bakusoku.ask(key, TIMEOUT + 5), keys))
        return aws, bakusoku, keys, answers

    def test_one_failed_series_does_not_touch_the_others_of_its_call(self):
        aws, _, _, answers = self.ask_four("forbidden")
        self.assertEqual(aws.calls("monitoring.GetMetricData"), 1)
        failed = [answer for answer in answers if answer.startswith("ZBX_NOTSUPPORTED")]
        self.assertEqual(len(failed), 2, answers)
        for answer in failed:
            self.assertNotSupported(answer, "[Ff]orbidden", "GetMetricData")

    def test_what_cloudwatch_cannot_read_is_asked_for_again_alone(self):
        # Two of four fail; asked for again, one of these two; then the one that is left is the first of its call.
        aws, bakusoku, keys, answers = self.ask_four("internal")
        self.assertGreaterEqual(len([answer for answer in answers if not answer.startswith("ZBX_NOTSUPPORTED")]), 3, answers)
        for key in keys:
            wait_for("all of them", lambda key=key: not bakusoku.ask(key).startswith("ZBX_NOTSUPPORTED"), 10)
        self.assertEqual(aws.calls("monitoring.GetMetricData"), 3)
        self.assertEqual(aws.stats()["metrics_requested"], 4 + 2 + 1)

    def test_what_passes_is_not_seen(self):
        for fault in PASSING:
            with self.subTest(fault):
                aws, bakusoku = self.fresh(fault)
                aws.set_faults(f"DescribeInstances:{fault}")
                key = self.metric_key(bakusoku)
                aws.set_faults(f"GetMetricData:{fault}")
                self.assertGreaterEqual(float(bakusoku.ask(key, TIMEOUT + 5)), 0)
                bakusoku.stop()
                aws.stop()

    def test_metric_data_in_parts_is_put_together(self):
        aws, bakusoku = self.fresh("partial")
        key = self.metric_key(bakusoku)
        aws.set_faults("GetMetricData:partial")
        self.assertGreaterEqual(float(bakusoku.ask(key, TIMEOUT + 5)), 0)
        self.assertGreater(aws.calls("monitoring.GetMetricData"), 1)

    def test_one_failed_page_does_not_make_instances_disappear(self):
        aws = self.simaws("--instances", "2300", "--regions", "eu-central-1")
        bakusoku = self.agent(aws.url, sections='[inventory]\ninterval = "10s"', config=f'timeout = "{TIMEOUT}s"')
        before = len(json.loads(bakusoku.ask(DISCOVERY)))
        self.assertGreater(before, 2000)
        aws.set_faults("DescribeInstances:500:0.5")
        for number in range(5):
            bakusoku.ask(f"aws.ec2.name2id[nobody-{number}]", TIMEOUT + 5)  # brings readings forward
            self.assertEqual(len(json.loads(bakusoku.ask(DISCOVERY))), before)

    def test_a_wrong_clock_is_corrected(self):
        aws, bakusoku = self.fresh("skew")
        aws.set_faults("*:skew=5400")
        self.assertRegex(bakusoku.ask(NAME, TIMEOUT + 5), "^i-")

    def test_endpoint_that_is_not_there(self):
        bakusoku = self.agent("http://127.0.0.1:9", config=f'timeout = "{TIMEOUT}s"')
        self.assertNotSupported(bakusoku.ask(NAME, TIMEOUT + 5), "127[.]0[.]0[.]1:9|DescribeInstances")

    def test_a_region_that_does_not_exist(self):
        aws = self.simaws("--regions", "eu-central-1")
        bakusoku = self.agent(aws.url, config=f'timeout = "{TIMEOUT}s"')
        for region in ("eu-nowhere-9", "../../etc", "x y", "a" * 300):
            self.assertNotSupported(bakusoku.ask(f'aws.ec2.name2id[web-1,"{region}"]', TIMEOUT + 5))
        self.assertNotSupported(bakusoku.ask("aws.ec2.name2id[web-1,,nobody]"), "nobody")

    def test_no_credentials(self):
        aws = self.simaws("--regions", "eu-central-1")
        bakusoku = self.agent(aws.url, environment={"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None})
        self.assertNotSupported(bakusoku.ask(NAME), "credentials")
        self.assertEqual(bakusoku.ask("bakusoku.ping"), "1")

    def test_wrong_parameters_are_named(self):
        aws = self.simaws("--regions", "eu-central-1")
        bakusoku = self.agent(aws.url)
        for key, words in (("aws.metric[]", "namespace"), ("aws.metric[AWS/EC2]", "metric"), ("aws.ec2.name2id[]", "Name"),
                           ("aws.metric[AWS/EC2,CPUUtilization,InstanceId,Average,300]", "InstanceId"),
                           ("aws.metric[AWS/EC2,CPUUtilization,,Medium,300]", "Medium"),
                           ("aws.metric[AWS/EC2,CPUUtilization,,Average,7]", "7"), ("aws.discovery[nothing]", "nothing"),
                           ("aws.resource[ec2,i-1,nonsense]", "nonsense"), ("aws.nonsense", "aws.nonsense"),
                           ("bakusoku.stats[nonsense]", "nonsense")):
            self.assertNotSupported(bakusoku.ask(key), words)


if __name__ == "__main__":
    unittest.main()
