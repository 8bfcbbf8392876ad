"""Access logs of this machine, written and rotated as a web server and logrotate do it, counted through every entrance and in
the real server's history, each line once, also by an agent that is killed meanwhile."""

import json
import os
import pathlib
import random
import subprocess
import threading
import time
import unittest

from api import ItemType, ValueType
from lab import MODULE, REGION, Agent, LabTestCase, wait_for
from server import ServerTestCase

LINE = '203.0.113.{} - - [{}] "GET /{} HTTP/1.1" {} 100 "-" "Mozilla/5.0" {:.3f}\n'


class Webserver:
    """Writes a log of nginx's form; `total`, `failed`: requests so far, and those answered with 503."""

    def __init__(self, path, seed=0):
        self.path, self.random = pathlib.Path(path), random.Random(seed)
        self.total = self.failed = 0
        self.file = None
        self.reopen()

    def reopen(self):
        self.close()
        self.file = open(self.path, "a", buffering=1)

    def close(self):
        if self.file:
            self.file.close()

    def serve(self, count):
        for _ in range(count):
            status = self.random.choice((200, 200, 200, 503))
            stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
            self.file.write(LINE.format(self.total % 250, stamp, self.total, status, self.random.choice((0.1, 0.2))))
            self.total += 1
            self.failed += status == 503

    def rotate(self):
        """As `create`: workers go on writing to the old file until they are told."""
        for number in range(20, 0, -1):
            old = self.path.with_name(f"{self.path.name}.{number}")
            if old.exists():
                old.rename(self.path.with_name(f"{self.path.name}.{number + 1}"))
        self.path.rename(self.path.with_name(f"{self.path.name}.1"))
        self.serve(3)
        self.reopen()


def weblog_section(folder, more=""):
    return f'[weblog]\nallow = ["{folder}/*"]\n{more}'


class Entrances(LabTestCase):
    def setUp(self):
        super().setUp()
        self.logs = self._subfolder("logs")
        self.path = self.logs / "access.log"

    def webserver(self, seed=0):
        web = Webserver(self.path, seed)
        self.addCleanup(web.close)
        return web

    def start(self, state=""):
        folder = self._subfolder("agent")
        sections = f'[zabbix]\nstate_dir = "{state or folder}/state"\n{weblog_section(self.logs)}'
        return self.begin(Agent(folder, "http://127.0.0.1:1", sections=sections))

    def number(self, asker, key):
        answer = asker(key)
        self.assertRegex(answer, r"^[0-9.]+$", key)
        return float(answer)

    def test_the_same_numbers_through_every_entrance(self):
        web = self.webserver()
        web.serve(50)
        agent = self.start()
        agentd = self.agentd(agent.socket)
        key = f"weblog.requests[{self.path}]"
        self.assertEqual(agentd.zabbix_get(key), "0")
        before, failed = web.total, web.failed
        web.serve(100)
        for ask in (agent.ask, agentd.zabbix_get, agentd.ask):
            wait_for("all is counted", lambda ask=ask: ask(key) == "100")
            self.assertEqual(ask(f"weblog.status[{self.path},5xx]"), str(web.failed - failed))
            self.assertEqual(ask(f"weblog.status[{self.path},^50.]"), str(web.failed - failed))
            self.assertEqual(ask(f"weblog.bytes[{self.path}]"), "10000")
            self.assertEqual(ask(f"weblog.time[{self.path},count,10m]"), "100")
            self.assertAlmostEqual(self.number(ask, f"weblog.time[{self.path},p99]"), 0.2, delta=0.002)
            self.assertEqual(ask(f"weblog.time[{self.path},min]"), "0.1")
            self.assertEqual(ask(f"weblog.state[{self.path},behind]"), "0")
        self.assertEqual(web.total - before, 100)
        done = agent.get(key)
        self.assertEqual(done.stdout.strip().split()[-1], "100", done)

    def test_formats_are_told_and_whole_numbers_are_no_times(self):
        stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
        line = f'::1 - - [{stamp}] "GET / HTTP/1.1" 200 100 "-" "x"'
        lines = {
            "nginx": (f"{line} 0.010, 0.002\n", "0.012", "combined; time: the first number with a fraction, in s"),
            "traefik": (f'{line} 259 "web@docker" "http://10.0.0.7:80" 12ms\n', "0.012", "traefik; time: the number before ms"),
            "caddy": ('{"ts":1795523100.5,"request":{"method":"GET"},"duration":0.012,"size":100,"status":200}\n', "0.012",
                      "json; time: of the members request_time and duration in seconds, Duration in nanoseconds"),
            "apache": (f"{line} 12000\n", "0.012", "combined; time: the number behind, in us"),
            "counter": (f"{line} 259\n", "time_unit", "combined; a lone whole number"),
        }
        folder = self._subfolder("agent")
        for name in lines:
            (self.logs / name).touch()
        sections = (f'[zabbix]\nstate_dir = "{folder}/state"\n{weblog_section(self.logs)}'
                    f'[[weblog.file]]\npath = "{self.logs}/apache"\ntime_unit = "us"\n')
        agent = self.begin(Agent(folder, "http://127.0.0.1:1", sections=sections))
        for name in lines:
            self.assertEqual(agent.ask(f"weblog.requests[{self.logs}/{name}]"), "0")
        for name, (text, wanted, format_) in lines.items():
            with open(self.logs / name, "a") as log:
                log.write(text)
            wait_for("it is counted", lambda name=name: agent.ask(f"weblog.requests[{self.logs}/{name}]") == "1", 10)
            self.assertEqual(agent.ask(f"weblog.bytes[{self.logs}/{name}]"), "100")
            self.assertIn(format_, agent.ask(f"weblog.state[{self.logs}/{name},format]"))
            self.assertIn(wanted, agent.ask(f"weblog.time[{self.logs}/{name},max]"))
        self.assertEqual(agent.log().count("not taken for a time"), 1)

    def test_errors_in_words(self):
        agent = self.start()
        self.assertNotSupported(agent.ask(f"weblog.requests[{self.path}]"), "there is no file")
        self.assertNotSupported(agent.ask("weblog.requests[/etc/passwd]"), r"\[weblog\] allow")
        self.assertNotSupported(agent.ask("weblog.requests"), r"path \(parameter 1\)")
        self.webserver()
        self.assertNotSupported(agent.ask(f"weblog.time[{self.path},median]"), "median.*not a statistic")
        self.assertNotSupported(agent.ask(f"weblog.time[{self.path},avg,2h]"), "window")
        wait_for("it is seen", lambda: "no requests in the last" in agent.ask(f"weblog.time[{self.path},avg]"), 5)
        self.assertNotSupported(agent.ask(f"weblog.status[{self.path},(]"), "parameter 2.*regular expression")
        self.assertEqual(agent.ask(f"weblog.time[{self.path},avg,,zero]"), "0")

    def test_a_long_backlog_holds_up_nobody(self):
        line = LINE.format(1, "24/Nov/2026:12:25:00 +0000", "x" * 100, 200, 0.1)
        web = self.webserver()
        agent = self.start()
        key = f"weblog.requests[{self.path}]"
        self.assertEqual(agent.ask(key), "0")
        lines = 1_500_000
        with open(self.path, "a") as file:
            for _ in range(lines // 10_000):
                file.write(line * 10_000)
        slowest = 0
        end = time.monotonic() + 40
        while agent.ask(key) != str(lines):
            self.assertLess(time.monotonic(), end)
            start = time.monotonic()
            self.assertEqual(agent.ask("bakusoku.ping"), "1")
            slowest = max(slowest, time.monotonic() - start)
        self.assertLess(slowest, 1)
        web.serve(1)
        wait_for("it goes on", lambda: agent.ask(key) == str(lines + 1), 5)

    def test_logrotate_itself_and_an_agent_killed_between(self):
        logrotate = next((path for path in ("/usr/sbin/logrotate", "/sbin/logrotate") if pathlib.Path(path).exists()), None)
        if not logrotate:
            self.assertNotIn("CI", os.environ, "logrotate is not installed")
            self.skipTest("logrotate is not installed")
        for number, mode in enumerate(("create\n  delaycompress\n  compress", "copytruncate\n  nocompress")):
            with self.subTest(mode=mode):
                self.path = self.logs / f"site{number}.log"
                web, state = self.webserver(number), self.folder / f"state{number}"
                agent = self.start(state)
                key = f"weblog.requests[{self.path}]"
                self.assertEqual(agent.ask(key), "0")
                config = self.folder / f"logrotate{number}.conf"
                config.write_text(f"{self.path} {{\n  size 1\n  rotate 9\n  su root root\n  {mode}\n}}\n")
                self.logs.chmod(0o755)
                for turn in range(4):
                    web.serve(500)
                    if turn % 2 == 0:
                        agent.kill()
                    done = subprocess.run([logrotate, "-f", "-s", self.folder / "logrotate.state", config],
                                          capture_output=True, text=True, timeout=30, check=False)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    web.reopen()
                    web.serve(100)
                    if turn % 2 == 0:
                        agent.start()
                    wait_for(f"{web.total} are counted", lambda: agent.ask(key) == str(web.total), 10)
                self.assertEqual(agent.ask(f"weblog.state[{self.path},lost]"), "0")
                agent.stop()


class InHistory(ServerTestCase):
    """Active items and simple checks of a real server."""

    def test_each_line_once_whatever_is_killed(self):
        aws = self.zabbix.simaws("--instances", "3", "--regions", REGION)
        agent_folder, logs = self._subfolder("agent"), self._subfolder("logs")
        server = self.zabbix.start_server(modules=[MODULE], environment={"BAKUSOKU_SOCKET": str(agent_folder / "agent.sock")})
        path = logs / "access.log"
        web = Webserver(path)
        self.addCleanup(web.close)
        host = self.zabbix.api.add_host("web")
        active = host.add_item(f"weblog.requests[{path}]", ItemType.ACTIVE, ValueType.UNSIGNED)
        failed = host.add_item(f"weblog.status[{path},5xx]", ItemType.ACTIVE, ValueType.UNSIGNED)
        simple = host.add_item(f'weblog.requests["{path}"]', ItemType.SIMPLE, ValueType.UNSIGNED)
        sections = (f'[zabbix]\nserver = "127.0.0.1:{server.port}"\nhosts = ["web"]\ndiscover = ["ec2"]\nrefresh = "1s"\n'
                    f'state_dir = "{agent_folder}/state"\n{weblog_section(logs)}')
        agent = self.begin(Agent(agent_folder, aws.url, sections=sections))
        rows = json.loads(agent.ask("aws.discovery[ec2]"))
        stranger = self.zabbix.api.add_host(rows[0]["{#ID}"])
        wrong = stranger.add_item(f"weblog.requests[{path}]", ItemType.ACTIVE, ValueType.UNSIGNED)
        self.zabbix.reload()
        active.wait_value("0")
        stop = threading.Event()

        def serve():
            while not stop.is_set():
                web.serve(20)
                if web.random.random() < 0.05:
                    web.rotate()
                time.sleep(0.01)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            for _ in range(4):
                time.sleep(random.uniform(0.5, 2))
                agent.kill()
                agent.start()
        finally:
            stop.set()
            thread.join()
        for item, total in ((active, web.total), (failed, web.failed), (simple, web.total)):
            item.wait_value(str(total), seconds=30)
        counts = [int(value.value) for value in active.values()]
        self.assertEqual(max(counts), web.total)
        wrong.wait_error("only the hosts that .zabbix. hostname and hosts name may have it")
        self.assertEqual(wrong.values(), [])


if __name__ == "__main__":
    unittest.main()
