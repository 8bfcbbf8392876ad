"""What the benchmarks measure and print with."""

import contextlib
import os
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(SOURCE / "tests/e2e"))

import lab  # noqa: E402  (the laboratory of the end-to-end tests)


def say(text):
    print(f"    {text}", flush=True)


def median(values):
    return statistics.median(values) if values else float("nan")


def cpu_seconds(pid):
    """CPU of a process and of its children that have ended."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    ticks = os.sysconf("SC_CLK_TCK")
    own = (int(fields[11]) + int(fields[12])) / ticks
    with contextlib.suppress(OSError, ValueError, IndexError):
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
            own = int(file.read().split()[0]) / 1e9  # the same in nanoseconds, where the kernel keeps it
    return own + (int(fields[13]) + int(fields[14])) / ticks


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Bench(contextlib.ExitStack):
    """A directory, and processes that are stopped at the end."""

    def __init__(self):
        super().__init__()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bakusoku-bench-"))
        self.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.parts = 0

    def subfolder(self):
        self.parts += 1
        folder = self.folder / str(self.parts)
        folder.mkdir()
        return folder

    def begin(self, process):
        self.callback(process.stop)
        return process.start()


def quiet(aws):
    """Whether the simulator has used next to no CPU for half a second."""
    before = cpu_seconds(aws.pid)
    time.sleep(0.5)
    return cpu_seconds(aws.pid) - before < 0.02


def table(head, rows, left=1):
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join([" --- "] * left + [" --: "] * (len(head) - left)) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def duration(us):
    return f"{number(us)} us" if us < 10_000 else f"{number(us / 1000)} ms"


def mebibytes(value):
    return f"{value / 1048576:.1f} MiB"
