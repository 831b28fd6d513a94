#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs the programs the sandbox runs, and with "tests" those the tests drive as well, where they are missing;
# without root it says which command does.
set -euo pipefail

# What has to be there -> the Debian packages that bring it.
needed=(
  "initdb:postgresql" "pg_dump:postgresql-client" "prometheus:prometheus"
  "prometheus-alertmanager:prometheus-alertmanager" "kubectl:kubernetes-client" "zstd:zstd" "python3:python3" "git:git"
)
if [ "${1:-}" = tests ]; then
  needed+=(
    "sqitch:sqitch libdbd-pg-perl" "npm:npm" "chromium:chromium" "ssh-keygen:openssh-client" "java:default-jre-headless"
    "shellcheck:shellcheck" "faketime:faketime"
  )
fi

present() {
  case $1 in
    initdb) compgen -G '/usr/lib/postgresql/*/bin/initdb' > /dev/null ;;
    *) command -v "$1" > /dev/null ;;
  esac
}

missing=()
for entry in "${needed[@]}"; do
  read -ra packages <<< "${entry#*:}"
  present "${entry%%:*}" || missing+=("${packages[@]}")
done
python3 -c 'import ensurepip, venv' 2> /dev/null || missing+=(python3-venv)
[ ${#missing[@]} -gt 0 ] || exit 0

install=(apt-get install --yes --no-install-recommends "${missing[@]}")
if [ "$(id -u)" -ne 0 ]; then
  echo "missing: ${missing[*]}; install with: sudo ${install[*]}" >&2
  exit 1
fi
echo "installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Debian starts what it installs; the sandbox starts its own, on its own ports.
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
if ! { apt-get update --quiet && "${install[@]}"; } > "$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "could not install: ${missing[*]}; try: ${install[*]}" >&2
  exit 1
fi
