"""Zabbix's API: the frontend that serves it, a client, and hosts and items as the tests speak of them."""

import dataclasses
import enum
import itertools
import json
import re
import urllib.error
import urllib.request

from lab import Process, free_port, wait_for
from postgres import NAME, USER, unpacked

EXTENSIONS = ("bcmath", "ctype", "dom", "mbstring", "pgsql", "simplexml", "sockets", "gettext", "xml", "xmlreader",
              "xmlwriter")


class ItemType(enum.IntEnum):
    PASSIVE = 0
    TRAPPER = 2
    SIMPLE = 3
    ACTIVE = 7
    DEPENDENT = 18


class ValueType(enum.IntEnum):
    FLOAT = 0
    CHARACTER = 1
    LOG = 2
    UNSIGNED = 3
    TEXT = 4


class Frontend(Process):
    """Debian's zabbix-frontend-php, served by PHP itself; of all its pages the tests use the API."""

    def __init__(self, folder, database, server_port):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/api_jsonrpc.php"
        names = {"TYPE": "POSTGRESQL", "SERVER": database.sockets, "PORT": "5432", "DATABASE": NAME, "USER": USER,
                 "PASSWORD": "", "SCHEMA": "", "DOUBLE_IEEE754": True}
        config = [f"$DB['{name}'] = {json.dumps(value, default=str)};" for name, value in names.items()]
        config += ["$ZBX_SERVER = '127.0.0.1';", f"$ZBX_SERVER_PORT = '{server_port}';", "$ZBX_SERVER_NAME = 'lab';"]
        (folder / "zabbix.conf.php").write_text("<?php\n" + "\n".join(config))
        # Read before each page, it names the configuration (scripts/install-zabbix made that a constant).
        (folder / "before.php").write_text("<?php define('ZABBIX_CONF_PHP', __DIR__.'/zabbix.conf.php');\n")
        settings = {"extension_dir": unpacked("usr/lib/php/2*"), "auto_prepend_file": folder / "before.php",
                    "date.timezone": "UTC", "memory_limit": "512M", "max_execution_time": 120, "post_max_size": "64M",
                    "log_errors": 1, "display_errors": 0,
                    "error_reporting": 22527,  # all but notices of deprecation: this PHP is newer than Zabbix 6.0
                    "zend_extension": "opcache", "opcache.enable_cli": 1, "session.save_path": folder}
        command = [unpacked("usr/bin/php[0-9].[0-9]"), "-n"]
        for name, value in [*settings.items(), *(("extension", extension) for extension in EXTENSIONS)]:
            command += ["-d", f"{name}={value}"]
        super().__init__("frontend", [*command, "-S", f"127.0.0.1:{self.port}", "-t", unpacked("usr/share/zabbix")], folder)

    def start(self):
        super().start()
        self.wait_ready(self._answers)
        return self

    def log(self):
        """Without the three lines that PHP writes about each call that went well."""
        return "".join(line for line in super().log().splitlines(keepends=True)
                       if not re.search(r" (Accepted|Closing|\[200\]: POST \S+)$", line))

    def _answers(self):
        try:
            return Api(self.url).call("apiinfo.version", {}).startswith("6.")
        except OSError:
            return False


class ApiError(Exception):
    pass


class Api:
    """A client, logged in as the administrator when first needed."""

    def __init__(self, url):
        self.url = url
        self._session = None
        self._ids = itertools.count(1)
        self._group = None

    def session(self):
        """The id of the session, as the server's trapper takes it too."""
        self._session = self._session or self.call("user.login", {"username": "Admin", "password": "zabbix"})
        return self._session

    def call(self, method, parameters):
        """What the method returns; ApiError with Zabbix's words otherwise."""
        request = {"jsonrpc": "2.0", "method": method, "params": parameters, "id": next(self._ids)}
        if method not in ("apiinfo.version", "user.login"):
            request["auth"] = self.session()
        post = urllib.request.Request(self.url, json.dumps(request).encode(), {"Content-Type": "application/json-rpc"})
        with urllib.request.urlopen(post, timeout=60) as reply:
            text = reply.read()
        try:
            answer = json.loads(text)
        except ValueError as error:
            raise ApiError(f"{method}: not JSON: {text[:1000]!r}") from error
        if "error" in answer:
            raise ApiError(f"{method}: {answer['error'].get('message')} {answer['error'].get('data')}")
        return answer["result"]

    def group(self):
        """The id of the group that the laboratory's hosts are in."""
        self._group = self._group or self.call("hostgroup.create", {"name": "laboratory"})["groupids"][0]
        return self._group

    def add_host(self, name, *, port=10050, proxy=None, **more):
        """A host with an agent interface on 127.0.0.1, monitored by the server or by a proxy. `more`: what host.create
        takes besides."""
        interface = {"type": 1, "main": 1, "useip": 1, "ip": "127.0.0.1", "dns": "", "port": str(port)}
        fields = {"host": name, "groups": [{"groupid": self.group()}], "interfaces": [interface], **more}
        if proxy:
            fields["proxy_hostid"] = proxy.proxyid
        hostid = self.call("host.create", fields)["hostids"][0]
        found = self.call("hostinterface.get", {"hostids": hostid, "output": ["interfaceid"]})
        return Host(self, name, hostid, found[0]["interfaceid"])


@dataclasses.dataclass
class Host:
    api: Api
    name: str
    hostid: str
    interfaceid: str

    def _fields(self, key, kind, value_type, delay, more):
        fields = {"hostid": self.hostid, "name": key, "key_": key, "type": int(kind), **more}
        if value_type is not None:
            fields["value_type"] = int(value_type)
        if kind in (ItemType.PASSIVE, ItemType.SIMPLE):
            fields["interfaceid"] = self.interfaceid
        if kind not in (ItemType.TRAPPER, ItemType.DEPENDENT):
            fields["delay"] = delay
        return fields

    def add_item(self, key, kind=ItemType.SIMPLE, value_type=ValueType.TEXT, *, delay="1s", **more):
        """Collected once the server (and the proxy) has reloaded its configuration. `more`: what item.create takes."""
        itemid = self.api.call("item.create", self._fields(key, kind, value_type, delay, more))["itemids"][0]
        return Item(self.api, itemid, self.name, key, ValueType(value_type))

    def add_discovery(self, key, prototypes, kind=ItemType.SIMPLE, *, delay="1s"):
        """A discovery rule; `prototypes` are keys of items, of the same kind, with their value types."""
        ruleid = self.api.call("discoveryrule.create", self._fields(key, kind, None, delay, {}))["itemids"][0]
        for prototype, value_type in prototypes.items():
            self.api.call("itemprototype.create", self._fields(prototype, kind, value_type, delay, {"ruleid": ruleid}))
        return ruleid

    def items(self):
        """All items of the host, also those that were discovered, by key."""
        found = self.api.call("item.get", {"hostids": self.hostid, "output": ["itemid", "key_", "value_type"]})
        return {row["key_"]: Item(self.api, row["itemid"], self.name, row["key_"], ValueType(int(row["value_type"])))
                for row in found}


@dataclasses.dataclass(frozen=True)
class Value:
    clock: int
    ns: int
    value: str


@dataclasses.dataclass
class Item:
    api: Api
    itemid: str
    host: str
    key: str
    value_type: ValueType

    def values(self, since=0):
        """What Zabbix's history holds of clocks from `since` on, oldest first."""
        rows = self.api.call("history.get", {"itemids": self.itemid, "history": int(self.value_type), "output": "extend",
                                             "time_from": int(since)})
        return sorted((Value(int(row["clock"]), int(row["ns"]), row["value"]) for row in rows),
                      key=lambda value: (value.clock, value.ns))

    def wait_values(self, count=1, *, since=0, seconds=30):
        """The values, when there are so many."""
        def enough():
            found = self.values(since)
            return found if len(found) >= count else None
        return self._wait(f"{count} values", enough, seconds)

    def wait_value(self, wanted=lambda text: True, *, since=0, seconds=30):
        """The newest value, when `wanted` likes it; it is a function of the text, or the text itself."""
        likes = wanted if callable(wanted) else lambda text: text == wanted
        def newest():
            found = self.values(since)
            return found[-1].value if found and likes(found[-1].value) else None
        return self._wait("a value" if callable(wanted) else repr(wanted), newest, seconds)

    def error(self):
        """Why the item is not supported; empty when it is."""
        row = self.api.call("item.get", {"itemids": self.itemid, "output": ["state", "error"]})[0]
        return row["error"] or "not supported" if row["state"] == "1" else ""

    def wait_error(self, pattern="", *, seconds=30):
        """The reason why the item is not supported, once it is, with the pattern in it."""
        def error():
            found = self.error()
            return found if re.search(pattern, found) else ""
        return self._wait(f"not supported: {pattern}", error, seconds)

    def wait_supported(self, *, seconds=30):
        self._wait("supported", lambda: not self.error(), seconds)

    def _wait(self, what, condition, seconds):
        try:
            return wait_for(what, condition, seconds, pause=0.2)
        except TimeoutError as error:
            raise TimeoutError(f"{self.host}: {self.key}: {error}; it has {[value.value[:100] for value in self.values()[-5:]]} "
                               f"and the error {self.error()!r}") from None
