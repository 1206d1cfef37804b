#!/bin/sh
# Removes Ampward: service and program. Data and site file stay, unless --purge is given.
#
#   ./uninstall.sh [--prefix /opt/ampward] [--no-service] [--purge]
#
# The service is stopped first: its outputs go to their safe values (fan on), and the relay module's own watchdog holds
# them from then on. Exit 0 removed, 1 not removed, 2 wrong usage.
set -eu

prefix=/opt/ampward
service=yes
purge=no
while [ $# -gt 0 ]; do
  case "$1" in
    --prefix) prefix=${2:?--prefix needs a folder}; shift 2 ;;
    --no-service) service=no; shift ;;
    --purge) purge=yes; shift ;;
    *) echo "unknown: $1; allowed: --prefix DIR, --no-service, --purge" >&2; exit 2 ;;
  esac
done
if [ ! -d "$prefix/releases" ]; then
  echo "ampward: not removed: nothing is installed in $prefix" >&2
  exit 1
fi
if [ "$service" = yes ]; then
  if [ "$(id -u)" != 0 ]; then
    echo "ampward: not removed: as root, or with --no-service" >&2
    exit 1
  fi
  systemctl disable --now ampward 2>/dev/null || true
  rm -f /etc/systemd/system/ampward.service
  systemctl daemon-reload
fi
rm -rf "$prefix/releases" "$prefix/current" "$prefix/current.new" "$prefix/install.lock" "$prefix/uninstall.sh"
rmdir "$prefix" 2>/dev/null || true
if [ "$service" = yes ] && [ "$purge" = yes ]; then
  rm -rf /var/lib/ampward /etc/ampward
  echo "ampward: removed, with data and site file"
else
  echo "ampward: removed; data and site file stay where they are"
fi
