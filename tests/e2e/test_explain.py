"""Why an item has the value it has, or none: `bakusoku explain` and `bakusoku status` beside a real Zabbix, and
`bakusoku check` of its servers."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

from api import ItemType, ValueType
from lab import ACCESS_KEY, REGION, SECRET_KEY, Agent, free_port, program, wait_for
from server import ServerTestCase


def wait_said(words, say, seconds):
    """What `say()` returns, when it has the words in it."""
    said = []

    def has_words():
        said[:] = [say()]
        return re.search(words, said[0])
    try:
        wait_for(words, has_words, seconds, pause=0.2)
    except TimeoutError as error:
        raise TimeoutError(f"{error}; it says: {said[0]}") from None
    return said[0]


class View:
    """A command in a terminal of its own."""

    def __init__(self, *arguments, environment, columns=100, rows=40):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.modes = termios.tcgetattr(slave)
        self.slave = slave
        self.popen = subprocess.Popen([program("bakusoku"), *arguments], stdin=slave, stdout=slave, stderr=slave,
                                      env={"TERM": "xterm", **environment}, start_new_session=True, close_fds=True)
        self.output = ""

    def read(self):
        while select.select([self.master], [], [], 0.02)[0]:
            self.output += os.read(self.master, 65536).decode(errors="replace")
        return self.output

    def wait_for(self, words, seconds=15):
        try:
            wait_for(words, lambda: re.search(words, self.read()), seconds)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; there is: {self.output[-2000:]!r}") from None

    def forget(self):
        self.read()
        self.output = ""

    def write(self, text):
        os.write(self.master, text.encode())

    def end(self):
        """The exit status; the screen and the terminal's modes must be as they were."""
        status = self.popen.wait(10)
        self.read()
        return status, self.output.endswith("\x1b[?25h\x1b[?1049l"), termios.tcgetattr(self.slave) == self.modes

    def close(self):
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait(10)
        os.close(self.master)
        os.close(self.slave)


class Explains(ServerTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.aws = cls.zabbix.simaws("--instances", "20", "--regions", REGION)
        cls.server = cls.zabbix.start_server()
        host = cls.zabbix.api.add_host("aws")
        cls.ping = host.add_item("bakusoku.ping", ItemType.ACTIVE, ValueType.UNSIGNED, delay="1s")
        cls.metric_key = "aws.metric[Sim/App,Latency,Service=checkout;Stage=prod,Average,10]"
        cls.metric = host.add_item(cls.metric_key, ItemType.ACTIVE, ValueType.FLOAT, delay="10s")
        cls.nothing = host.add_item("aws.metric[Sim/App,Nothing,,Sum,10]", ItemType.ACTIVE, ValueType.FLOAT, delay="10s")
        cls.echo = host.add_item("bakusoku.echo[hello]", ItemType.ACTIVE, delay="1s")
        cls.host = host
        cls.zabbix.reload()

    def setUp(self):
        super().setUp()
        self.bakusoku = self.start_agent("1s")

    def start_agent(self, refresh):
        folder = self._subfolder("agent")
        return self.begin(Agent(folder, self.aws.url, sections=(
            f'[metrics]\ndelay = "2s"\n[zabbix]\nserver = "127.0.0.1:{self.server.port}"\nhosts = ["aws", "nobody"]\n'
            f'refresh = "{refresh}"\nstate_dir = "{folder}/state"\n')))

    def run_command(self, *arguments, seconds=30):
        return subprocess.run([program("bakusoku"), *arguments], env={"BAKUSOKU_SOCKET": str(self.bakusoku.socket)},
                              capture_output=True, text=True, timeout=seconds, check=False, stdin=subprocess.DEVNULL)

    def explain(self, *arguments):
        done = self.run_command("explain", *arguments)
        self.assertEqual(done.stderr, "")
        return done

    def wait_explained(self, words, *arguments, seconds=30):
        """The text, when it has the words in it."""
        return wait_said(words, lambda: self.explain(*arguments).stdout, seconds)

    def test_what_is_delivered(self):
        self.metric.wait_values(1)
        text = self.wait_explained("\ndelivered\n", "aws", self.metric_key)
        for words in ("wants it every 10s", r"Sim/App Latency \(Service=checkout, Stage=prod\) Average over 10 s",
                      "CloudWatch was last asked", "acknowledged it"):
            self.assertRegex(text, words)
        self.assertEqual(self.explain("aws", "bakusoku.ping").returncode, 0)
        report = json.loads(self.explain("aws", self.metric_key, "--json").stdout)
        known = {value.clock: float(value.value) for value in self.metric.values()}
        self.assertEqual(report["state"], "delivered")
        clock = report["destinations"][0]["clock"]
        self.metric.wait_values(1, since=clock)
        known = {value.clock: float(value.value) for value in self.metric.values()}
        self.assertAlmostEqual(known[clock], float(report["destinations"][0]["value"]))

    def test_what_zabbix_does_not_know(self):
        text = self.wait_explained("host unknown to Zabbix", "nobody", "bakusoku.ping")
        self.assertIn('It says: "host [nobody] not found"', " ".join(text.split()))
        self.assertEqual(self.explain("nobody", "bakusoku.ping").returncode, 1)
        self.wait_explained("not a host of this agent", "AWS", "bakusoku.ping")
        text = self.wait_explained("\nnot wanted\n", "aws", "bakusoku.pong")
        self.assertIn("Similar keys of this host: bakusoku.ping", " ".join(text.split()))

    def test_the_items_of_a_host(self):
        text = self.wait_explained("delivered +1s .* 1 +bakusoku.ping", "aws")
        self.assertRegex(text, "bakusoku.echo")
        text = self.wait_explained("no datapoint .*aws.metric.Sim/App,Nothing", "aws")
        self.wait_explained("CloudWatch lists no such metric", "aws", "aws.metric[Sim/App,Nothing,,Sum,10]")
        self.assertEqual(self.explain("aws").returncode, 1)
        report = json.loads(self.bakusoku.ask("bakusoku.explain[aws]"))
        self.assertEqual(len(report["destinations"][0]["items"]), 4)

    def test_what_is_refused(self):
        # One that does not learn of the change: it goes on collecting what is now a trapper item.
        self.bakusoku.stop()
        self.bakusoku = self.start_agent("10m")
        self.wait_explained("\ndelivered\n", "aws", "bakusoku.echo[hello]")
        self.zabbix.api.call("item.update", {"itemid": self.echo.itemid, "type": int(ItemType.TRAPPER)})
        self.zabbix.reload()
        self.addCleanup(self.zabbix.reload)
        self.addCleanup(self.zabbix.api.call, "item.update",
                        {"itemid": self.echo.itemid, "type": int(ItemType.ACTIVE), "delay": "1s"})
        text = " ".join(self.wait_explained("\nrefused\n", "aws", "bakusoku.echo[hello]").split())
        self.assertIn("did not take a value of it", text)
        self.assertRegex(text, r"processed: \d+; failed: [1-9]")
        self.assertIn("is tried again", text)

    def test_zabbix_away_and_the_live_view(self):
        self.wait_explained("\ndelivered\n", "aws", "bakusoku.ping")
        view = View("status", "-i", "0.3", environment={"BAKUSOKU_SOCKET": str(self.bakusoku.socket)})
        self.addCleanup(view.close)
        view.wait_for(rf"127.0.0.1:{self.server.port} +ok +1/2")
        self.server.stop()
        self.addCleanup(lambda: self.server.alive() or self.server.start())
        text = self.wait_explained("has taken no values since", "aws", "bakusoku.ping")
        self.assertRegex(text, "\nwaiting\n")
        self.assertIn("wait in the spool", " ".join(text.replace("waits", "wait").split()))
        view.wait_for(rf"127.0.0.1:{self.server.port} +away ")
        view.wait_for(r"LAST PROBLEMS[\s\S]*values wait for Zabbix")
        status = json.loads(self.run_command("status", "--json").stdout)
        self.assertIn("trouble", status["destinations"][0])
        self.assertGreater(status["destinations"][0]["pending"], 0)
        self.server.start()
        self.wait_explained("\ndelivered\n", "aws", "bakusoku.ping", seconds=60)
        view.forget()
        self.bakusoku.kill()
        view.wait_for("No answer for")
        self.bakusoku.start()
        view.forget()
        view.wait_for(rf"up \d+ s")
        view.forget()
        view.wait_for(rf"127.0.0.1:{self.server.port} +ok +1/2")
        self.assertNotIn("No answer", view.output)
        view.write("q")
        self.assertEqual(view.end(), (0, True, True))

    def test_the_view_leaves_the_terminal_as_it_was(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            view = View("status", environment={"BAKUSOKU_SOCKET": str(self.bakusoku.socket)}, columns=50, rows=10)
            self.addCleanup(view.close)
            view.wait_for("bakusoku .*, up ")
            screen = view.read().split("\x1b[H")[-1]
            lines = [re.sub(r"\x1b\[[?\d]*[A-Za-z]", "", line) for line in re.split("\r*\n", screen)]
            self.assertLessEqual(len(lines), 10)
            self.assertLessEqual(max(map(len, lines)), 50, lines)
            view.popen.send_signal(number)
            self.assertEqual(view.end(), (0, True, True))

    def test_status_once(self):
        done = self.run_command("status")
        self.assertEqual(done.returncode, 0)
        self.assertNotIn("\x1b", done.stdout)
        self.assertRegex(done.stdout, r"bakusoku \d+[.]\d+[.]\d+, up ")
        self.assertNotIn(SECRET_KEY, self.run_command("status", "--json").stdout)

    def test_check_of_the_servers(self):
        def check(server, hostname):
            file = self.folder / "check.toml"
            file.write_text(f'[agent]\nsocket = "{self.folder}/check.sock"\n[zabbix]\nserver = "{server}"\n{hostname}\n'
                            f'state_dir = ""\n')
            done = subprocess.run([program("bakusoku"), "check", "--config", str(file)], capture_output=True, text=True,
                                  timeout=60, check=False, stdin=subprocess.DEVNULL,
                                  env={"HOME": str(self.folder), "AWS_EC2_METADATA_DISABLED": "true",
                                       "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
                                       "AWS_ENDPOINT_URL": self.aws.url, "AWS_REGION": REGION})
            return done.returncode, done.stdout
        here, closed = f"127.0.0.1:{self.server.port}", f"127.0.0.1:{free_port()}"
        code, said = check(here, 'hostname = "aws"')
        self.assertRegex(said, rf"ok +Zabbix at {here}: answers and wants \d items of host aws")
        self.assertEqual(code, 0, said)
        code, said = check(here, 'hostname = "stranger"')
        self.assertRegex(said, rf'FAILED +Zabbix at {here}: .*"host \[stranger\] not found"; create a host')
        self.assertEqual(code, 1)
        code, said = check(f"{closed};{here}", 'hostname = "aws"')
        self.assertRegex(said, rf"warning +Zabbix at {closed}: .*another one of the cluster answers")
        self.assertEqual(code, 0, said)
        code, said = check(closed, 'discover = ["ec2"]')
        self.assertRegex(said, rf"FAILED +Zabbix at {closed}: ")
        self.assertEqual(code, 1)
        code, said = check(here, 'discover = ["ec2"]')
        self.assertRegex(said, rf"ok +Zabbix at {here}: answers; the hosts are those that discovery finds")


class WhatZabbixDoesNotTell(ServerTestCase):
    """What only Zabbix knows: what it leaves of macros, who monitors a host, why it does not take or keep a value."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.aws = cls.zabbix.simaws("--regions", REGION)
        cls.server = cls.zabbix.start_server()
        cls.proxy = cls.zabbix.add_proxy()
        cls.host = cls.zabbix.api.add_host("aws", macros=[{"macro": "{$TEXT}", "value": "hello"}])
        cls.expanded = cls.host.add_item("bakusoku.echo[{$TEXT}]", ItemType.ACTIVE, delay="1s")
        cls.left = cls.host.add_item("bakusoku.echo[{$NONE},{HOST.HOST}]", ItemType.ACTIVE, delay="1s")
        cls.behind = cls.zabbix.api.add_host("behind", proxy=cls.proxy)
        cls.behind.add_item("bakusoku.ping", ItemType.ACTIVE, ValueType.UNSIGNED, delay="1s")
        cls.zabbix.reload()

    def start(self, *servers):
        folder = self._subfolder("agent")
        self.bakusoku = self.begin(Agent(folder, self.aws.url, sections=(
            f'[zabbix]\nserver = "{",".join(f"127.0.0.1:{one.port}" for one in servers)}"\nhosts = ["aws", "behind"]\n'
            f'refresh = "10m"\nstate_dir = "{folder}/state"\n')))

    def wait_explained(self, words, *arguments, seconds=60):
        def explained():
            done = subprocess.run([program("bakusoku"), "explain", *arguments], capture_output=True, text=True, timeout=30,
                                  env={"BAKUSOKU_SOCKET": str(self.bakusoku.socket)}, check=False)
            return " ".join(done.stdout.split())
        return wait_said(words, explained, seconds)

    def test_macros(self):
        self.start(self.server)
        self.wait_explained("delivered", "aws", "bakusoku.echo[hello]")
        text = self.wait_explained("delivered", "aws", "bakusoku.echo[{$NONE},aws]")
        self.assertRegex(text, r"Zabbix has left \{\$NONE\} in the key as it is: no such macro is defined")
        self.wait_explained("delivered", "aws", str(self.left.itemid))

    def test_a_host_that_a_proxy_monitors(self):
        self.start(self.server)
        self.wait_explained(r'host \[behind\] not found.* monitored by a proxy is known to that proxy only', "behind",
                            "bakusoku.ping")
        self.bakusoku.stop()
        self.start(self.server, self.proxy)
        self.wait_explained(rf'127.0.0.1:{self.server.port} does not answer for host "behind" .*Zabbix at '
                            rf"127.0.0.1:{self.proxy.port} does, and the values go there", "behind", "bakusoku.ping")
        self.wait_explained(rf"Zabbix at 127.0.0.1:{self.proxy.port} acknowledged it", "behind", "bakusoku.ping")

    def test_an_item_that_is_refused_by_its_id(self):
        item = self.host.add_item("bakusoku.echo[gone]", ItemType.ACTIVE, delay="1s")
        self.zabbix.reload()
        self.start(self.server)
        self.wait_explained("delivered", "aws", "bakusoku.echo[gone]")
        self.zabbix.api.call("item.update", {"itemid": item.itemid, "status": 1})
        self.zabbix.reload()
        self.wait_explained(f"refused .*although it names item {item.itemid} among those it wants", "aws",
                            "bakusoku.echo[gone]")
        file = self.bakusoku.config_file
        file.write_text(file.read_text().replace('refresh = "10m"', 'refresh = "1s"'))
        self.bakusoku.signal(signal.SIGHUP)
        text = self.wait_explained(f"wants no item with the id {item.itemid} of this host now.*did not take a value of it",
                                   "aws", str(item.itemid))
        self.assertNotIn("no item of this agent's own", text)

    def test_a_host_in_maintenance_is_acknowledged_and_nothing_is_kept(self):
        self.start(self.server)
        self.expanded.wait_values(1)
        now = int(time.time())
        made = self.zabbix.api.call("maintenance.create", {
            "name": "nothing is kept", "active_since": now - 3600, "active_till": now + 36000, "maintenance_type": 1,
            "hostids": [self.host.hostid],
            "timeperiods": [{"timeperiod_type": 0, "start_date": now - 60, "period": 7200}]})
        self.addCleanup(self.zabbix.reload)
        self.addCleanup(self.zabbix.api.call, "maintenance.delete", made["maintenanceids"])
        self.zabbix.reload()

        def begun():  # Zabbix looks once a minute
            host = self.zabbix.api.call("host.get", {"hostids": self.host.hostid, "output": ["maintenance_status"]})[0]
            return host["maintenance_status"] == "1"
        wait_for("maintenance has begun", begun, seconds=100, pause=1)
        since = int(time.time()) + 5
        wait_for("some seconds of it", lambda: time.time() > since + 5, seconds=30)
        text = self.wait_explained("delivered", "aws", "bakusoku.echo[hello]")
        self.assertIn("in maintenance without data collection", text)
        self.assertEqual(self.expanded.values(since), [])


if __name__ == "__main__":
    unittest.main()
