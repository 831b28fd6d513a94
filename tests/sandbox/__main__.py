# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox's commands: ``python -m tests.sandbox up|down|env|status|ship VERSION|load|demo``."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.sandbox import load
from tests.sandbox.demo import demo
from tests.sandbox.process import NotReady
from tests.sandbox.stack import directory_from_environment, read_endpoints, started
from tests.sandbox.supervisor import down, running, supervise, up


def variables(endpoints: Mapping[str, Any]) -> dict[str, str]:
    """What kubectl, psql, hvac, an S3 client and a browser want to know."""
    postgres, vault, s3 = endpoints["postgres"], endpoints["vault"], endpoints["s3"]
    return {
        "SANDBOX_DIR": endpoints["directory"],
        "KUBECONFIG": endpoints["kubernetes"]["kubeconfig"],
        "VAULT_ADDR": vault["address"],
        "VAULT_TOKEN": vault["token"],
        "PGHOST": postgres["host"],
        "PGPORT": str(postgres["port"]),
        "PGDATABASE": postgres["database"],
        "PGUSER": postgres["users"]["owner"]["user"],
        "PGPASSWORD": postgres["users"]["owner"]["password"],
        "AWS_ENDPOINT_URL_S3": s3["url"],
        "AWS_ACCESS_KEY_ID": s3["access_key"],
        "AWS_SECRET_ACCESS_KEY": s3["secret_key"],
        "SHOP_URL": endpoints["shop"]["url"],
        "PROMETHEUS_URL": endpoints["prometheus"]["url"],
        "ALERTMANAGER_URL": endpoints["alertmanager"]["url"],
        "SMTP_URL": f"smtp://{endpoints['smtp']['host']}:{endpoints['smtp']['port']}",
        "WEBHOOK_URL": endpoints["webhook"]["url"],
    }


def show_variables(endpoints: Mapping[str, Any]) -> None:
    """Print them for a shell's eval."""
    for name, value in variables(endpoints).items():
        print(f"export {name}={shlex.quote(value)}")


def show_status(directory: Path) -> int:
    """One line per server; 0 if all run."""
    if not running(directory):
        print(f"no sandbox runs in {directory}; start one: make sandbox")
        return 3
    processes = read_endpoints(directory)["processes"]
    alive = {name: started(entry["pid"]) == entry["started"] for name, entry in processes.items()}
    for name, entry in processes.items():
        print(f"{name:<14} {'runs' if alive[name] else 'ENDED':<6} process {entry['pid']}")
    return 0 if all(alive.values()) else 1


def ship(directory: Path, version: str) -> None:
    """Ship a release of the shop."""
    from tests.sandbox.releases import Pipeline, Places

    Pipeline(Places.of(read_endpoints(directory))).ship(version)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.sandbox", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start the sandbox unless it runs, and print its variables")
    commands.add_parser("down", help="end it")
    commands.add_parser("env", help="print its variables for a shell")
    commands.add_parser("status", help="tell which servers run")
    commands.add_parser("ship", help="ship a release").add_argument("version")
    load.arguments(commands.add_parser("load", help="be the shop's customers"))
    commands.add_parser("demo", help="ship a bad release, roll it back, prove that all is as it was")
    commands.add_parser("supervise")
    return parser.parse_args()


def main() -> int:
    """Do what the command line says; an error is one line."""
    given = parse()
    directory = directory_from_environment()
    try:
        match given.command:
            case "up":
                show_variables(up(directory))
            case "down":
                print(f"the sandbox in {directory} {'has ended' if down(directory) else 'was not running'}")
            case "env":
                show_variables(read_endpoints(directory))
            case "status":
                return show_status(directory)
            case "ship":
                ship(directory, given.version)
            case "load":
                given.url = read_endpoints(directory)["shop"]["url"]
                load.run(given)
            case "demo":
                return demo(directory)
            case _:
                return supervise(directory)
    except NotReady as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
