"""Hostile bytes on the agent's socket and on its passive port: it stays up, answers others meanwhile, and keeps its
memory and open files."""

import os
import pty
import random
import resource
import socket
import struct
import subprocess
import time
import unittest

from lab import LabTestCase, frame, open_files, program, pss_kilobytes, wait_for

SEED = 20170401
MEMORY_MAY_GROW_KILOBYTES = 40_000  # bounded by the limits on one packet and on connections, not by what is claimed
HUGE = (0x7FFFFFFF, 0xFFFFFFFF, 1 << 30, (1 << 30) + 1)


class Hostile(LabTestCase):
    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)
        self.aws = self.simaws("--instances", "40", "--regions", "eu-central-1")
        self.bakusoku = self.agent(self.aws.url)
        self.assertRegex(self.bakusoku.ask("aws.ec2.name2id[web-1]"), "^i-")

    def assertAnswering(self):
        self.assertTrue(self.bakusoku.alive(), self.bakusoku.log()[-2000:])
        self.assertEqual(self.bakusoku.ask("bakusoku.echo[still,here]"), "still here")
        self.assertEqual(self.question(b"bakusoku.ping"), b"1")

    def tcp(self, seconds=2):
        return socket.create_connection(("127.0.0.1", self.bakusoku.port), timeout=seconds)

    def unix(self, seconds=2):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.settimeout(seconds)
        connection.connect(str(self.bakusoku.socket))
        return connection

    def question(self, key, timeout_ms=3000):
        """The agent's answer; empty when it closed the connection."""
        with self.unix(5) as connection:
            connection.send(struct.pack("<BBHI", 1, 1, 0, timeout_ms) + key)
            answer = connection.recv(65536)
        return answer[8:]

    def send_and_drop(self, connection, data):
        with connection:
            try:
                connection.sendall(data)
                connection.recv(65536)
            except OSError:
                pass  # refused, closed or unanswered: all are right

    def test_garbage_on_the_passive_port(self):
        for size in (0, 1, 4, 5, 12, 13, 14, 100, 5000):
            for _ in range(10):
                connection = self.tcp(0.05)
                self.send_and_drop(connection, self.random.randbytes(size))
        for length in HUGE:
            for flags in (1, 3, 5, 7, 0xFF):
                header = b"ZBXD" + bytes([flags]) + struct.pack("<II", length, length)
                self.send_and_drop(self.tcp(0.05), header + b"x" * 50)
        self.assertAnswering()

    def test_a_request_cut_at_each_byte(self):
        whole = frame(b"bakusoku.echo[hello,world]")
        for size in range(len(whole)):
            with self.tcp() as connection:
                connection.sendall(whole[:size])
        self.assertAnswering()

    def test_a_request_with_each_byte_flipped(self):
        whole = frame(b"bakusoku.echo[hello,world]")
        for at in range(len(whole)):
            flipped = bytearray(whole)
            flipped[at] ^= 1 << self.random.randrange(8)
            self.send_and_drop(self.tcp(0.05), bytes(flipped))
        self.assertAnswering()

    def test_garbage_on_the_socket(self):
        good = struct.pack("<BBHI", 1, 1, 0, 3000) + b"bakusoku.ping"
        for size in range(1, len(good)):
            self.send_and_drop(self.unix(0.1), good[:size])
        for at in range(8):
            for bit in range(8):
                flipped = bytearray(good)
                flipped[at] ^= 1 << bit
                self.send_and_drop(self.unix(0.1), bytes(flipped))
        for _ in range(100):
            self.send_and_drop(self.unix(0.1), self.random.randbytes(self.random.randrange(1, 3000)))
        self.send_and_drop(self.unix(0.2), struct.pack("<BBHI", 1, 1, 0, 3000) + b"x" * 100_000)
        self.assertAnswering()

    def test_hostile_keys(self):
        for key in (b"", b"[", b"]", b"aws.metric[" + b"," * 5000 + b"]", b"aws.ec2.name2id[" + b'"' * 999 + b"]",
                    b"bakusoku.echo[\0]", b"aws.ec2.name2id[\xff\xfe\x80]", b"a" * 16384, b"aws.metric[" + b"[" * 9000,
                    b"aws.ec2.name2id[x,../../etc,y]", b"aws.discovery[ec2,evil.example.com#]",
                    b"aws.metric[AWS/EC2,X,A=1;;;=;=,Average,-1]", b"aws.metric[AWS/EC2,X,A=1,Average,99999999999999999]"):
            answer = self.question(key)
            self.assertEqual(answer == b"", b"\0" in key, "only what cannot be a key closes the connection")
            answer.decode()  # what is answered is UTF-8, whatever was asked
        self.assertAnswering()

    def test_slow_senders_do_not_keep_others_waiting(self):
        slow = [self.tcp(30) for _ in range(100)]
        try:
            for turn in range(13):
                for connection in slow:
                    try:
                        connection.sendall(frame(b"bakusoku.ping")[turn:turn + 1])
                    except OSError:
                        pass
                begin = time.monotonic()
                self.assertEqual(self.bakusoku.ask("bakusoku.ping"), "1")
                self.assertLess(time.monotonic() - begin, 1)
        finally:
            for connection in slow:
                connection.close()
        self.assertAnswering()

    def test_who_never_finishes_is_disconnected(self):
        with self.tcp(60) as connection:
            connection.sendall(frame(b"bakusoku.ping")[:7])
            begin = time.monotonic()
            try:
                self.assertEqual(connection.recv(100), b"")
            except ConnectionError:
                pass
            self.assertLess(time.monotonic() - begin, 45)

    def test_who_never_reads_is_not_stored_for(self):
        before = pss_kilobytes(self.bakusoku.pid)
        deaf = []
        try:
            for _ in range(50):
                connection = self.tcp(30)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.sendall(frame(b"aws.discovery[ec2]"))
                deaf.append(connection)
            for _ in range(50):
                connection = self.unix(30)
                connection.setblocking(False)
                try:
                    for _ in range(2000):
                        connection.send(struct.pack("<BBHI", 1, 1, 0, 3000) + b"aws.discovery[ec2]")
                except OSError:
                    pass  # full, or closed: one question at a time is the protocol
                deaf.append(connection)
            self.assertAnswering()
            self.assertLess(pss_kilobytes(self.bakusoku.pid) - before, MEMORY_MAY_GROW_KILOBYTES)
        finally:
            for connection in deaf:
                connection.close()
        self.assertAnswering()

    def test_a_flood_of_connections(self):
        files = open_files(self.bakusoku.pid)
        for opener in (self.tcp, self.unix):
            held = []
            try:
                for _ in range(900):
                    try:
                        held.append(opener(0.5))
                    except OSError:
                        break
                self.assertTrue(self.bakusoku.alive())
                self.assertGreater(len(held), 100)
            finally:
                for connection in held:
                    connection.close()
            wait_for("the flood is over", lambda: self._answers_once(), 15)
            self.assertAnswering()
        wait_for("all connections are closed", lambda: open_files(self.bakusoku.pid) <= files + 4, 15)

    def _answers_once(self):
        try:
            return self.bakusoku.ask("bakusoku.ping", seconds=1) == "1"
        except (OSError, ValueError):
            return False

    def test_more_connections_than_open_files_are_allowed(self):
        resource.prlimit(self.bakusoku.pid, resource.RLIMIT_NOFILE, (64, 64))
        held = []
        try:
            for _ in range(150):
                try:
                    held.append(self.tcp(0.2))
                except OSError:
                    pass
            time.sleep(0.5)
            cpu = self._cpu_seconds()
            time.sleep(1)
            self.assertLess(self._cpu_seconds() - cpu, 0.5, "the agent spins while it may open no more files")
        finally:
            for connection in held:
                connection.close()
        wait_for("answers again", self._answers_once, 15)
        self.assertAnswering()

    def test_text_from_outside_moves_no_terminal(self):
        key = 'bakusoku.echo["a\x1b[2J\u202eb"]'
        self.assertEqual(self.bakusoku.get(key).stdout, "a\x1b[2J\u202eb\n", "a program reads the very bytes")
        ours, theirs = pty.openpty()
        try:
            subprocess.run([program("bakusoku"), "get", key], env={"BAKUSOKU_SOCKET": str(self.bakusoku.socket)},
                           stdout=theirs, stderr=theirs, timeout=30, check=True)
            shown = os.read(ours, 65536).decode()
        finally:
            os.close(ours)
            os.close(theirs)
        self.assertEqual(shown.strip(), r"a\x1b[2J\u202eb")
        done = self.bakusoku.get('bakusoku.none["\x1b[2J"]')
        self.assertNotIn("\x1b", done.stderr)

    def test_out_of_memory_ends_the_agent_with_a_line(self):
        with open(f"/proc/{self.bakusoku.pid}/statm", encoding="ascii") as file:
            used = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.prlimit(self.bakusoku.pid, resource.RLIMIT_AS, (used, used))
        held = []
        try:
            for _ in range(600):
                if not self.bakusoku.alive():
                    break
                try:
                    held.append(self.tcp(0.5))
                    held[-1].sendall(b"bakusoku.echo[" + b"x" * 60_000)
                except OSError:
                    pass
        finally:
            for connection in held:
                connection.close()
        wait_for("the agent has ended", lambda: not self.bakusoku.alive(), 15)
        self.assertIn("error: out of memory; the agent ends", self.bakusoku.log())

    def test_askers_that_do_not_read_are_bounded(self):
        aws = self.simaws("--instances", "10000", "--regions", "eu-central-1")
        self.bakusoku = self.agent(aws.url)
        wait_for("the list is read", lambda: self.bakusoku.ask("aws.discovery[ec2]", 30).startswith("["), 120)
        size = len(self.bakusoku.ask("aws.discovery[ec2]", 30))
        self.assertGreater(size, 1_000_000)
        before = pss_kilobytes(self.bakusoku.pid)
        held = []
        try:
            for _ in range(150):
                connection = self.tcp(30)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.sendall(frame(b"aws.discovery[ec2]"))
                held.append(connection)
            self.assertEqual(self.bakusoku.ask("bakusoku.ping", 30), "1")
            grown = pss_kilobytes(self.bakusoku.pid) - before
            self.assertLess(grown, 64 * 1024 + 8 * size // 1024, f"{len(held)} answers of {size} bytes")
            self.assertEqual(len(self.bakusoku.ask("aws.discovery[ec2]", 30)), size, "who reads is served")
        finally:
            for connection in held:
                connection.close()

    def _cpu_seconds(self):
        with open(f"/proc/{self.bakusoku.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    unittest.main()
