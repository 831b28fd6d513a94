# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the pod template to go back to: by identity, never by "the one before"."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._module import RollbackError
from .identity import as_written, distinct, fits_record, images_of, rebuilt, same_build, same_image, same_revision
from .model import Container, Json, Observed, Revision, Workload

HISTORY, MANIFEST, LIVE = "history", "manifest", "live"


@dataclass(frozen=True)
class Target:
    """The template to go back to, and where it comes from."""

    template: Json
    source: str
    revision: int | None = None
    name: str | None = None
    ambiguous: bool = False

    def as_result(self) -> Json:
        """What a module returns about it."""
        return {
            "revision": self.revision,
            "replica_set": self.name,
            "images": images_of(self.template),
            "source": self.source,
            "ambiguous": self.ambiguous,
        }

    @property
    def note(self) -> str:
        """What a person should know about the choice, or an empty text."""
        if self.source == MANIFEST:
            return "no revision with the previous images is left; the manifest's recorded template is used"
        if self.source == LIVE:
            return (
                "no revision with the previous images is left, and the manifest has recorded no template: the live one "
                "gets the previous images, and keeps whatever else the release changed in it"
            )
        if self.ambiguous:
            return f"several revisions have the previous images and differ otherwise; the newest is {self.revision}"
        return ""


def find_target(observed: Observed) -> Target:
    """The newest owned revision that runs the previous images; preferably the one the manifest has recorded.

    Without one, the recorded template, or else the live template with the previous images. Raises
    :class:`RollbackError` when that cannot be told either.
    """
    workload = observed.workload
    candidates = [
        revision
        for revision in observed.revisions
        if runs(revision, workload.containers) and not same_revision(revision.template, observed.template)
    ]
    record = workload.template
    fitting = [revision for revision in candidates if record is not None and fits_record(revision.template, record)]
    chosen = max(fitting or candidates, key=lambda revision: revision.number, default=None)
    unlike_record = record is not None and not fitting and _same_images_throughout(workload)
    if chosen is not None and not unlike_record:
        ambiguous = not fitting and distinct(revision.template for revision in candidates) > 1
        return Target(as_written(chosen.template), HISTORY, chosen.number, chosen.name, ambiguous)
    if record is not None:
        return Target(_with_images(workload, record), MANIFEST)
    return Target(_with_images(workload, observed.template), LIVE)


def runs(revision: Revision, containers: tuple[Container, ...]) -> bool:
    """Whether ``revision`` has the previous image in every container."""
    images = revision.images
    return all(
        same_build(images.get(one.name), one.previous)  # a tag says nothing, where it was moved
        if rebuilt(one.current, one.previous)
        else same_image(images.get(one.name), one.previous)
        for one in containers
    )


def _same_images_throughout(workload: Workload) -> bool:
    """Whether the release changed no image, so that only the recorded template tells the versions apart."""
    return all(same_image(one.previous, one.current) for one in workload.containers)


def _with_images(workload: Workload, template: Mapping[str, Any]) -> Json:
    """``template`` with the previous images; containers that the release brought are taken out."""
    made, present = as_written(template), images_of(template)
    for wanted in workload.containers:
        if wanted.previous and wanted.name not in present:
            raise RollbackError(
                f"{workload}: no revision with {wanted.name}={wanted.previous} is left, and without container "
                f"{wanted.name} the live template cannot be turned back; nothing was changed. Add the previous pod "
                "template to the manifest (template:), or deploy the previous version from its source"
            )
    previous = {one.name: one.previous for one in workload.containers}
    spec = copy.deepcopy(made["spec"])
    for group in ("initContainers", "containers"):
        if group in spec:
            kept = [one for one in spec[group] if previous.get(one["name"], one.get("image"))]
            spec[group] = [{**one, "image": previous.get(one["name"], one.get("image"))} for one in kept]
    return {**made, "spec": spec}
