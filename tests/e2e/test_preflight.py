"""`bakusoku check` finds what `bakusoku run` refuses: a table of faults, for each of which both are really started; and
what is no fault, such as what the running agent of the same configuration holds."""

import contextlib
import json
import os
import pathlib
import pwd
import re
import shutil
import socket
import sqlite3
import struct
import subprocess
import threading
import unittest

from lab import ACCESS_KEY, REGION, SECRET_KEY, Lab, LabTestCase, frame, free_port, program, wait_for

# Root may do everything, so what concerns permissions is tried as somebody else.
NOBODY = pwd.getpwnam("nobody") if os.geteuid() == 0 else None


class Zabbix(threading.Thread):
    """A server that wants no items of the hosts it knows, and takes no value of anybody."""

    def __init__(self, *hosts):
        super().__init__(daemon=True)
        self.hosts = set(hosts)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with contextlib.suppress(OSError, ValueError), connection:
                    connection.settimeout(5)
                    connection.sendall(frame(json.dumps(self.answer(self.question(connection))).encode()))

    @staticmethod
    def question(connection):
        received = b""
        while len(received) < 13 or len(received) < 13 + struct.unpack("<I", received[5:9])[0]:
            part = connection.recv(65536)
            if not part:
                raise ValueError("cut")
            received += part
        return json.loads(received[13:])

    def answer(self, question):
        if question["request"] == "active checks":
            if question["host"] not in self.hosts:
                return {"response": "failed", "info": f"host [{question['host']}] not found"}
            items = [{"key": "bakusoku.echo[1]", "itemid": 7, "delay": "1s", "lastlogsize": 0, "mtime": 0}]
            return {"response": "success", "data": items if question["host"] == "wanted" else []}
        rows = len(question.get("data", []))
        return {"response": "success", "info": f"processed: 0; failed: {rows}; total: {rows}; seconds spent: 0.000001"}

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def openssl(*arguments, folder):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


def make_certificates(folder):
    for name in ("one", "two"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                f"{name}.key", "-out", f"{name}.crt", "-days", "2", "-subj", f"/CN={name}", folder=folder)
        (folder / f"{name}.key").chmod(0o600)


class PreflightTestCase(LabTestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = Lab()
        cls.shared.open()
        cls.addClassCleanup(cls.shared.close)
        cls.aws = cls.shared.simaws("--regions", REGION)
        cls.zabbix = Zabbix("web", "db", "wanted")
        cls.addClassCleanup(cls.zabbix.close)

    def setUp(self):
        super().setUp()
        self.file = self.folder / "bakusoku.toml"
        self.port = free_port()

    def configuration(self, agent="", zabbix="", rest="", socket_path=None, hosts='hostname = "web"', server=None,
                      state=None):
        server = f"127.0.0.1:{self.zabbix.port}" if server is None else server
        self.file.write_text(
            f'[agent]\nsocket = "{socket_path or self.folder / "agent.sock"}"\n{agent}\n'
            f'[zabbix]\nstate_dir = "{self.folder / "state" if state is None else state}"\nserver = "{server}"\n{hosts}\n'
            f'{zabbix}\n{rest}\n')
        return self.file

    def command(self, name, file=None, user=None, seconds=60, **environment):
        binary = program("bakusoku")
        identity = {}
        if user:
            binary = str(self.folder / "bakusoku")  # the build may be where others may not look
            if not os.path.exists(binary):
                shutil.copy(program("bakusoku"), binary)
            identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        variables = {"HOME": str(self.folder), "AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": ACCESS_KEY,
                     "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_ENDPOINT_URL": self.aws.url, "AWS_REGION": REGION,
                     **environment}
        done = subprocess.run([binary, name, "--config", str(file or self.file)], capture_output=True, text=True,
                              timeout=seconds, check=False, stdin=subprocess.DEVNULL, cwd=self.folder,
                              env={key: value for key, value in variables.items() if value is not None}, **identity)
        self.assertGreaterEqual(done.returncode, 0, f"ended by a signal: {done.stderr}")
        self.assertNotIn(SECRET_KEY, done.stdout + done.stderr)
        return done

    def tree(self):
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*"))

    def assertRefused(self, words, code, file=None, user=None, alone=True):
        """Both refuse, name the same, say it once, and nothing is made by looking. Not `alone`: another agent may make
        files of its own meanwhile."""
        before = self.tree()
        check = self.command("check", file, user)
        made = [path for path in self.tree() if path not in before and path != "bakusoku"]
        if alone:
            self.assertEqual(made, [], "check has made something")
        run = self.command("run", file, user, seconds=30)
        self.assertRegex(run.stderr, words)
        failed = [line for line in check.stdout.splitlines() if line.startswith("FAILED")]
        named = [line for line in failed if re.search(words, line)]
        self.assertEqual(len(named), 1, check.stdout)
        self.assertEqual(len(failed), 1, check.stdout)
        self.assertEqual(len(run.stderr.strip().splitlines()), 1, run.stderr)
        self.assertEqual((run.returncode, check.returncode), (code, code), run.stderr + check.stdout)

    def assertGreen(self):
        done = self.command("check")
        self.assertNotIn("FAILED", done.stdout)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def own_agent(self):
        """`run` with the configuration of this test, which listens on self.port."""
        agent = self.agent(self.aws.url)
        agent.stop()
        agent.command[-1] = str(self.file)
        agent.environment["AWS_REGION"] = REGION
        agent.socket = self.folder / "agent.sock"
        agent.port = self.port
        return agent.start()


class WhatRunRefuses(PreflightTestCase):
    def test_the_socket(self):
        plain = self.folder / "plain"
        plain.write_text("no socket")
        stranger = socket.socket(socket.AF_UNIX)
        self.addCleanup(stranger.close)
        stranger.bind(str(self.folder / "stranger.sock"))
        stranger.listen()
        for path, words in ((f"/{'x' * 200}", "must have 1 to 107 bytes"),
                            (plain, f"{plain} exists and is not a socket"),
                            (plain / "agent.sock", "cannot make the socket .*Not a directory"),
                            (self.folder / "stranger.sock", "is the socket of another program")):
            with self.subTest(words):
                self.configuration(socket_path=path)
                code = 1 if "cannot make" in words else 2
                self.assertRefused(words, code)

    def test_another_agents_socket_and_all_that_it_holds_besides(self):
        self.configuration(agent=f'listen = "127.0.0.1:{self.port}"')
        self.own_agent()
        other = self.folder / "other.toml"
        shutil.copy(self.file, other)
        self.assertRefused(f"another agent listens on .*agent.sock .*configured by {self.file}", 2, file=other, alone=False)
        # And a second one of the same configuration; here check has nothing to say.
        run = self.command("run", seconds=30)
        self.assertRegex(run.stderr, "another agent listens on")
        self.assertEqual(len(run.stderr.strip().splitlines()), 1, run.stderr)
        self.assertEqual(run.returncode, 2)

    def test_what_this_user_may_not(self):
        closed = self.folder / "closed"
        closed.mkdir(0o700)
        secret = closed / "secret"
        secret.write_text("AWS_REGION=eu-west-1\n")
        mine = self.folder / "mine"
        mine.mkdir()
        if NOBODY:
            os.chmod(self.folder, 0o755)
            os.chown(mine, NOBODY.pw_uid, NOBODY.pw_gid)
        else:
            closed.chmod(0o500)
            secret.chmod(0)
        mine_too = {"socket_path": mine / "agent.sock", "state": mine / "state"}
        rows = [("cannot make the socket .*Permission denied", {**mine_too, "socket_path": closed / "agent.sock"}),
                ("env file: .*closed/secret: permission denied", {**mine_too, "rest": f'[aws]\nenv_file = "{secret}"\n'}),
                ("PSK file .*closed/secret: Permission denied",
                 {**mine_too, "zabbix": f'tls_connect = "psk"\ntls_psk_identity = "a"\ntls_psk_file = "{secret}"'})]
        first_free = int(pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
        if first_free > 81:
            rows.append(("127.0.0.1:81: Permission denied; a port below 1024 needs",
                         {**mine_too, "agent": 'listen = "127.0.0.1:81"'}))
        for words, settings in rows:
            with self.subTest(words):
                self.configuration(**settings)
                self.assertRefused(words, 1, user=NOBODY)

    def test_ports(self):
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        used = f"127.0.0.1:{taken.getsockname()[1]}"
        for section in ("agent", "intake"):
            for setting, words, code in (
                    (f'listen = "{used}"', f"cannot listen on {used}: Address already in use", 1),
                    ('listen = "192.0.2.1:20999"', "192.0.2.1:20999: Cannot assign .*an address of this machine", 1),
                    ('listen = "localhost"', rf'listen = "localhost" in \[{section}\]: write ADDRESS:PORT', 2),
                    (f'listen = "127.0.0.1:{self.port}"\nallow = "10.0.0.0/99"', rf"allow in \[{section}\]: ", 2)):
                with self.subTest(section=section, words=words):
                    self.configuration(**({"agent": setting} if section == "agent" else {"rest": f"[intake]\n{setting}"}))
                    self.assertRefused(words, code)
        for intake in (f"127.0.0.1:{self.port}", f"0.0.0.0:{self.port}", f"[::]:{self.port}"):
            with self.subTest(intake=intake):
                self.configuration(agent=f'listen = "127.0.0.1:{self.port}"', rest=f'[intake]\nlisten = "{intake}"')
                self.assertRefused(r"it is that of listen in \[agent\]", 2)

    def test_services_and_files_of_the_configuration(self):
        wrong = self.folder / "wrong"
        wrong.write_text("this is nothing\n")
        for settings, words, code in (
                ({"zabbix": 'discover = ["ec3"]'}, r"\[zabbix\] discover: service 'ec3' is not known", 2),
                ({"rest": '[inventory.intervals]\nec3 = "5m"'}, "ec3", 2),
                ({"rest": f'[budget]\nprices = "{self.folder}/none"'}, "prices: .*none cannot be read", 1),
                ({"rest": f'[budget]\nprices = "{wrong}"'}, "wrong:1: ", 2),
                ({"agent": 'log_level = "loud"'}, "log level 'loud'", 2),
                ({"server": "zabbix-1:1,zabbix_1:1"}, "would have one spool file", 2),
                ({"rest": f'[aws]\nenv_file = "{self.folder}/none"'}, "env file.*none", 2),
                ({"rest": f'[aws]\nenv_file = "{wrong}"'}, "wrong:1: expected KEY=VALUE", 2),
                ({"rest": '[aws]\nprofile = "nobodys"'}, "nobodys", 2)):
            with self.subTest(words):
                self.configuration(**settings)
                self.assertRefused(words, code)

    def test_the_file_itself(self):
        self.file.write_text("Server=10.0.0.1\n")
        for file, words in ((self.folder / "none.toml", "none.toml: No such file"), (self.file, "bakusoku.toml:1: ")):
            with self.subTest(words):
                self.assertRefused(words, 2, file=file)

    def test_tls(self):
        make_certificates(self.folder)
        at = self.folder
        (at / "psk").write_text("0" * 64)
        (at / "short").write_text("00ff")
        (at / "text").write_text("no PEM")
        for name in ("psk", "short", "text"):
            (at / name).chmod(0o600)
        cert = 'tls_connect = "cert"\ntls_ca_file = "{ca}"\ntls_cert_file = "{cert}"\ntls_key_file = "{key}"\n{more}'
        good = {"ca": at / "one.crt", "cert": at / "one.crt", "key": at / "one.key", "more": ""}
        psk = 'tls_connect = "psk"\ntls_psk_identity = "agent"\ntls_psk_file = "{}"'
        for text, words in ((psk.format(at / "none"), "PSK file .*none: No such file"),
                            (psk.format(at / "short"), "short holds no PSK"),
                            ('tls_connect = "psk"\ntls_psk_file = "x"', "PSK identity must be"),
                            ('tls_connect = "cert"', "the CA file, the certificate file and the key file must be set"),
                            (cert.format(**{**good, "ca": at / "text"}), "CA file .*text holds no certificate"),
                            (cert.format(**{**good, "cert": at / "text"}), "certificate file .*text holds no certificate"),
                            (cert.format(**{**good, "cert": at / "none"}), "certificate file .*none: No such file"),
                            (cert.format(**{**good, "key": at / "text"}), "key file .*text holds no private key"),
                            (cert.format(**{**good, "key": at / "two.key"}), "key file .*two.key.* not that of"),
                            (cert.format(**{**good, "more": f'tls_crl_file = "{at}/text"'}), "CRL file .*text holds no")):
            with self.subTest(words):
                self.configuration(zabbix=text)
                self.assertRefused(words, 2)

    def test_a_spool_that_another_process_has(self):
        self.configuration()
        other = self.agent(self.aws.url, sections=f'[zabbix]\nserver = "127.0.0.1:{self.zabbix.port}"\nhostname = "web"\n'
                           f'state_dir = "{self.folder}/state"\n')
        self.assertRefused(rf"spool-127.0.0.1_{self.zabbix.port}.db is open in another process \({other.pid}\)", 1,
                           alone=False)

    def test_a_spool_that_is_not_ours_to_write(self):
        state = self.folder / "state"
        state.mkdir()
        file = state / f"spool-127.0.0.1_{self.zabbix.port}.db"
        trapper = state / f"trapper-127.0.0.1_{self.zabbix.port}.db"
        for path, settings in ((file, {}), (trapper, {}), (trapper, {"rest": f'[intake]\nlisten = "127.0.0.1:{self.port}"'})):
            for statement, words in (("create table songs(name)", "is a database, but not a spool"),
                                     (f"pragma application_id={0x42616b75}; pragma user_version=99; create table x(y)",
                                      "is of version 99")):
                with self.subTest(words=words, path=path.name, settings=settings):
                    self.configuration(**settings)
                    for old in state.iterdir():
                        old.unlink()
                    with contextlib.closing(sqlite3.connect(path)) as database:
                        database.executescript(statement)
                    self.assertRefused(words, 2)


class WhatIsNoFault(PreflightTestCase):
    def test_a_configuration_that_works_and_nothing_is_made_by_looking(self):
        self.configuration(agent=f'listen = "127.0.0.1:{self.port}"', rest=f'[intake]\nlisten = "127.0.0.1:{free_port()}"')
        before = self.tree()
        said = self.assertGreen()
        self.assertEqual(self.tree(), before)
        for words in (r"ok +\[agent\] socket: .*agent.sock can be made", r"ok +\[agent\] listen: .* is free",
                      r"ok +\[zabbix\] state_dir: .*state can be used", r"ok +\[intake\] listen: .* is free"):
            self.assertRegex(said, words)
        self.own_agent()

    def test_certificates_that_fit(self):
        make_certificates(self.folder)
        at = self.folder
        self.configuration(server="127.0.0.1:1", zabbix=f'tls_connect = "cert"\ntls_ca_file = "{at}/one.crt"\n'
                           f'tls_cert_file = "{at}/one.crt"\ntls_key_file = "{at}/one.key"')
        said = self.command("check").stdout
        self.assertRegex(said, r"ok +\[zabbix\] TLS: cert: the files can be read and fit")

    def test_what_a_killed_agent_has_left(self):
        self.configuration(agent=f'listen = "127.0.0.1:{self.port}"')
        agent = self.own_agent()
        wait_for("its spool", lambda: list((self.folder / "state").glob("spool-*.db")))
        agent.kill()
        before = self.tree()
        self.assertTrue((self.folder / "agent.sock").exists())
        self.assertGreen()
        self.assertEqual(self.tree(), before)
        agent.start()

    def test_what_its_own_running_agent_holds(self):
        intake = free_port()
        self.configuration(agent=f'listen = "127.0.0.1:{self.port}"', rest=f'[intake]\nlisten = "127.0.0.1:{intake}"')
        agent = self.own_agent()
        said = self.assertGreen()
        for words in (r"ok +\[agent\] socket: .* is that of the running agent",
                      rf"ok +\[agent\] listen: the running agent listens on 127.0.0.1:{self.port}",
                      rf"ok +\[intake\] listen: the running agent listens on 127.0.0.1:{intake}",
                      r"ok +\[zabbix\] state_dir: .* is that of the running agent",
                      rf"ok +agent: version .* runs \(process {agent.pid}, configured by {self.file}\)"):
            self.assertRegex(said, words)
        # Named by another path, from another folder.
        link = self.folder / "link.toml"
        link.symlink_to(self.file)
        self.assertEqual(self.command("check", file=link).returncode, 0)
        # Ports that change their places are free at the next start.
        self.configuration(agent=f'listen = "0.0.0.0:{intake}"', rest=f'[intake]\nlisten = "127.0.0.1:{self.port}"')
        self.assertGreen()
        # What it does not hold is somebody's.
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        self.configuration(agent=f'listen = "127.0.0.1:{taken.getsockname()[1]}"')
        done = self.command("check")
        self.assertRegex(done.stdout, r"FAILED +\[agent\] listen: .*Address already in use")
        self.assertEqual(done.returncode, 1)


class WhatRunGetsOver(PreflightTestCase):
    """The agent starts, and does not do what it should."""

    def test_a_state_folder_that_takes_nothing(self):
        (self.folder / "plain").write_text("")
        self.configuration(agent=f'listen = "127.0.0.1:{self.port}"', state=self.folder / "plain" / "state")
        done = self.command("check")
        self.assertRegex(done.stdout, r"FAILED +\[zabbix\] state_dir: .*kept in memory and go with the agent")
        self.assertEqual(done.returncode, 1)
        agent = self.own_agent()
        self.assertRegex(agent.log(), "values are kept in memory")

    def test_a_spool_that_is_damaged_is_warned_of(self):
        state = self.folder / "state"
        state.mkdir()
        (state / f"spool-127.0.0.1_{self.zabbix.port}.db").write_bytes(b"x" * 5000)
        self.configuration()
        self.assertRegex(self.assertGreen(), r"warning +\[zabbix\] state_dir: .*move it aside")


class WhatCheckTellsBesides(PreflightTestCase):
    def test_hosts_that_zabbix_does_not_know_in_one_line(self):
        self.configuration(hosts='hostname = "web"\nhosts = ["db", "nobody", "no-one"]')
        done = self.command("check")
        failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
        self.assertEqual(len(failed), 1, done.stdout)
        self.assertRegex(failed[0], r'wants nothing of hosts nobody, no-one: "host \[nobody\] not found"; create')
        self.assertRegex(done.stdout, "ok +Zabbix at .* knows 2 of the 4 configured hosts")

    def test_what_the_running_agent_knows(self):
        self.configuration(agent=f'listen = "127.0.0.1:{self.port}"', hosts='hostname = "wanted"',
                           zabbix='discover = ["ec2"]')
        self.own_agent()

        def told():
            said = self.assertGreen()
            return said if "does not take" in said and "wants nothing" in said else None
        said = wait_for("refused hosts and items", told, seconds=60, pause=0.5)
        self.assertRegex(said, r'warning +Zabbix at .*wants nothing of hosts i-\w+, .*"host \[i-\w+\] not found"')
        self.assertRegex(said, r"warning +Zabbix at .*does not take the values of 1 item of the running agent: "
                               r"bakusoku.echo\[1\] of wanted; bakusoku explain")

    def test_a_wrong_key_is_one_line(self):
        self.configuration(rest='[aws]\nregions = ["eu-central-1", "eu-west-1"]')
        done = self.command("check", AWS_SECRET_ACCESS_KEY="wrong")
        bad = [line for line in done.stdout.splitlines()
               if line.startswith(("FAILED", "warning")) and not line.startswith("warning  agent: ")]
        self.assertEqual(len(bad), 1, done.stdout)
        for words in ("identity", "ec2:DescribeInstances", "cloudwatch:GetMetricData", "region eu-west-1"):
            self.assertEqual(bad[0].count(words), 1, bad[0])
        self.assertEqual(done.returncode, 1)


if __name__ == "__main__":
    unittest.main()
