# Sourced by every check script: where things are, how they speak, how tools are had.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT" || exit 1
TARGET=$(realpath -m "${CARGO_TARGET_DIR:-target}")
TOOLS=$TARGET/tools
mkdir -p "$TOOLS"

# Pinned, so that the same commit gives the same answer on every machine.
# shellcheck disable=SC2034 # used by those who source this
BUF_VERSION=1.75.0
# shellcheck disable=SC2034
CARGO_DENY_VERSION=0.20.2
# shellcheck disable=SC2034
GRPCURL_VERSION=v1.9.4

say() { printf '== %s\n' "$*"; }

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

apt_install() {
    say "installing $*"
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        as_root=(sudo)
    fi
    "${as_root[@]}" apt-get update -q >/dev/null || fail "apt-get update, to install $*"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qy --no-install-recommends "$@" >/dev/null || fail "cannot install $*"
}

# apt_need COMMAND PACKAGE...: installs the packages unless the command is there.
apt_need() {
    local command=$1
    shift
    command -v "$command" >/dev/null || apt_install "$@"
    command -v "$command" >/dev/null || fail "$command is still missing after installing $*"
}

# The release binary, built if it is not there or older than the source; or USE_BINARY as it is.
release_binary() {
    if [ -n "${USE_BINARY:-}" ]; then
        realpath "$USE_BINARY"
        return
    fi
    cargo build --release --quiet -p leaseq
    echo "$TARGET/release/leaseq"
}

# free_ports N: that many free loopback ports on one line. Below 32768: an outgoing connection gets
# its port from above, unless the system is set up otherwise, and one that asks again and again
# whether the server is there could take the very port the server is about to listen on.
free_ports() {
    python3 - "$1" <<'PY'
import random, socket, sys
held = []
while len(held) < int(sys.argv[1]):
    s = socket.socket()
    try:
        s.bind(("127.0.0.1", random.randrange(10000, 32768)))
        held.append(s)
    except OSError:
        pass
print(*(s.getsockname()[1] for s in held))
PY
}

# wait_healthy BINARY ADDRESS PID: until the server serves; fails when it ends first or after 30 s.
wait_healthy() {
    local tries=0
    until LEASEQ_ADDR=$2 "$1" health >/dev/null 2>&1; do
        kill -0 "$3" 2>/dev/null || fail "the server at $2 ended before it served"
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || fail "the server at $2 does not serve after 30 s"
        sleep 0.1
    done
}
