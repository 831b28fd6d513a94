# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a release's manifest of what is live now and of what an earlier manifest says was live before."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .._configuration.references import references
from .._kubernetes.identity import same_image
from .._module import RollbackError
from .model import (
    Application,
    ClusterConfiguration,
    Configuration,
    Container,
    Content,
    Database,
    Manifest,
    Recorded,
)

Found = Mapping[str, Any]
Place = tuple[str, str, str]
"""Kind, namespace and name of an object in the cluster."""


@dataclass(frozen=True)
class State:
    """What was live with one release."""

    images: Mapping[Place, Mapping[str, str]] = field(default_factory=dict)
    templates: Mapping[Place, Mapping[str, Any]] = field(default_factory=dict)
    databases: Mapping[str, str] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    configurations: Mapping[tuple[str, str], int] = field(default_factory=dict)
    contents: Mapping[Place, Content] = field(default_factory=dict)


def state_of(manifest: Manifest) -> State:
    """The state ``manifest``'s own release was in."""
    return _state(manifest, "current", {_place(item): item.template for item in manifest.recorded if item.template})


def state_before(manifest: Manifest) -> State:
    """The state before ``manifest``'s release, as far as it says."""
    return _state(
        manifest, "previous", {_place(item): item.template for item in manifest.applications if item.template}
    )


def state_from_history(workloads: Iterable[Found]) -> State:
    """What the cluster's own history remembers: the images of the revision before the live one."""
    return State(images={_found_place(item): item["preceding"] for item in workloads if item.get("preceding")})


def _state(manifest: Manifest, end: str, templates: Mapping[Place, Mapping[str, Any]]) -> State:
    def there(items: Iterable[Any], place: Callable[[Any], Any]) -> dict[Any, Any]:
        return {place(item): getattr(item, end) for item in items if getattr(item, end) is not None}

    images = {_place(item): there(item.containers, lambda one: one.name) for item in manifest.applications}
    fingerprint = "schema_fingerprint" if end == "current" else "previous_fingerprint"
    fingerprints = {item.name: getattr(item, fingerprint) for item in manifest.databases}
    return State(
        images={place: found for place, found in images.items() if found},
        templates=templates,
        databases=there(manifest.databases, lambda item: item.name),
        fingerprints={name: found for name, found in fingerprints.items() if found},
        configurations=there(manifest.configurations, lambda item: (item.engine_mount_point, item.path)),
        contents=there(manifest.cluster_configurations, _place),
    )


def _place(item: Any) -> Place:
    return item.kind, item.namespace, item.name


def _found_place(item: Found) -> Place:
    return item["kind"], item["namespace"], item["name"]


def order(version: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts versions as people do: 1.4.10 after 1.4.9, and 1.5.0-rc1 before 1.5.0."""
    words = re.findall(r"\d+|[A-Za-z]+", version)
    return (*((2, int(word), "") if word.isdecimal() else (0, 0, word.lower()) for word in words), (1, 0, ""))


def fits(manifest: Manifest, workloads: Iterable[Found]) -> bool:
    """Whether ``manifest``'s release can be what ran before: the cluster's history has its images before the live ones.

    A workload whose images are still the manifest's, and one without history, tell nothing against it. After a
    rollback the release before is not the newest one, and this is what finds it.
    """
    images = state_of(manifest).images
    for workload in workloads:
        recorded, preceding = images.get(_found_place(workload)), workload.get("preceding")
        if not recorded or not preceding or _same(recorded, workload["images"]):
            continue
        if not _same(recorded, preceding):
            return False
    return True


def _same(recorded: Mapping[str, str], images: Mapping[str, str]) -> bool:
    return recorded.keys() == images.keys() and all(same_image(images[name], one) for name, one in recorded.items())


@dataclass(frozen=True)
class Observed:
    """What the world says now, as the C(_info) modules return it, joined with what the pipeline says."""

    workloads: Sequence[Found]
    databases: Sequence[Found] = ()
    configurations: Sequence[Found] = ()
    cluster_configurations: Sequence[ClusterConfiguration] = ()


def compose(header: Mapping[str, str | None], observed: Observed, before: State | None) -> Manifest:
    """The manifest; ``before`` is ``None`` for a baseline.

    Raises :class:`RollbackError` when nothing differs from the previous release: then the release is not live.
    """
    if before is None and header["previous"]:
        raise RollbackError(f"nothing is known of {header['previous']}, the release before {header['release']}")
    state = before or State()
    manifest = Manifest(
        **header,  # type: ignore[arg-type]
        applications=tuple(_application(item, state) for item in observed.workloads),
        databases=tuple(_database(item, state) for item in observed.databases),
        configurations=tuple(_configuration(item, state, observed.workloads) for item in observed.configurations),
        cluster_configurations=tuple(_cluster_configurations(observed, state)),
        recorded=tuple(_recorded(item) for item in observed.workloads),
    )
    if before is not None and not any(differing(manifest)):
        raise RollbackError(
            f"nothing differs from release {manifest.previous}: {manifest.release} is not live here, or was rolled "
            "back; nothing was written. Record a release after it was deployed"
        )
    return manifest


def differing(manifest: Manifest) -> Iterator[str]:
    """What the release changed, each in a few words."""
    for application in manifest.applications:
        if any(not same_image(one.current, one.previous) for one in application.containers):
            yield f"{application.kind.lower()}/{application.name}"
    for database in manifest.databases:
        if database.current != database.previous:
            yield f"database {database.name}"
    for configuration in manifest.configurations:
        if configuration.current != configuration.previous:
            yield f"configuration {configuration.path}"
    for item in manifest.cluster_configurations:
        if item.current is None or item.previous is None or item.current.digest != item.previous.digest:
            yield str(item)


def _application(item: Found, state: State) -> Application:
    place = _found_place(item)
    previous, current = state.images.get(place, {}), item["containers"]
    containers = tuple(Container(name, current.get(name), previous.get(name)) for name in {**current, **previous})
    return Application(item["name"], item["namespace"], containers, item["kind"], state.templates.get(place))


def _database(item: Found, state: State) -> Database:
    previous = item.get("previous") or state.databases.get(item["name"])
    # A fingerprint belongs to the version that the state before is known by, and to no other.
    known = state.fingerprints.get(item["name"]) if previous == state.databases.get(item["name"]) else None
    breaking = bool(item.get("breaking", True))
    return Database(item["name"], str(item["current"]), previous, breaking, item.get("schema_fingerprint"), known)


def _configuration(item: Found, state: State, workloads: Sequence[Found]) -> Configuration:
    mount, path, secret = item.get("engine_mount_point") or "secret", item["path"].strip("/"), item.get("secret")
    if item["state"] != "exists":
        raise RollbackError(
            f"the secret {mount}/{path} in Vault is {item['state']}; look: vault kv metadata get -mount={mount} {path}"
        )
    consumers = item.get("consumers") or [
        workload["name"] for workload in workloads if secret and secret in workload.get("secrets", ())
    ]
    previous = item.get("previous") or state.configurations.get((mount, path))
    return Configuration(path, item["current"], previous, mount, secret, tuple(consumers))


def _cluster_configurations(observed: Observed, state: State) -> Iterator[ClusterConfiguration]:
    """What is used now, and what the previous release used: a name with a hash in it is another object each time."""
    names = {workload["name"] for workload in observed.workloads}
    seen = set()
    for item in observed.cluster_configurations:
        seen.add(_place(item))
        yield replace(item, previous=state.contents.get(_place(item)))
    for place, content in state.contents.items():
        if place not in seen:
            kind, namespace, name = place
            consumers = tuple(sorted(_users(state, place) & names))
            yield ClusterConfiguration(kind, name, namespace, None, content, consumers)


def _users(state: State, place: Place) -> set[str]:
    """Workloads whose previous pod template names the object."""
    kind, namespace, name = place
    return {
        owner
        for (_kind, where, owner), template in state.templates.items()
        if where == namespace and any((use.kind, use.name) == (kind, name) for use in references(template))
    }


def _recorded(item: Found) -> Recorded:
    return Recorded(
        kind=item["kind"],
        name=item["name"],
        namespace=item["namespace"],
        replicas=item["replicas"],
        revision=item.get("revision"),
        autoscaler=item.get("autoscaler"),
        disruption_budget=item.get("disruption_budget"),
        image_ids=item.get("image_ids") or {},
        template=item.get("template"),
    )
