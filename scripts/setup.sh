#!/bin/sh
# Makes .venv with headrace and its development tools, at the versions of constraints.txt.
# PYTHON names the interpreter to use; without it, the newest of python3.13 to python3.11, or python3, is taken.
set -eu
cd "$(dirname "$0")/.."

. scripts/packages.sh

fail() {
    echo "setup: $*" >&2
    exit 1
}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
        if new_enough "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
}

can_make_venv() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null
}

# Installs programs of servers, and keeps their packages from starting servers of their own: tests start theirs, and
# port 5432 of a machine is not ours to take.
install_servers() (
    may_install || exit 1
    policy=/usr/sbin/policy-rc.d
    clusters=/etc/postgresql-common/createcluster.d
    ours="$clusters/headrace.conf"
    trap 'rm -f $ours; rmdir "$clusters" 2>/dev/null || true' EXIT
    trap 'exit 1' INT TERM
    mkdir -p "$clusters"
    echo 'create_main_cluster = false' >"$clusters/headrace.conf"
    if ! [ -e "$policy" ]; then
        ours="$ours $policy"
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
    fi
    install_packages "$@" || exit 1
    case " $* " in
    # it would be started when the machine is
    *" pgbouncer "*) systemctl disable --quiet pgbouncer 2>/dev/null || true ;;
    esac
)

if ! [ -x .venv/bin/python ] || ! new_enough .venv/bin/python; then
    python=$(find_python)
    if [ -z "$python" ]; then
        install_packages python3 python3-venv || true
        python=$(find_python)
    fi
    [ -n "$python" ] || fail "Python 3.11 or newer is needed; install it, or name it: make PYTHON=/path/to/python"
    if ! can_make_venv "$python"; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        install_packages "python$version-venv" || install_packages python3-venv || true
        can_make_venv "$python" || fail "$python can't make a venv; run: sudo apt-get install python$version-venv"
    fi
    "$python" -m venv --clear .venv
fi

# With these, tests make disks and clocks fail. Where they can't be had, those tests are skipped; with CI=true they fail.
tools=
for tool in strace faketime; do
    command -v "$tool" >/dev/null || tools="$tools $tool"
done
# shellcheck disable=SC2086 # one word for each tool
[ -z "$tools" ] || install_packages $tools || echo "setup: without$tools some tests are skipped"

# With this, make bench-guard counts instructions instead of comparing rates.
command -v callgrind_control >/dev/null || install_packages valgrind || echo "setup: without valgrind the guard is blunt"

# With these, tests start a Postgres and a PgBouncer of their own. Debian keeps those of Postgres off the PATH.
servers=
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || servers="$servers postgresql"
[ -x /usr/sbin/pgbouncer ] || command -v pgbouncer >/dev/null || servers="$servers pgbouncer"
# shellcheck disable=SC2086 # one word for each server
[ -z "$servers" ] || install_servers $servers || echo "setup: without$servers some tests are skipped"

.venv/bin/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[dev]'
touch .venv/.installed
