"""Two parts of the benchmarks: delivery (the agent's spool and delivery beside zabbix_sender, the same values to a sink and to
a real server) and hosts (the agent as active agent of ten thousand hosts with ten items each)."""

import json
import os
import subprocess
import time

from measuring import Bench, cpu_seconds, duration, lab, median, number, resident_bytes, say, table

from api import ItemType, ValueType
from postgres import unpacked
from server import ServerLab, request

PREFIXES = {"agent": "to-zabbix-agent-", "sender": "to-zabbix-sender"}  # of names that are equally long
HOSTS = 10_000
ITEMS = 10
PERIOD = 300          # of the items that trapper_sink hands out
BEGIN, WINDOW = 60, 120   # seconds: when the measuring of many hosts begins, and how long it takes: one refresh


class Sink(lab.Process):
    def __init__(self, folder):
        self.port = lab.free_port()
        super().__init__("trapper_sink", [lab.program("trapper_sink"), self.port, ITEMS], folder)

    def start(self):
        super().start()
        self.wait_ready(lambda: lab.port_answers(self.port))
        return self

    def stats(self):
        return request(self.port, {"request": "sink stats"}, 60)


# -------------------------------------------------------------------------------------------------------- delivery --

def deliver(port, first, values, folder):
    """The agent's way: put into a spool on disk, then delivered from there."""
    done = subprocess.run([lab.program("delivery_bench"), "deliver", f"127.0.0.1:{port}", PREFIXES["agent"], str(first),
                           str(values), str(folder)], capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    report = json.loads(done.stdout)
    if report["delivered"] != values or report["refused"]:
        raise RuntimeError(f"not all values were delivered: {done.stdout}{done.stderr}")
    cpu = report["put_cpu_seconds"] + report["cpu_seconds"]
    return {"cpu_us": cpu / values * 1e6, "seconds": report["put_seconds"] + report["seconds"],
            "busy": cpu / (report["put_seconds"] + report["seconds"]), "put_cpu_us": report["put_cpu_seconds"] / values * 1e6}


def send(port, first, values, folder):
    """zabbix_sender with the same values in a file, which it has not to make."""
    lines = folder / "lines"
    with open(lines, "wb") as file:
        subprocess.run([lab.program("delivery_bench"), "lines", PREFIXES["sender"], str(first), str(values)], stdout=file,
                       check=True, timeout=600)
    began = time.monotonic()
    process = subprocess.Popen([unpacked("usr/bin/zabbix_sender"), "-z", "127.0.0.1", "-p", str(port), "-T", "-N", "-i",
                                str(lines)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)  # with the children it forks for its packets
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode != 0 or f"sent: {values}; skipped: 0" not in output or " failed: 0;" not in output:
        raise RuntimeError(f"zabbix_sender: {output[-500:]}")
    cpu = usage.ru_utime + usage.ru_stime
    return {"cpu_us": cpu / values * 1e6, "seconds": seconds, "busy": cpu / seconds}


def add_hosts(zabbix):
    """A hundred hosts with ten items each, for the agent and for zabbix_sender; the keys are those of delivery_bench."""
    api = zabbix.api
    for kind, prefix in PREFIXES.items():
        hostids = api.call("host.create", [{"host": f"{prefix}-{at:03}", "groups": [{"groupid": api.group()}]}
                                           for at in range(100)])["hostids"]
        items = []
        for hostid in hostids:
            for at in range(10):
                key = f'aws.metric[AWS/EC2,NetworkPacketsIn{at},"InstanceId=i-0123456789abcdef0",Average,60]'
                item = {"hostid": hostid, "name": key, "key_": key, "value_type": int(ValueType.FLOAT), "type":
                        int(ItemType.ACTIVE if kind == "agent" else ItemType.TRAPPER)}
                items.append({**item, "delay": "1m"} if kind == "agent" else item)
        api.call("item.create", items)
    zabbix.reload()


def measure_delivery(quick):
    values = 10_000 if quick else 100_000
    rounds = 2 if quick else 5
    with Bench() as bench:
        sink = bench.begin(Sink(bench.subfolder()))
        zabbix = ServerLab().open()
        bench.callback(zabbix.close)
        server = zabbix.start_server()
        add_hosts(zabbix)
        folder = bench.subfolder()
        first = int(time.time()) // 60 * 60 - 86400
        results = {"sink": {"agent": [], "sender": []}, "server": {"agent": [], "sender": []}}
        stored = 0

        def all_stored():
            return int(zabbix.postgres.sql("select count(*) from history")) >= stored

        for round_number in range(rounds):
            say(f"delivery: round {round_number + 1} of {rounds}")
            for where, port in (("sink", sink.port), ("server", server.port)):
                for way, call in (("agent", deliver), ("sender", send)):
                    results[where][way].append(call(port, first, values, folder))
                    if where == "server":
                        stored += values
                        lab.wait_for("the values in the database", all_stored, 120, pause=0.2)
            first += (values // 1000 + 1) * 60
        cpu = sum(cpu_seconds(pid) for pid in [server.pid, *server.children()])
        stored += values
        deliver(server.port, first, values, folder)
        lab.wait_for("the values in the database", all_stored, 120, pause=0.2)
        server_cpu_us = (sum(cpu_seconds(pid) for pid in [server.pid, *server.children()]) - cpu) / values * 1e6

    def summary(where):
        ways = results[where]
        rows = {way: {field: median([one[field] for one in ones]) for field in ("cpu_us", "seconds", "busy")}
                for way, ones in ways.items()}
        for row in rows.values():
            row["per_second"] = values / row["seconds"]
        pairs = list(zip(ways["agent"], ways["sender"]))
        return {"rows": rows, "cpu_ratio": median([a["cpu_us"] / b["cpu_us"] for a, b in pairs]),
                "time_ratio": median([a["seconds"] / b["seconds"] for a, b in pairs])}
    return {"values": values, "rounds": rounds, "sink": summary("sink"), "server": summary("server"),
            "put_cpu_us": median([one["put_cpu_us"] for one in results["sink"]["agent"]]), "server_cpu_us": server_cpu_us}


# ----------------------------------------------------------------------------------------------------------- hosts --

def measure_hosts(quick):
    hosts = HOSTS // 10 if quick else HOSTS
    with Bench() as bench:
        sink = bench.begin(Sink(bench.subfolder()))
        # Some instances of the simulator's are terminated.
        aws = bench.begin(lab.Simaws(bench.subfolder(), "--instances", str(int(hosts * 1.03)), "--regions", lab.REGION))
        folder = bench.subfolder()
        # All metrics become readable at once, every five minutes: by this delay in the middle of what is measured.
        delay = int(time.time() + BEGIN + WINDOW / 3) % PERIOD
        sections = (f'[metrics]\ndelay = "{delay}s"\n[zabbix]\nserver = "127.0.0.1:{sink.port}"\ndiscover = ["ec2"]\n'
                    f'state_dir = "{folder}/state"\n')
        agent = bench.begin(lab.Agent(folder, aws.url, sections=sections))
        started = time.monotonic()
        say(f"hosts: {hosts} of them; measured from second {BEGIN} to {BEGIN + WINDOW}")
        lab.wait_for("the items of all hosts", lambda: sink.stats()["hosts"] >= hosts and
                     sink.stats()["values"] >= hosts * ITEMS * 0.9, 300, pause=1)
        ready = time.monotonic() - started
        time.sleep(max(0.0, BEGIN - ready))
        before, cpu = sink.stats(), cpu_seconds(agent.pid)
        most = 0
        end = time.monotonic() + WINDOW
        while time.monotonic() < end:
            most = max(most, resident_bytes(agent.pid))
            time.sleep(0.2)
        cpu = cpu_seconds(agent.pid) - cpu
        after = sink.stats()
        waiting = int(agent.ask("bakusoku.stats[values.waiting]"))
        items = int(agent.ask("bakusoku.stats[active.items]"))
        known = int(agent.ask("bakusoku.stats[active.hosts.known]"))
        said = [line for line in agent.log().splitlines() if " error" in line or "warn" in line]
    if after["values"] - before["values"] < items * 0.85:
        raise RuntimeError(f"only {after['values'] - before['values']} values of {items} items in the window: {said[-3:]}")
    return {"hosts": known, "items": items, "seconds": WINDOW, "ready_seconds": ready, "share": cpu / WINDOW,
            "active_checks": after["active_checks"] - before["active_checks"], "values": after["values"] - before["values"],
            "resident_bytes": most, "waiting": waiting}


# ---------------------------------------------------------------------------------------------------------- report --

def add_wanted(results, add):
    if "delivery" in results:
        for where, name in (("sink", "a local sink"), ("server", "a real server")):
            part = results["delivery"][where]
            add(f"delivery to {name}, CPU per value against zabbix_sender", "at most 1", f"{part['cpu_ratio']:.2f}",
                part["cpu_ratio"] <= 1)
            add(f"delivery to {name}, time against zabbix_sender", "at most 1", f"{part['time_ratio']:.2f}",
                part["time_ratio"] <= 1)
    if "hosts" in results:
        hosts = results["hosts"]
        add(f"{hosts['hosts']:,} active hosts with {ITEMS} items each, share of a core", "at most 10 %",
            f"{hosts['share'] * 100:.1f} %", hosts["share"] <= 0.10)
        add(f"{hosts['hosts']:,} active hosts with {ITEMS} items each, memory", "at most 150 MB",
            f"{hosts['resident_bytes'] / 1e6:.0f} MB", hosts["resident_bytes"] <= 150e6)


def report(results):
    text = []
    if "delivery" in results:
        delivery = results["delivery"]
        rows = []
        for where, name in (("sink", "a sink"), ("server", "zabbix_server")):
            for way, way_name in (("agent", "bakusoku, spool on disk"), ("sender", "zabbix_sender -i")):
                row = delivery[where]["rows"][way]
                rows.append([f"{way_name}, to {name}", number(row["per_second"]), duration(row["cpu_us"]),
                             f"{row['busy'] * 100:.0f} %"])
        text += ["### Delivery to Zabbix",
                 f"{delivery['values']:,} values of 1000 items of 100 hosts, the same for both, medians of "
                 f"{delivery['rounds']} rounds in turn. The agent's figures hold putting the values into a spool on disk (of the "
                 f"CPU {duration(delivery['put_cpu_us'])} a value) and delivering them from there; zabbix_sender reads them from "
                 "a file. The sink counts and stores nothing; the server is a real one with PostgreSQL, and the time is until it "
                 "has acknowledged.",
                 table(["", "values/s", "CPU per value", "of a core"], rows),
                 f"Against zabbix_sender, to the sink: CPU {delivery['sink']['cpu_ratio']:.2f}, time "
                 f"{delivery['sink']['time_ratio']:.2f}; to the server: CPU {delivery['server']['cpu_ratio']:.2f}, time "
                 f"{delivery['server']['time_ratio']:.2f}. The server itself spends {duration(delivery['server_cpu_us'])} a value, "
                 "PostgreSQL not counted."]
    if "hosts" in results:
        hosts = results["hosts"]
        text += ["### Ten thousand active hosts" if hosts["hosts"] >= HOSTS else f"### {hosts['hosts']:,} active hosts",
                 f"{hosts['hosts']:,} hosts with {ITEMS} items each, metrics of {PERIOD // 60} minutes and one fact: everything "
                 f"known and delivered {hosts['ready_seconds']:.0f} s after the agent's start. Then, in {hosts['seconds']} s that "
                 "hold one refresh of every host and the reading of every metric (which comes every five minutes):",
                 table(["", ""], [["hosts asked for", number(hosts["active_checks"])],
                                  ["values delivered", number(hosts["values"])],
                                  ["the agent's CPU, of a core", f"{hosts['share'] * 100:.1f} %"],
                                  ["the agent's memory, at most", f"{hosts['resident_bytes'] / 1e6:.0f} MB"]])]
    return text
