# For the scripts beside it: packages of Debian, where this user may install them.

may_install() {
    command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]
}

install_packages() {
    may_install || return 1
    echo "setup: installing $*"
    apt-get update -q || true
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}
