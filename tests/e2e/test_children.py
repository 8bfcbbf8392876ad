"""Zabbix's own forks and our modules: zabbix_agentd answers vfs.fs.* and vfs.dir.* in a child that ends by exit(), which runs
what every loaded module has registered to run at the end. That must do no harm to the worker.

A module with a static object (tests/modules/static_destructor.cpp) shows where code runs at the end, in Zabbix 6.0:

    each child of such a check                      handlers of atexit, then destructors, of whatever is loaded
    the main process, when the daemon stops         zbx_module_uninit, then the same
    zabbix_agentd's workers                         nothing: they end by _exit() or by a signal
    zabbix_server's pollers, trappers               nothing either
    zabbix_server's history syncers, and others     as the children of checks
    that call no module's items
"""

import collections
import concurrent.futures
import pathlib
import re
import unittest

from api import ItemType, ValueType
from lab import BUILD, MODULE, LabTestCase
from server import ServerTestCase

COUNTER = BUILD / "lib/examples/counter.so"
DESTRUCTOR = BUILD / "lib/tests/static_destructor.so"
ROUNDS = 120  # of seven questions, by each of three askers


def zombies():
    """The parent of each zombie there is, by pid."""
    found = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields[0] == "Z":
            found[int(path.parent.name)] = int(fields[1])
    return found


def marks(file):
    """What the module with the static object wrote: by pid, the words in their order."""
    found = collections.defaultdict(list)
    for line in file.read_text().splitlines() if file.exists() else ():
        what, pid = line.split()
        found[int(pid)].append(what)
    return found


class ChildrenOfChecks(LabTestCase):
    def setUp(self):
        super().setUp()
        self.aws = self.simaws("--instances", "40", "--regions", "eu-central-1")
        self.bakusoku = self.agent(self.aws.url)
        self.file = self.folder / "marks"
        self.zabbix = self.agentd(self.bakusoku.socket, modules=[MODULE, COUNTER, DESTRUCTOR],
                                  environment={"STATIC_DESTRUCTOR_FILE": str(self.file)})
        self.tree = self.folder / "tree"
        self.tree.mkdir()
        (self.tree / "file").write_bytes(b"x" * 4096)
        self.forking = {"vfs.fs.size[/,free]": r"\d+", f"vfs.dir.size[{self.tree}]": r"\d+",
                        f"vfs.dir.count[{self.tree},,,file]": "1"}

    def test_thousands_of_children_do_no_harm(self):
        workers, log = self.zabbix.listeners(), self.zabbix.log()
        instance = self.zabbix.ask("aws.ec2.name2id[web-1]")
        self.assertRegex(instance, "^i-")
        questions = {**self.forking, "aws.ec2.name2id[web-1]": instance, "bakusoku.echo[a,b]": "a b", "agent.ping": "1",
                     "example.counter": r"\d+"}

        def ask_all(_):
            wrong = []
            for _ in range(ROUNDS):
                for key, pattern in questions.items():
                    answer = self.zabbix.ask(key)
                    if not re.fullmatch(pattern, answer):
                        wrong.append((key, answer))
            return wrong

        connections = self.aws.stats()["calls"]
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            for wrong in pool.map(ask_all, range(3)):
                self.assertEqual(wrong[:3], [])
        asked = 3 * ROUNDS
        self.assertEqual(self.zabbix.listeners(), workers, "a worker was restarted")
        self.assertEqual(self.zabbix.log(), log, "something was logged")
        ours = {self.zabbix.pid, *self.zabbix.children()}
        self.assertEqual([pid for pid, parent in zombies().items() if parent in ours or pid in ours], [])
        # No child's end has taken anything from its worker: each still counts on from where it was.
        counted, lost = self.counted(workers)
        self.assertLessEqual(asked + len(workers), counted)
        self.assertLessEqual(counted, asked + len(workers) + lost)
        self.assertEqual(self.aws.stats()["calls"], connections, "the agent has read anew what it knew")
        # And each child did run the destructor.
        children = {pid: what for pid, what in marks(self.file).items() if pid != self.zabbix.pid}
        self.assertEqual(len(children), asked * len(self.forking))
        self.assertEqual({tuple(what) for what in children.values()}, {("atexit", "destructor")})
        self.assertFalse(set(children) & set(workers))

    def counted(self, workers):
        """How often example.counter was asked, of all workers together, these questions included; and how many questions
        were lost on the way, which may be counted or not: a worker that is stopped was woken for them."""
        total = lost = 0
        for pid in workers:
            with self.zabbix.only_worker(pid):
                for _ in range(5):
                    try:
                        total += int(self.zabbix.ask("example.counter", seconds=4))
                        break
                    except TimeoutError:
                        lost += 1
        return total, lost

    def test_where_code_runs_when_zabbix_agentd_stops(self):
        main, workers = self.zabbix.pid, self.zabbix.children()
        for key, pattern in self.forking.items():
            self.assertRegex(self.zabbix.ask(key), f"^{pattern}$")
        self.zabbix.ask("bakusoku.ping")
        before = marks(self.file)
        self.assertEqual(before.pop(main), ["constructor"], "once, before the workers were forked")
        self.assertEqual(len(before), len(self.forking))
        self.assertEqual(self.zabbix.stop(), 0)
        after = marks(self.file)
        self.assertEqual(after.pop(main), ["constructor", "uninit", "atexit", "destructor"])
        self.assertEqual(after, before, "none of the workers ran anything")
        self.assertFalse(set(after) & set(workers))


class ServerStops(ServerTestCase):
    def test_where_code_runs_when_zabbix_server_stops(self):
        aws = self.simaws("--regions", "eu-central-1")
        bakusoku = self.agent(aws.url)
        file = self.folder / "marks"
        server = self.zabbix.start_server(modules=[MODULE, DESTRUCTOR], environment={
            "BAKUSOKU_SOCKET": str(bakusoku.socket), "STATIC_DESTRUCTOR_FILE": str(file)})
        item = self.zabbix.api.add_host("host").add_item("aws.ec2.name2id[web-1]", ItemType.SIMPLE, ValueType.TEXT)
        server.reload()
        item.wait_value(lambda text: text.startswith("i-"))
        titles = server.titles()
        self.assertEqual(marks(file), {server.pid: ["constructor"]})
        self.assertEqual(server.stop(30), 0)
        self.assertIn("Zabbix Server stopped", server.log())
        ran = marks(file)
        self.assertEqual(ran.pop(server.pid), ["constructor", "uninit", "atexit", "destructor"])
        self.assertEqual({tuple(what) for what in ran.values()}, {("atexit", "destructor")})
        kinds = {titles[pid].partition(" #")[0] for pid in ran}
        self.assertIn("history syncer", kinds)
        self.assertFalse(kinds & {"poller", "unreachable poller", "trapper", "task manager"}, kinds)


if __name__ == "__main__":
    unittest.main()
