#!/usr/bin/env python3
"""What a module written with zbxmod costs: compile time, size, and time per call beside a handler written by hand.

usage: module_cost.py [BUILD_DIR]        (build/release by default; needs libbenchmark-dev and a full build)
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parents[1]
CXX = os.environ.get("CXX", "g++")
ROUNDS = 5


def seconds(*command):
    """CPU seconds of the fastest of some runs: other work on the machine makes wall clock say little."""
    best = float("inf")
    for _ in range(ROUNDS):
        before = os.times()
        subprocess.run(command, check=True)
        after = os.times()
        best = min(best, after.children_user + after.children_system - before.children_user - before.children_system)
    return best


def compile_times(directory):
    flags = [CXX, "-std=c++20", "-fPIC", f"-I{SOURCE / 'zbxmod/include'}"]
    sources = {"nothing": "int main_;\n", "<string> and <variant>": "#include <string>\n#include <variant>\n",
               "zbxmod/module.h": '#include "zbxmod/module.h"\n'}
    for name, text in sources.items():
        source = directory / "header.cpp"
        source.write_text(text)
        yield f"reading {name}", seconds(*flags, "-fsyntax-only", source)
    yield "compiling examples/echo.cpp, -O2", seconds(*flags, "-O2", "-c", SOURCE / "zbxmod/examples/echo.cpp", "-o",
                                                      directory / "echo.o")


def main():
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else SOURCE / "build/release").resolve()
    benchmark = build / "bin/bench_zbxmod"
    if not benchmark.exists():
        sys.exit(f"{benchmark} is missing: scripts/install-packages bench, then build")
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        print("compile time, CPU seconds")
        for what, time_taken in compile_times(directory):
            print(f"  {what:36} {time_taken:6.2f}")
        print("size, stripped")
        for module in sorted((build / "lib/examples").glob("*.so")):
            stripped = directory / module.name
            subprocess.run(["strip", "-o", stripped, module], check=True)
            print(f"  {module.name:36} {stripped.stat().st_size / 1000:6.0f} kB")
    started = time.monotonic()
    said = subprocess.run([benchmark, "--benchmark_format=json", "--benchmark_repetitions=5", "--benchmark_min_time=0.1",
                           "--benchmark_report_aggregates_only=false"], capture_output=True, text=True, check=True).stdout
    best = {}
    for each in json.loads(said)["benchmarks"]:
        if each["run_type"] == "iteration":
            title = each["name"].split("/", 1)[1]
            best[title] = min(best.get(title, float("inf")), each["cpu_time"])
    print(f"one call, ns (the best of 5 runs, {time.monotonic() - started:.0f} s in all)")
    for title, nanoseconds in best.items():
        by_hand = best.get(title.split("_SDK")[0] + "_C") if "_SDK" in title else None
        more = f"  {nanoseconds - by_hand:+.0f} ns" if by_hand else ""
        print(f"  {title.replace('_', ' '):44} {nanoseconds:8.0f}{more}")


if __name__ == "__main__":
    main()
