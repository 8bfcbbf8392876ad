"""A clock that a test or a benchmark sets, for agent and simulator."""

import glob
import os
import threading
import time

from lab import BUILD, wait_for


class SimulatedClock:
    """What programs started with `environment` take for the time of day: a file's time, which this sets (libfaketime; timers
    are the machine's own). It runs `rate` seconds a second, and never ahead of the machine's clock."""

    def __init__(self, file, start):
        found = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
        if not found:
            raise FileNotFoundError("libfaketime is not installed: run scripts/install-packages test")
        timers = BUILD / "lib/tests/real_timers.so"
        if not timers.exists():
            raise FileNotFoundError(f"{timers} is not built")
        self.file, self.rate, self.seconds, self.end = file, 1.0, start, float("inf")
        self._lock = threading.Lock()
        file.touch()
        self.environment = {"LD_PRELOAD": f"{timers}:{found[0]}", "FAKETIME": "%", "FAKETIME_FOLLOW_FILE": str(file), "NO_FAKE_STAT": "1",
                            "FAKETIME_FOLLOW_ABSOLUTE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "1"}
        self._set(start)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _set(self, seconds):
        with self._lock:
            self.seconds = max(self.seconds, seconds)
            os.utime(self.file, (self.seconds, self.seconds))

    def _run(self):
        before = time.monotonic()
        while not self._stop.wait(0.05):
            now = time.monotonic()
            # Never ahead of Zabbix's clock, which is the machine's.
            self._set(min(self.seconds + (now - before) * self.rate, self.end, time.time()))
            before = now

    def run_to(self, seconds, rate):
        """At `rate` up to a time, where it stands still."""
        with self._lock:
            self.end, self.rate = seconds, rate
        wait_for("the simulated clock", lambda: self.seconds >= seconds, 300, pause=0.02)

    def run_to_now(self, rate):
        self.rate, self.end = rate, float("inf")
        wait_for("the simulated clock", lambda: time.time() - self.seconds < 0.2, 300, pause=0.1)
        self.rate = 1.0

    def jump_to_now(self):
        self._set(time.time())

    def stop(self):
        self._stop.set()
        self._thread.join()
