"""The whole of a Zabbix 6.0: server and proxies, with a database, the API and modules of ours, each a child process.

    class Example(ServerTestCase):
        @classmethod
        def setUpClass(cls):
            super().setUpClass()
            cls.zabbix.start_server(modules=[MODULE])
            cls.proxy = cls.zabbix.add_proxy()

        def test_echo(self):
            item = self.zabbix.api.add_host("host", proxy=self.proxy).add_item("bakusoku.echo[hello]")
            self.zabbix.reload()
            item.wait_value("hello")
"""

import json
import re
import socket
import struct
import subprocess
import time

from api import Api, Frontend
from lab import Daemon, Lab, LabTestCase, frame, free_port, read_all, wait_for
from postgres import NAME, USER, Postgres, unpacked

FORCED = "forced reloading of the configuration cache"


def request(port, document, seconds=10):
    """One request to a server's or proxy's trapper, and what it answers; None if it closes the connection instead."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(frame(json.dumps(document).encode()))
        answer = read_all(connection)
    if not answer:
        return None
    if answer[:5] != b"ZBXD\x01" or len(answer) < 13 or struct.unpack("<I", answer[5:9])[0] != len(answer) - 13:
        raise ValueError(f"not an answer: {answer[:80]!r}")
    return json.loads(answer[13:])


class Core(Daemon):
    """What server and proxy have in common: modules, pollers and trappers, and a configuration that is read anew."""

    def __init__(self, name, folder, *, modules, timeout, lines, environment):
        self.port = free_port()
        self.program = unpacked(f"usr/sbin/{name}")
        self.config_file = folder / f"{name}.conf"
        self.config_file.write_text("\n".join([
            "LogType=console", f"PidFile={folder}/{name}.pid", f"SocketDir={folder}", f"TmpDir={folder}",
            "ListenIP=127.0.0.1", f"ListenPort={self.port}", "AllowRoot=1", f"Timeout={timeout}", "StartPollers=3",
            "StartPollersUnreachable=1", "StartTrappers=3", "StartPingers=0", "StartDiscoverers=0", "StartHTTPPollers=0",
            "StartDBSyncers=2", "StartPreprocessors=1", "StartHistoryPollers=1", "HousekeepingFrequency=0",
            *(f"LoadModule={module}" for module in modules), *lines, ""]))
        super().__init__(name, [self.program, "-f", "-c", self.config_file], folder, environment)

    def start(self):
        super().start()
        self.wait_ready(self._answers, 40)
        return self

    def _answers(self):
        try:  # it listens before it can answer
            return request(self.port, {"request": "sender data", "data": []}, 2) is not None
        except (OSError, ValueError):
            return False

    def reload(self, seconds=30):
        """Until the configuration cache holds what the database (the proxy: the server) held when this was called."""
        end = time.monotonic() + seconds
        while True:
            wait_for(f"{self.name} is not reading its configuration", self._idle, seconds)
            title, taken = self._syncer(), self.log().count(FORCED)
            subprocess.run([self.program, "-c", self.config_file, "-R", "config_cache_reload"], capture_output=True,
                           check=True, timeout=seconds)
            try:
                wait_for("reloading", lambda: self.log().count(FORCED) > taken, 3)
                break
            except TimeoutError:  # asked for in the middle of a reading it is ignored
                if time.monotonic() > end:
                    raise
        # The title holds how long the reading took, so that an equal one is hardly of another reading.
        latest = time.monotonic() + 0.5
        wait_for(f"{self.name} has read its configuration",
                 lambda: self._idle() and (self._syncer() != title or time.monotonic() > latest), seconds)

    def _syncer(self):
        return next((title for title in self.titles().values() if title.startswith("configuration syncer")), "")

    def _idle(self):
        return re.search(r"idle \d+ sec", self._syncer())

    def send(self, rows, seconds=60):
        """zabbix_sender with rows of (host, key, value) or (host, key, clock, ns, value): how many values Zabbix says it
        processed and how many failed."""
        def quoted(word):
            word = str(word)
            for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
                word = word.replace(plain, escaped)
            return f'"{word}"'
        timed = ["-T", "-N"] if rows and len(rows[0]) == 5 else []
        done = subprocess.run([unpacked("usr/bin/zabbix_sender"), "-v", "-z", "127.0.0.1", "-p", str(self.port), *timed,
                               "-i", "-"], input="".join(" ".join(map(quoted, row)) + "\n" for row in rows), text=True,
                              capture_output=True, timeout=seconds, check=False)
        counts = re.findall(r'processed: (\d+); failed: (\d+); total: \d+; seconds spent: [\d.]+"', done.stdout)
        if not counts:
            raise RuntimeError(f"zabbix_sender: {done.stdout}{done.stderr}")
        return sum(int(processed) for processed, _ in counts), sum(int(failed) for _, failed in counts)


class Server(Core):
    def __init__(self, folder, database, *, modules=(), timeout=4, lines=(), environment=None):
        own = [f"DBHost={database.sockets}", f"DBName={NAME}", f"DBUser={USER}", "AllowUnsupportedDBVersions=1",
               "StartAlerters=1", "StartLLDProcessors=1"]
        super().__init__("zabbix_server", folder, modules=modules, timeout=timeout, lines=[*own, *lines],
                         environment=environment)


class Proxy(Core):
    """An active proxy, which sends its values to the server every second. It reads its configuration when it starts and when
    reload() is called, not in between: should the server not be there then, a proxy waits two minutes."""

    def __init__(self, folder, server, name, proxyid, *, modules=(), timeout=4, lines=(), environment=None):
        self.hostname, self.proxyid = name, proxyid
        own = ["ProxyMode=0", f"Server=127.0.0.1:{server.port}", f"Hostname={name}", f"DBName={folder}/proxy.db",
               "ConfigFrequency=3600", "DataSenderFrequency=1"]
        super().__init__("zabbix_proxy", folder, modules=modules, timeout=timeout, lines=[*own, *lines],
                         environment=environment)


class ServerLab(Lab):
    """A laboratory with a server, to which proxies can be added."""

    def open(self):
        self.postgres = self.server = self.frontend = self.api = None
        self.proxies = []
        return super().open()

    def start_server(self, **options):
        """`options` are those of Server."""
        self.postgres = self.begin(Postgres(self._subfolder("postgres")))
        self.server = Server(self._subfolder("server"), self.postgres, **options)
        self.frontend = self.begin(Frontend(self._subfolder("frontend"), self.postgres, self.server.port))
        self.api = Api(self.frontend.url)
        return self.begin(self.server)

    def add_proxy(self, name="proxy", **options):
        """`options` are those of Proxy."""
        proxyid = self.api.call("proxy.create", {"host": name, "status": 5})["proxyids"][0]
        self.server.reload()  # else it refuses an unknown proxy
        proxy = Proxy(self._subfolder("proxy"), self.server, name, proxyid, **options)
        self.proxies.append(proxy)
        return self.begin(proxy)

    def test_item(self, key, proxy=None):
        """What the frontend's button "Test" does with a simple check, at the server or at a proxy: {"result": text} or
        {"error": text}. A trapper answers it at the server, the task manager at the proxy."""
        data = {"type": "3", "key": key, "proxy_hostid": proxy.proxyid if proxy else "0"}
        answer = request(self.server.port, {"request": "item.test", "data": data, "sid": self.api.session()}, 30)
        return answer["data"] if answer["response"] == "success" else {"error": answer["info"]}

    def reload(self):
        """Server and proxies collect what the database says now."""
        for daemon in (self.server, *self.proxies):
            daemon.reload()


class ServerTestCase(LabTestCase):
    """Tests that share one server, `zabbix`. A test of its own laboratory's parts starts them as in LabTestCase."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.zabbix = cls.shared = ServerLab().open()
        cls.addClassCleanup(cls.zabbix.close)
        cls.addClassCleanup(cls.zabbix.check_secrets)
        cls.addClassCleanup(cls.zabbix.stop_all)
