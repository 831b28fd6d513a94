#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs the unit tests and loads every playbook and module with one Python and one ansible-core:
#   tests/versions.sh 3.13 2.20
# Without words: with every interpreter of this machine that is supported, and the ansible-core that goes with it.
set -euo pipefail
cd "$(dirname "$0")/.."

if command -v pyenv > /dev/null; then
  PYENV_VERSION=$(pyenv versions --bare | paste -sd :)
  export PYENV_VERSION # every interpreter it has by its own name
fi
if [ $# -eq 0 ]; then
  for pair in "3.11 2.18" "3.12 2.19" "3.13 2.20"; do
    read -r python core <<< "$pair"
    "python$python" --version > /dev/null 2>&1 || { echo "no python$python here"; continue; }
    "$0" "$python" "$core"
  done
  exit 0
fi

python=$1 core=$2 environment=$PWD/.cache/versions/$1-$2
[ -x "$environment/bin/python" ] || "python$python" -m venv "$environment"
"$environment/bin/python" -m pip install --quiet --disable-pip-version-check uv
"$environment/bin/uv" pip install --quiet --python "$environment/bin/python" "ansible-core==$core.*" \
  -r meta/ee-requirements.txt pytest pytest-timeout hypothesis cryptography markdown-it-py html5lib
# The collections it depends on, as the bundle of .venv has them where there is one.
bundle=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' 2> /dev/null || true)
collections=$PWD/.cache/versions/collections-$core
rm -rf "$collections"
mkdir -p "$collections"
if [ -d "$bundle/ansible_collections" ]; then
  for name in kubernetes/core community/hashi_vault community/postgresql community/general; do
    mkdir -p "$collections/ansible_collections/${name%/*}"
    ln -s "$bundle/ansible_collections/$name" "$collections/ansible_collections/$name"
  done
else
  mapfile -t wanted < <("$environment/bin/python" -c 'import yaml
for name, versions in yaml.safe_load(open("galaxy.yml"))["dependencies"].items():
    print(f"{name}:{versions}")')
  "$environment/bin/ansible-galaxy" collection install -p "$collections" "${wanted[@]}"
fi
tarball=$(mktemp -d)
trap 'rm -rf "$tarball"' EXIT
# Nothing of the checkout's settings: they say that the collection is there already.
export ANSIBLE_COLLECTIONS_PATH=$collections ANSIBLE_CONFIG=$tarball/ansible.cfg PATH=$environment/bin:$PATH
touch "$ANSIBLE_CONFIG"
"$environment/bin/ansible-galaxy" collection build --output-path "$tarball" . > /dev/null
"$environment/bin/ansible-galaxy" collection install --offline --no-deps -p "$collections" "$tarball"/*.tar.gz > /dev/null
for playbook in plan rollback record watch restore report approve verify drill; do
  ansible-playbook --syntax-check -i localhost, "octalume.rollback.$playbook" > /dev/null
done
ansible-doc --type module --list octalume.rollback | wc -l | grep -qv '^0$'
python -m pytest -q -p no:cacheprovider -o addopts=--import-mode=importlib -o "pythonpath=. $collections" --confcutdir=tests/unit tests/unit/plugins
echo "Python $python with ansible-core $core: well"
