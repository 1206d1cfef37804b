#!/bin/sh
# Installs Ampward @VERSION@ from this folder, without a network; over an older one it is the upgrade.
#
#   ./install.sh [--prefix /opt/ampward] [--python python3.11] [--no-service]
#
# Each version stands in a folder of its own below PREFIX/releases; PREFIX/current names the one in force and is moved in
# one step, when everything is in place and the program has answered. A running service is restarted then: it brings its
# outputs to their safe values (fan on) and leaves on what a local trip demands, so no fan stops. Data (/var/lib/ampward)
# and what stands in /etc/ampward are never touched; a folder for pushed files is made there when there is none.
# Exit 0 installed, 1 not installed and nothing changed, 2 wrong usage.
set -eu

prefix=/opt/ampward
python=python3.11
service=yes
while [ $# -gt 0 ]; do
  case "$1" in
    --prefix) prefix=${2:?--prefix needs a folder}; shift 2 ;;
    --python) python=${2:?--python needs a program}; shift 2 ;;
    --no-service) service=no; shift ;;
    *) echo "unknown: $1; allowed: --prefix DIR, --python PROGRAM, --no-service" >&2; exit 2 ;;
  esac
done
here=$(cd "$(dirname "$0")" && pwd)
say() { echo "ampward: $*"; }
fail() { echo "ampward: not installed: $*" >&2; exit 1; }
compiled='
import importlib, pkgutil, shared.compiled
for found in pkgutil.iter_modules(shared.compiled.__path__):
    importlib.import_module(f"shared.compiled.{found.name}")'
case "$prefix" in /*) ;; *) echo "--prefix $prefix: allowed: an absolute path" >&2; exit 2 ;; esac

# Everything is looked at before anything is changed.
(cd "$here" && sha256sum --quiet --check SHA256SUMS) || fail "the bundle is not what was made (see above)"
[ "$service" = no ] || [ "$(id -u)" = 0 ] || fail "as root, or with --no-service"
[ "$service" = no ] || [ -d /run/systemd/system ] || fail "systemd does not run here; --no-service installs the program only"
"$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null ||
  fail "'$python' is not Python 3.11; install it (Debian 12: python3), or say where it is with --python"
"$python" -c 'import ensurepip, venv' 2>/dev/null || fail "Python's venv is missing (Debian 12: the package python3.11-venv)"
found=$("$python" -c 'import sys, sysconfig; print(f"{sysconfig.get_platform()}-cp{sys.version_info[0]}{sys.version_info[1]}")')
[ "$found" = "@PLATFORM@" ] || fail "this bundle is for @PLATFORM@, this machine is $found"

digest=$(sha256sum "$here/SHA256SUMS" | cut -c1-12)
name="@VERSION@-$digest"
release="$prefix/releases/$name"
mkdir -p "$prefix/releases"
exec 9>"$prefix/install.lock"
flock -n 9 || fail "another installation into $prefix is under way"
if [ ! -f "$release/complete" ]; then
  rm -rf "$release"
  say "installing into $release"
  trap 'rm -rf "$release"' EXIT
  "$python" -m venv "$release" || fail "the environment could not be made"
  "$release/bin/python" -m pip --disable-pip-version-check --no-input install --quiet --no-index \
    --find-links "$here/wheels" --require-hashes --requirement "$here/requirements.txt" || fail "pip failed"
  "$release/bin/python" -m pip --disable-pip-version-check --no-input install --quiet --no-index --no-deps \
    "$here"/wheels/ampward-*.whl || fail "pip failed"
  "$release/bin/python" -m compileall -q "$release/lib" || true
  cp -r "$here/docs" "$here/examples" "$here/systemd" "$here/LICENSE" "$release/"
  cp "$here/uninstall.sh" "$prefix/uninstall.sh"
  "$release/bin/python" -I -c "$compiled" || fail "the compiled part does not load here: this machine's C library or OpenSSL is another or older one"
  "$release/bin/ampward" --version >/dev/null || fail "the program does not answer"
  : >"$release/complete"
  sync -f "$release/complete"
  trap - EXIT
fi

before=$(readlink "$prefix/current" 2>/dev/null || true)
ln -sfn "releases/$name" "$prefix/current.new"
mv -T "$prefix/current.new" "$prefix/current"
say "$("$prefix/current/bin/ampward" --version) is in $prefix/current"
# The one before stays, so that there is a way back; older ones go.
for old in "$prefix"/releases/*; do
  [ "$old" = "$release" ] || [ "$old" = "$prefix/$before" ] || rm -rf "$old"
done
[ "$service" = yes ] || exit 0

systemd-sysusers "$release/systemd/ampward.conf"
sed "s|/opt/ampward|$prefix|g" "$release/systemd/ampward.service" >/etc/systemd/system/ampward.service
systemctl daemon-reload
mkdir -p /etc/ampward
# The one folder there that the service's user writes: files that the centre pushes (include: [pushed/rules.yaml]).
pushed=/etc/ampward/pushed
[ -e "$pushed" ] || [ -L "$pushed" ] || install -d -o ampward -g ampward -m 0755 "$pushed"
if systemctl --quiet is-active ampward; then
  say "restarting the service; its fans stay on meanwhile"
  systemctl restart ampward
  say "running. The way back: ln -sfn $before $prefix/current && systemctl restart ampward"
elif [ -f /etc/ampward/site.yaml ]; then
  say "start it with: systemctl enable --now ampward"
else
  say "put your site file to /etc/ampward/site.yaml (examples: $prefix/current/examples), check it with"
  say "  $prefix/current/bin/ampward check /etc/ampward/site.yaml"
  say "and start it with: systemctl enable --now ampward"
fi
