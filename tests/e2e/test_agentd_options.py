"""zabbix_agentd -t and -p, which load modules and call their items without forking, and its way to refuse a module."""

import unittest

from lab import Agentd, LabTestCase

KEYS = ("bakusoku.echo", "bakusoku.ping", "bakusoku.version", "aws.ec2.name2id", "aws.metric", "aws.math", "aws.discovery",
        "aws.resource", "bakusoku.status", "bakusoku.explain", "weblog.requests", "weblog.status", "weblog.bytes",
        "weblog.time", "weblog.state")


class AgentdOptions(LabTestCase):
    def agentd_of(self, socket):
        return Agentd(self._subfolder("agentd"), socket)

    def test_t_answers_one_item(self):
        aws = self.simaws("--regions", "eu-central-1")
        zabbix = self.agentd_of(self.agent(aws.url).socket)
        echo = zabbix.options("-t", "bakusoku.echo[hello,world]")
        self.assertIn("[s|hello world]", echo.replace("[t|", "[s|"))
        self.assertRegex(zabbix.options("-t", "aws.ec2.name2id[web-1]"), r"\|i-[0-9a-f]{17}\]")

    def test_p_lists_every_item_of_the_module(self):
        aws = self.simaws("--regions", "eu-central-1")
        listing = self.agentd_of(self.agent(aws.url).socket).options("-p")
        for key in KEYS:
            self.assertRegex(listing, rf"(?m)^{key.replace('.', '[.]')}\b")
        self.assertIn("hello world", listing)

    def test_p_and_t_without_an_agent_say_so(self):
        zabbix = self.agentd_of(self.folder / "nobody.sock")
        listing = zabbix.options("-p")
        for key in KEYS[1:]:
            self.assertRegex(listing, rf"(?m)^{key.replace('.', '[.]')}\b.*ZBX_NOTSUPPORTED")
        self.assertIn("nobody.sock", zabbix.options("-t", "aws.ec2.name2id[web-1]"))


if __name__ == "__main__":
    unittest.main()
