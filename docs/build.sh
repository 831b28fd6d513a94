#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds the site of the documentation into .cache/docs/html: these pages, and one for each module, role and plugin.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$root/.cache/docs}
export PATH="$root/.venv/bin:$PATH"
export ANSIBLE_COLLECTIONS_PATH="$root/collections"

rm -rf "$build"
umask 022
unset ANSIBLE_CONFIG
mkdir -p "$build/source"
cp -r "$root"/docs/. "$build/source"
cd "$build"
antsibull-docs collection --use-current --fail-on-error --dest-dir "$build/source" octalume.rollback \
  > "$build/antsibull.log" 2>&1 ||
  { cat "$build/antsibull.log" >&2; exit 1; }
# Pages as the playbooks write them, drawn by the same code.
PYTHONPATH=$root:$root/collections python -m tests.example_pages "$build/source/extra/example"
sphinx-build --quiet --fail-on-warning --keep-going --jobs 2 --builder html "$build/source" "$build/html"
echo "$build/html/index.html"
