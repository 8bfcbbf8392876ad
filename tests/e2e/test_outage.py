"""Zabbix away, the agent away, the disk away: nothing is lost, the order is kept, and what is new does not wait for what was
missed. Hours pass in half a minute: the clock that agent and simulator see is a file's time, which the test sets
(libfaketime; timers are the machine's own)."""

import json
import resource
import time
import unittest

from api import ItemType, ValueType
from lab import REGION, Agent, Simaws, wait_for
from reference import Reference
from server import ServerTestCase
from simulated_clock import SimulatedClock

HOURS = 2
DELAY = 5        # seconds after a period's end until it is final
INTERVAL = 30    # the items' update interval
PERCENTILES = 40


class Hours(ServerTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.zabbix.start_server()

    def setUp(self):
        super().setUp()
        self.start = int(time.time()) - HOURS * 3600 - 300
        self.clock = SimulatedClock(self.folder / "clock", self.start)
        self.addCleanup(self.clock.stop)
        folder = self._subfolder("simaws")
        aws = Simaws(folder, "--instances", "20", "--regions", REGION)
        aws.environment = self.clock.environment
        self.aws = self.begin(aws)

    def add_items(self, name):
        """[(itemid, series)] of a new host: percentiles of two metrics each minute, averages each half minute."""
        host = self.zabbix.api.add_host(name)
        series = []
        for service, stage in (("checkout", "prod"), ("search", "test")):
            dimensions = [("Service", service), ("Stage", stage)]
            series += [("Sim/App", "Latency", dimensions, f"p{5 + 2 * at}", 60) for at in range(PERCENTILES // 2)]
            series += [("Sim/App", "Latency", dimensions, statistic, 30) for statistic in ("Average", "Maximum")]
        fields = []
        for namespace, metric, dimensions, statistic, period in series:
            named = ";".join("=".join(pair) for pair in dimensions)
            key = f"aws.metric[{namespace},{metric},{named},{statistic},{period}]"
            fields.append({"hostid": host.hostid, "name": key, "key_": key, "type": int(ItemType.ACTIVE),
                           "value_type": int(ValueType.FLOAT), "delay": f"{INTERVAL}s"})
        itemids = self.zabbix.api.call("item.create", fields)["itemids"]
        self.zabbix.reload()
        return list(zip(itemids, series))

    def new_agent(self, host):
        folder = self._subfolder("agent")
        sections = (f'[metrics]\ndelay = "{DELAY}s"\n[zabbix]\nserver = "127.0.0.1:{self.server.port}"\nhosts = ["{host}"]\n'
                    f'refresh = "2s"\nstate_dir = "{folder}/state"\n')
        return self.begin(Agent(folder, self.aws.url, sections=sections, environment=self.clock.environment))

    def rows(self, items):
        """{itemid: [(clock, value)]} in the order of the transactions in which the server stored them. Where in the table a row
        stands says less: PostgreSQL fills gaps."""
        text = self.zabbix.postgres.sql(f"select itemid, clock, value from history where itemid in "
                                        f"({','.join(itemid for itemid, _ in items)}) order by xmin::text::bigint, clock")
        found = {itemid: [] for itemid, _ in items}
        for line in text.splitlines():
            itemid, clock, value = line.split("|")
            found[itemid].append((int(clock), float(value)))
        return found

    def newest(self, items):
        """The clock of the item that is furthest behind."""
        text = self.zabbix.postgres.sql(f"select coalesce(max(clock), 0) from items left join history using (itemid) where "
                                        f"itemid in ({','.join(itemid for itemid, _ in items)}) group by itemid")
        return min(int(line) for line in text.splitlines())

    def check_history(self, items):
        """Every datapoint once, with CloudWatch's value, stored in the order of its clock, and none missing."""
        reference = Reference(self.aws.url)
        self.addCleanup(reference.close)
        count = 0
        for itemid, stored in self.rows(items).items():
            series = dict(items)[itemid]
            clocks = [clock for clock, _ in stored]
            self.assertEqual(clocks, sorted(set(clocks)), f"{series}: the order of storing")
            wanted = reference.points(*series, clocks[0], clocks[-1] + series[4])
            self.assertEqual(clocks, sorted(wanted), f"{series}: lost")
            for clock, value in stored:
                self.assertEqual(value, float(f"{wanted[clock]:.15g}"), f"{series} at {clock}")
            count += len(clocks)
        return count

    def wait_live(self, items, since):
        """How long it takes until all items have what was final at `since`."""
        wanted = (int(since) - DELAY) // 60 * 60 - 60
        wait_for("live values", lambda: self.newest(items) >= wanted, 2 * INTERVAL, pause=0.5)
        return time.time() - since

    def test_zabbix_away_for_hours(self):
        items = self.add_items("outage")
        agent = self.new_agent("outage")
        wait_for("first values", lambda: self.newest(items) > 0, 60, pause=0.5)
        self.server.stop()
        away = self.clock.seconds
        self.clock.run_to_now(rate=360)
        # Counted every ten seconds.
        wait_for("hours of values wait",
                 lambda: int(agent.ask("bakusoku.stats[values.waiting]")) > PERCENTILES * HOURS * 55, 20, pause=0.5)
        waiting = int(agent.ask("bakusoku.stats[values.waiting]"))
        self.server.start()
        took = self.wait_live(items, time.time())
        self.assertLessEqual(took, INTERVAL, "live values waited for longer than an interval")
        count = self.check_history(items)
        self.assertGreaterEqual(time.time() - away, HOURS * 3600)
        print(f"\n{waiting} values waited, {count} in history, all live {took:.1f} s after the server's return")

    def test_agent_away_for_hours(self):
        items = self.add_items("absence")
        agent = self.new_agent("absence")
        wait_for("first values", lambda: self.newest(items) > 0, 60, pause=0.5)
        agent.kill()
        fresh = self.add_items("fresh")
        self.clock.jump_to_now()
        agent.config_file.write_text(agent.config_file.read_text().replace('["absence"]', '["absence", "fresh"]'))
        back = time.time()
        agent.start()
        self.wait_live(fresh, back)
        wait_for("what was missed", lambda: self.newest(items) >= (int(back) - DELAY) // 60 * 60 - 60, INTERVAL, pause=0.5)
        took = time.time() - back
        self.assertLessEqual(took, INTERVAL, "live values waited for longer than an interval")
        count = self.check_history(items)
        self.assertGreater(count, PERCENTILES * HOURS * 55)
        self.check_history(fresh)
        print(f"\n{count} values in history {took:.1f} s after the agent's return")


class StateFile(ServerTestCase):
    """A spool that is damaged, cannot be written, or has no room."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.zabbix.start_server()
        cls.aws = cls.zabbix.simaws("--instances", "20", "--regions", REGION)

    def start_agent(self, host, state=None):
        item = self.zabbix.api.add_host(host).add_item("bakusoku.ping", ItemType.ACTIVE, ValueType.UNSIGNED, delay="1s")
        self.zabbix.reload()
        folder = self._subfolder("agent")
        self.state = state or folder / "state"
        sections = (f'[zabbix]\nserver = "127.0.0.1:{self.server.port}"\nhosts = {json.dumps([host])}\nrefresh = "1s"\n'
                    f'state_dir = "{self.state}"\n')
        return item, self.begin(Agent(folder, self.aws.url, sections=sections))

    def test_damaged(self):
        item, agent = self.start_agent("damaged")
        item.wait_values(2)
        agent.stop()
        (spool,) = self.state.glob("spool-*.db")
        spool.write_bytes(b"not a database at all" * 500)
        since = int(time.time()) + 1
        agent.start()
        item.wait_values(2, since=since)
        self.assertRegex(agent.log(), "is damaged.*it was moved to .*damaged-.* and a new one is begun")
        self.assertEqual(len(list(self.state.glob("spool-*.damaged-*Z"))), 1)

    def test_not_writable(self):
        (self.folder / "file").write_text("in the way")
        item, agent = self.start_agent("not writable", self.folder / "file/state")
        item.wait_values(2)
        self.assertRegex(agent.log(), "spool .*file/state/.* cannot be made: .*kept in memory")

    def test_disk_full(self):
        item, agent = self.start_agent("full")
        before = item.wait_values(2)
        # No file may grow: to the agent it is a full disk.
        log = max(path.stat().st_size for path in self.state.glob("spool-*"))
        resource.prlimit(agent.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        wait_for("a word about it", lambda: "values wait in memory" in agent.log(), 20)
        self.assertGreater(log, 4096)
        time.sleep(4)
        resource.prlimit(agent.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        ended = int(time.time())
        wait_for("a word that it is over", lambda: "takes values again" in agent.log(), 20)
        item.wait_values(1, since=ended + 2)
        clocks = [value.clock for value in item.values(before[0].clock)]
        self.assertEqual(len(clocks), len(set(clocks)))
        missing = set(range(clocks[0], clocks[-1] + 1)) - set(clocks)
        self.assertLessEqual(len(missing), (clocks[-1] - clocks[0]) // 5, f"seconds without a value: {sorted(missing)}")
        self.assertNotIn("lost", agent.log())


if __name__ == "__main__":
    unittest.main()
