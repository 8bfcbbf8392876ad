"""The article's two items, and what followed from them, answered by every forked worker of a real zabbix_agentd."""

import contextlib
import json
import os
import pathlib
import unittest

from lab import LabTestCase


class Workers(LabTestCase):
    def setUp(self):
        super().setUp()
        self.aws = self.simaws("--instances", "40", "--regions", "eu-central-1")
        self.bakusoku = self.agent(self.aws.url)
        self.zabbix = self.agentd(self.bakusoku.socket, workers=3)

    def test_every_worker_answers_every_item(self):
        workers = self.zabbix.listeners()
        self.assertEqual(len(workers), 3)
        ids = set()
        for pid in workers:
            self.assertEqual(self.zabbix.ask_worker(pid, "bakusoku.echo[hello,world]"), "hello world")
            instance = self.zabbix.ask_worker(pid, "aws.ec2.name2id[web-1]")
            self.assertRegex(instance, r"^i-[0-9a-f]{17}$")
            ids.add(instance)
            metric = self.zabbix.ask_worker(pid, f'aws.metric[AWS/EC2,CPUUtilization,"InstanceId={instance}",Average,300]')
            self.assertGreaterEqual(float(metric), 0)
            rows = json.loads(self.zabbix.ask_worker(pid, "aws.discovery[ec2]"))
            self.assertIn(instance, [row["{#ID}"] for row in rows])
            self.assertEqual(self.zabbix.ask_worker(pid, f"aws.resource[ec2,{instance},name]"), "web-1")
            self.assertEqual(self.zabbix.ask_worker(pid, "bakusoku.ping"), "1")
        self.assertEqual(len(ids), 1, "all workers name the same instance")
        self.assertEqual(self.zabbix.listeners(), workers, "no worker was restarted")

    def test_loading_the_module_opens_nothing_and_each_worker_opens_one_connection(self):
        def sockets(pid):
            links = set()
            for fd in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                    links.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
            return {link for link in links if link.startswith("socket:")}

        def unix_sockets(pid):
            # A worker answers a check first and closes its TCP connection then; that one is not the module's.
            lines = pathlib.Path("/proc/net/unix").read_text().splitlines()[1:]
            return sockets(pid) & {f"socket:[{line.split()[6]}]" for line in lines}

        workers = self.zabbix.listeners()
        before = {pid: unix_sockets(pid) for pid in workers}
        main = sockets(self.zabbix.pid)
        for pid in workers:
            self.zabbix.ask_worker(pid, "aws.ec2.name2id[web-2]")
        opened = {pid: unix_sockets(pid) for pid in workers}
        for _ in range(20):
            for pid in workers:
                self.zabbix.ask_worker(pid, "aws.ec2.name2id[web-2]")
        for pid in workers:
            self.assertEqual(unix_sockets(pid), opened[pid], "the same one after twenty checks")
            self.assertEqual(len(unix_sockets(pid) - before[pid]), 1, "one connection, kept")
        self.assertEqual(sockets(self.zabbix.pid), main)

    def test_no_process_of_zabbix_gets_a_second_thread(self):
        self.zabbix.ask("aws.ec2.name2id[web-1]")
        for pid in [self.zabbix.pid, *self.zabbix.children()]:
            self.assertEqual(len(list(pathlib.Path(f"/proc/{pid}/task").iterdir())), 1)

    def test_zabbix_get_gets_the_answers_too(self):
        self.assertEqual(self.zabbix.zabbix_get("bakusoku.echo[hello,world]"), "hello world")
        self.assertRegex(self.zabbix.zabbix_get("aws.ec2.name2id[web-1]"), r"^i-[0-9a-f]{17}$")

    def test_odd_parameters_arrive_as_written(self):
        for key, answer in (('bakusoku.echo["a,b",c]', "a,b c"), ('bakusoku.echo["say \\"hi\\""]', 'say "hi"'),
                            ("bakusoku.echo[]", ""), ('bakusoku.echo[" a "," b"]', " a   b"),
                            ("bakusoku.echo[日本語]", "日本語")):
            if answer:
                self.assertEqual(self.zabbix.ask(key), answer)
        # Names of the simulator's fleet with everything that quoting can get wrong.
        for row in json.loads(self.zabbix.ask("aws.discovery[ec2]")):
            name = row["{#NAME}"]
            if not name or "\t" in name or name == "dup-name":
                continue
            quoted = '"' + name.replace('"', '\\"') + '"'
            if name.endswith("\\"):
                continue
            answer = self.zabbix.ask(f"aws.ec2.name2id[{quoted}]")
            self.assertEqual(answer, row["{#ID}"], name)


if __name__ == "__main__":
    unittest.main()
