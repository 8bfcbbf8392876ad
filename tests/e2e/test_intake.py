"""Values for trapper items: what zabbix_sender and fluentd give to the intake port, and what [[send]] collects, are in Zabbix's
history, whatever was killed meanwhile; connections by certificate and from an address of one's own."""

import json
import socket
import struct
import subprocess
import threading
import time
import unittest

from api import ItemType, Value, ValueType
from lab import REGION, Agent, free_port, frame, port_answers, read_all, wait_for
from postgres import unpacked
from reference import Reference
from server import ServerTestCase

DELAY = 5


def fluent_record(port, records, clock):
    """One record as fluent-plugin-zabbix sends it: a connection of its own, the header written as 5 and 8 bytes, and of the
    answer exactly as much read as its header says. Whether the plugin would take it for a success."""
    body = json.dumps({"request": "agent data", "clock": clock, "data": [
        {"key": key, "value": value, "host": host, "time": clock} for host, key, value in records]}).encode()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"ZBXD\x01" + struct.pack("<q", len(body)) + body)
        with connection.makefile("rb") as answer:
            if answer.read(5) != b"ZBXD\x01":
                return False
            (length,) = struct.unpack("<q", answer.read(8))
            return json.loads(answer.read(length))["response"] == "success"


class Intake(ServerTestCase):
    CA, SUBJECT = "CN=ca,O=Laboratory", "CN={},O=Laboratory"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.aws = cls.zabbix.simaws("--instances", "5", "--regions", REGION)
        cls.server = cls.zabbix.start_server(lines=cls.certificate_lines())
        cls.reference = Reference(cls.aws.url)
        cls.addClassCleanup(cls.reference.close)
        cls.host = cls.zabbix.api.add_host("web-1")
        cls.items = {}
        for key, kind in (("number", ValueType.UNSIGNED), ("text", ValueType.TEXT), ("status", ValueType.UNSIGNED),
                          ("log", ValueType.TEXT), ("away", ValueType.UNSIGNED), ("latency", ValueType.FLOAT),
                          ("name", ValueType.TEXT), ("direct", ValueType.TEXT), ("through", ValueType.TEXT), ("wrong", ValueType.TEXT), ("bakusoku.ping", ValueType.UNSIGNED)):
            cls.items[key] = cls.host.add_item(key, ItemType.TRAPPER, kind)
        api = cls.zabbix.api
        certified = {"tls_accept": 4, "tls_issuer": cls.CA, "tls_subject": cls.SUBJECT.format("agent")}
        cls.certified = api.add_host("certified", **certified)
        cls.other = api.add_host("other subject", **{**certified, "tls_subject": cls.SUBJECT.format("somebody")})
        cls.active = cls.certified.add_item("bakusoku.ping", ItemType.ACTIVE, ValueType.UNSIGNED, delay="1s")
        cls.trapper = cls.certified.add_item("sent", ItemType.TRAPPER)
        cls.refused = cls.other.add_item("sent", ItemType.TRAPPER)
        plain = api.add_host("plain")
        cls.from_here = plain.add_item("from.here", ItemType.TRAPPER, trapper_hosts="127.0.0.2")
        cls.from_there = plain.add_item("from.there", ItemType.TRAPPER, trapper_hosts="127.0.0.3")
        cls.zabbix.reload()
        cls.metric = "aws.metric[Sim/App,Latency,Service=checkout;Stage=prod,Average,10]"
        sends = (("latency", cls.metric, "5s"), ("name", "aws.ec2.name2id[web-1]", "2s"),
                 ("wrong", "aws.ec2.name2id[nobody]", "2s"), ("bakusoku.ping", "", "1s"))
        sections = "".join(f'[[send]]\nhost = "web-1"\nkey = {json.dumps(key)}\ninterval = "{interval}"\n'
                           + (f"item = {json.dumps(item)}\n" if item else "") for key, item, interval in sends)
        cls.bakusoku = cls.new_agent(cls.zabbix, sections=sections)
        cls.sent_early = int(time.time()) - 100
        cls.send_file([("web-1", "late", cls.sent_early, 7, "kept")], "-T", "-N").check_returncode()  # its item comes later

    @classmethod
    def certificate_lines(cls):
        """The server's configuration, and the certificates it names."""
        folder = cls.zabbix._subfolder("certificates")
        def openssl(*arguments):
            subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)
        key = ("-newkey", "rsa:2048", "-nodes")  # the ciphers that Zabbix asks for by itself are RSA's
        for ca in ("ca", "other"):
            openssl("req", "-x509", *key, "-days", "2", "-subj", f"/O=Laboratory/CN={ca}", "-keyout", f"{ca}.key", "-out",
                    f"{ca}.pem")
        for name, ca in (("server", "ca"), ("agent", "ca"), ("stranger", "other")):
            openssl("req", *key, "-subj", f"/O=Laboratory/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
            openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial",
                    "-days", "2", "-out", f"{name}.pem")
            (folder / f"{name}.key").chmod(0o600)
        cls.certificates = folder
        return [f"TLSCAFile={folder}/ca.pem", f"TLSCertFile={folder}/server.pem", f"TLSKeyFile={folder}/server.key"]

    @classmethod
    def new_agent(cls, lab, zabbix="", sections=""):
        folder = lab._subfolder("agent")
        intake = free_port()
        bakusoku = Agent(folder, cls.aws.url, sections=(
            f'[metrics]\ndelay = "{DELAY}s"\n[zabbix]\nserver = "127.0.0.1:{cls.server.port}"\nstate_dir = "{folder}/state"\n'
            f'refresh = "1s"\n{zabbix}\n[intake]\nlisten = "127.0.0.1:{intake}"\n{sections}'))
        bakusoku.intake = intake
        lab.begin(bakusoku)
        wait_for("the intake listens", lambda: port_answers(intake))
        return bakusoku

    @classmethod
    def send_file(cls, rows, *options):
        """zabbix_sender -i."""
        def quoted(word):
            word = str(word)
            return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return subprocess.run([unpacked("usr/bin/zabbix_sender"), "-vv", "-z", "127.0.0.1", "-p", str(cls.bakusoku.intake),
                               *options, "-i", "-"], input="".join(" ".join(map(quoted, row)) + "\n" for row in rows),
                              text=True, capture_output=True, timeout=60, check=False)

    def test_zabbix_sender_with_one_value(self):
        before = int(time.time())
        done = subprocess.run([unpacked("usr/bin/zabbix_sender"), "-vv", "-z", "127.0.0.1", "-p", str(self.bakusoku.intake),
                               "-s", "web-1", "-k", "text", "-o", 'a "quoted" \u00fcmlaut'],
                              text=True, capture_output=True, timeout=60, check=False)
        self.assertIn("processed: 1; failed: 0; total: 1", done.stdout)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(self.items["text"].wait_value(), 'a "quoted" \u00fcmlaut')
        self.assertGreaterEqual(self.items["text"].values()[0].clock, before)

    def test_bytes_that_are_no_text_are_kept_as_zabbix_keeps_them(self):
        values = (b"caf\xe9", b"\xff\xfe", b"a\xe3\x81b", b"\xc0\xaf", b"\xed\xa0\xbd\xed\xb8\x80", b"\xf4\x90\x80\x80",
                  b"\xf5\x80\x80\x80!", b"\x80", b"\\ud83d\\ude00 \xf0\x9f\x98\x80", b"\\\\\xe9\\\"")
        clock = int(time.time()) - 100
        def rows(key):
            return b",".join(b'{"host":"web-1","key":"%s","value":"%s","clock":%d,"ns":%d}' % (key, value, clock, number)
                             for number, value in enumerate(values))
        half = b',{"host":"web-1","key":"%s","value":"a\\ud800b","clock":%d,"ns":500}'
        def send(port, key):
            body = b'{"request":"sender data","data":[' + rows(key) + half % (key, clock) + b"]}"
            with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
                connection.sendall(frame(body))
                return read_all(connection)
        self.assertIn(b"processed: 11; failed: 0", send(self.server.port, b"direct"))  # and it keeps ten
        self.assertIn(b"processed: 10; failed: 1", send(self.bakusoku.intake, b"through"))
        direct = self.items["direct"].wait_values(len(values))
        self.assertEqual(self.items["through"].wait_values(len(values)), direct)
        self.assertEqual(len(self.items["direct"].values()), len(values))
        log = self.bakusoku.log()
        self.assertIn("row 11 of the request (host web-1, key through): its value has half a pair of surrogates", log)
        self.assertIn("row 1 of the request (host web-1, key through)", log)

    def test_zabbix_sender_with_a_file_of_clocks(self):
        start = int(time.time()) - 5000
        rows = [("web-1", "number", start + i // 3, i % 3 * 1000, i) for i in range(2000)]  # of 250 a connection
        done = self.send_file(rows, "-T", "-N")
        self.assertIn("sent: 2000; skipped: 0; total: 2000", done.stdout)
        self.assertEqual(done.returncode, 0)
        wanted = [Value(clock, ns, str(value)) for _, _, clock, ns, value in rows]
        self.assertEqual(self.items["number"].wait_values(2000), wanted)

    def test_a_file_with_whole_seconds_loses_nothing_and_may_be_sent_again(self):
        start = int(time.time()) - 3000
        rows = [("web-1", "log", start + i // 50, f"line {i}") for i in range(500)]
        self.assertEqual(self.send_file(rows, "-T").returncode, 0)
        self.assertEqual(self.send_file(rows, "-T").returncode, 0)
        values = self.items["log"].wait_values(500)
        time.sleep(2)
        values = self.items["log"].values()
        self.assertEqual([value.value for value in values], [row[3] for row in rows])
        self.assertEqual([value.clock for value in values], [row[2] for row in rows])

    def test_fluentd_with_a_connection_per_record(self):
        start = int(time.time()) - 1000
        lost = []
        def client(number):
            for i in range(50):
                code = 200 + number * 50 + i  # several of one second, from different connections
                if not fluent_record(self.bakusoku.intake, [("web-1", "status", str(code))], start + i):
                    lost.append(code)
        threads = [threading.Thread(target=client, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(lost, [])
        values = self.items["status"].wait_values(300)
        self.assertEqual(sorted(int(value.value) for value in values), list(range(200, 500)))
        self.assertTrue(all(value.clock == start + (int(value.value) - 200) % 50 for value in values))
        commits = int(self.bakusoku.ask("bakusoku.stats[intake.commits]"))
        self.assertGreater(commits, 0)

    def test_what_is_no_value_is_failed(self):
        done = self.send_file([("web-1", "text", "x", 1)], "-T")  # a clock that is none
        self.assertNotEqual(done.returncode, 0)
        with socket.create_connection(("127.0.0.1", self.bakusoku.intake), timeout=10) as connection:
            connection.sendall(frame(json.dumps({"request": "active checks", "host": "web-1"}).encode()))
            self.assertIn(b'"response":"failed"', read_all(connection))
        with socket.create_connection(("127.0.0.1", self.bakusoku.intake), timeout=10) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            self.assertEqual(read_all(connection), b"")

    def test_acknowledged_values_survive_kills_of_both_sides(self):
        start = int(time.time()) - 600
        self.server.stop()
        for i in range(20):
            self.assertTrue(fluent_record(self.bakusoku.intake, [("web-1", "away", str(i))], start + i))
            if i % 5 == 4:
                self.bakusoku.kill()
                self.bakusoku.start()
                wait_for("the intake listens", lambda: port_answers(self.bakusoku.intake))
        self.server.start()
        self.items["away"].wait_values(15, seconds=60)
        self.server.kill()
        self.server.start()
        values = self.items["away"].wait_values(20, seconds=60)
        self.assertEqual([(value.clock - start, value.value) for value in values], [(i, str(i)) for i in range(20)])

    def test_static_items_go_to_trapper_items(self):
        self.items["name"].wait_value(self.reference.named("web-1"))
        self.items["wrong"].wait_error("no EC2 instance with the Name tag 'nobody'")
        self.items["bakusoku.ping"].wait_values(3)
        values = self.items["latency"].wait_values(2, seconds=60)
        clocks = [value.clock for value in values]
        wanted = self.reference.points("Sim/App", "Latency", [("Service", "checkout"), ("Stage", "prod")], "Average", 10,
                                       min(clocks), max(clocks) + 10)
        self.assertEqual(clocks, sorted(wanted))
        for value in values:
            self.assertEqual((value.ns, float(value.value)), (0, float(f"{wanted[value.clock]:.15g}")))

    def test_values_wait_for_an_item_that_is_made_later(self):
        wait_for("the refusal is in the log", lambda: "item late" in self.bakusoku.log(), 30)
        late = self.host.add_item("late", ItemType.TRAPPER)
        self.zabbix.reload()
        self.assertEqual(late.wait_values(1, seconds=60), [Value(self.sent_early, 7, "kept")])

    # By certificate, with issuer and subject looked at on both sides, and from an address of one's own

    def tls(self, name="agent", *, issuer=CA, subject=SUBJECT.format("server")):
        folder = self.certificates
        return (f'hostname = "certified"\ntls_connect = "cert"\ntls_ca_file = "{folder}/ca.pem"\n'
                f'tls_cert_file = "{folder}/{name}.pem"\ntls_key_file = "{folder}/{name}.key"\n'
                f'tls_server_cert_issuer = "{issuer}"\ntls_server_cert_subject = "{subject}"\n')

    def wait_warning(self, bakusoku, *words):
        wait_for(f"a word about {words}", lambda: all(word in bakusoku.log() for word in words), 20)
        bakusoku.stop()

    def test_by_certificate(self):
        bakusoku = self.new_agent(self, self.tls())
        self.active.wait_values(2)
        self.assertTrue(fluent_record(bakusoku.intake, [("certified", "sent", "by certificate")], int(time.time())))
        self.assertTrue(fluent_record(bakusoku.intake, [("other subject", "sent", "x")], int(time.time())))
        self.trapper.wait_value("by certificate")
        wait_for("the refusal is in the log", lambda: "first of host other subject, item sent" in bakusoku.log(), 20)
        self.assertEqual(self.refused.values(), [], "Zabbix wants another subject for this host")

    def test_servers_of_another_issuer_or_subject_are_refused_in_words(self):
        before = len(self.trapper.values())
        for wanted in ({"issuer": "CN=nobody,O=Laboratory"}, {"subject": self.SUBJECT.format("nobody")}):
            bakusoku = self.new_agent(self, self.tls(**wanted))
            self.assertTrue(fluent_record(bakusoku.intake, [("certified", "sent", "for nobody")], int(time.time())))
            self.wait_warning(bakusoku, *wanted, *wanted.values(), self.CA if "issuer" in wanted else "CN=server,O=Laboratory")
        self.assertEqual(len(self.trapper.values()), before)

    def test_a_certificate_that_the_server_does_not_trust(self):
        bakusoku = self.new_agent(self, self.tls("stranger"))
        self.assertTrue(fluent_record(bakusoku.intake, [("certified", "sent", "of a stranger")], int(time.time())))
        self.wait_warning(bakusoku, "does not trust our TLS certificate")
        self.assertNotIn("of a stranger", [value.value for value in self.trapper.values()])

    def test_from_an_address_of_its_own(self):
        bakusoku = self.new_agent(self, 'source_ip = "127.0.0.2"\n')
        rows = [("plain", "from.here", "1"), ("plain", "from.there", "2")]
        self.assertTrue(fluent_record(bakusoku.intake, rows, int(time.time())))
        self.from_here.wait_value("1")
        wait_for("the refusal is in the log", lambda: "did not take 1 values" in bakusoku.log(), 20)
        self.assertEqual(self.from_there.values(), [])


if __name__ == "__main__":
    unittest.main()
