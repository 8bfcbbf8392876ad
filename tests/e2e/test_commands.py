"""The commands: get from a running agent and without one, check with good and bad configurations, version, help."""

import json
import pathlib
import subprocess
import unittest

from lab import ACCESS_KEY, REGION, SECRET_KEY, LabTestCase, program


class Commands(LabTestCase):
    def run_command(self, *arguments, environment=None, seconds=60):
        done = subprocess.run([program("bakusoku"), *map(str, arguments)], capture_output=True, text=True, timeout=seconds,
                              check=False, stdin=subprocess.DEVNULL,
                              env={"HOME": str(self.folder), "AWS_EC2_METADATA_DISABLED": "true", **(environment or {})})
        self.assertGreaterEqual(done.returncode, 0, f"ended by a signal: {done.stderr}")
        return done

    def account(self, aws, **more):
        return {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_ENDPOINT_URL": aws.url,
                "AWS_REGION": REGION, **more}

    def test_get_from_a_running_agent(self):
        aws = self.simaws("--regions", REGION)
        bakusoku = self.agent(aws.url)
        done = bakusoku.get("aws.ec2.name2id[web-1]")
        self.assertRegex(done.stdout, r"^i-[0-9a-f]{17}\n$")
        self.assertEqual(done.returncode, 0)
        done = bakusoku.get("--json", "bakusoku.echo[hello,world]", "no.such.key")
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(lines[0], {"key": "bakusoku.echo[hello,world]", "value": "hello world"})
        self.assertIn("no.such.key", lines[1]["error"])
        self.assertEqual(done.returncode, 1)

    def test_get_directly_needs_no_agent_and_no_configuration_file(self):
        aws = self.simaws("--regions", REGION)
        done = self.run_command("get", "--direct", "aws.ec2.name2id[web-1]", environment=self.account(aws))
        self.assertRegex(done.stdout, r"^i-[0-9a-f]{17}\n$", done.stderr)

    def test_get_without_an_agent_says_so(self):
        done = self.run_command("get", "bakusoku.ping", environment={"BAKUSOKU_SOCKET": str(self.folder / "nobody.sock")})
        self.assertEqual(done.returncode, 1)
        self.assertIn("nobody.sock", done.stderr)

    def test_explain_and_status_without_an_agent_say_how_to_start_it(self):
        for arguments in (("explain", "web-1"), ("explain", "web-1", "bakusoku.ping"), ("status",), ("status", "--json")):
            done = self.run_command(*arguments, environment={"BAKUSOKU_SOCKET": str(self.folder / "nobody.sock")})
            self.assertEqual(done.returncode, 1, arguments)
            self.assertIn("bakusoku run", done.stderr)

    def test_explain_and_status_of_an_agent_without_a_zabbix_server(self):
        aws = self.simaws("--regions", REGION)
        bakusoku = self.agent(aws.url)
        here = {"BAKUSOKU_SOCKET": str(bakusoku.socket)}
        done = self.run_command("explain", "web-1", "bakusoku.ping", environment=here)
        self.assertIn("No Zabbix server is configured", done.stdout)
        self.assertEqual(done.returncode, 1)
        done = self.run_command("status", environment=here)
        self.assertIn("no server in [zabbix]", done.stdout)
        self.assertEqual(done.returncode, 0)

    def test_check_of_an_account_that_works(self):
        aws = self.simaws("--regions", REGION)
        done = self.run_command("check", environment=self.account(aws))
        for words in ("000000000000", "ec2:DescribeInstances", "cloudwatch:GetMetricData", "cloudwatch:ListMetrics",
                      "cloudwatch:DescribeAlarms", ACCESS_KEY):
            self.assertIn(words, done.stdout)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertNotIn(SECRET_KEY, done.stdout + done.stderr)
        report = json.loads(self.run_command("check", "--json", environment=self.account(aws)).stdout)
        self.assertTrue(report["ok"])

    def test_check_says_which_protocol_of_cloudwatch_is_spoken(self):
        for options, spoken in (((), "CBOR"), (("--no-cbor", "404"), "AWS JSON 1.0"), (("--no-cbor", "500"), "AWS JSON 1.0")):
            aws = self.simaws("--regions", REGION, *options)
            done = self.run_command("check", environment=self.account(aws))
            self.assertRegex(done.stdout, f"ok +CloudWatch protocol: {spoken} at {aws.url}\n")
            self.assertRegex(done.stdout, "ok +cloudwatch:GetMetricData: allowed")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        file = pathlib.Path(self.folder / "bakusoku.toml")
        file.write_text('[aws]\nprotocol = "cbor"\n')
        done = self.run_command("check", "--config", file, environment=self.account(aws))
        self.assertRegex(done.stdout, r"FAILED +cloudwatch:GetMetricData: ")
        self.assertIn("(protocol in [aws])", done.stdout)
        file.write_text('[aws]\nprotocol = "xml"\n')
        done = self.run_command("check", "--config", file, environment=self.account(aws))
        self.assertIn(f'{file}:2: [aws] protocol must be "auto" or "cbor" or "json"', done.stdout + done.stderr)

    def test_check_says_of_alarms_that_they_are_optional(self):
        aws = self.simaws("--regions", REGION, "--fault", "DescribeAlarms:denied")
        done = self.run_command("check", environment=self.account(aws))
        self.assertRegex(done.stdout, r"warning +cloudwatch:DescribeAlarms: .*no item needs it yet")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_plan_counts_the_sweeps_of_alarms(self):
        aws = self.simaws("--regions", REGION, "--instances", "300")
        file = self.folder / "items"
        file.write_text("aws.discovery[alarm,,,dimension.InstanceId=i-1] 1m\naws.resource[alarm,simaws-math,state] 1m\n"
                        "aws.discovery[ec2] 1m\n")
        done = self.run_command("plan", "--alone", "--json", "--items", file, environment=self.account(aws))
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = {row["namespace"]: row for row in json.loads(done.stdout)["namespaces"]}
        self.assertEqual(rows["DescribeAlarms"]["usd_per_month"], 0, "within the free million")
        self.assertGreater(aws.calls("monitoring.DescribeAlarms"), 1)
        self.assertEqual(aws.calls("ec2.DescribeInstances"), 0, "it costs nothing")
        self.assertIn("1 items are nothing of CloudWatch's", done.stderr)

    def test_check_without_credentials(self):
        done = self.run_command("check", environment={"AWS_REGION": REGION, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("credentials", done.stdout)

    def test_check_with_a_wrong_secret(self):
        aws = self.simaws("--regions", REGION)
        done = self.run_command("check", environment=self.account(aws, AWS_SECRET_ACCESS_KEY="wrong"))
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, "SignatureDoesNotMatch|signature")

    def test_a_wrong_configuration_is_named_with_its_line(self):
        file = pathlib.Path(self.folder / "bakusoku.toml")
        for text, line, word in (('[agent]\nsocket = 3\n', 2, "socket"), ('[agent]\n\nsokcet = "x"\n', 3, "sokcet"),
                                 ('[agent\n', 1, ""), ('[nonsense]\n', 1, "nonsense"),
                                 ('[inventory]\ninterval = "soon"\n', 2, "interval")):
            file.write_text(text)
            for command in ("check", "run"):
                done = self.run_command(command, "--config", file, seconds=20)
                said = done.stdout + done.stderr
                self.assertEqual(done.returncode, 2, text)
                self.assertIn(f"{file}:{line}", said)
                self.assertIn(word, said)

    def test_version_and_help(self):
        self.assertRegex(self.run_command("version").stdout, r"\d+[.]\d+[.]\d+")
        self.assertRegex(self.run_command("--version").stdout, r"\d+[.]\d+[.]\d+")
        for arguments in ((), ("run",), ("get",), ("check",), ("explain",), ("status",)):
            done = self.run_command(*arguments, "--help")
            self.assertEqual(done.returncode, 0)
            self.assertGreater(len(done.stdout), 200)
        for word, said in (("statsu", "did you mean: bakusoku status"), ("xyzzy", "--help lists them")):
            done = self.run_command(word)
            self.assertEqual(done.returncode, 2)
            self.assertIn(said, done.stderr)

    def test_two_agents_do_not_share_a_socket(self):
        aws = self.simaws("--regions", REGION)
        bakusoku = self.agent(aws.url)
        file = self.folder / "second.toml"
        file.write_text(f'[agent]\nsocket = "{bakusoku.socket}"\n[aws]\nregion = "{REGION}"\n')
        second = self.run_command("run", "--config", file, environment=self.account(aws), seconds=20)
        self.assertNotEqual(second.returncode, 0)
        self.assertIn(str(bakusoku.socket), second.stderr)
        self.assertEqual(bakusoku.ask("bakusoku.ping"), "1")
        self.assertEqual(bakusoku.get("bakusoku.ping").stdout.strip(), "1")

    def test_a_socket_left_by_a_killed_agent_is_replaced(self):
        aws = self.simaws("--regions", REGION)
        bakusoku = self.agent(aws.url)
        bakusoku.kill()
        self.assertTrue(bakusoku.socket.exists())
        bakusoku.start()
        self.assertEqual(bakusoku.get("bakusoku.ping").stdout.strip(), "1")


if __name__ == "__main__":
    unittest.main()
