#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs the checks that want the collection where collections live: its documentation, and the sanity and unit tests of
# ansible-test. Copies what git knows into .cache, with the collections it depends on beside it.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
tree=$root/.cache/sanity/ansible_collections
here=$tree/octalume/rollback
packages=$("$root/.venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/ansible_collections

rm -rf "$tree"
mkdir -p "$here"
put() { # pathspecs: copy what git knows of them
  (cd "$root" && git ls-files -z --cached --others --exclude-standard -- "$@" |
    while IFS= read -r -d '' file; do if [ -f "$file" ]; then printf '%s\0' "$file"; fi; done |
    tar --null --files-from=- --create) | tar --extract --directory "$here"
}
put . ':!collections' ':!playbooks/collections' ':!tests/sandbox' ':!tests/fixtures' ':!tests/conformance'
for collection in kubernetes/core community/hashi_vault community/postgresql community/general awx/awx; do
  mkdir -p "$tree/${collection%/*}"
  ln -s "$packages/$collection" "$tree/$collection"
done
cd "$here"
export PATH="$root/.venv/bin:$PATH" ANSIBLE_COLLECTIONS_PATH="$root/.cache/sanity"
antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs=self .

git init --quiet . && git add --all
# ansible-test downloads a pip of its own otherwise.
home=$root/.cache/sanity/home
mkdir -p "$home/.ansible/test/cache" "$home/.config/pip"
cat > "$home/.ansible/test/cache/get_pip_24_2.py" <<'PYTHON'
import subprocess
import sys

subprocess.check_call([sys.executable, "-m", "ensurepip"])
subprocess.check_call([sys.executable, "-m", "pip", "install", "--quiet", "pip==24.2"])
PYTHON
if [ -n "${PIP_CERT:-}" ]; then printf '[global]\ncert = %s\n' "$PIP_CERT" > "$home/.config/pip/pip.conf"; fi
quietly() { # command: what it says is of interest only if it fails
  HOME=$home "$@" > "$root/.cache/sanity/log" 2>&1 || { cat "$root/.cache/sanity/log" && return 1; }
}
version=$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
quietly ansible-test sanity --python "$version" --color no
put tests/sandbox tests/fixtures tests/conformance # which are programs of their own, and no part of the collection
quietly ansible-test units --python "$version" --color no
