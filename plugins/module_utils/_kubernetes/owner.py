# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds who else believes to own an object: a GitOps tool puts a rolled back workload right again within seconds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .model import Json

FLUX_KINDS = {
    "kustomize.toolkit.fluxcd.io": ("Kustomization", "kustomize.toolkit.fluxcd.io/v1", "kustomizations"),
    "helm.toolkit.fluxcd.io": ("HelmRelease", "helm.toolkit.fluxcd.io/v2", "helmreleases"),
}


@dataclass(frozen=True)
class Owner:
    """A tool that manages an object, the tool's own object for it, and what to do about it."""

    tool: str
    name: str
    namespace: str
    advice: str
    path: str = ""
    """API path of the tool's object, where its reconciliation can be suspended; empty if it cannot."""

    def as_result(self) -> dict[str, Any]:
        """What a module returns about it."""
        return {"tool": self.tool, "name": self.name, "advice": self.advice, "suspendable": bool(self.path)}


def owner_of(live: Json, argocd_namespace: str = "argocd") -> Owner | None:
    """The owner that labels, annotations and owner references of ``live`` tell of, or ``None``."""
    meta = live["metadata"]
    here = str(meta.get("namespace", ""))
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    application = _argocd_application(meta, labels, annotations)
    if application:
        return _argocd(application, argocd_namespace)
    for group, (kind, version, resource) in FLUX_KINDS.items():
        name = labels.get(f"{group}/name")
        if name:
            namespace = labels.get(f"{group}/namespace", here)
            return _flux(kind, version, resource, namespace, name)
    other = _reconciler(live, here, labels, annotations)
    if other:
        return other
    release = annotations.get("meta.helm.sh/release-name")
    if release and labels.get("app.kubernetes.io/managed-by") == "Helm":
        namespace = annotations.get("meta.helm.sh/release-namespace", here)
        return Owner(
            "Helm",
            release,
            namespace,
            f"roll the release back with: helm -n {namespace} rollback {release}; or allow it to drift with "
            "owner_policy=ignore, and make the next helm upgrade carry the previous image",
        )
    for reference in meta.get("ownerReferences") or []:
        if reference.get("controller"):
            advice = f"its {reference['kind']} would undo the change; roll that back instead"
            return Owner(reference["kind"], reference["name"], here, advice)
    return None


def _reconciler(live: Json, here: str, labels: Json, annotations: Json) -> Owner | None:
    """Tools that put an object right by themselves and have no switch that could be told from the object."""
    if trigger := _image_trigger(annotations.get("image.openshift.io/triggers", "")):
        target = f"-n {here} {str(live.get('kind', 'Deployment')).lower()}/{live['metadata']['name']}"
        return Owner(
            "OpenShift image triggers",
            trigger,
            here,
            f"it puts the image of {trigger} back into the template; hold it: oc set triggers {target} --manual, or "
            f"let the tag be the previous image: oc tag -n {here} PREVIOUS {trigger}",
        )
    if annotations.get("configmanagement.gke.io/managed") == "enabled":
        manager = str(annotations.get("configsync.gke.io/manager", "")) or "RootSync"
        return Owner(
            "Config Sync",
            manager,
            here,
            "git revert the release's commit in the repository that Config Sync reads (nomos status tells which), or "
            "commit the annotation configmanagement.gke.io/managed: disabled for this object there first",
        )
    if rancher := annotations.get("objectset.rio.cattle.io/owner-name"):
        place = annotations.get("objectset.rio.cattle.io/owner-namespace", here)
        kind = annotations.get("objectset.rio.cattle.io/owner-gvk", "").rpartition("Kind=")[2] or "owner"
        return Owner(
            "Rancher",
            str(rancher),
            place,
            f"its {kind} {place}/{rancher} applies it again; of Fleet, git revert the release's commit in the GitRepo, "
            f'or pause that: kubectl -n {place} patch gitrepo NAME --type merge -p \'{{"spec":{{"paused":true}}}}\'',
        )
    if app := labels.get("kapp.k14s.io/app"):
        return Owner(
            "kapp",
            str(app),
            here,
            "deploy the previous version with kapp; where kapp-controller does that by itself, git revert the "
            f"release's commit, or pause its App, which kubectl get apps -A shows (label kapp.k14s.io/app={app}): "
            f'kubectl -n {here} patch app NAME --type merge -p \'{{"spec":{{"paused":true}}}}\'',
        )
    return None


def _image_trigger(text: str) -> str:
    """The image stream tag of the first trigger that is not paused, out of OpenShift's annotation; or an empty text."""
    try:
        triggers = json.loads(text or "[]")
        active = [one for one in triggers if str(one.get("paused", "false")).lower() != "true"]
        return str(active[0]["from"]["name"]) if active else ""
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


def _argocd_application(meta: Json, labels: Json, annotations: Json) -> str:
    """``[namespace_]application``, from Argo CD's three ways of tracking."""
    tracked = annotations.get("argocd.argoproj.io/tracking-id", "").partition(":")[0]
    named = tracked or labels.get("argocd.argoproj.io/instance", "")
    managers = {str(entry.get("manager", "")) for entry in meta.get("managedFields") or []}
    by_manager = any(manager.startswith("argocd") for manager in managers)
    return str(named or (labels.get("app.kubernetes.io/instance", "") if by_manager else ""))


def _argocd(application: str, default_namespace: str) -> Owner:
    namespace, separator, name = application.rpartition("_")
    namespace = namespace if separator else default_namespace
    return Owner(
        "Argo CD",
        name,
        namespace,
        f"git revert the release's commit in the repository of application {name} and let it sync "
        f"(argocd app sync {name}), or suspend its automatic sync with owner_policy=suspend and make the git revert "
        "before it is switched on again",
        f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/applications/{name}",
    )


def _flux(kind: str, version: str, resource: str, namespace: str, name: str) -> Owner:
    verb = "kustomization" if kind == "Kustomization" else "helmrelease"
    return Owner(
        "Flux",
        name,
        namespace,
        f"git revert the release's commit in the source of {kind} {namespace}/{name} and let it reconcile "
        f"(flux -n {namespace} reconcile {verb} {name} --with-source), or suspend it with owner_policy=suspend and "
        "make the git revert before it is resumed",
        f"/apis/{version}/namespaces/{namespace}/{resource}/{name}",
    )
