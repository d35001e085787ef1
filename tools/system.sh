#!/bin/sh
# The real servers and the browser that the tests and the benchmark use come from Debian's packages.
# Installs what is missing where it may (as root); else names the one command and fails.
# Usage: tools/system.sh PROGRAM...   The programs are named like their packages, but for php.
set -eu
PATH=$PATH:/usr/sbin:/sbin
export PATH

missing=
for program in "$@"; do
    command -v "$program" >/dev/null 2>&1 && continue
    case $program in
        php) missing="$missing php-cli" ;; # the package `php` brings a web server
        *) missing="$missing $program" ;;
    esac
done
[ -n "$missing" ] || exit 0

command="apt-get install --yes --no-install-recommends$missing"
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    printf '\nMissing:%s. Please run this once, then try again:\n    sudo %s\n' "$missing" "$command" >&2
    exit 1
fi

# The packages' own services must not start: the tests start what they need, on free ports.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

echo "Installing from Debian:$missing ..."
log=$(mktemp)
for attempt in 1 2 3; do
    if DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 update >"$log" 2>&1 &&
        DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 \
            install --yes --no-install-recommends $missing >>"$log" 2>&1 </dev/null; then
        rm -f "$log"
        exit 0
    fi
    [ "$attempt" = 3 ] || sleep 10
done
cat "$log" >&2
rm -f "$log"
printf '\nInstalling failed; see above. The command was:\n    %s\n' "$command" >&2
exit 1
