"""What strangers can fill or stop: invented regions and metrics, a log that nobody reads, and what systemd is told."""

import contextlib
import os
import pathlib
import random
import socket
import unittest

from lab import Agent, LabTestCase, own_kilobytes, wait_for

SEED = 20261130
MEMORY_MAY_GROW_KILOBYTES = 25_000


class Bounds(LabTestCase):
    def start(self, config="", environment=None):
        self.aws = self.simaws("--instances", "40", "--regions", "eu-central-1")
        self.bakusoku = self.agent(self.aws.url, config=config, environment=environment)
        return self.bakusoku

    def test_invented_regions_lock_nobody_out(self):
        agent = self.start()
        self.assertRegex(agent.ask("aws.ec2.name2id[web-1]"), "^i-")
        before = own_kilobytes(agent.pid)
        letters = random.Random(SEED)
        said = set()
        for _ in range(3000):
            word = "".join(letters.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(7))
            said.add(agent.ask(f"aws.metric[AWS/EC2,CPUUtilization,InstanceId=i-1,Average,60,eu-{word}-3]")[:60])
            answer = agent.ask(f"bakusoku.echo[{word}]")
            self.assertEqual(answer, word)
        for number in range(200):
            word = "".join(letters.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(7))
            said.add(agent.ask(f"aws.ec2.name2id[x,eu-{word}-{number % 9 + 1}]", 20))
        self.assertTrue(any("is no region that this version knows" in one for one in said), said)
        self.assertIn("is not an AWS region", agent.ask("aws.ec2.name2id[x,moon-77]"))
        self.assertRegex(agent.ask("aws.ec2.name2id[web-2]"), "^i-")
        if "libasan" not in pathlib.Path(f"/proc/{agent.pid}/maps").read_text():  # which frees late
            self.assertLess(own_kilobytes(agent.pid) - before, MEMORY_MAY_GROW_KILOBYTES)

    def test_a_log_that_nobody_reads_stops_nothing(self):
        self.aws = self.simaws("--instances", "40", "--regions", "eu-central-1")
        agent = Agent(self._subfolder("agent"), self.aws.url, config='log_level = "debug"')
        os.mkfifo(agent.log_file)
        self.addCleanup(agent.log_file.unlink)
        reader = os.open(agent.log_file, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        self.begin(agent)
        for _ in range(6000):
            with socket.create_connection(("127.0.0.1", agent.port), timeout=5) as connection:
                with contextlib.suppress(OSError):  # it may have been refused and closed already
                    connection.sendall(b"no check at all, and no header either" * 2)
                    connection.shutdown(socket.SHUT_WR)
                    connection.recv(1)  # until it has closed
        self.assertEqual(agent.ask("bakusoku.ping"), "1")
        self.assertRegex(agent.ask("aws.ec2.name2id[web-1]"), "^i-")
        self.assertIn("lines of the log were lost", agent.ask("bakusoku.status"))
        # Whoever reads again is told; what waited comes first.
        log = b""

        def told():
            nonlocal log
            try:
                log += os.read(reader, 1 << 20)
            except BlockingIOError:
                pass
            agent.ask("bakusoku.ping")
            with socket.create_connection(("127.0.0.1", agent.port), timeout=5) as connection:
                with contextlib.suppress(OSError):
                    connection.sendall(b"once more, without a header")
            return b"lines of the log are missing here" in log

        wait_for("the log tells what it lacks", told, 30)
        for line in log.decode().splitlines()[:-1]:
            self.assertRegex(line, r"^(\.\.\. \d+ lines|\d{4}-\d\d-\d\dT)", "every line is whole")

    def test_systemd_is_told_that_it_is_well(self):
        folder = self.folder
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(listener.close)
        listener.bind(str(folder / "notify"))
        listener.settimeout(20)
        agent = self.start(environment={"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "1500000"})
        self.assertEqual(listener.recv(100), b"READY=1")
        for _ in range(5):
            self.assertEqual(listener.recv(100), b"WATCHDOG=1")
        self.assertEqual(agent.stop(), 0)


if __name__ == "__main__":
    unittest.main()
