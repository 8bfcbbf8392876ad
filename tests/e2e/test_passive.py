"""The agent's passive port, for those who need no module: Zabbix's plain protocol, 7.0's JSON dialect, who may ask."""

import json
import socket
import struct
import subprocess
import unittest
import zlib

from lab import LabTestCase, ask, frame, read_all, zabbix_program


class Passive(LabTestCase):
    def setUp(self):
        super().setUp()
        self.aws = self.simaws("--instances", "40", "--regions", "eu-central-1")

    def exchange(self, port, data, seconds=10):
        with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
            connection.sendall(data)
            return read_all(connection)

    def json_ask(self, port, request):
        answer = self.exchange(port, frame(json.dumps(request).encode()))
        self.assertEqual(answer[:5], b"ZBXD\x01")
        return json.loads(answer[13:])

    def test_plain_answers_equal_the_modules(self):
        bakusoku = self.agent(self.aws.url)
        self.assertEqual(bakusoku.ask("bakusoku.echo[hello,world]"), "hello world")
        self.assertEqual(bakusoku.ask("bakusoku.ping"), "1")
        self.assertRegex(bakusoku.ask("aws.ec2.name2id[web-1]"), "^i-")
        self.assertNotSupported(bakusoku.ask("no.such.key"), "no[.]such[.]key")
        self.assertNotSupported(bakusoku.ask("aws.ec2.name2id["), "aws[.]ec2[.]name2id")

    def test_zabbix_get_is_answered(self):
        bakusoku = self.agent(self.aws.url)
        done = subprocess.run([zabbix_program("zabbix_get"), "-s", "127.0.0.1", "-p", str(bakusoku.port), "-k",
                               "aws.ec2.name2id[web-1]"], capture_output=True, text=True, timeout=20, check=False)
        self.assertRegex(done.stdout, r"^i-[0-9a-f]{17}\n$")

    def test_a_key_without_a_frame_is_answered_as_old_servers_send_it(self):
        bakusoku = self.agent(self.aws.url)
        self.assertIn(b"hello", self.exchange(bakusoku.port, b"bakusoku.echo[hello]\n"))

    def test_json_dialect(self):
        bakusoku = self.agent(self.aws.url)
        answer = self.json_ask(bakusoku.port, {"request": "passive checks",
                                               "data": [{"key": "bakusoku.echo[hello,world]", "timeout": 3}]})
        self.assertEqual(answer["data"], [{"value": "hello world"}])
        self.assertIn("version", answer)
        answer = self.json_ask(bakusoku.port, {"request": "passive checks", "data": [{"key": "no.such", "timeout": "3s"}]})
        self.assertIn("no.such", answer["data"][0]["error"])

    def test_json_that_is_not_a_request_is_an_error_in_words(self):
        bakusoku = self.agent(self.aws.url)
        for request in ({}, {"request": "no such"}, {"request": "passive checks"}, {"request": "passive checks", "data": []},
                        {"request": "passive checks", "data": [{}]}, {"request": "passive checks", "data": [3]}):
            answer = self.exchange(bakusoku.port, frame(json.dumps(request).encode()))
            self.assertTrue(answer == b"" or b"error" in answer or b"ZBX_NOTSUPPORTED" in answer, (request, answer))
        self.assertEqual(bakusoku.ask("bakusoku.ping"), "1")

    def test_a_compressed_request_is_answered_in_kind(self):
        bakusoku = self.agent(self.aws.url)
        key = b"bakusoku.echo[hello,world]"
        packed = zlib.compress(key)
        answer = self.exchange(bakusoku.port, b"ZBXD\x03" + struct.pack("<II", len(packed), len(key)) + packed)
        self.assertEqual(answer[:4], b"ZBXD")
        data = answer[13:]
        self.assertEqual(zlib.decompress(data) if answer[4] & 2 else data, b"hello world")

    def test_who_is_not_on_the_list_gets_nothing(self):
        bakusoku = self.agent(self.aws.url, allow='["192.0.2.0/24"]')
        self.assertEqual(self._try(bakusoku.port), b"")
        # Still on its socket for the module.
        self.assertEqual(bakusoku.get("bakusoku.ping").stdout.strip(), "1")

    def _try(self, port):
        try:
            return self.exchange(port, frame(b"bakusoku.ping"))
        except ConnectionError:
            return b""

    def test_lists_of_networks_and_addresses(self):
        for allow in ('["10.0.0.0/8", "127.0.0.0/8"]', '"127.0.0.1,::1"', '["0.0.0.0/0"]'):
            bakusoku = self.agent(self.aws.url, allow=allow)
            self.assertEqual(ask(bakusoku.port, "bakusoku.ping"), "1", allow)


if __name__ == "__main__":
    unittest.main()
