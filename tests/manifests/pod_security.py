"""The Pod Security standard "restricted", as Kubernetes' documentation lists it."""

from __future__ import annotations

from collections.abc import Iterator

from manifests.rendered import Body, containers

VOLUMES = frozenset({
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
    "projected", "secret",
})  # fmt: skip
_PROFILES = ("RuntimeDefault", "Localhost")


def violations(pod: Body) -> list[str]:
    """Return what the standard refuses in a pod."""
    return [*_pod(pod), *(found for c in containers(pod) for found in _container(c, pod))]


def _pod(pod: Body) -> Iterator[str]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(field):
            yield field
    for volume in pod.get("volumes", []):
        for kind in volume.keys() - {"name"} - VOLUMES:
            yield f"volume {volume['name']}: {kind}"
    context = pod.get("securityContext", {})
    if "sysctls" in context:
        yield "sysctls"
    if context.get("runAsUser") == 0:
        yield "runs as root"


def _container(container: Body, pod: Body) -> Iterator[str]:
    name = container["name"]
    own, outer = container.get("securityContext", {}), pod.get("securityContext", {})
    context = {**outer, **own}
    if own.get("privileged"):
        yield f"{name}: privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield f"{name}: may gain privileges"
    if own.get("capabilities", {}).get("drop") != ["ALL"]:
        yield f"{name}: keeps capabilities"
    if set(own.get("capabilities", {}).get("add", [])) - {"NET_BIND_SERVICE"}:
        yield f"{name}: adds capabilities"
    if context.get("runAsNonRoot") is not True or context.get("runAsUser") == 0:
        yield f"{name}: may run as root"
    if context.get("seccompProfile", {}).get("type") not in _PROFILES:
        yield f"{name}: no seccomp profile"
    if own.get("procMount", "Default") != "Default":
        yield f"{name}: procMount"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield f"{name}: a port of the host"
