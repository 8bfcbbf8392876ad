"""The agent stopped, slow, killed in the middle of a question, restarted, or never there: each item answers within its
timeout, in words, and zabbix_agentd goes on as if nothing had been."""

import concurrent.futures
import signal
import threading
import time
import unittest

from lab import Agent, LabTestCase, Simaws, wait_for

TIMEOUT = 3
LATEST = TIMEOUT + 0.5  # by then the answer has come: the item's timeout, and a moment for a busy machine
KEYS = ("aws.ec2.name2id[web-1]", "bakusoku.ping", "aws.discovery[ec2]")


class AgentAway(LabTestCase):
    def setUp(self):
        super().setUp()
        self.aws = self.simaws("--instances", "40", "--regions", "eu-central-1")

    def running(self):
        bakusoku = self.agent(self.aws.url)
        zabbix = self.agentd(bakusoku.socket, timeout=TIMEOUT)
        self.assertRegex(zabbix.ask("aws.ec2.name2id[web-1]"), "^i-")
        return bakusoku, zabbix

    def timed(self, zabbix, key):
        begin = time.monotonic()
        answer = zabbix.ask(key, seconds=TIMEOUT + 5)
        return answer, time.monotonic() - begin

    def assertStillWell(self, zabbix, workers):
        self.assertEqual(zabbix.ask("agent.ping"), "1")
        self.assertEqual(zabbix.ask("bakusoku.echo[still,here]"), "still here")
        self.assertEqual(zabbix.listeners(), workers, "a worker was restarted")
        self.assertNotIn("One child process died", zabbix.log())

    def test_absent(self):
        zabbix = self.agentd(self.folder / "nobody.sock", timeout=TIMEOUT)
        workers = zabbix.listeners()
        for key in KEYS:
            answer, took = self.timed(zabbix, key)
            self.assertNotSupported(answer, "nobody.sock")
            self.assertLess(took, 1, "an agent that is not there is known at once")
        self.assertStillWell(zabbix, workers)

    def test_absent_at_first_and_started_later(self):
        bakusoku = Agent(self._subfolder("agent"), self.aws.url)
        zabbix = self.agentd(bakusoku.socket, timeout=TIMEOUT)
        for _ in range(6):
            self.assertNotSupported(zabbix.ask("aws.ec2.name2id[web-1]"))
        self.begin(bakusoku)
        # Each worker may hold back a new attempt for a moment, but not for long.
        for _ in range(3):
            wait_for("an answer", lambda: zabbix.ask("aws.ec2.name2id[web-1]").startswith("i-"), 10)

    def test_stopped(self):
        bakusoku, zabbix = self.running()
        workers = zabbix.listeners()
        bakusoku.signal(signal.SIGSTOP)
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            for answer, took in pool.map(lambda _: self.timed(zabbix, "aws.ec2.name2id[web-1]"), range(3)):
                self.assertNotSupported(answer)
                self.assertLess(took, LATEST)
        self.assertEqual(zabbix.ask("agent.ping"), "1", "built-in items go on")
        bakusoku.signal(signal.SIGCONT)
        for _ in range(6):
            wait_for("an answer", lambda: zabbix.ask("aws.ec2.name2id[web-1]").startswith("i-"), 10)
        self.assertStillWell(zabbix, workers)

    def test_a_late_answer_is_not_taken_for_another_question(self):
        bakusoku, zabbix = self.running()
        first, second = zabbix.ask("aws.ec2.name2id[web-1]"), zabbix.ask("aws.ec2.name2id[web-2]")
        self.assertNotEqual(first, second)
        for _ in range(2):
            bakusoku.signal(signal.SIGSTOP)
            for _ in range(3):
                self.assertNotSupported(zabbix.ask("aws.ec2.name2id[web-1]", seconds=TIMEOUT + 5))
            bakusoku.signal(signal.SIGCONT)
            for _ in range(30):
                answer = zabbix.ask("aws.ec2.name2id[web-2]")
                self.assertTrue(answer == second or answer.startswith("ZBX_NOTSUPPORTED"), answer)

    def test_slow_aws(self):
        slow = self.begin(Simaws(self._subfolder("slow"), "--regions", "eu-central-1", "--delay", "8000"))
        bakusoku = self.agent(slow.url)
        zabbix = self.agentd(bakusoku.socket, timeout=TIMEOUT)
        workers = zabbix.listeners()
        for key in ("aws.ec2.name2id[web-1]", 'aws.metric[AWS/EC2,CPUUtilization,"InstanceId=i-1",Average,300]'):
            answer, took = self.timed(zabbix, key)
            self.assertNotSupported(answer)
            self.assertLess(took, LATEST)
        self.assertStillWell(zabbix, workers)

    def test_killed_in_the_middle_of_questions_and_restarted(self):
        bakusoku, zabbix = self.running()
        workers = zabbix.listeners()
        answers, stop = [], threading.Event()

        def keep_asking():
            while not stop.is_set():
                answers.append(self.timed(zabbix, "aws.ec2.name2id[web-1]"))

        askers = [threading.Thread(target=keep_asking) for _ in range(3)]
        for asker in askers:
            asker.start()
        try:
            for _ in range(3):
                time.sleep(0.3)
                bakusoku.kill()
                time.sleep(0.2)
                bakusoku.start()
        finally:
            stop.set()
            for asker in askers:
                asker.join(TIMEOUT + 6)
        self.assertFalse(any(asker.is_alive() for asker in askers))
        good = [answer for answer, _ in answers if answer.startswith("i-")]
        self.assertGreater(len(good), 10)
        for answer, took in answers:
            self.assertTrue(answer.startswith(("i-", "ZBX_NOTSUPPORTED: ")), answer)
            self.assertLess(took, LATEST)
        wait_for("an answer after the restart", lambda: zabbix.ask("aws.ec2.name2id[web-1]").startswith("i-"), 10)
        self.assertStillWell(zabbix, workers)

    def test_ended_by_sigterm(self):
        bakusoku, zabbix = self.running()
        workers = zabbix.listeners()
        self.assertEqual(bakusoku.stop(), 0)
        self.assertFalse(bakusoku.socket.exists(), "the socket is removed")
        answer, took = self.timed(zabbix, "aws.ec2.name2id[web-1]")
        self.assertNotSupported(answer, str(bakusoku.socket))
        self.assertLess(took, LATEST)
        self.assertStillWell(zabbix, workers)

    def test_zabbix_agentd_stops_at_once_while_a_question_is_open(self):
        bakusoku, zabbix = self.running()
        bakusoku.signal(signal.SIGSTOP)
        asker = threading.Thread(target=lambda: self._quietly(zabbix), daemon=True)
        asker.start()
        time.sleep(0.3)
        begin = time.monotonic()
        zabbix.stop(seconds=TIMEOUT + 5)
        self.assertLess(time.monotonic() - begin, TIMEOUT + 3)
        asker.join(TIMEOUT + 5)

    @staticmethod
    def _quietly(zabbix):
        try:
            zabbix.ask("aws.ec2.name2id[web-1]")
        except (OSError, ValueError):
            pass


if __name__ == "__main__":
    unittest.main()
