#include "simaws/fleet.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace bakusoku::simaws {
namespace {

constexpr int kRunning = 16;
constexpr int kTerminated = 48;
constexpr int kStopped = 80;
constexpr int64_t kFirstLaunch = 1704067200;  // 2024-01-01
constexpr size_t kNoTags = kFirstOddIndex + 1;
constexpr size_t kLongName = kFirstOddIndex + 16;
constexpr size_t kOddTags = kFirstOddIndex + 22;

// The table of docs/simaws.md.
struct Odd {
  const char* name;
  int state = kRunning;
};
constexpr std::array<Odd, kOddNames> kOdd{{
    {nullptr},
    {nullptr},  // and no other tag either
    {""},
    {"dup-name"},
    {"dup-name"},
    {"dup-gone"},
    {"dup-gone", kTerminated},
    {"日本語サーバー"},
    {"quoted \"name\""},
    {"comma,name"},
    {"[brackets]"},
    {"a&b <c> 'd'"},
    {"  leading spaces"},
    {"trailing spaces  "},
    {"back\\slash"},
    {"{$MACRO} {#LLD} ${x}"},
    {""},  // 255 characters: kLongName
    {"stopped-1", kStopped},
    {"terminated-1", kTerminated},
    {"Web-1"},
    {"🚀 emoji"},
    {"50% off\ttab"},
    {"line\nbreak"},
}};

int state_code_of(size_t index) {
  if (index < kFirstOddIndex) return kRunning;
  if (index < kFirstOddIndex + kOddNames) return kOdd[index - kFirstOddIndex].state;
  if (index % 64 == 33) return kTerminated;
  if (index % 16 == 7) return kStopped;
  return kRunning;
}

uint64_t id_key(const World& world, std::string_view region) {
  return mix(fnv1a(fmt::format("{}\n{}", world.seed, place(world, region))));
}

uint64_t volume_key(const World& world, std::string_view region) {
  return mix(fnv1a(fmt::format("{}\n{}\nvolumes", world.seed, place(world, region))));
}

// 16 hexadecimal digits, lower case.
std::optional<uint64_t> parse_hex(std::string_view digits) {
  if (digits.size() != 16) return std::nullopt;
  uint64_t out = 0;
  for (const char ch : digits) {
    int digit = 0;
    if (ch >= '0' && ch <= '9') {
      digit = ch - '0';
    } else if (ch >= 'a' && ch <= 'f') {
      digit = ch - 'a' + 10;
    } else {
      return std::nullopt;
    }
    out = out << 4 | static_cast<uint64_t>(digit);
  }
  return out;
}

std::optional<size_t> index_behind(const World& world, std::string_view id, std::string_view prefix,
                                   uint64_t key) {
  if (!id.starts_with(prefix)) return std::nullopt;
  const auto mixed = parse_hex(id.substr(prefix.size()));
  if (!mixed) return std::nullopt;
  const uint64_t index = unmix(*mixed) ^ key;
  if (index >= world.instances) return std::nullopt;
  return static_cast<size_t>(index);
}

}  // namespace

bool World::has_region(std::string_view region) const {
  return std::find(regions.begin(), regions.end(), region) != regions.end();
}

World World::of(std::string_view other) const {
  World out = *this;
  out.account = other;
  return out;
}

bool World::is_linked(std::string_view other) const {
  return account == kAccount && std::find(linked.begin(), linked.end(), other) != linked.end();
}

std::string place(const World& world, std::string_view region) {
  return world.account == kAccount ? std::string(region) : fmt::format("{}@{}", region, world.account);
}

std::optional<std::string_view> Instance::name() const {
  for (const auto& [key, value] : tags) {
    if (key == "Name") return value;
  }
  return std::nullopt;
}

uint64_t mix(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ull;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBull;
  return value ^ (value >> 31);
}

uint64_t unmix(uint64_t value) {
  value = (value ^ (value >> 31) ^ (value >> 62)) * 0x319642B2D24D8EC3ull;
  value = (value ^ (value >> 27) ^ (value >> 54)) * 0x96DE1B173F119089ull;
  return value ^ (value >> 30) ^ (value >> 60);
}

uint64_t fnv1a(std::string_view bytes) {
  uint64_t hash = 0xCBF29CE484222325ull;
  for (const char ch : bytes) hash = (hash ^ static_cast<uint8_t>(ch)) * 0x100000001B3ull;
  return hash;
}

std::string instance_id(const World& world, std::string_view region, size_t index) {
  return fmt::format("i-0{:016x}", mix(index ^ id_key(world, region)));
}

std::optional<size_t> index_of(const World& world, std::string_view region, std::string_view id) {
  return index_behind(world, id, "i-0", id_key(world, region));
}

std::string volume_id(const World& world, std::string_view region, size_t index) {
  return fmt::format("vol-0{:016x}", mix(index ^ volume_key(world, region)));
}

std::optional<size_t> index_of_volume(const World& world, std::string_view region, std::string_view id) {
  return index_behind(world, id, "vol-0", volume_key(world, region));
}

bool is_running(size_t index) { return state_code_of(index) == kRunning; }

const char* type_of(size_t index) {
  constexpr std::array<const char*, 4> kTypes{"t3.micro", "m5.large", "c6i.xlarge", "t3.small"};
  return kTypes[index % kTypes.size()];
}

std::optional<std::string> name_tag(size_t index) {
  if (index == kLongName) return "long-" + std::string(250, 'x');
  if (index >= kFirstOddIndex && index < kFirstOddIndex + kOddNames) {
    const char* name = kOdd[index - kFirstOddIndex].name;
    if (name == nullptr) return std::nullopt;
    return name;
  }
  return fmt::format("web-{}", index + 1);
}

Instance instance(const World& world, std::string_view region, size_t index) {
  Instance out;
  out.id = instance_id(world, region, index);
  if (index != kNoTags) {
    if (auto name = name_tag(index)) out.tags.emplace_back("Name", *std::move(name));
    out.tags.emplace_back("simulated", "true");
    out.tags.emplace_back("env", index % 3 == 0 ? "prod" : "test");
    if (index == kOddTags) {
      out.tags.insert(
          out.tags.end(),
          {{"Env", "other case"}, {"a-b", "1"}, {"a_b", "2"}, {"環境", "本番"}, {"部署", "営業"}});
    }
  }
  out.type = type_of(index);
  out.state_code = state_code_of(index);
  out.state = out.state_code == kRunning ? "running" : out.state_code == kStopped ? "stopped" : "terminated";
  out.availability_zone = fmt::format("{}{}", region, static_cast<char>('a' + index % 3));
  if (out.state_code != kTerminated) {
    out.private_ip = fmt::format("10.{}.{}.{}", index / 65536 % 256, index / 256 % 256, index % 256);
    // 203.0.113.0/24 is reserved for documentation (RFC 5737).
    if (out.state_code == kRunning && index % 2 == 0)
      out.public_ip = fmt::format("203.0.113.{}", index % 256);
  }
  out.windows = index % 10 == 9;
  out.detailed_monitoring = index % 2 == 0;
  out.launched = kFirstLaunch + static_cast<int64_t>(mix(index + id_key(world, region)) % (300 * 86400ull));
  return out;
}

}  // namespace bakusoku::simaws
