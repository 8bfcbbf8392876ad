"""Runs the benchmarks and prints their tables; scripts/bench builds first and calls this with the system's Python.

Eight parts, each in one run beside what it is compared with: checks (a real zabbix_agentd with our module, a plain C
module and UserParameters, in interleaved rounds, the load generator filling both cores), memory (an agent that knows
100,000 keys), fetching (the agent's own reading ahead beside a resident boto3 loop: same series, same windows, same
endpoint), delivery (to Zabbix, beside zabbix_sender), hosts (ten thousand of them, as an active agent), engine (what
collecting costs at AWS's quota, and with a million series), estate (that of Zabbix's own template, beside the template's
arithmetic) and freshness (of values at Zabbix). Ratios are medians of the rounds' own ratios, so that a slow moment of the
machine hits both sides.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import time

from measuring import SOURCE, Bench, cpu_seconds, duration, lab, mebibytes, median, number, quiet, resident_bytes, say, table
import engine
import estate
import freshness
import to_zabbix

BEGIN, END = "<!-- benchmark tables: begin (scripts/bench --write) -->", "<!-- benchmark tables: end -->"
WORKERS = 3  # StartAgents of Zabbix up to 6.4
MORE_WORKERS = 10  # of 7.0
THREADS = 2
IN_FLIGHT = 16
KEYS = 100_000
METRICS = ("CPUUtilization", "NetworkIn", "NetworkOut", "NetworkPacketsIn", "NetworkPacketsOut", "DiskReadBytes",
           "DiskWriteBytes", "DiskReadOps", "DiskWriteOps", "EBSReadBytes")
PERIOD = 60
DELAY = 120           # the agent's publication delay, its default
LOOK_BACK = 5         # periods per reading, as the agent's


def load(port, keys, *, seconds=0.0, checks=0, in_flight=IN_FLIGHT, threads=THREADS, warmup=0.2, timeout_ms=30000,
         sources=1):
    command = [lab.program("zbxload"), "--json", "--port", str(port), "--in-flight", str(in_flight), "--threads",
               str(min(threads, in_flight)), "--timeout", str(timeout_ms), "--sources", str(sources)]
    command += ["--checks", str(checks)] if checks else ["--seconds", str(seconds), "--warmup", str(warmup)]
    if isinstance(keys, pathlib.Path):
        command += ["--keys-file", str(keys)]
    else:
        command += keys
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 600, check=False)
    if not done.stdout:
        raise RuntimeError(f"zbxload failed: {done.stderr}")
    return json.loads(done.stdout)


# ---------------------------------------------------------------------------------------------------------- checks --

def measure_checks(quick, workers=WORKERS, native_only=False):
    """Checks through a zabbix_agentd with `workers` listeners; with `native_only` without the UserParameters."""
    with Bench() as bench:
        aws = bench.begin(lab.Simaws(bench.subfolder(), "--instances", "100", "--regions", lab.REGION))
        agent = bench.begin(lab.Agent(bench.subfolder(), aws.url))
        script = bench.folder / "script"
        script.write_text('#!/bin/sh\nprintf "%s %s\\n" "$1" "$2"\n')
        script.chmod(0o755)
        awscli = "/usr/bin/aws" if os.access("/usr/bin/aws", os.X_OK) else None
        lines = [f"LoadModule={lab.BUILD}/lib/echo_module.so", "UserParameter=up.echo,/bin/echo 1",
                 f"UserParameter=up.script[*],{script} $1 $2"]
        if awscli:
            lines.append(f"UserParameter=up.awscli[*],{awscli} ec2 describe-instances --endpoint-url {aws.url} "
                         "--filters Name=tag:Name,Values=$1 --query 'Reservations[0].Instances[0].InstanceId' --output text")
        zabbix = bench.begin(lab.Agentd(bench.subfolder(), agent.socket, workers=workers, timeout=30, lines=lines,
                                        environment={"AWS_ACCESS_KEY_ID": lab.ACCESS_KEY, "AWS_DEFAULT_REGION": lab.REGION,
                                                     "AWS_SECRET_ACCESS_KEY": lab.SECRET_KEY, "AWS_PAGER": "",
                                                     "AWS_EC2_METADATA_DISABLED": "true"}))
        instance = zabbix.ask("aws.ec2.name2id[web-1]")
        if not instance.startswith("i-"):
            raise RuntimeError(f"aws.ec2.name2id answered {instance}")
        metric = f'aws.metric[AWS/EC2,CPUUtilization,"InstanceId={instance}",Average,300]'
        native = {"agent.ping (built in)": "agent.ping", "echo in a plain C module": "c.echo[hello,world]",
                  "bakusoku.echo": "bakusoku.echo[hello,world]", "aws.ec2.name2id": "aws.ec2.name2id[web-1]",
                  "aws.metric": metric}
        forking = {"UserParameter /bin/echo": "up.echo", "UserParameter, a shell script": "up.script[hello,world]"}
        if awscli:
            forking["UserParameter awscli, same simulator"] = "up.awscli[web-1]"
        if native_only:
            forking = {}
        for key in [*native.values(), *forking.values()]:
            answer = zabbix.ask(key, 40)
            if not answer or answer.startswith(lab.NOT_SUPPORTED):
                raise RuntimeError(f"{key} answered '{answer}'")

        def one_round(key, seconds, in_flight, threads, checks=0):
            processes = [zabbix.pid, *zabbix.children(), agent.pid]
            begin = sum(cpu_seconds(pid) for pid in processes)
            started = time.monotonic()
            report = load(zabbix.port, [key], seconds=seconds, checks=checks, in_flight=in_flight, threads=threads, warmup=0)
            wall = time.monotonic() - started
            cpu = sum(cpu_seconds(pid) for pid in processes) - begin
            if report["answered"] == 0 or report["good"] != report["answered"] or report["no_answer"] + report["timed_out"] + report["not_connected"]:
                raise RuntimeError(f"{key}: {report}")
            report["cpu_us"] = cpu / report["answered"] * 1e6
            report["both_cores"] = (cpu + report["generator_cpu_seconds"]) / wall
            return report

        rounds = 2 if quick else 7
        seconds = 1 if quick else 3
        results = {name: [] for name in (*native, *forking)}
        memory = []
        for number in range(rounds):
            say(f"checks, {workers} workers: round {number + 1} of {rounds}")
            for name, key in native.items():
                results[name].append(one_round(key, seconds, IN_FLIGHT, THREADS))
            for name, key in forking.items():
                slow = "awscli" in name
                if slow and number >= (1 if quick else 3):
                    continue
                results[name].append(one_round(key, seconds, workers + 1, 1, checks=(4 if quick else 20) if slow else 0))
            memory.append((zabbix.pss_kilobytes(), lab.pss_kilobytes(agent.pid)))
        single = {name: [] for name in native}
        for number in range(0 if native_only else rounds):
            for name, key in native.items():
                single[name].append(one_round(key, 0.5 if quick else 1.5, 1, 1))

    ping = "agent.ping (built in)"
    rows = []
    for name, reports in results.items():
        def of(field, reports=reports):
            return median([report[field] for report in reports])
        base = results[ping][:len(reports)]
        rows.append({
            "item": name, "per_second": of("per_second"), "p50_us": of("p50_us"), "p99_us": of("p99_us"),
            "cpu_us": of("cpu_us"), "rounds": len(reports), "busy_cores": of("both_cores"),
            "rate_ratio": median([a["per_second"] / b["per_second"] for a, b in zip(reports, base)]),
            "cpu_ratio": median([a["cpu_us"] / b["cpu_us"] for a, b in zip(reports, base)])})
    singles = [{"item": name, "p50_us": median([report["p50_us"] for report in reports]),
                "p99_us": median([report["p99_us"] for report in reports]),
                "over_ping_us": median([a["p50_us"] - b["p50_us"] for a, b in zip(reports, single[ping])])}
               for name, reports in single.items() if reports]
    return {"workers": workers, "in_flight": IN_FLIGHT, "threads": THREADS, "rows": rows, "single": singles,
            "agentd_pss_kilobytes": median([pair[0] for pair in memory]),
            "agent_pss_kilobytes": median([pair[1] for pair in memory])}


# ---------------------------------------------------------------------------------------------------------- memory --

def series_of_fleet(agent, wanted):
    """[(item key, the same as JSON for boto3_fetch.py)]: existing series of the simulator's instances."""
    rows = json.loads(agent.ask("aws.discovery[ec2]", 120))
    series = []
    for row in rows:
        if row.get("{#STATE}") != "running":
            continue
        for metric in METRICS:
            series.append((f'aws.metric[AWS/EC2,{metric},"InstanceId={row["{#ID}"]}",Average,{PERIOD}]',
                           json.dumps(["AWS/EC2", metric, [["InstanceId", row["{#ID}"]]], "Average", PERIOD])))
            if len(series) == wanted:
                return series
    raise RuntimeError(f"the simulator has only {len(series)} running series")


def fleet_agent(bench, keys):
    """A simulator large enough, an agent that has been asked nothing yet, and `keys` existing series to ask it for."""
    instances = int(keys / len(METRICS) * 1.15) + 100
    aws = bench.begin(lab.Simaws(bench.subfolder(), "--instances", str(instances), "--regions", lab.REGION))
    scout = bench.begin(lab.Agent(bench.subfolder(), aws.url, config='timeout = "60s"'))
    series = series_of_fleet(scout, keys)
    scout.stop()
    agent = bench.begin(lab.Agent(bench.subfolder(), aws.url, config='timeout = "60s"'))
    keys_file = bench.folder / "keys"
    keys_file.write_text("\n".join(key for key, _ in series) + "\n")
    return aws, agent, series, keys_file, instances


def ask_all(agent, keys_file, keys):
    # Through the passive port: each first demand waits for its reading, so many are kept in flight.
    report = load(agent.port, keys_file, checks=keys, in_flight=400, threads=1, timeout_ms=60000)
    if report["good"] != keys:
        raise RuntimeError(f"not every key was answered: {report}")
    return report


def measure_memory(quick):
    keys = KEYS // 10 if quick else KEYS
    with Bench() as bench:
        say(f"memory: {keys} keys")
        aws, agent, _, keys_file, instances = fleet_agent(bench, keys)
        empty = resident_bytes(agent.pid)
        first = ask_all(agent, keys_file, keys)
        known = int(agent.ask("bakusoku.stats[keys]"))
        after_first = resident_bytes(agent.pid)
        again = ask_all(agent, keys_file, keys)
        # And through the module, whose workers have the answers posted on the board.
        zabbix = bench.begin(lab.Agentd(bench.subfolder(), agent.socket, workers=WORKERS, timeout=30))
        module = load(zabbix.port, keys_file, checks=2 * keys, in_flight=IN_FLIGHT, threads=1)
        if module["good"] != 2 * keys:
            raise RuntimeError(f"not every key was answered: {module}")
        posted = int(agent.ask("bakusoku.stats[board.posted]"))
        with_keys = max(after_first, resident_bytes(agent.pid))
        calls = int(agent.ask("bakusoku.stats[metrics.calls]"))
        agent.ask("aws.ec2.name2id[web-1]", 120)
        return {"keys": known, "instances": instances, "resident_bytes_empty": empty, "resident_bytes_keys": with_keys,
                "resident_bytes_inventory": resident_bytes(agent.pid), "first_seconds": first["seconds"],
                "again_per_second": again["per_second"], "calls": calls, "posted": posted}


# ----------------------------------------------------------------------------------------------------------- fetch --

def measure_fetch(quick):
    keys = 5_000 if quick else 50_000
    rounds = 1 if quick else 5
    with Bench() as bench:
        aws, agent, series, keys_file, _ = fleet_agent(bench, keys)
        names = bench.folder / "series"
        names.write_text("\n".join(line for _, line in series) + "\n")
        rival = subprocess.Popen(
            ["/usr/bin/python3", "-B", str(SOURCE / "bench/boto3_fetch.py"), str(names)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin", "HOME": str(bench.folder), "AWS_ACCESS_KEY_ID": lab.ACCESS_KEY,
                 "AWS_SECRET_ACCESS_KEY": lab.SECRET_KEY, "AWS_DEFAULT_REGION": lab.REGION,
                 "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": aws.url})
        bench.callback(rival.wait, 30)
        bench.callback(rival.stdin.close)
        if rival.stdout.readline().strip() != "ready":
            raise RuntimeError("the boto3 loop did not start")

        def stat(name):
            return float(agent.ask(f"bakusoku.stats[{name}]"))

        ours, theirs = [], []
        for number in range(rounds):
            # Asked twice within a period, a key is read ahead at the next period's end, with nobody asking then.
            ask_all(agent, keys_file, keys)
            time.sleep(1.1)
            ask_all(agent, keys_file, keys)
            requested, calls = stat("metrics.requested"), stat("metrics.calls")
            asked = aws.stats()["metrics_requested"]
            cpu = cpu_seconds(agent.pid)
            say(f"fetching: round {number + 1} of {rounds}; the agent reads {keys} metrics at the next minute")
            # The simulator is watched, not the agent: asking the agent would cost it the CPU that is measured.
            lab.wait_for("reading ahead", lambda: aws.stats()["metrics_requested"] - asked >= keys, 100)
            lab.wait_for("the readings' ends", lambda: quiet(aws), 60)
            cpu = cpu_seconds(agent.pid) - cpu
            ours.append({"cpu_seconds": cpu, "calls": stat("metrics.calls") - calls,
                         "metrics": stat("metrics.requested") - requested, "resident_bytes": resident_bytes(agent.pid)})
            end = (int(time.time()) - DELAY) // PERIOD * PERIOD
            rival.stdin.write(f"{end - LOOK_BACK * PERIOD} {end}\n")
            rival.stdin.flush()
            theirs.append(json.loads(rival.stdout.readline()))
            if theirs[-1]["values"] != keys:
                raise RuntimeError(f"boto3 got {theirs[-1]['values']} values of {keys}")

    def per_metric(rows):
        return median([row["cpu_seconds"] / row["metrics"] * 1e6 for row in rows])
    return {"metrics": keys, "rounds": rounds,
            "agent": {"cpu_us_per_metric": per_metric(ours), "calls": median([row["calls"] for row in ours]),
                      "resident_bytes": max(row["resident_bytes"] for row in ours)},
            "boto3": {"cpu_us_per_metric": per_metric(theirs), "calls": median([row["calls"] for row in theirs]),
                      "resident_bytes": max(row["resident_bytes"] for row in theirs)},
            "ratio": median([(a["cpu_seconds"] / a["metrics"]) / (b["cpu_seconds"] / b["metrics"])
                             for a, b in zip(ours, theirs)])}


# ---------------------------------------------------------------------------------------------------------- report --

def machine():
    model = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    zabbix = subprocess.run([lab.zabbix_program("zabbix_agentd"), "-V"], capture_output=True, text=True, check=False).stdout
    ours = subprocess.run([lab.program("bakusoku"), "version"], capture_output=True, text=True, check=False,
                          timeout=10).stdout.splitlines()
    boto3 = subprocess.run(["/usr/bin/python3", "-c", "import boto3; print(boto3.__version__)"], capture_output=True,
                           text=True, check=False).stdout.strip()
    system = next((line.split("=", 1)[1].strip().strip('"') for line in open("/etc/os-release", encoding="utf-8")
                   if line.startswith("PRETTY_NAME=")), platform.system())
    versions = [ours[0] if ours else "bakusoku", re.sub(r".*\(Zabbix\)", "zabbix_agentd", zabbix.splitlines()[0]),
                f"boto3 {boto3}"]
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "system": f"{system}, Linux {platform.release()}",
            "date": datetime.date.today().isoformat(), "versions": versions}


def wanted_rows(results):
    """(what, wanted, measured, met) for each figure the project has set itself."""
    rows = []

    def add(what, wanted, measured, good):
        rows.append((what, wanted, measured, "met" if good else "**not met**"))
    if "checks" in results:
        for part in ("checks", "more_workers"):
            workers = f"{results[part]['workers']} workers"
            by_name = {row["item"]: row for row in results[part]["rows"]}
            echo = by_name["bakusoku.echo"]
            add(f"in-process item, checks/s against agent.ping, {workers}", "at least 0.95", f"{echo['rate_ratio']:.2f}",
                echo["rate_ratio"] >= 0.95)
            for name in ("aws.ec2.name2id", "aws.metric"):
                row = by_name[name]
                add(f"{name}, checks/s against agent.ping, {workers}", "at least 0.80", f"{row['rate_ratio']:.2f}",
                    row["rate_ratio"] >= 0.80)
                add(f"{name}, CPU per check against agent.ping, {workers}", "at most 1.8", f"{row['cpu_ratio']:.2f}",
                    row["cpu_ratio"] <= 1.8)
        by_name = {row["item"]: row for row in results["checks"]["rows"]}
        for name in ("aws.ec2.name2id", "aws.metric"):
            row = by_name[name]
            times = row["per_second"] / by_name["UserParameter /bin/echo"]["per_second"]
            add(f"{name}, checks/s against UserParameter /bin/echo", "at least 15 times", f"{times:.1f} times", times >= 15)
        for row in results["checks"]["single"]:
            if row["item"].startswith("aws."):
                add(f"{row['item']}, one in flight, p50 above agent.ping", "at most 60 us", f"{row['over_ping_us']:.0f} us",
                    row["over_ping_us"] <= 60)
    if "memory" in results:
        used = results["memory"]["resident_bytes_keys"]
        add(f"agent's memory with {results['memory']['keys']:,} known keys", "at most 60 MB", f"{used / 1e6:.1f} MB", used <= 60e6)
    if "fetch" in results:
        ratio = results["fetch"]["ratio"]
        add("CPU per metric fetched against a resident boto3 loop", "at most 1/20", f"1/{1 / ratio:.1f}", ratio <= 1 / 20)
    for part in (to_zabbix, engine, estate, freshness):
        part.add_wanted(results, add)
    return rows


def report(results):
    about = results["machine"]
    text = [f"Measured {about['date']} on {about['cores']} cores of {about['cpu']} ({about['system']}): "
            f"{', '.join(about['versions'])}. Everything ran on this one machine; AWS is the simulator."]
    if results["quick"]:
        text.append("**A smoke run (`--quick`): too short to mean anything.**")
    text += ["### Wanted and measured",
             table(["", "wanted", "measured", ""], wanted_rows(results))]
    if "checks" in results:
        checks = results["checks"]

        def checks_table(rows):
            return table(["item", "checks/s", "p50", "p99", "CPU per check", "checks/s : agent.ping", "CPU : agent.ping",
                          "busy cores"],
                         [[row["item"], number(row["per_second"]), duration(row["p50_us"]), duration(row["p99_us"]),
                           duration(row["cpu_us"]), f"{row['rate_ratio']:.3g}", f"{row['cpu_ratio']:.3g}",
                           f"{row['busy_cores']:.2f}"] for row in rows])

        text += ["### Checks through a real zabbix_agentd",
                 f"{checks['workers']} workers; native items with {checks['in_flight']} checks in flight from "
                 f"{checks['threads']} load-generating threads, so that both cores are full; UserParameters with "
                 f"{WORKERS + 1} in flight. CPU is of zabbix_agentd with all its processes and of the agent together.",
                 checks_table(checks["rows"]),
                 f"The native items with {MORE_WORKERS} workers, Zabbix 7.0's default:",
                 checks_table(results["more_workers"]["rows"]),
                 f"One check in flight, {checks['workers']} workers:",
                 table(["item", "p50", "p99", "p50 above agent.ping"],
                       [[row["item"], duration(row["p50_us"]), duration(row["p99_us"]), f"{row['over_ping_us']:+.0f} us"]
                        for row in checks["single"]]),
                 f"Memory (PSS) after the rounds: zabbix_agentd with all its processes "
                 f"{checks['agentd_pss_kilobytes'] / 1024:.1f} MiB, the agent {checks['agent_pss_kilobytes'] / 1024:.1f} MiB."]
    if "memory" in results:
        memory = results["memory"]
        text += ["### Memory with many keys",
                 table(["the agent, resident", ""], [
                     ["started", mebibytes(memory["resident_bytes_empty"])],
                     [f"with {memory['keys']:,} metric keys known and answered, {memory['posted']:,} of them posted on the board", mebibytes(memory["resident_bytes_keys"])],
                     [f"and an inventory of {memory['instances']:,} instances", mebibytes(memory["resident_bytes_inventory"])]]),
                 f"The first value of all {memory['keys']:,} keys took {memory['first_seconds']:.1f} s and {memory['calls']:,} "
                 f"calls of GetMetricData; asked again through the passive port they were answered at "
                 f"{number(memory['again_per_second'])} checks/s."]
    if "fetch" in results:
        fetch = results["fetch"]
        text += ["### Fetching from CloudWatch",
                 f"{fetch['metrics']:,} metrics of period {PERIOD} s a round, 500 a call, windows of {LOOK_BACK} periods, "
                 f"medians of {fetch['rounds']} rounds, the two in turn. The agent reads ahead by itself; the rival is a "
                 "resident Python process with one boto3 client.",
                 table(["", "CPU per metric", "calls a round", "resident"],
                       [[name, duration(fetch[which]["cpu_us_per_metric"]), number(fetch[which]["calls"]),
                         mebibytes(fetch[which]["resident_bytes"])] for name, which in (("bakusoku", "agent"), ("boto3", "boto3"))]),
                 f"CPU ratio: 1/{1 / fetch['ratio']:.1f}."]
    for part in (to_zabbix, engine, estate, freshness):
        text += part.report(results)
    return "\n\n".join(text) + "\n"


def write_document(text):
    path = SOURCE / "docs/performance.md"
    old = path.read_text(encoding="utf-8") if path.exists() else f"# Performance\n\n{BEGIN}\n{END}\n"
    if BEGIN not in old or END not in old:
        sys.exit(f"{path} has no '{BEGIN}' and '{END}' lines to write between")
    head, tail = old.split(BEGIN)[0], old.split(END)[1]
    path.write_text(f"{head}{BEGIN}\n\n{text}\n{END}{tail}", encoding="utf-8")
    say(f"written: {path.relative_to(SOURCE)}")


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--json", metavar="FILE", help="also write all figures as JSON (default: build/bench.json)")
    measures = {"checks": measure_checks, "memory": measure_memory, "fetch": measure_fetch,
                "delivery": to_zabbix.measure_delivery, "hosts": to_zabbix.measure_hosts, "engine": engine.measure_engine, "estate": estate.measure_estate,
                "freshness": freshness.measure_freshness}
    parser.add_argument("--only", action="append", choices=list(measures))
    options = parser.parse_args()
    parts = options.only or list(measures)
    if options.write and (options.quick or set(parts) != set(measures)):
        parser.error("--write takes a full run: neither --quick nor --only")
    results = {"machine": machine(), "quick": options.quick}
    for part, measure in measures.items():
        if part in parts:
            results[part] = measure(options.quick)
            if part == "checks":
                results["more_workers"] = measure_checks(options.quick, MORE_WORKERS, native_only=True)
    text = report(results)
    print("\n" + text)
    path = pathlib.Path(options.json or SOURCE / "build/bench.json")
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    say(f"all figures: {path}")
    if options.write:
        write_document(text)


if __name__ == "__main__":
    main()
