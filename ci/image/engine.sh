#!/usr/bin/env bash
# A Docker engine for CI: uses the one that answers, else starts one of our own.
#
#   ci/image/engine.sh start          start, or find it running; prints what to put into the environment
#   ci/image/engine.sh stop           stop the one that we started, by its own pid, and take away its firewall rules
#   ci/image/engine.sh running        exit status 0 when ours runs
#   eval "$(ci/image/engine.sh env)"  speak to it from this shell
#
# Debian's own packages are unpacked into a cache folder (ENGINE_CACHE, default ~/.cache/aisle/engine): the engine of Debian 13, whose
# compose and build contexts Debian 12 lacks, runs on Debian 12. Installed on the machine itself are only runc, iptables and mmdebstrap.
# Needs Debian 12 or 13, root, and a mirror that apt already knows. Whatever is missing ends with an error: nothing is skipped.
set -euo pipefail

CACHE=${ENGINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/aisle/engine}
ROOT=$CACHE/root          # the unpacked packages
RUN=$CACHE/run            # socket, pid, log: short-lived
DATA=$CACHE/data          # images and build cache: kept between runs
MARK=$CACHE/.unpacked-1   # raise the number when the list of packages changes
FROM_TRIXIE=(docker.io docker-cli docker-buildx docker-compose containerd)
START_TIMEOUT_S=60

fail() { printf 'engine: %s\n' "$1" >&2; exit 1; }
ours_runs() { [[ -s $RUN/docker.pid ]] && [[ $(readlink "/proc/$(<"$RUN/docker.pid")/exe" 2>/dev/null) == "$ROOT/usr/sbin/dockerd" ]]; }

environment() {
  if [[ -e $RUN/foreign ]]; then return; fi
  printf 'export PATH=%q DOCKER_HOST=%q DOCKER_CONFIG=%q DOCKER_BUILDKIT=1\n' \
    "$ROOT/usr/bin:$ROOT/usr/sbin:$PATH" "unix://$RUN/docker.sock" "$CACHE/config"
}

needs() {
  [[ $(id -u) == 0 ]] || fail "no engine answers, and to start one takes root"
  command -v apt-get >/dev/null || fail "no engine answers, and this is no Debian: install and start Docker with compose and buildx"
  local missing=()
  for tool in runc iptables mmdebstrap; do command -v "$tool" >/dev/null || missing+=("$tool"); done
  if ((${#missing[@]})); then
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >"$CACHE/apt.log" 2>&1 \
      || { tail -n 20 "$CACHE/apt.log" >&2; fail "apt cannot install ${missing[*]}"; }
  fi
}

mirror() {  # the Debian mirror that this machine uses
  { cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null || true; } \
    | grep -v '^ *#' | grep -oE 'https?://[^ ]*/debian/?( |$)' | head -n 1 | tr -d ' '
}

unpack() {
  [[ -e $MARK ]] && return
  local apt=$CACHE/apt url
  url=$(mirror) || true
  [[ -n $url ]] || fail "apt knows no Debian mirror here"
  rm -rf "$ROOT" "$apt"
  mkdir -p "$ROOT" "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/debs"
  cat >"$apt/trixie.sources" <<SOURCES
Types: deb
URIs: $url
Suites: trixie
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
  # Sources, lists and cache of its own: the machine's apt never learns of the other suite.
  cat >"$apt/apt.conf" <<CONF
Dir::Etc::sourcelist "$apt/trixie.sources";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$apt/lists";
Dir::Cache "$apt/cache";
APT::Sandbox::User "root";
CONF
  APT_CONFIG=$apt/apt.conf apt-get -qq update || fail "apt cannot read the suite trixie of $url"
  (cd "$apt/debs" && APT_CONFIG=$apt/apt.conf apt-get -qq download "${FROM_TRIXIE[@]}") || fail "apt cannot download the engine"
  for package in "$apt"/debs/*.deb; do dpkg -x "$package" "$ROOT"; done
  rm -rf "$apt"
  touch "$MARK"
}

start() {
  mkdir -p "$RUN" "$DATA" "$CACHE/config"
  if ours_runs; then return; fi
  if docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1 && docker buildx version >/dev/null 2>&1; then
    touch "$RUN/foreign"
    return
  fi
  rm -f "$RUN/foreign" "$RUN/docker.pid"
  needs
  unpack
  printf '{"cliPluginsExtraDirs": ["%s"]}\n' "$ROOT/usr/libexec/docker/cli-plugins" >"$CACHE/config/config.json"
  iptables -S FORWARD | head -n 1 >"$RUN/forward-policy"
  PATH=$ROOT/usr/bin:$ROOT/usr/sbin:$PATH setsid "$ROOT/usr/sbin/dockerd" --data-root "$DATA" --exec-root "$RUN/exec" \
    --pidfile "$RUN/docker.pid" --host "unix://$RUN/docker.sock" >"$RUN/dockerd.log" 2>&1 </dev/null &
  local child=$! deadline=$((SECONDS + START_TIMEOUT_S))
  until DOCKER_HOST=unix://$RUN/docker.sock "$ROOT/usr/bin/docker" info >/dev/null 2>&1; do
    kill -0 "$child" 2>/dev/null || { tail -n 20 "$RUN/dockerd.log" >&2; fail "dockerd ended; its log is $RUN/dockerd.log"; }
    ((SECONDS < deadline)) || { tail -n 20 "$RUN/dockerd.log" >&2; kill "$child"; fail "dockerd did not answer in $START_TIMEOUT_S s"; }
    sleep 0.2
  done
}

stop() {
  if ! ours_runs; then return; fi
  local pid
  pid=$(<"$RUN/docker.pid")
  kill "$pid"
  tail --pid="$pid" -f /dev/null
  remove_rules
  ip link delete docker0 2>/dev/null || true
}

remove_rules() {  # rules that name a chain of Docker, then these chains, then the policy as it was
  for table in filter nat; do
    iptables -t "$table" -S | grep -E '^-A .*(DOCKER|docker0)' | sed 's/^-A/-D/' \
      | while read -r -a rule; do iptables -t "$table" "${rule[@]}"; done
    iptables -t "$table" -S | sed -n 's/^-N \(DOCKER[^ ]*\)$/\1/p' | while read -r chain; do iptables -t "$table" -F "$chain"; done
    iptables -t "$table" -S | sed -n 's/^-N \(DOCKER[^ ]*\)$/\1/p' | while read -r chain; do iptables -t "$table" -X "$chain"; done
  done
  local policy
  read -r -a policy <"$RUN/forward-policy"
  iptables "${policy[@]}"
}

case ${1:-} in
  start) start; environment ;;
  stop) stop ;;
  running) ours_runs ;;
  env) environment ;;
  *) fail "say start, stop, running or env" ;;
esac
