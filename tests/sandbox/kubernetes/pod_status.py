# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod's status as the kubelet writes it, from the states of its containers."""

from __future__ import annotations

import hashlib
from typing import Any

from .meta import condition, now

Object = dict[str, Any]
_CREATING = {"waiting": {"reason": "ContainerCreating"}}
_INITIALIZING = {"waiting": {"reason": "PodInitializing"}}


def full_image(image: str) -> str:
    """The image's name with the registry that is meant when none is named."""
    first = image.split("/")[0]
    if "/" not in image:
        return f"docker.io/library/{image}"
    return image if "." in first or ":" in first or first == "localhost" else f"docker.io/{image}"


def pull_error(image: str, found: Object | None, attempt: int) -> str:
    """Why a pull fails, as containerd says it; an image may have ``pull_errors`` for its first attempts."""
    full = full_image(image)
    if found is None:
        why = f'failed to pull and unpack image "{full}": failed to resolve reference "{full}": {full}: not found'
        return f"rpc error: code = NotFound desc = {why}"
    hiccups = found.get("pull_errors", [])
    if attempt >= len(hiccups):
        return ""
    return f'rpc error: code = Unknown desc = failed to pull and unpack image "{full}": {hiccups[attempt]}'


def image_id(image: str) -> str:
    """The digest of an image: the same for the same name."""
    return image.partition("@")[2] or "sha256:" + hashlib.sha256(full_image(image).encode()).hexdigest()


def first_state(container: Object, *, initializing: bool) -> Object:
    """The status of a container that was not started yet."""
    return {
        "name": container["name"],
        "state": _INITIALIZING if initializing else _CREATING,
        "lastState": {},
        "ready": False,
        "restartCount": 0,
        "image": container["image"],
        "imageID": "",
        "started": False,
    }


def mounts(container: Object) -> list[Object]:
    """The volume mounts as a container's status repeats them."""
    shown = []
    for mount in container.get("volumeMounts", []):
        entry = {"name": mount["name"], "mountPath": mount["mountPath"]}
        if mount.get("readOnly"):
            entry |= {"readOnly": True, "recursiveReadOnly": "Disabled"}
        shown.append(entry)
    return shown


def phase(spec: Object, inits: list[Object], mains: list[Object], *, finished: bool) -> str:
    """The phase: ``finished`` tells that no container will be started again."""
    codes = [s["state"]["terminated"]["exitCode"] for s in mains if "terminated" in s["state"]]
    failed_init = any(s["state"].get("terminated", {}).get("exitCode") for s in inits)
    if finished and failed_init:
        return "Failed"
    if finished and len(codes) == len(mains):
        return "Failed" if any(codes) else "Succeeded"
    started = any("running" in s["state"] or s["restartCount"] or "terminated" in s["state"] for s in mains)
    return "Running" if started and spec.get("containers") else "Pending"


def _flag(kind: str, value: bool, reason: str = "", message: str = "") -> Object:
    found: Object = {"type": kind, "status": "True" if value else "False"}
    found |= {"reason": reason} if reason else {}
    return found | ({"message": message} if message else {})


def conditions(pod: Object, word: str, inits: list[Object], mains: list[Object], *, sandbox: bool) -> list[Object]:
    """The five conditions; each keeps its transition time while its status stays."""
    initialized = all(s["state"].get("terminated", {}).get("exitCode") == 0 for s in inits)
    unready = [s["name"] for s in mains if not s["ready"]]
    if word in ("Succeeded", "Failed"):
        reason = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}[word]
        never = word == "Failed" and all(s["state"].get("terminated", {}).get("reason") in _LOST for s in mains)
        text = (
            ("ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]") if never else (reason, "")
        )
        flags = [_flag("Ready", False, *text), _flag("ContainersReady", False, *text)]
        started = _flag("Initialized", initialized, "PodCompleted" if word == "Succeeded" else "")
    else:
        text = ("ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]") if unready else ("", "")
        flags = [_flag("Ready", not unready, *text), _flag("ContainersReady", not unready, *text)]
        waiting = [s["name"] for s in inits if s["state"].get("terminated", {}).get("exitCode") != 0]
        hint = ("ContainersNotInitialized", f"containers with incomplete status: [{' '.join(waiting)}]")
        started = _flag("Initialized", initialized, *(hint if waiting else ()))
    fresh = [_flag("PodReadyToStartContainers", sandbox), started, *flags]
    return [_dated(pod, found) for found in fresh] + [_dated(pod, _flag("PodScheduled", True))]


_LOST = ("ContainerStatusUnknown",)


def _dated(pod: Object, flag: Object) -> Object:
    held = condition(pod, flag["type"])
    since = held["lastTransitionTime"] if held and held["status"] == flag["status"] else now()
    found = {"type": flag["type"], "observedGeneration": pod["metadata"].get("generation", 1), "status": flag["status"]}
    found |= {"lastProbeTime": None, "lastTransitionTime": since}
    return found | {key: flag[key] for key in ("reason", "message") if key in flag}
