"""A real zabbix_agentd with the module, hundreds of thousands of checks long: the Go module of the article's time died
after about 9,130 checks a worker. BAKUSOKU_LONG=1 makes it a million."""

import json
import os
import subprocess
import unittest

from lab import LabTestCase, open_files, program, own_kilobytes

CHECKS = 1_000_000 if os.environ.get("BAKUSOKU_LONG") == "1" else 150_000  # 50,000 a worker
WORKERS = 3
CHECKS_BEFORE = 20_000
MEMORY_MAY_GROW_KILOBYTES = 256
ARTICLE_DIED_AFTER = 9_130


class Endurance(LabTestCase):
    def load(self, checks, keys):
        done = subprocess.run([program("zbxload"), "--json", "--port", str(self.zabbix.port), "--in-flight", "16",
                               "--threads", "2", "--checks", str(checks), "--timeout", "10000", *keys],
                              capture_output=True, text=True, timeout=840, check=False)
        report = json.loads(done.stdout)
        self.assertEqual(report["good"], checks, report)
        return report

    def test_every_check_is_answered_and_nothing_grows(self):
        self.assertGreater(CHECKS / WORKERS, ARTICLE_DIED_AFTER)
        aws = self.simaws("--instances", "40", "--regions", "eu-central-1")
        bakusoku = self.agent(aws.url)
        self.zabbix = self.agentd(bakusoku.socket, workers=WORKERS)
        instance = self.zabbix.ask("aws.ec2.name2id[web-1]")
        keys = ["bakusoku.echo[hello,world]", "aws.ec2.name2id[web-1]", "aws.ec2.name2id[web-2]",
                f'aws.metric[AWS/EC2,CPUUtilization,"InstanceId={instance}",Average,300]']
        self.load(CHECKS_BEFORE, keys)
        pids = [self.zabbix.pid, *self.zabbix.children()]
        files = {pid: open_files(pid) for pid in self.zabbix.listeners()}
        memory, agent_memory = self.zabbix.own_kilobytes(), own_kilobytes(bakusoku.pid)

        report = self.load(CHECKS, keys)

        print(f"\n{CHECKS} checks, {report['per_second']:.0f}/s, p99 {report['p99_us']:.0f} us; memory of zabbix_agentd "
              f"{memory} -> {self.zabbix.own_kilobytes()} kB, of bakusoku {agent_memory} -> {own_kilobytes(bakusoku.pid)} kB")
        self.assertEqual([self.zabbix.pid, *self.zabbix.children()], pids, "a process was restarted")
        for pid, count in files.items():
            # One check may still be closing.
            self.assertLessEqual(open_files(pid), count + 1, "open files grow")
        self.assertLess(self.zabbix.own_kilobytes() - memory, MEMORY_MAY_GROW_KILOBYTES)
        self.assertLess(own_kilobytes(bakusoku.pid) - agent_memory, 4 * MEMORY_MAY_GROW_KILOBYTES)
        self.assertLess(aws.stats()["requests"], 100, "checks are answered from memory")


if __name__ == "__main__":
    unittest.main()
