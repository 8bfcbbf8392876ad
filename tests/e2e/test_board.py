"""What is current is answered from the agent's shared board, without waking the agent; and when the agent is stopped,
killed or restarted, the items still tell the truth."""

import signal
import time
import unittest

from lab import LabTestCase, wait_for

TIMEOUT = 3
WORKERS = 2
ENOUGH = 60  # questions until each worker has fetched the board and posted what it asks
SILENT_AFTER = 3  # seconds after its last beat a stopped agent's board is not trusted any more


class Board(LabTestCase):
    def setUp(self):
        super().setUp()
        self.aws = self.simaws("--instances", "40", "--regions", "eu-central-1")
        self.bakusoku = self.agent(self.aws.url)
        self.zabbix = self.agentd(self.bakusoku.socket, workers=WORKERS, timeout=TIMEOUT)
        self.name = "aws.ec2.name2id[web-1]"
        self.instance = self.zabbix.ask(self.name)
        self.metric = f'aws.metric[AWS/EC2,CPUUtilization,"InstanceId={self.instance}",Average,300]'
        self.workers = self.zabbix.listeners()

    def stat(self, name):
        return int(self.bakusoku.ask(f"bakusoku.stats[{name}]"))

    def ask_often(self):
        for _ in range(ENOUGH):
            self.assertEqual(self.zabbix.ask(self.name), self.instance)
            self.zabbix.ask(self.metric)

    def test_workers_answer_from_the_board(self):
        self.ask_often()
        before = self.stat("board.answers")
        self.assertGreater(before, 0)
        value = self.bakusoku.ask(self.metric)
        for worker in self.workers:
            for _ in range(20):
                self.assertEqual(self.zabbix.ask_worker(worker, self.name), self.instance)
                # The period may end meanwhile.
                self.assertIn(self.zabbix.ask_worker(worker, self.metric), (value, self.bakusoku.ask(self.metric)))
        # A new reading of the list, or the end of a period, may send some of them to the agent.
        self.assertGreater(self.stat("board.answers") - before, 70)
        self.assertGreaterEqual(self.stat("board.posted"), 2)
        self.assertLess(self.aws.stats()["requests"], 10)

    def test_a_stopped_agent_is_told_soon(self):
        self.ask_often()
        self.bakusoku.signal(signal.SIGSTOP)
        stopped = time.monotonic()
        while True:
            begin = time.monotonic()
            answer = self.zabbix.ask(self.name, seconds=TIMEOUT + 5)
            self.assertLess(time.monotonic() - begin, TIMEOUT + 0.5)
            if answer != self.instance:
                break
            self.assertLess(begin - stopped, SILENT_AFTER + 1, "answered on behalf of an agent that does nothing")
            time.sleep(0.05)
        self.assertNotSupported(answer, "did not answer")
        self.bakusoku.signal(signal.SIGCONT)
        for _ in range(6):
            wait_for("an answer", lambda: self.zabbix.ask(self.name) == self.instance, 10)
        self.assertEqual(self.zabbix.listeners(), self.workers)

    def test_a_killed_agent_is_told_at_once_and_its_successor_has_a_board_of_its_own(self):
        for _ in range(2):
            self.ask_often()
            self.bakusoku.kill()
            for _ in range(4):
                self.assertNotSupported(self.zabbix.ask(self.name), "not running")
            self.bakusoku.start()
            wait_for("an answer", lambda: self.zabbix.ask(self.name) == self.instance, 10)
            self.ask_often()
            self.assertGreater(self.stat("board.answers"), 0)
        self.assertEqual(self.zabbix.listeners(), self.workers)

    def test_a_growing_board_loses_nobody(self):
        names = [f"aws.metric[AWS/EC2,CPUUtilization,InstanceId=i-{number},Average,300,,,zero]" for number in range(1500)]
        self.ask_often()
        for _ in range(2):
            for key in names:
                self.assertEqual(self.zabbix.ask(key), "0")
        self.assertEqual(self.zabbix.ask(self.name), self.instance)
        self.assertGreater(self.stat("board.posted"), 1400)
        before = self.stat("board.answers")
        for key in names:
            self.assertEqual(self.zabbix.ask(key), "0")
        self.assertGreater(self.stat("board.answers") - before, 1400)


if __name__ == "__main__":
    unittest.main()
