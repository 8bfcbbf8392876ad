"""zabbix_agentd -t and -p, which load modules and call their items without forking, and its way to refuse a module."""

import subprocess
import unittest

from lab import Agentd, LabTestCase, zabbix_program

KEYS = ("bakusoku.echo", "bakusoku.ping", "bakusoku.version", "aws.ec2.name2id", "aws.metric", "aws.discovery",
        "aws.resource")


class AgentdOptions(LabTestCase):
    def run_agentd(self, config, socket, *options):
        done = subprocess.run([zabbix_program("zabbix_agentd"), "-c", str(config), *options], capture_output=True,
                              text=True, timeout=60, check=False,
                              env={"BAKUSOKU_SOCKET": str(socket), "PATH": "/usr/bin:/bin"})
        self.assertGreaterEqual(done.returncode, 0, f"ended by a signal: {done.stderr}")
        return done.stdout + done.stderr

    def test_t_answers_one_item(self):
        aws = self.simaws("--regions", "eu-central-1")
        bakusoku = self.agent(aws.url)
        config = Agentd(self._subfolder("agentd"), bakusoku.socket).config_file
        echo = self.run_agentd(config, bakusoku.socket, "-t", "bakusoku.echo[hello,world]")
        self.assertIn("[s|hello world]", echo.replace("[t|", "[s|"))
        self.assertRegex(self.run_agentd(config, bakusoku.socket, "-t", "aws.ec2.name2id[web-1]"), r"\|i-[0-9a-f]{17}\]")

    def test_p_lists_every_item_of_the_module(self):
        aws = self.simaws("--regions", "eu-central-1")
        bakusoku = self.agent(aws.url)
        config = Agentd(self._subfolder("agentd"), bakusoku.socket).config_file
        listing = self.run_agentd(config, bakusoku.socket, "-p")
        for key in KEYS:
            self.assertRegex(listing, rf"(?m)^{key.replace('.', '[.]')}\b")
        self.assertIn("hello world", listing)

    def test_p_and_t_without_an_agent_say_so(self):
        socket = self.folder / "nobody.sock"
        config = Agentd(self._subfolder("agentd"), socket).config_file
        listing = self.run_agentd(config, socket, "-p")
        for key in KEYS[1:]:
            self.assertRegex(listing, rf"(?m)^{key.replace('.', '[.]')}\b.*ZBX_NOTSUPPORTED")
        self.assertIn("nobody.sock", self.run_agentd(config, socket, "-t", "aws.ec2.name2id[web-1]"))


if __name__ == "__main__":
    unittest.main()
