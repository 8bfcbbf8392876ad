"""A private PostgreSQL with a new database of Zabbix's, from what scripts/install-zabbix unpacked.

It listens on a Unix socket only and keeps nothing when the machine crashes. Loading Zabbix's schema and data takes ten
seconds, so the first test that needs a database leaves a copy beside the unpacked programs, and the others start from
that. PostgreSQL refuses to be root: for root it is started as nobody, from a copy of its programs that nobody can reach.
"""

import fcntl
import gzip
import hashlib
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile

from lab import SOURCE, Process

SERVER_DIR = SOURCE / "build/zabbix-server"
USER = NAME = "zabbix"


def unpacked(pattern):
    """The one file of scripts/install-zabbix that the pattern names, such as usr/lib/postgresql/*/bin/psql."""
    found = sorted(SERVER_DIR.glob(pattern))
    if len(found) != 1:
        raise FileNotFoundError(f"{SERVER_DIR / pattern}: {len(found)} files; run scripts/install-zabbix")
    return found[0]


def unprivileged():
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


class Postgres(Process):
    """In `folder`: data, and the socket."""

    end_signal = signal.SIGINT  # ends the connections of clients rather than waiting for them

    def __init__(self, folder):
        self.sockets = folder
        self.data = folder / "data"
        user = unprivileged()
        self.programs = unpacked("usr/lib/postgresql/*/bin/postgres").parent
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
            self.programs = self._copy_programs(folder)
        settings = {"listen_addresses": "", "unix_socket_directories": folder, "max_connections": 200, "jit": "off",
                    "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "64MB",
                    "dynamic_shared_memory_type": "mmap", "log_timezone": "UTC", "timezone": "UTC"}
        command = [self.programs / "postgres", "-D", self.data]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        super().__init__("postgres", command, folder, user=user)

    @staticmethod
    def _copy_programs(folder):
        """PostgreSQL finds its library and data folders from where its program is."""
        for pattern in ("usr/lib/postgresql/*", "usr/share/postgresql/*"):
            source = unpacked(pattern)
            shutil.copytree(source, folder / "program" / source.relative_to(SERVER_DIR), symlinks=True)
        return next(folder.glob("program/usr/lib/postgresql/*/bin"))

    def start(self):
        if not self.data.exists():
            with open(self._template(), "rb") as template:
                self._run("mkdir", "-m", "700", self.data)
                self._run("tar", "-xf", "-", "-C", self.data, stdin=template)
        return self._serve()

    def _serve(self):
        super().start()
        self.wait_ready(lambda: self._psql("postgres", "select 1").returncode == 0)
        return self

    def sql(self, text):
        """The rows that the statements select: one on a line, its columns separated by |."""
        done = self._psql(NAME, text)
        if done.returncode != 0:
            raise RuntimeError(f"{text[:200]}: {done.stderr[-1000:]}")
        return done.stdout.rstrip("\n")

    def _psql(self, database, text, *options):
        return subprocess.run([unpacked("usr/lib/postgresql/*/bin/psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", "-h",
                               str(self.sockets), "-U", USER, *options, database], input=text, capture_output=True,
                              text=True, timeout=120, check=False, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})

    def _run(self, *command, stdin=subprocess.DEVNULL):
        identity = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []} if self.user else {}
        done = subprocess.run([str(word) for word in command], stdin=stdin, capture_output=True, text=True, timeout=120,
                              check=False, cwd=self.folder, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"}, **identity)
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr}")

    @classmethod
    def _template(cls):
        """An archive of the data of a database that nobody has used yet, made by whoever needs it first."""
        version = hashlib.sha256(pathlib.Path(__file__).read_bytes()).hexdigest()[:12]
        template = SERVER_DIR / f"database-{version}.tar"
        with open(SERVER_DIR / "database.lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not template.exists():
                for old in SERVER_DIR.glob("database-*.tar*"):
                    old.unlink()
                with tempfile.TemporaryDirectory(prefix="bakusoku-e2e-") as parent:
                    os.chmod(parent, 0o711)
                    folder = pathlib.Path(parent, "postgres")
                    folder.mkdir()
                    new = template.with_suffix(".tar.new")
                    cls(folder)._create(new)
                    new.rename(template)
        return template

    def _create(self, archive):
        self._run(self.programs / "initdb", "-D", self.data, "-U", USER, "--auth=trust", "--encoding=UTF8", "--locale=C",
                  "--wal-segsize=1", "--no-sync", "--no-instructions")
        self._serve()
        try:
            parts = [gzip.open(unpacked(f"usr/share/zabbix-server-pgsql/{part}.sql.gz"), "rt", encoding="utf-8").read()
                     for part in ("schema", "images", "data")]
            # The stock host would be polled, with a hundred items that nobody looks at.
            parts.append("update hosts set status = 1 where host = 'Zabbix server'; vacuum analyze;")
            for database, text in (("postgres", f"create database {NAME}"), (NAME, "".join(parts))):
                done = self._psql(database, text)
                if done.returncode != 0:
                    raise RuntimeError(f"loading Zabbix's schema: {done.stderr[-2000:]}\n{self.end_of_log()}")
        finally:
            status = self.stop(60)
        if status != 0:
            raise RuntimeError(f"PostgreSQL ended with status {status}\n{self.end_of_log()}")
        subprocess.run(["tar", "-cf", str(archive), "-C", str(self.data), "."], timeout=120, check=True)
