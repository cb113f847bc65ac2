#!/bin/sh
# Install Debian packages that are missing; without root, say what to type and go on with what is there.
set -eu
missing=""
for package in "$@"; do
    state=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) || state=""
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null; then
    echo "These packages are not installed, and this is no Debian or Ubuntu:$missing" >&2
    echo "Install what provides them here; labkit doctor says what is used for what." >&2
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "Not installed, and you are not root. Type:  sudo apt-get install$missing" >&2
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
echo "Installing$missing" >&2
apt-get update --quiet=2
# One by one where not all are known: a release may lack one of them (runsc, for example).
# shellcheck disable=SC2086  # a list of package names
apt-get install --yes --quiet=2 --no-install-recommends $missing >/dev/null ||
    for package in $missing; do
        apt-get install --yes --quiet=2 --no-install-recommends "$package" >/dev/null ||
            echo "Could not install $package; going on without it" >&2
    done
