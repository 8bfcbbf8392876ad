#!/usr/bin/env python3
"""Writes zbxmod/host/zabbix_names.txt: the symbols that Zabbix's daemons export and the item keys they have built in,
read from the daemons themselves. Needs binutils and the daemons unpacked from Debian's packages, such as by

  apt-get download zabbix-agent zabbix-server-pgsql zabbix-proxy-sqlite3 && for deb in *.deb; do dpkg-deb -x $deb 6.0; done

usage: zabbix_names.py VERSION=DIR...        e.g. 6.0=unpacked/6.0 7.0=unpacked/7.0
"""

import pathlib
import re
import struct
import subprocess
import sys

TARGET = pathlib.Path(__file__).resolve().parents[1] / "zbxmod/host/zabbix_names.txt"
DAEMONS = ("agentd", "proxy", "server")
# Made by the linker or started by the C library in every program.
EVERYWHERE = re.compile(r"_?_?(bss_start|data_start|edata|end|start|fini|init|IO_stdin_used|dso_handle|TMC_END__)$|main$")
HEAD = """# What Zabbix's daemons, as Debian builds them, export and have built in; written by tools/zabbix_names.py.
#   keys VERSION NAME...                 item keys of zabbix_agentd, which a module must not bring
#   symbols VERSION=DAEMONS,... NAME...  exported by the agent (a), proxy (p) and server (s) of these versions
"""


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def symbols(path):
    names = (line.split()[-1] for line in output("nm", "-D", "--defined-only", str(path)).splitlines())
    return {name for name in names if "@" not in name and not EVERYWHERE.match(name)}


def keys(path):
    """Item keys are rows {key, flags, function, test parameter} of 32 bytes, filled by relocations."""
    data = path.read_bytes()
    sections = [(name, int(address, 16), int(offset, 16), int(size, 16)) for name, address, offset, size in re.findall(
        r"\]\s+(\S+)\s+\S+\s+([0-9a-f]{16}) ([0-9a-f]+) ([0-9a-f]+)", output("readelf", "-SW", str(path)))]

    def place(address):
        for name, start, offset, size in sections:
            if start and start <= address < start + size and name != ".bss":
                return name, offset + address - start
        return "", 0

    def number(address):
        return struct.unpack_from("<Q", data, place(address)[1])[0]

    pointers = {int(at, 16): int(to, 16) for at, to in re.findall(
        r"^([0-9a-f]{16})\s+\S+\s+R_X86_64_(?:RELATIVE|64)\s+([0-9a-f]+)", output("readelf", "-rW", str(path)), re.M)}
    found = set()
    for at, to in pointers.items():
        section, offset = place(to)
        name = data[offset:data.index(b"\0", offset)].decode("latin-1") if section == ".rodata" else ""
        if (re.fullmatch(r"[a-z][a-z0-9_.-]*", name) and place(pointers.get(at + 16, 0))[0] == ".text"
                and number(at + 8) < 8 and (place(pointers[at + 24])[0] == ".rodata" if at + 24 in pointers
                                            else number(at + 24) == 0)):
            found.add(name)
    return found


def main():
    if len(sys.argv) < 2 or not all("=" in each for each in sys.argv[1:]):
        sys.exit(__doc__)
    exported, lines = {}, [HEAD.rstrip()]
    for each in sys.argv[1:]:
        version, folder = each.split("=", 1)
        paths = {daemon: pathlib.Path(folder) / f"usr/sbin/zabbix_{daemon}" for daemon in DAEMONS}
        lines.append(f"keys {version} " + " ".join(sorted(keys(paths["agentd"]))))
        for daemon, path in paths.items():
            for name in symbols(path):
                exported.setdefault(name, {}).setdefault(version, []).append(daemon[0])
    groups = {}
    for name, by in exported.items():
        groups.setdefault(",".join(f"{version}={''.join(who)}" for version, who in by.items()), []).append(name)
    for group, names in sorted(groups.items()):
        lines.append(f"symbols {group} " + " ".join(sorted(names)))
    TARGET.write_text("\n".join(lines) + "\n", encoding="ascii")
    print(f"{TARGET}: {len(exported)} symbols")


if __name__ == "__main__":
    main()
