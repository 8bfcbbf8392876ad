# What the scripts share: messages, packages, the build, Zabbix's programs, child processes. Source it; it changes to
# the top of the source tree.
# shellcheck shell=bash

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
SOURCE_DIR=$PWD
PROGRAM=scripts/$(basename "$0")

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
  # shellcheck disable=SC2034
  BOLD=$'\e[1m' DIM=$'\e[2m' RED=$'\e[31m' GREEN=$'\e[32m' PLAIN=$'\e[0m'
else
  # shellcheck disable=SC2034  # for the scripts that source this
  BOLD='' DIM='' RED='' GREEN='' PLAIN=''
fi

step() { printf '%s==>%s %s%s%s\n' "$GREEN" "$PLAIN" "$BOLD" "$*" "$PLAIN"; }
say() { printf '    %s\n' "$*"; }
die() {
  printf '%s%s: %s%s\n' "$RED" "$PROGRAM" "$*" "$PLAIN" >&2
  exit 1
}

# ------------------------------------------------------------------------------------------------------- packages --

have_package() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

# Runs a command as root: directly, or through sudo where there is one.
as_root() {
  if ((EUID == 0)); then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "installing packages needs root. As root, run: scripts/install-packages $INSTALL_GROUPS"
  fi
}

apt_get() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@" </dev/null; }

# packages_of GROUP...: the packages of those groups, one on a line, alternatives as they stand in scripts/packages.
packages_of() {
  local group spec
  while read -r group spec _; do
    [[ " $* " != *" $group "* ]] || echo "$spec"
  done < <(sed 's/#.*//' scripts/packages)
}

# available_package A|B|...: the first of them that apt knows, else the first.
available_package() {
  local names name
  IFS='|' read -ra names <<<"$1"
  ((${#names[@]} > 1)) || { echo "$1" && return 0; }
  for name in "${names[@]}"; do
    if apt-cache show "$name" >/dev/null 2>&1; then echo "$name" && return 0; fi
  done
  echo "${names[0]}"
}

# install_packages GROUP...: installs what is missing of scripts/packages, and says so. Starts no service: the list
# holds compilers, libraries and Python modules only. BAKUSOKU_SKIP_INSTALL=1 leaves the machine as it is.
install_packages() {
  INSTALL_GROUPS=$*
  [[ ${BAKUSOKU_SKIP_INSTALL:-} != 1 ]] || return 0
  local wanted missing=() names name found spec
  mapfile -t wanted < <(packages_of "$@" | sort -u)
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    die "this is not Debian or Ubuntu: install the counterparts of ${wanted[*]}, then set BAKUSOKU_SKIP_INSTALL=1"
  fi
  for spec in "${wanted[@]}"; do
    IFS='|' read -ra names <<<"$spec"
    found=
    for name in "${names[@]}"; do
      if have_package "$name"; then found=1 && break; fi
    done
    [[ -n $found ]] || missing+=("$spec")
  done
  if ((${#missing[@]} == 0)); then
    say "all ${#wanted[@]} packages are installed ($INSTALL_GROUPS)"
    return 0
  fi
  say "installing ${#missing[@]} of ${#wanted[@]} packages: ${missing[*]}"
  # A source that is not ours may be unreachable; the installation below tells whether that matters.
  apt_get update || say "apt-get update was not complete; going on"
  local chosen=()
  for spec in "${missing[@]}"; do chosen+=("$(available_package "$spec")"); done
  apt_get install -y --no-install-recommends "${chosen[@]}" ||
    die "apt-get could not install: ${chosen[*]} (its message is above)"
}

# --------------------------------------------------------------------------------------------------------- zabbix --

ZABBIX_DIR=$SOURCE_DIR/build/zabbix

# Sets ZABBIX_AGENTD and ZABBIX_GET: as given, from PATH, or unpacked earlier by install_zabbix. Fails quietly.
find_zabbix() {
  local path=$PATH:/usr/sbin:/usr/local/sbin
  ZABBIX_AGENTD=${ZABBIX_AGENTD:-$(PATH=$path command -v zabbix_agentd || true)}
  ZABBIX_GET=${ZABBIX_GET:-$(PATH=$path command -v zabbix_get || true)}
  [[ -n $ZABBIX_AGENTD || ! -x $ZABBIX_DIR/usr/sbin/zabbix_agentd ]] || ZABBIX_AGENTD=$ZABBIX_DIR/usr/sbin/zabbix_agentd
  [[ -n $ZABBIX_GET || ! -x $ZABBIX_DIR/usr/bin/zabbix_get ]] || ZABBIX_GET=$ZABBIX_DIR/usr/bin/zabbix_get
  export ZABBIX_AGENTD ZABBIX_GET
  [[ -n $ZABBIX_AGENTD && -n $ZABBIX_GET ]]
}

# unpack_packages DIRECTORY GROUP [COMMAND...]: unpacks the packages of a group of scripts/packages, without installing
# them, unless the directory holds just these already. COMMAND is run in the new tree before it takes its place.
unpack_packages() {
  local directory=$1 group=$2
  shift 2
  mkdir -p build
  (
    flock 9
    [[ $(cat "$directory/packages" 2>/dev/null) != "$(packages_of "$group")" ]] || exit 0
    work=$(mktemp -d build/unpack.XXXXXX)
    trap 'rm -rf "$work"' EXIT
    say "unpacking $(packages_of "$group" | wc -l) packages into ${directory#"$SOURCE_DIR/"} (nothing is installed or started)"
    download() {
      local spec names=()
      for spec in $(packages_of "$group"); do names+=("$(available_package "$spec")"); done
      (cd "$work" && apt-get -q download -o APT::Sandbox::User=root "${names[@]}") >"$work/log" 2>&1
    }
    download || { apt_get update && download; } || { cat "$work/log" >&2 && die "cannot download the packages '$group'"; }
    mkdir "$work/root"
    for package in "$work"/*.deb; do dpkg-deb -x "$package" "$work/root"; done
    (($# == 0)) || (cd "$work/root" && "$@")
    packages_of "$group" >"$work/root/packages"
    rm -rf "$directory"
    mv "$work/root" "$directory"
  ) 9>"$directory.lock"
}

# require_libraries PROGRAM...: ends with their names if shared libraries are missing.
require_libraries() {
  local absent
  absent=$(ldd "$@" | awk '/not found/ {print $1}' | sort -u | tr '\n' ' ')
  [[ -z $absent ]] || die "zabbix needs libraries that are missing: ${absent% } (groups 'zabbix' and 'server' in scripts/packages)"
}

# Unpacks zabbix_agentd and zabbix_get from Debian's packages into build/zabbix unless they are there already:
# installing the packages would start an agent as a service. zabbix_get is in the proxy's package.
install_zabbix() {
  if ! find_zabbix; then
    unpack_packages "$ZABBIX_DIR" zabbix-unpacked
    find_zabbix || die "the packages hold no zabbix_agentd or zabbix_get"
    require_libraries "$ZABBIX_AGENTD" "$ZABBIX_GET"
  fi
  say "$("$ZABBIX_AGENTD" -V | head -1), in $(dirname "$ZABBIX_AGENTD")"
}

ZABBIX_SERVER_DIR=$SOURCE_DIR/build/zabbix-server

# Unpacks a whole Zabbix (server, proxy, sender, API) with PostgreSQL and PHP into build/zabbix-server, for the
# end-to-end tests. Always unpacked, never taken from the machine: server, schema and API must be of one version.
install_zabbix_server() {
  unpack_packages "$ZABBIX_SERVER_DIR" server-unpacked prepare_zabbix_server
  local usr=$ZABBIX_SERVER_DIR/usr
  require_libraries "$usr"/sbin/zabbix_{server,proxy} "$usr"/bin/{zabbix_sender,php[0-9]*.[0-9]} \
    "$usr"/lib/postgresql/*/bin/{postgres,initdb,psql} "$usr"/lib/php/*/{bcmath,mbstring,pgsql,xml}.so
  say "$("$usr/sbin/zabbix_server" -V | head -1), with PostgreSQL and PHP, in ${ZABBIX_SERVER_DIR#"$SOURCE_DIR/"}"
}

# Run in the unpacked tree. Debian's frontend reads one configuration in /etc; ours reads the file that the constant
# ZABBIX_CONF_PHP names. What only PostgreSQL's compiler of queries needs, and languages, are half of the size.
prepare_zabbix_server() {
  local config=usr/share/zabbix/include/classes/core/CConfigFile.php
  sed -i "s|'/etc/zabbix/zabbix.conf.php'|ZABBIX_CONF_PHP|" "$config"
  grep -q 'CONFIG_FILE_PATH = ZABBIX_CONF_PHP;' "$config" || die "the frontend's $config is not as expected"
  rm -rf usr/share/{doc,man,locale,zabbix/locale/*/} usr/lib/postgresql/*/lib/{bitcode,llvmjit*}
}

# ---------------------------------------------------------------------------------------------------------- build --

# As many compilers as there are cores, but no more than memory allows: a file with coroutines takes up to 1 GB.
build_jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/MemAvailable/ {print int($2 / 1048576)}' /proc/meminfo)
  echo $((memory < cores ? (memory > 1 ? memory : 1) : cores))
}

CMAKE_OPTIONS=()  # of whoever wants more than the preset's

# build PRESET [TARGET...]: configures and builds, showing the compiler's progress.
build() {
  local preset=$1 targets=()
  shift
  (($# == 0)) || targets=(--target "$@")
  mkdir -p "build/$preset"
  exec {BUILD_LOCK}>"build/$preset/lock"  # two copies of a script may run at once; only one builds
  flock -n "$BUILD_LOCK" || { say "waiting for another build of '$preset'" && flock "$BUILD_LOCK"; }
  cmake --preset "$preset" "${CMAKE_OPTIONS[@]}" >"build/$preset/configure.log" 2>&1 ||
    { tail -n 30 "build/$preset/configure.log" >&2 && die "cmake --preset $preset failed (above; all of it in build/$preset/configure.log)"; }
  NINJA_STATUS='    [%f/%t %es] ' cmake --build --preset "$preset" -j "$(build_jobs)" "${targets[@]}" ||
    die "the build of preset '$preset' failed (above)"
  exec {BUILD_LOCK}>&-
}

# ------------------------------------------------------------------------------------------------------ processes --

# A process is named by pid and start time, so that a pid used again is never taken for ours.
process_birth() {
  local stat fields
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  read -ra fields <<<"${stat##*) }"
  [[ ${fields[0]} != Z ]] || return 1
  echo "${fields[19]}"
}
process_alive() { [[ $(process_birth "$1") == "$2" ]]; }

# stop_process PID BIRTH: SIGTERM to it, after five seconds SIGKILL to its process group (it was started by setsid).
stop_process() {
  process_alive "$1" "$2" || return 0
  kill -TERM "$1" 2>/dev/null || true
  local i
  for ((i = 0; i < 50; i++)); do
    process_alive "$1" "$2" || return 0
    sleep 0.1
  done
  kill -KILL -- "-$1" 2>/dev/null || true
}

port_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# A TCP port nobody listens on, below the range that outgoing connections use.
free_port() {
  local port i
  for ((i = 0; i < 100; i++)); do
    port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
    port_answers "$port" || { echo "$port" && return 0; }
  done
  die "no free TCP port between 20000 and 32000"
}
