"""What collecting costs the agent's own process: CPU of a metric between CloudWatch and the spool at AWS's quota of one account
and region (25,000 metrics a second), CPU and memory of a hundred thousand series and of a million, and how the two protocols that
CloudWatch speaks compare. Real time; engine_bench is the agent's own schedule, calls, decoding, feeds, spool and ledger."""

import json
import os
import subprocess

from measuring import Bench, duration, lab, mebibytes, say, table

QUOTA = 25_000      # metrics a second: 50 calls of 500
LOAD_PERIOD = 10    # seconds, the shortest at which each series is read once a period and each call is full
SERIES_PERIOD = 300
DELAY = 5           # seconds after a period's end


def environment():
    return {**os.environ, "AWS_ACCESS_KEY_ID": lab.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": lab.SECRET_KEY}


class Run:
    """One engine_bench beside a simulator of its own, from its start on."""

    def __init__(self, bench, name_space, series, period, seconds):
        world = ("--load", series) if name_space == "Sim/Load" else ("--instances", series // 8)
        aws = bench.begin(lab.Simaws(bench.subfolder(), *world, "--publish", f"{name_space}={DELAY}"))
        command = [lab.program("engine_bench"), aws.url, name_space, str(series), str(period), str(DELAY), str(seconds),
                   str(bench.subfolder())]
        self.process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        bench.callback(self.end)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()

    def result(self, seconds):
        output, errors = self.process.communicate(timeout=seconds)
        if self.process.returncode != 0:
            raise RuntimeError(f"engine_bench: {errors[-500:]}")
        return json.loads(output)


def measure_codec(quick):
    with Bench() as bench:
        aws = bench.begin(lab.Simaws(bench.subfolder(), "--instances", "60"))
        done = subprocess.run([lab.program("cloudwatch_codec_bench"), aws.url, "5" if quick else "21"], env=environment(),
                              capture_output=True, text=True, timeout=600, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"cloudwatch_codec_bench: {done.stderr[-500:]}")
        return json.loads(done.stdout)


def measure_engine(quick):
    codec = measure_codec(quick)
    rate = QUOTA // 5 if quick else QUOTA
    say(f"engine: {rate:,} metrics a second")
    with Bench() as bench:
        seconds = 20 if quick else 60
        load = Run(bench, "Sim/Load", rate * LOAD_PERIOD, LOAD_PERIOD, seconds).result(seconds + 120)
    with Bench() as bench:
        period = 60 if quick else SERIES_PERIOD
        sizes = (10_000, 100_000) if quick else (100_000, 1_000_000)
        say(f"engine: {' and '.join(f'{size:,}' for size in sizes)} series, side by side, up to {2 * period // 60 + 2} minutes")
        runs = [Run(bench, "AWS/EC2", size, period, period) for size in sizes]
        series = [run.result(2 * period + 300) for run in runs]
    return {"codec": codec, "load": load, "series": series}


def add_wanted(results, add):
    if "engine" not in results:
        return
    load, series = results["engine"]["load"], results["engine"]["series"][0]
    # What does not fit is read at the next moment, its datapoints of both together: none is lost, and fewer are asked for.
    add(f"{load['values_per_second']:,.0f} values/s of {load['series']:,} metrics, decode to spool", "25,000, in at most 0.25 cores",
        f"{load['cpu_share']:.2f} cores", load["cpu_share"] <= 0.25 and load["values_per_second"] >= 0.995 * QUOTA)
    minutes = series["period"] / 60
    add(f"CPU with {series['series']:,} series each {minutes:g} min", "at most 5 % of a core", f"{series['cpu_share']:.1%}",
        series["cpu_share"] <= 0.05)
    add(f"memory with {series['series']:,} series, mean of the period", "at most 100 MB", f"{series['resident_bytes'] / 1e6:.1f} MB",
        series["resident_bytes"] <= 100e6)


def report(results):
    if "engine" not in results:
        return []
    load, series = results["engine"]["load"], results["engine"]["series"]
    calls, codec = results["engine"]["codec"]["calls"], results["engine"]["codec"]
    rows = [[f"{run['series']:,} each {run['period']} s", f"{run['metrics_per_second']:,.0f}", f"{run['values_per_second']:,.0f}",
             f"{run['cpu_share']:.2%}",
             duration(run["cpu_us_per_metric"]), mebibytes(run["resident_bytes"]), mebibytes(run["resident_most_bytes"]),
             mebibytes(run["resident_start_bytes"]), f"{run['first_seconds']:.0f} s", f"{run['late_p95']} s"] for run in (load, *series)]
    answers = [["write the request", *(f"{codec['request'][name]['write_us_per_metric']:.3f} us" for name in ("json", "cbor"))]]
    answers += [[f"read an answer of {answer['points_per_query']} points a metric",
                 *(f"{answer[name]['read_us_per_metric']:.3f} us" for name in ("json", "cbor"))] for answer in codec["answers"]]
    growth = series[1]["resident_bytes"] - series[0]["resident_bytes"]
    return ["### Collecting: the agent's own process",
            "From what exists over calls, decoding and feeds to spool and ledger on disk; the values leave the spool as for "
            "a delivery. Five more periods are looked at in each reading for what came late. *Late* is when 95 of 100 datapoints "
            "had left the spool, after they were final. The first row takes all of AWS's quota, 50 calls of 500 metrics a second: "
            f"{load['postponed']:,} readings were put off by one period and brought the datapoints of two.",
            table(["series", "metrics/s asked for", "values/s", "of a core", "CPU a metric", "resident", "most", "most since the start",
                   "first values of all", "late, p95"], rows),
            f"Memory grows by {growth / (series[1]['series'] - series[0]['series']):,.0f} bytes for each series more.",
            "The two protocols, 500 metrics a call, CPU per metric of the client:",
            table(["", "AWS JSON 1.0", "CBOR"], answers + [
                ["a whole call of 5 points a metric (write, sign, exchange, read)",
                 *(f"{calls[f'{protocol}_us_per_metric']:.2f} us" for protocol in ("json", "cbor"))]]),
            f"CBOR : JSON of a whole call {calls['cbor_to_json']:.2f}; the agent's client takes "
            f"{calls['client_us_per_metric']:.2f} us a metric."]


if __name__ == "__main__":
    import sys
    measured = {"engine": measure_engine("--quick" in sys.argv)}
    print(json.dumps(measured, indent=1))
    add_wanted(measured, lambda *row: print(row))
    print("\n\n".join(report(measured)))
