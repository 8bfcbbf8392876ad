"""What the machine sees of the programs: how they were built, what a crash leaves behind, which signals do no harm."""

import json
import os
import pathlib
import re
import shlex
import signal
import struct
import subprocess
import unittest

from lab import BUILD, LabTestCase, MODULE, program, wait_for

PROGRAMS = [program("bakusoku"), program("zbxmod-host")]
LANDING = {62: b"\xf3\x0f\x1e\xfa"}  # by machine: the instruction that a jump may land on; x86-64: endbr64
CHECKED_CALL = re.compile(r"\b__\w+_chk(@|$)")


def readelf(options, file):
    done = subprocess.run(["readelf", "-W", *options, file], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def code_at(file, name):
    """The first bytes of a function."""
    data = pathlib.Path(file).read_bytes()
    address = next(int(line.split()[1], 16) for line in readelf(["-s"], file).splitlines()
                   if line.split()[3:4] == ["FUNC"] and line.split()[7:8] == [name])
    for header in re.findall(r"^\s+LOAD\s+(0x\w+) (0x\w+) 0x\w+ (0x\w+)", readelf(["-l"], file), re.M):
        offset, start, size = (int(number, 16) for number in header)
        if start <= address < start + size:
            return data[offset + address - start:][:4]
    raise ValueError(f"{file}: no code of {name}")


class Hardening(unittest.TestCase):
    """As Debian's packages are built with hardening=+all."""

    def test_programs_and_module_are_as_hard_as_the_distributions(self):
        for file in [*PROGRAMS, str(MODULE)]:
            with self.subTest(file=file):
                self.assertIn("Type:                              DYN", readelf(["-h"], file), "no fixed addresses")
                dynamic, headers, symbols = readelf(["-d"], file), readelf(["-l"], file), readelf(["--dyn-syms"], file)
                if file in PROGRAMS:
                    self.assertRegex(dynamic, r"FLAGS_1\).*\bPIE\b")
                self.assertIn("GNU_RELRO", headers)
                self.assertRegex(dynamic, r"BIND_NOW|FLAGS_1\).*\bNOW\b")
                self.assertRegex(headers, r"GNU_STACK\s.*\bRW\s", "the stack holds no code")
                self.assertNotRegex(headers, r"LOAD\s.*\bRWE\b")
                self.assertNotIn("TEXTREL", dynamic)
                self.assertIn("__stack_chk_fail", symbols)
                self.assertTrue(any(CHECKED_CALL.search(word) for word in symbols.split()), "_FORTIFY_SOURCE")
                with open(file, "rb") as opened:
                    machine = struct.unpack("<H", opened.read(20)[18:20])[0]
                if machine in LANDING:
                    self.assertEqual(code_at(file, "main" if file in PROGRAMS else "zbx_module_init"), LANDING[machine])

    def test_every_file_of_theirs_is_compiled_so(self):
        wanted = ["-fstack-protector-strong", "-fstack-clash-protection", "-D_FORTIFY_SOURCE=2", "-Werror=format-security"]
        theirs = re.compile(r"CMakeFiles/(bakusoku|zbxmod|zbxmod-host|zbxmod_host|bakusoku_\w+)\.dir/")
        count = 0
        for entry in json.loads((BUILD / "compile_commands.json").read_text(encoding="utf-8")):
            words = shlex.split(entry["command"])
            if theirs.search(words[words.index("-o") + 1]) and entry["file"].endswith(".cpp"):
                count += 1
                for option in wanted:
                    self.assertIn(option, words, entry["file"])
        self.assertGreater(count, 50)


class TheAgent(LabTestCase):
    def test_a_crash_leaves_nothing_of_its_memory_behind(self):
        bakusoku = self.agent(self.simaws().url)
        limits = pathlib.Path(f"/proc/{bakusoku.pid}/limits").read_text()
        self.assertRegex(limits, r"Max core file size\s+0\s+0\s")
        # What only its own user could read belongs to root: the memory, and the environment with keys in it.
        self.assertEqual(os.stat(f"/proc/{bakusoku.pid}/mem").st_uid, 0)
        bakusoku.signal(signal.SIGSEGV)
        ended = os.waitid(os.P_PID, bakusoku.pid, os.WEXITED | os.WNOWAIT)
        self.assertEqual((ended.si_code, ended.si_status), (os.CLD_KILLED, signal.SIGSEGV), "not CLD_DUMPED")

    def test_signals_that_are_commands_to_zabbixs_daemons_do_no_harm(self):
        bakusoku = self.agent(self.simaws().url)
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE, signal.SIGXFSZ):
            for _ in range(3):
                bakusoku.signal(number)
            self.assertEqual(bakusoku.ask("bakusoku.ping"), "1", signal.Signals(number).name)
        self.assertEqual(bakusoku.stop(), 0)

    def test_what_it_keeps_is_not_for_everybody(self):
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        state = self.folder / "state"
        log = self.folder / "access.log"
        log.write_text("")
        bakusoku = self.agent(self.simaws().url, sections=f'[zabbix]\nserver = "127.0.0.1:1"\nhostname = "web"\n'
                              f'state_dir = "{state}"\n'
                              f'[weblog]\nallow = ["{log}"]\n')
        bakusoku.ask(f"weblog.requests[{log}]")
        found = wait_for("its files", lambda: self.files_below(state))
        bakusoku.stop()
        found |= self.files_below(state)
        self.assertIn("ledger.sqlite", {path.name for path in found})
        for path in found:
            with self.subTest(path=path.name):
                self.assertEqual(found[path] & 0o027, 0, oct(found[path]))

    @staticmethod
    def files_below(folder):
        return {path: path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()}


if __name__ == "__main__":
    unittest.main()
