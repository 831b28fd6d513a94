# SPDX-License-Identifier: GPL-3.0-or-later
"""Many environments in one run, and many deployments in one release: what each costs, against one.

PYTHONPATH=.:collections .venv/bin/python -m tests.benchmark.environments [ENVIRONMENTS] [DEPLOYMENTS] [ROUNDS]

Each environment has a namespace, a Deployment, a database and a secret of its own, and a line in one inventory.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg2
import yaml

from tests.benchmark.timing import BIN, ROOT, Sample, figures, in_turn, machine, ratio, run, shell
from tests.sandbox.cluster import Cluster
from tests.sandbox.releases import Pipeline, Places
from tests.sandbox.stack import read_endpoints
from tests.sandbox.supervisor import down, up

IMAGE = "shop/worker"
# Every Deployment of a namespace down and up again, and nothing else: what of the time is the cluster's own.
DOWN_AND_UP = """
set -e
kube() { kubectl --namespace "$0" "$@"; }
kube scale deployment --all --replicas 0
kube wait pod --all --for delete --timeout 120s || true
kube scale deployment --all --replicas 1
kube wait deployment --all --for condition=Available --timeout 120s
"""
SCHEMA = {"1.4.1": 41, "1.4.2": 42}


@dataclass(frozen=True)
class Environment:
    """One namespace with its database and its secret."""

    name: str
    pipeline: Pipeline
    deployments: int

    def ship(self, version: str) -> None:
        """Schema, configuration and images of ``version``, by the real APIs."""
        self.pipeline.migrate(SCHEMA[version])
        self.pipeline.write({"RELEASE": version})
        cluster = self.pipeline.places.cluster
        for number in range(self.deployments):
            cluster.apply(deployment(f"worker-{number}", cluster.namespace, version))
        for number in range(self.deployments):
            cluster.wait_rollout(f"worker-{number}")

    def images(self) -> set[str]:
        """What runs."""
        cluster = self.pipeline.places.cluster
        return {pod["spec"]["containers"][0]["image"] for pod in cluster.items("Pod", "app=worker")}

    def manifest(self) -> dict[str, Any]:
        """The restore point of 1.4.2."""
        vault = self.pipeline.places
        version, _data = self.pipeline.current_configuration()
        return {
            "release": "1.4.2", "previous": "1.4.1", "service": "worker", "document": f"P7-{self.name}",
            "author": "Dana Okafor (DevOps Lead)", "summary": "Nothing but a benchmark",
            "applications": [
                {
                    "name": f"worker-{number}", "namespace": self.name,
                    "containers": [{"name": "worker", "current": f"{IMAGE}:1.4.2", "previous": f"{IMAGE}:1.4.1"}],
                }
                for number in range(self.deployments)
            ],
            "databases": [{"name": "worker", "current": 42, "previous": 41}],
            "configurations": [{"path": vault.vault_path, "current": version, "previous": version - 1}],
        }  # fmt: skip


def deployment(name: str, namespace: str, version: str) -> dict[str, Any]:
    """A Deployment of one pod that has nothing to do."""
    labels = {"app": "worker", "name": name}
    container = {"name": "worker", "image": f"{IMAGE}:{version}"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
            },
        },
    }


class Fleet:
    """A sandbox with so many environments, and the playbook over some of them."""

    def __init__(self, directory: Path, endpoints: Mapping[str, Any], names: list[str], deployments: int) -> None:
        """Makes the environments and ships 1.4.1 to each."""
        self.directory, self.endpoints = directory, endpoints
        self.environments = [self._made(name, deployments) for name in names]
        for environment in self.environments:
            environment.ship("1.4.1")

    def _made(self, name: str, deployments: int) -> Environment:
        places = Places.of(self.endpoints)
        cluster = Cluster(Path(self.endpoints["kubernetes"]["kubeconfig"]), name)
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        database = name.replace("-", "_")
        self._create_database(database)
        places = replace(
            places, cluster=cluster, vault_path=f"{name}/worker", database={**places.database, "PGDATABASE": database}
        )
        return Environment(name, Pipeline(places, lambda _line: None), deployments)

    def _create_database(self, name: str) -> None:
        postgres = self.endpoints["postgres"]
        superuser = postgres["users"]["superuser"]
        connection = psycopg2.connect(
            host=postgres["host"], port=postgres["port"], dbname="postgres", connect_timeout=5, **superuser
        )
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f'CREATE DATABASE "{name}" OWNER shop_owner')
        connection.close()

    def rolled_back(self, count: int) -> Sample:
        """Ship the bad release to the first ``count`` environments, and roll it back in all of them in one run."""
        chosen = self.environments[:count]
        for environment in chosen:
            environment.ship("1.4.2")
        inventory = self.directory / "fleet.yml"
        inventory.write_text(yaml.safe_dump(self._inventory(chosen)))
        command = [BIN / "ansible-playbook", "-i", inventory, "playbooks/rollback.yml", "-e", "version=1.4.2"]
        options = ["-e", f"@{ROOT / 'tests/benchmark/rollback.yml'}", "-e", f"@{self.directory / 'fleet.json'}"]
        (self.directory / "fleet.json").write_text(json.dumps(self._variables()))
        sample = run([*command, *options], shell(), self.directory / "fleet.log")
        wrong = [entry.name for entry in chosen if entry.images() != {f"{IMAGE}:1.4.1"}]
        if wrong:
            raise RuntimeError(f"not rolled back: {', '.join(wrong)}")
        return sample

    def down_and_up(self) -> Sample:
        """The pods of the first environment stopped and started by kubectl."""
        environment = shell() | {"KUBECONFIG": self.endpoints["kubernetes"]["kubeconfig"]}
        return run(["bash", "-c", DOWN_AND_UP, self.environments[0].name], environment, self.directory / "kubectl.log")

    def _inventory(self, chosen: list[Environment]) -> dict[str, Any]:
        hosts = {}
        for environment in chosen:
            folder = self.directory / "manifests" / environment.name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "1.4.2.yml").write_text(yaml.safe_dump(environment.manifest()))
            hosts[environment.name] = {
                "plan_manifests": str(folder),
                "rollback_record_store": {"namespace": environment.name},
                "database_connections": {"worker": self._login(environment)},
                "checklist_lock_namespace": environment.name,
            }
        return {"all": {"hosts": hosts}}

    def _login(self, environment: Environment) -> dict[str, Any]:
        where = environment.pipeline.places.database
        names = {"host": "PGHOST", "port": "PGPORT", "db": "PGDATABASE", "user": "PGUSER", "password": "PGPASSWORD"}
        return {f"login_{name}": where[variable] for name, variable in names.items()}

    def _variables(self) -> dict[str, Any]:
        vault = self.endpoints["vault"]
        for folder in ("backups", "evidence"):
            (self.directory / folder).mkdir(exist_ok=True)
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "kubernetes_connection": {"kubeconfig": self.endpoints["kubernetes"]["kubeconfig"]},
            "vault_connection": {"url": vault["address"], "token": vault["token"]},
            "prometheus_connection": {"url": self.endpoints["prometheus"]["url"]},
            "database_migrations": {
                "worker": {
                    "tool": "command",
                    "chdir": str(ROOT / "tests/sandbox/shop"),
                    "env_name": "production",
                    "down_scripts": "migrations/*.down.sql",
                }
            },
            "database_backup_directory": str(self.directory / "backups"),
            "follow_up_directory": str(self.directory / "evidence"),
            "communication_channels": [],
            "communication_contacts": [],
        }


def measure(environments: int, deployments: int, rounds: int) -> dict[str, Any]:
    """Both comparisons, on a sandbox of its own that is ended afterwards."""
    with tempfile.TemporaryDirectory(dir=ROOT, prefix=".sandbox-benchmark-") as place:
        directory = Path(place)
        up(directory)
        try:
            endpoints = read_endpoints(directory)
            fleet = Fleet(directory, endpoints, [f"bench-{number}" for number in range(environments)], 1)
            wide = Fleet(directory, endpoints, ["bench-wide"], deployments)
            found = in_turn(
                rounds,
                {
                    "one environment": lambda: fleet.rolled_back(1),
                    f"{environments} environments": lambda: fleet.rolled_back(environments),
                    f"{deployments} deployments": lambda: wide.rolled_back(1),
                    "one deployment by kubectl": fleet.down_and_up,
                    f"{deployments} deployments by kubectl": wide.down_and_up,
                },
            )
        finally:
            down(directory)
    one, many, broad, pod, pods = found.values()
    return {
        "machine": machine(),
        **{name: figures(samples) for name, samples in found.items()},
        "cpu_of_each_against_one": ratio(
            [sample.cpu / environments for sample in many], [sample.cpu for sample in one]
        ),
        "deployments_against_one": ratio([wide.wall for wide in broad], [alone.wall for alone in one]),
        "seconds_more_for_deployments": {
            "octalume.rollback": _more(broad, one),
            "kubectl": _more(pods, pod),
        },
    }


def _more(many: list[Sample], one: list[Sample]) -> float:
    return round(statistics.median(more.wall - alone.wall for more, alone in zip(many, one, strict=True)), 2)


def main() -> None:
    """Measure and print."""
    environments, deployments, rounds = (int(word) for word in (sys.argv[1:] + ["50", "20", "5"][len(sys.argv) - 1 :]))
    print(json.dumps(measure(environments, deployments, rounds), indent=2))


if __name__ == "__main__":
    main()
