#include "layout.h"

#include <algorithm>
#include <array>

namespace zbxmod::host {
namespace {

constexpr Layout layouts[] = {
    {"2.2", "2.2, 2.4", 1, 40, 56, true, true, false, "2.2"},
    {"3.0", "3.0", 1, 40, 64, false, true, false, "3.0"},
    {"3.2", "3.2, 3.4", 2, 40, 64, false, false, false, "3.2"},
    {"4.0", "4.0.0 to 4.0.20, 4.2, 4.4.0 to 4.4.8", 2, 40, 64, false, false, false, "4.0"},
    {"5.0.0", "5.0.0", 2, 40, 64, false, false, false, "4.0"},
    {"5.0", "4.0.21, 4.4.9, 5.0.1 and later, 5.2", 2, 48, 64, false, false, false, "4.0"},
    {"6.0", "5.4, 6.0, 6.2", 2, 48, 64, false, false, false, "6.0"},
    {"6.4", "6.4", 2, 48, 64, false, false, false, "6.4"},
    {"7.0", "7.0, 7.2, 7.4", 2, 56, 72, false, false, true, "7.0"},
};

constexpr std::string_view built_in_keys[] = {
    "agent.hostname",
    "agent.hostmetadata",
    "agent.ping",
    "agent.variant",
    "agent.version",
    "eventlog",
    "kernel.maxfiles",
    "kernel.maxproc",
    "kernel.openfiles",
    "log",
    "log.count",
    "logrt",
    "logrt.count",
    "modbus.get",
    "mqtt.get",
    "net.dns",
    "net.dns.get",
    "net.dns.perf",
    "net.dns.record",
    "net.if.collisions",
    "net.if.discovery",
    "net.if.in",
    "net.if.out",
    "net.if.total",
    "net.tcp.dns",
    "net.tcp.dns.query",
    "net.tcp.listen",
    "net.tcp.port",
    "net.tcp.service",
    "net.tcp.service.perf",
    "net.tcp.socket.count",
    "net.udp.listen",
    "net.udp.service",
    "net.udp.service.perf",
    "net.udp.socket.count",
    "proc.cpu.util",
    "proc.get",
    "proc.mem",
    "proc.num",
    "sensor",
    "system.boottime",
    "system.cpu.discovery",
    "system.cpu.intr",
    "system.cpu.load",
    "system.cpu.num",
    "system.cpu.switches",
    "system.cpu.util",
    "system.hostname",
    "system.hw.chassis",
    "system.hw.cpu",
    "system.hw.devices",
    "system.hw.macaddr",
    "system.localtime",
    "system.run",
    "system.stat",
    "system.sw.arch",
    "system.sw.os",
    "system.sw.os.get",
    "system.sw.packages",
    "system.sw.packages.get",
    "system.swap.in",
    "system.swap.out",
    "system.swap.size",
    "system.uname",
    "system.uptime",
    "system.users.num",
    "telnet.run",
    "vfs.dev.discovery",
    "vfs.dev.read",
    "vfs.dev.write",
    "vfs.dir.count",
    "vfs.dir.get",
    "vfs.dir.size",
    "vfs.file.cksum",
    "vfs.file.contents",
    "vfs.file.exists",
    "vfs.file.get",
    "vfs.file.md5sum",
    "vfs.file.owner",
    "vfs.file.permissions",
    "vfs.file.regexp",
    "vfs.file.regmatch",
    "vfs.file.size",
    "vfs.file.time",
    "vfs.fs.discovery",
    "vfs.fs.get",
    "vfs.fs.inode",
    "vfs.fs.size",
    "vm.memory.size",
    "web.page.get",
    "web.page.perf",
    "web.page.regexp",
    "zabbix.stats",
};

}  // namespace

const Layout* find_layout(std::string_view name) {
  const auto found = std::find_if(std::begin(layouts), std::end(layouts),
                                  [&](const Layout& each) { return each.name == name; });
  return found == std::end(layouts) ? nullptr : found;
}

std::vector<const Layout*> all_layouts() {
  std::vector<const Layout*> all;
  for (const Layout& each : layouts) {
    if (!each.old_result) all.push_back(&each);
  }
  return all;
}

bool is_built_in(std::string_view key) {
  return std::find(std::begin(built_in_keys), std::end(built_in_keys), key) != std::end(built_in_keys);
}

}  // namespace zbxmod::host
