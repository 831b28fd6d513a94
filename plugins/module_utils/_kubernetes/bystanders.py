# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds Jobs and CronJobs that run the release's images: nothing here stops them, so a person has to know of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from .client import ApiError, Cluster, Json, path_of
from .identity import images_of, same_image
from .model import Workload

JOBS = "/apis/batch/v1/jobs"
CRON_JOBS = "/apis/batch/v1/cronjobs"


def bystanders(cluster: Cluster, workloads: Sequence[Workload]) -> list[str]:
    """A sentence for each that runs, or may start at any moment, with what to type. Without the right to list: none."""
    released = {one.current for workload in workloads for one in workload.containers if one.current}
    found: list[str] = []
    for namespace in dict.fromkeys(workload.namespace for workload in workloads):
        found += _running(namespace, _items(cluster, JOBS, namespace), released)
        found += _planned(namespace, _items(cluster, CRON_JOBS, namespace), released)
    return found


def _running(namespace: str, jobs: Iterable[Json], released: set[str]) -> Iterator[str]:
    for job in jobs:
        image = _released_image(job["spec"]["template"], released)
        if image and (job.get("status") or {}).get("active"):
            name = job["metadata"]["name"]
            yield (
                f"Job {namespace}/{name} is running with {image} and is not stopped; wait for it: "
                f"kubectl -n {namespace} wait --for=condition=complete job/{name}"
            )


def _planned(namespace: str, cron_jobs: Iterable[Json], released: set[str]) -> Iterator[str]:
    for cron_job in cron_jobs:
        image = _released_image(cron_job["spec"]["jobTemplate"]["spec"]["template"], released)
        if image and not cron_job["spec"].get("suspend"):
            name = cron_job["metadata"]["name"]
            yield (
                f"CronJob {namespace}/{name} starts {image} at any moment and is not rolled back; hold it until it has "
                f'the previous image: kubectl -n {namespace} patch cronjob {name} -p \'{{"spec":{{"suspend":true}}}}\''
            )


def _released_image(template: Json, released: set[str]) -> str | None:
    images = images_of(template).values()
    return next((image for image in images if any(same_image(image, wanted) for wanted in released)), None)


def _items(cluster: Cluster, collection: str, namespace: str) -> list[Json]:
    try:
        items: list[Json] = cluster.get(path_of(collection, namespace))["items"]
    except ApiError as error:
        if error.status in (403, 404):
            return []
        raise
    return items
