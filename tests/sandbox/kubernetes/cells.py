# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cell of a table says about an object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import selectors
from .meta import controller_of, seconds_since

Object = dict[str, Any]
Value = Callable[[Object], Any]


def duration(seconds: float) -> str:
    """``5s``, ``3m20s``, ``4h``, ``2d`` as kubectl shortens times."""
    seconds = int(max(seconds, 0))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    return f"{hours}h" if hours < 48 else f"{days}d{hours % 24}h" if days < 8 and hours % 24 else f"{days}d"


def age(item: Object) -> str:
    """The time since the object was made."""
    stamp = item["metadata"].get("creationTimestamp")
    return duration(seconds_since(stamp)) if stamp else "<unknown>"


def path(*keys: str, default: Any = "<none>") -> Value:
    """A cell that is a field of the object."""

    def value(item: Any) -> Any:
        for key in keys:
            item = item.get(key) if isinstance(item, dict) else None
        return default if item is None or item == "" else item

    return value


def containers(what: str) -> Value:
    return lambda item: ",".join(found[what] for found in item["spec"]["template"]["spec"].get("containers", []))


def selector(item: Object) -> str:
    found = item["spec"].get("selector") or {}
    text = selectors.to_text(found) if "matchLabels" in found or "matchExpressions" in found else pairs(found)
    return text or "<none>"


def pairs(values: Object) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(values.items()))


def terminated_word(state: Object) -> str:
    if state.get("reason"):
        return str(state["reason"])
    return f"Signal:{state['signal']}" if state.get("signal") else f"ExitCode:{state.get('exitCode', 0)}"


def pod_status(pod: Object) -> str:
    """The word in the STATUS column: the phase, or what is the matter with a container."""
    status = pod["status"]
    word = status.get("reason") or status.get("phase", "Pending")
    ready = any(found["type"] == "Ready" and found["status"] == "True" for found in status.get("conditions", []))
    running = False
    for container in reversed(status.get("containerStatuses", [])):
        state = container.get("state", {})
        if state.get("waiting", {}).get("reason"):
            word = state["waiting"]["reason"]
        elif "terminated" in state:
            word = terminated_word(state["terminated"])
        elif "running" in state:
            running = True
    if word == "Completed" and running:
        word = "Running" if ready else "NotReady"
    for index, container in enumerate(status.get("initContainerStatuses", [])):
        state = container.get("state", {})
        if state.get("terminated", {}).get("exitCode") == 0:
            continue
        waiting = state.get("waiting", {}).get("reason")
        detail = (
            waiting if waiting not in (None, "PodInitializing") else f"{index}/{len(pod['spec']['initContainers'])}"
        )
        word = f"Init:{terminated_word(state['terminated'])}" if "terminated" in state else f"Init:{detail}"
        break
    if "deletionTimestamp" in pod["metadata"]:
        if status.get("reason") == "NodeLost":
            return "Unknown"
        word = word if status.get("phase") in ("Succeeded", "Failed") else "Terminating"
    return str(word)


def pod_ready(pod: Object) -> str:
    statuses = pod["status"].get("containerStatuses", [])
    return f"{sum(1 for found in statuses if found.get('ready'))}/{len(pod['spec']['containers'])}"


def pod_restarts(pod: Object) -> str:
    statuses = pod["status"].get("containerStatuses", [])
    count = sum(found.get("restartCount", 0) for found in statuses)
    ends = [s["lastState"]["terminated"]["finishedAt"] for s in statuses if "terminated" in s.get("lastState", {})]
    return f"{count} ({duration(seconds_since(max(ends)))} ago)" if count and ends else str(count)


def status(key: str) -> Value:
    return path("status", key, default=0)


def ready_of(total: Value) -> Value:
    return lambda item: f"{item.get('status', {}).get('readyReplicas', 0)}/{total(item)}"


def service_ports(item: Object) -> str:
    return ",".join(
        f"{p['port']}:{p['nodePort']}/{p['protocol']}" if p.get("nodePort") else f"{p['port']}/{p['protocol']}"
        for p in item["spec"].get("ports", [])
    ) or "<none>"  # fmt: skip


def endpoints(item: Object) -> str:
    found = [
        f"{address['ip']}:{port['port']}"
        for subset in item.get("subsets", [])
        for port in subset.get("ports", [])
        for address in subset.get("addresses", [])
    ]
    return ",".join(found[:3]) + (f" + {len(found) - 3} more..." if len(found) > 3 else "") or "<none>"


def node_status(item: Object) -> str:
    ready = next((c["status"] for c in item["status"]["conditions"] if c["type"] == "Ready"), "Unknown")
    text = "Ready" if ready == "True" else "NotReady"
    return f"{text},SchedulingDisabled" if item["spec"].get("unschedulable") else text


def event_age(item: Object) -> str:
    stamp = item.get("lastTimestamp") or item.get("eventTime") or item["metadata"]["creationTimestamp"]
    return duration(seconds_since(stamp))


def event_object(item: Object) -> str:
    found = item["involvedObject"]
    return f"{found.get('kind', '').lower()}/{found.get('name', '')}"


def size(item: Object) -> int:
    return len(item.get("data") or {}) + len(item.get("binaryData") or {})


def role(item: Object) -> str:
    return f"{item['roleRef']['kind']}/{item['roleRef']['name']}"


def metrics(item: Object) -> str:
    current = {m["resource"]["name"]: m["resource"]["current"] for m in item["status"].get("currentMetrics") or []}
    shown = []
    for metric in item["spec"].get("metrics", []):
        name, target = metric["resource"]["name"], metric["resource"]["target"].get("averageUtilization")
        value = current.get(name, {}).get("averageUtilization")
        shown.append(f"{name}: {'<unknown>' if value is None else f'{value}%'}/{target}%")
    return ", ".join(shown) or "<none>"


def job_duration(item: Object) -> str:
    start, end = item["status"].get("startTime"), item["status"].get("completionTime")
    return duration(seconds_since(start) - (seconds_since(end) if end else 0)) if start else ""


def job_status(item: Object) -> str:
    held = {c["type"] for c in item["status"].get("conditions", []) if c["status"] == "True"}
    return next((word for word in ("Complete", "Failed", "FailureTarget", "Suspended") if word in held), "Running")


def quota(what: str) -> Value:
    def value(item: Object) -> str:
        hard, used = item["status"].get("hard", {}), item["status"].get("used", {})
        named = {key: text for key, text in hard.items() if key.startswith("limits.") is (what == "limits")}
        return ", ".join(f"{key}: {used.get(key, '0')}/{text}" for key, text in sorted(named.items()))

    return value


def owner(item: Object) -> str:
    found = controller_of(item)
    return f"{found['kind'].lower()}.{found['apiVersion'].partition('/')[0]}/{found['name']}" if found else "<none>"
