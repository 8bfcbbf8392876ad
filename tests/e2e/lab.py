"""A laboratory for end-to-end tests: simulator, agent and a real, private zabbix_agentd, each a child process. The rest of
Zabbix is in server.py.

Everything listens on 127.0.0.1 on free ports and lives in a temporary directory. Every wait has a limit; leaving the
laboratory stops what it started (and only that), prints the logs when the test failed, and fails a test whose logs
hold a secret.
"""

import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest
import urllib.request

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BAKUSOKU_BUILD_DIR", SOURCE / "build/release")).resolve()
MODULE = BUILD / "lib/bakusoku.so"
REGION = "eu-central-1"
ACCESS_KEY = "AKIAENDTOENDTESTS000"
SECRET_KEY = "end-to-end/secret+that/nobody/may/see"
NOT_SUPPORTED = "ZBX_NOTSUPPORTED"


def program(name):
    path = BUILD / "bin" / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is not built")
    return str(path)


def zabbix_program(name):
    """zabbix_agentd or zabbix_get: named by the environment, on PATH, or unpacked by scripts/install-zabbix."""
    search = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    candidates = [os.environ.get(name.upper()), shutil.which(name, path=search)]
    candidates += [str(SOURCE / "build/zabbix/usr" / folder / name) for folder in ("sbin", "bin")]
    for candidate in candidates:
        if candidate and os.access(candidate, os.X_OK):
            return candidate
    raise FileNotFoundError(f"{name} not found: run scripts/install-zabbix")


def free_port():
    """A TCP port nobody listens on, below the range outgoing connections take theirs from."""
    for _ in range(200):
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free TCP port")


def wait_for(what, condition, seconds=15, pause=0.02):
    """Polls until `condition()` is true and returns its value; fails with `what` when time is up."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(pause)


def port_answers(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def frame(data):
    return b"ZBXD\x01" + struct.pack("<II", len(data), 0) + data


def read_all(connection):
    parts = []
    while True:
        part = connection.recv(65536)
        if not part:
            return b"".join(parts)
        parts.append(part)


def ask(port, key, seconds=10):
    """One passive check as a Zabbix server makes it. The text of the answer; an item that is not supported answers
    "ZBX_NOTSUPPORTED: message". Raises OSError or ValueError when there is no whole answer in time."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(frame(key.encode()))
        answer = read_all(connection)
    if answer[:5] != b"ZBXD\x01" or len(answer) < 13:
        raise ValueError(f"not an answer: {answer[:80]!r}")
    (length,) = struct.unpack("<I", answer[5:9])
    if len(answer) != 13 + length:
        raise ValueError(f"an answer of {len(answer) - 13} bytes that claims {length}")
    return answer[13:].decode().replace(NOT_SUPPORTED + "\0", NOT_SUPPORTED + ": ")


class Process:
    """A child process in a session of its own, with its output in a log file; `user` (of pwd) if not the caller's."""

    end_signal = signal.SIGTERM

    def __init__(self, name, command, folder, environment=None, user=None):
        self.name, self.command, self.folder = name, [str(word) for word in command], folder
        self.environment = environment or {}
        self.user = user
        self.log_file = folder / f"{name}.log"
        self.popen = None

    def start(self):
        base = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(self.folder)}
        base.update({key: value for key, value in os.environ.items() if key.startswith(("ASAN_", "UBSAN_", "LSAN_"))})
        identity = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []} if self.user else {}
        with open(self.log_file, "ab") as log:
            self.popen = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                                          env={**base, **self.environment}, start_new_session=True, **identity)
        return self

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen is not None and self.popen.poll() is None

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def end_of_log(self):
        return f"--- {self.name} (end of its log)\n{self.log()[-3000:]}"

    def wait_ready(self, condition, seconds=20):
        def ready():
            if not self.alive():
                raise RuntimeError(f"{self.name} ended with status {self.popen.returncode}")
            return condition()
        wait_for(f"{self.name} is ready", ready, seconds)

    def signal(self, number):
        self.popen.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.popen.wait(10)

    def stop(self, seconds=10):
        """SIGTERM; SIGKILL to the whole session when that is not enough. Returns the exit status."""
        if self.popen is None:
            return None
        if self.alive():
            self.signal(signal.SIGCONT)
            self.signal(self.end_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return self.popen.wait(10)


class Simaws(Process):
    def __init__(self, folder, *options, port=None):
        self.port = port or free_port()
        super().__init__("simaws", [program("simaws"), "--port", self.port, "--access-key", ACCESS_KEY, "--secret-key",
                                    SECRET_KEY, *options], folder)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        super().start()
        self.wait_ready(lambda: port_answers(self.port))
        return self

    def stats(self):
        with urllib.request.urlopen(f"{self.url}/simaws/stats", timeout=5) as reply:
            return json.load(reply)

    def calls(self, action):
        """How often an API action ("ec2.DescribeInstances") was asked for, refused or not."""
        return self.stats()["calls"].get(action, {}).get("calls", 0)

    def set_faults(self, spec):
        self._control("faults", spec)

    def set_alarm(self, name, state):
        """The state of an alarm, of all with the name "*"."""
        self._control("alarms", f"{state} {name}")

    def _control(self, what, text):
        with urllib.request.urlopen(f"{self.url}/simaws/{what}", data=text.encode(), timeout=5) as reply:
            reply.read()


class Agent(Process):
    def __init__(self, folder, endpoint, *, config="", environment=None, allow='["127.0.0.1"]', sections=""):
        self.socket = folder / "agent.sock"
        self.port = free_port()
        self.config_file = folder / "bakusoku.toml"
        if "state_dir" not in sections:  # never in that of the machine's own agent
            own = f'[zabbix]\nstate_dir = "{folder}/state"\n'
            sections = sections.replace("[zabbix]\n", own, 1) if "[zabbix]\n" in sections else f"{sections}\n{own}"
        self.config_file.write_text(
            f'[agent]\nsocket = "{self.socket}"\nlisten = "127.0.0.1:{self.port}"\nallow = {allow}\n{config}\n'
            f'[aws]\nregion = "{REGION}"\n{sections}\n')
        variables = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
                     "AWS_ENDPOINT_URL": endpoint, "AWS_EC2_METADATA_DISABLED": "true"}
        variables.update(environment or {})
        variables = {key: value for key, value in variables.items() if value is not None}
        super().__init__("bakusoku", [program("bakusoku"), "run", "--config", self.config_file], folder, variables)

    def start(self):
        super().start()
        self.wait_ready(lambda: port_answers(self.port) and self._socket_answers())
        return self

    def _socket_answers(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def ask(self, key, seconds=10):
        """Through the agent's own passive port."""
        return ask(self.port, key, seconds)

    def get(self, *arguments, seconds=30):
        """`bakusoku get ...` over the socket."""
        return subprocess.run([program("bakusoku"), "get", *arguments], env={"BAKUSOKU_SOCKET": str(self.socket)},
                              capture_output=True, text=True, timeout=seconds, check=False)


class Daemon(Process):
    """One of Zabbix's daemons: a main process whose children each say in their title what they are."""

    def kill(self):
        """SIGKILL to the main process and to all its children, which would outlive it."""
        os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait(10)
        # One that has not died yet still holds sockets that the next start wants.
        wait_for(f"all of {self.name} has ended", lambda: not alive_in_session(self.pid))

    def children(self):
        """Pids of the main process's children, zombies among them."""
        text = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(word) for word in text.split()]

    def titles(self):
        """What each child says it is, by pid, in the order of their start: "listener #1 [waiting for connection]"."""
        found = {}
        for pid in self.children():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                title = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0 ").decode(errors="replace")
                found[pid] = title.partition(": ")[2]
        return found

    def workers(self, kind):
        """Pids of the children of a kind, such as "poller"."""
        return [pid for pid, title in self.titles().items() if title.startswith(f"{kind} #")]


class Agentd(Daemon):
    """Debian's zabbix_agentd with bakusoku.so, or other modules, loaded."""

    def __init__(self, folder, agent_socket, *, workers=3, timeout=3, lines=(), environment=None, modules=(MODULE,)):
        self.port = free_port()
        self.count, self.timeout = workers, timeout
        self.config_file = folder / "zabbix_agentd.conf"
        self.config_file.write_text("\n".join([
            "LogType=console", f"PidFile={folder}/zabbix_agentd.pid", "Hostname=lab", "Server=127.0.0.0/8",
            "ListenIP=127.0.0.1", f"ListenPort={self.port}", f"StartAgents={workers}", f"Timeout={timeout}",
            "AllowRoot=1", *(f"LoadModule={module}" for module in modules), *lines, ""]))
        super().__init__("zabbix_agentd", [zabbix_program("zabbix_agentd"), "-f", "-c", self.config_file], folder,
                         {"BAKUSOKU_SOCKET": str(agent_socket), **(environment or {})})

    def start(self):
        super().start()
        self.wait_ready(lambda: port_answers(self.port) and len(self.listeners()) == self.count)
        return self

    def ask(self, key, seconds=10):
        return ask(self.port, key, seconds)

    def zabbix_get(self, key, seconds=15):
        done = subprocess.run([zabbix_program("zabbix_get"), "-s", "127.0.0.1", "-p", str(self.port), "-k", key],
                              capture_output=True, text=True, timeout=seconds, check=False)
        return done.stdout.rstrip("\n") + done.stderr

    def options(self, *options, seconds=60):
        """What `zabbix_agentd -t KEY` or `-p` prints with this configuration, started or not."""
        done = subprocess.run([*self.command[:1], "-c", str(self.config_file), *options], capture_output=True, text=True,
                              timeout=seconds, check=False, env={"PATH": "/usr/bin:/bin", **self.environment})
        if done.returncode < 0:
            raise RuntimeError(f"ended by signal {-done.returncode}: {done.stderr}")
        return done.stdout + done.stderr

    def listeners(self):
        """Pids of the workers that answer passive checks, in Zabbix's order."""
        return self.workers("listener")

    def pss_kilobytes(self):
        """Memory of the main process and all workers, shared pages counted once."""
        return sum(pss_kilobytes(pid) for pid in [self.pid, *self.children()])

    def own_kilobytes(self):
        return sum(own_kilobytes(pid) for pid in [self.pid, *self.children()])

    def ask_worker(self, pid, key):
        """The answer of this listener."""
        with self.only_worker(pid):
            # A stopped worker may have been woken for the connection: then another one brings the next wake-up.
            for _ in range(5):
                with contextlib.suppress(TimeoutError):
                    return ask(self.port, key, seconds=4)
        raise TimeoutError(f"worker {pid} did not answer {key}")

    @contextlib.contextmanager
    def only_worker(self, pid):
        """While inside, every other listener is stopped: `pid` must answer."""
        others = [other for other in self.listeners() if other != pid]
        try:
            for other in others:
                os.kill(other, signal.SIGSTOP)
            # One that is not yet stopped may still take a connection with it.
            wait_for("the others are stopped", lambda: all(state_of(other) == "T" for other in others))
            yield
        finally:
            for other in others:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(other, signal.SIGCONT)


def alive_in_session(session):
    """Pids of its processes that have not ended."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                if fields[3] == str(session) and fields[0] not in "ZX":
                    found.append(int(entry.name))
    return found


def state_of(pid):
    """R, S, T (stopped), Z, ... as the kernel names it."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def memory_kilobytes(pid, kind):
    try:
        lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except PermissionError:  # the agent's memory is root's to look at; everybody is told this much
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
        kind = {"Pss": "VmRSS", "Private_Dirty": "RssAnon"}[kind]
    for line in lines:
        if line.startswith(f"{kind}:"):
            return int(line.split()[1])
    raise ValueError(f"no {kind} of {pid}")


def pss_kilobytes(pid):
    """Resident memory, each page divided by the number of processes that share it."""
    return memory_kilobytes(pid, "Pss")


def own_kilobytes(pid):
    """Pages this process has written: what a leak makes grow, whatever other processes come and go."""
    return memory_kilobytes(pid, "Private_Dirty")


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def connections(port):
    """How many connections to a local port are open on its side."""
    rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(1 for row in rows if row[1].endswith(f":{port:04X}") and row[3] in ("01", "08"))


class Lab:
    """A temporary directory, and the parts that live in it. What opens it closes it."""

    def open(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bakusoku-e2e-"))
        self.folder.chmod(0o711)  # for those parts that run as another user
        self.processes = []
        return self

    def stop_all(self):
        for process in reversed(self.processes):
            process.stop()

    def close(self):
        self.stop_all()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _subfolder(self, name):
        folder = self.folder / f"{name}{len(self.processes)}"
        folder.mkdir()
        return folder

    def begin(self, process):
        self.processes.append(process)
        try:
            return process.start()
        except Exception:
            print(process.end_of_log(), flush=True)
            raise

    def simaws(self, *options, **named):
        return self.begin(Simaws(self._subfolder("simaws"), *options, **named))

    def agent(self, endpoint, **options):
        return self.begin(Agent(self._subfolder("agent"), endpoint, **options))

    def agentd(self, agent_socket, **options):
        return self.begin(Agentd(self._subfolder("agentd"), agent_socket, **options))

    def check_secrets(self):
        for process in self.processes:
            if process.name != "simaws" and SECRET_KEY in process.log():
                raise AssertionError(f"{process.name} logged a secret")


class LabTestCase(Lab, unittest.TestCase):
    """A test with a laboratory of its own, closed at its end. `shared` is one that the tests of a class have together."""

    shared = None

    def setUp(self):
        self.open()
        self.addCleanup(self.close)
        self.addCleanup(self._check_logs)
        self.addCleanup(self.stop_all)

    def _check_logs(self):
        failed = any(error for _, error in getattr(self._outcome, "errors", []) or []) if self._outcome else False
        result = getattr(self._outcome, "result", None)
        if result is not None:
            failed = failed or any(test is self for test, _ in result.failures + result.errors)
        if failed:
            for process in [*(self.shared.processes if self.shared else ()), *self.processes]:
                print(process.end_of_log(), flush=True)
        self.check_secrets()

    def assertNotSupported(self, answer, *words):
        """The answer is an error in words, with each of `words` in it."""
        self.assertTrue(answer.startswith(NOT_SUPPORTED), answer)
        for word in words:
            self.assertRegex(answer, word)
        self.assertNotIn(SECRET_KEY, answer)
