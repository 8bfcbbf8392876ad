"""A Zabbix server for benchmarks that stores nothing: it hands out given items, as 6.0 does, and tells a benchmark of each
value that arrives."""

import json
import socketserver
import struct
import threading
import time
import zlib

from measuring import lab


class ValueSink:
    """Hosts that are not in `items` are unknown. `on_value(host, key, value, clock, when)` is called for each value as it
    comes (`when`: time.time()), an error with the value None; by one thread at a time."""

    def __init__(self, items, on_value):
        self.items = items          # {host: [(key, interval)]}
        self.on_value = on_value
        self.first_told = {}        # {(host, key): when the item was first handed out}
        self.errors = {}            # {(host, key): the newest error}
        self._names = {}            # {itemid: (host, key)} of what was handed out
        self._lock = threading.Lock()
        sink = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                document = receive(self.request)
                if document:
                    answer = json.dumps(sink._answer(document), separators=(",", ":")).encode()
                    self.request.sendall(lab.frame(answer))

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address, daemon_threads, request_queue_size = True, True, 128

        self.port = lab.free_port()
        self._server = Server(("127.0.0.1", self.port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, document):
        if document.get("request") == "active checks":
            return self._tell(document["host"])
        if document.get("request") != "agent data":
            return {"response": "failed", "info": "unknown request"}
        when = time.time()
        rows = document["data"]
        with self._lock:
            for row in rows:
                failed = row.get("state") == 1
                host, key = self._names[row["itemid"]] if "itemid" in row else (row["host"], row["key"])
                if failed:
                    self.errors[host, key] = row["value"]
                self.on_value(host, key, None if failed else row["value"], row["clock"], when)
        return {"response": "success", "info": f"processed: {len(rows)}; failed: 0; total: {len(rows)}; seconds spent: 0.0"}

    def _tell(self, host):
        items = self.items.get(host)
        if items is None:
            return {"response": "failed", "info": f"host [{host}] not found"}
        when = time.time()
        first = 1 + abs(hash(host)) % 1_000_000_000 * 1000
        for number, (key, _) in enumerate(items, first):
            self.first_told.setdefault((host, key), when)
            self._names[number] = (host, key)
        return {"response": "success", "data": [
            {"key": key, "itemid": number, "delay": interval, "lastlogsize": 0, "mtime": 0}
            for number, (key, interval) in enumerate(items, first)]}


def receive(connection):
    """A request as Zabbix's protocol frames it; None if none comes."""
    def exactly(count):
        parts = b""
        while len(parts) < count:
            part = connection.recv(count - len(parts))
            if not part:
                return None
            parts += part
        return parts
    head = exactly(5)
    if head is None or head[:4] != b"ZBXD":
        return None
    large = head[4] & 4
    lengths = exactly(16 if large else 8)
    if lengths is None:
        return None
    length, _ = struct.unpack("<QQ" if large else "<II", lengths)
    body = exactly(length)
    if body is None:
        return None
    return json.loads(zlib.decompress(body) if head[4] & 2 else body)
