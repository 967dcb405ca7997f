#!/bin/sh
# Make a base image from Debian's packages, where no image registry is reached. Needs root, debootstrap and a daemon.
#
#   helm/image/debian-base.sh [NAME] [SUITE]        default: shadowstream-base bookworm
#
# The certificate authorities that this machine trusts beyond Debian's own come along, so that pip works in it.
set -eu
name=${1:-shadowstream-base}
suite=${2:-bookworm}
authorities=/usr/local/share/ca-certificates

for needed in debootstrap docker; do
  command -v "$needed" > /dev/null || { echo "$0: $needed is missing: apt-get install debootstrap docker.io" >&2; exit 1; }
done
[ "$(id -u)" = 0 ] || { echo "$0: debootstrap makes device files and a chroot: run it as root" >&2; exit 1; }

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
trap 'exit 1' INT TERM
chmod 755 "$root"
debootstrap --variant=minbase --include=ca-certificates,python3-minimal,python3-venv "$suite" "$root" >&2
if [ -d "$authorities" ]; then
  cp -R "$authorities/." "$root$authorities/"
  chroot "$root" update-ca-certificates >&2
fi
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/tmp/*
tar -C "$root" --numeric-owner -c . | docker import --change 'CMD ["/bin/sh"]' - "$name"
