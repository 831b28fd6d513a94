# SPDX-License-Identifier: GPL-3.0-or-later
# Everything a person types here; `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
READY := $(VENV)/.ready
TOOLS := $(VENV)/.tools
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PYTHONPATH := $(CURDIR)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg

.PHONY: .lint-code .lint-collection help bench setup demo sandbox sandbox-down test test-external conformance lint requirements audit chaos build drills versions docs picture clean

help: ## Say what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## Install what is missing: Debian packages, and Python libraries into .venv

$(READY): requirements.txt requirements-dev.txt tests/sandbox/packages.sh
	@tests/sandbox/packages.sh
	@[ -x $(VENV)/bin/python ] || { echo "making $(VENV)"; python3 -m venv $(VENV); }
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	@$(VENV)/bin/uv pip install --quiet --compile-bytecode --require-hashes \
		--python $(VENV)/bin/python -r requirements-dev.txt
	@touch $@

$(TOOLS): $(READY)
	@tests/sandbox/packages.sh tests
	@touch $@

demo: setup ## Ship a bad release to a sandbox, roll it back, and prove that everything is as it was
	@python -m tests.sandbox demo

sandbox: setup ## Start the sandbox and print how to reach it
	@python -m tests.sandbox up

sandbox-down: setup ## End the sandbox
	@python -m tests.sandbox down

test: $(TOOLS) lint ## Run every check and the whole test suite
	@python -m pytest --numprocesses 2 --dist worksteal --reruns 2 --quiet

test-external: $(TOOLS) ## Run the suite against the servers of KUBECONFIG and VAULT_ADDR
	@SANDBOX_EXTERNAL=1 python -m pytest -m sandbox

conformance: setup ## Compare the emulators with exchanges of real servers
	@python -m tests.conformance

bench: $(TOOLS) ## Measure everything against the ways it is done by hand (an hour; on a quiet machine)
	@PYTHONPATH=$(CURDIR):$(CURDIR)/collections python -m tests.benchmark

lint: $(TOOLS) ## Check code, playbooks and roles, by ansible-test too
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target .lint-code .lint-collection

.lint-code:
	@ruff check --quiet . && ruff format --quiet --check .
	@mypy plugins/module_utils
	@yamllint --strict .
	@antsibull-changelog lint
	@shellcheck $$(git ls-files '*.sh') .ci/run
	@ansible-lint -q

.lint-collection:
	@tests/sanity.sh

drills: $(TOOLS) ## Break a release in ten ways, and roll it back each time (DRILL=vault_sealed: in one)
	@molecule test $(if $(DRILL),--scenario-name $(DRILL),--all) --no-command-borders

versions: $(TOOLS) ## Run the unit tests with every Python and ansible-core that is supported and here
	@tests/versions.sh

docs: $(TOOLS) ## Build the documentation's site in .cache/docs/html
	@docs/build.sh

picture: setup ## Draw the picture of an incident report that the README shows
	@PYTHONPATH=.:collections python -m tests.example_pages --picture

requirements: setup ## Pin every distribution that requirements*.in need, with hashes
	@for name in requirements requirements-dev; do \
		{ printf '# SPDX-License-Identifier: GPL-3.0-or-later\n# Made by "make requirements" from %s.in: every' $$name; \
		  printf ' distribution pinned, with the hashes of its files.\n'; } > $$name.txt.new; \
		uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
			$$name.in >> $$name.txt.new && mv $$name.txt.new $$name.txt || exit 1; \
	done

audit: setup ## Look for known vulnerabilities in what is pinned
	@uvx pip-audit==2.10.1 --strict --disable-pip --require-hashes -r requirements.txt

chaos: $(TOOLS) ## Disturb rollbacks in every way for an hour or two, and tell how they ended
	@python -m tests.chaos all

build: setup ## Build the collection's tarball
	@ansible-galaxy collection build --force

clean: ## Remove what a command can make again
	@rm -rf .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .ansible *.tar.gz
