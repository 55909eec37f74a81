"""Manifests to a plan, and a plan with ports to a process. Pure.

What processes cannot honour is refused with the field and the remedy, or reported as ignored where leaving it out
changes nothing that a developer would miss (limits, security context, scheduling). Neighbours: plan, replica.
"""

from __future__ import annotations

from collections.abc import Mapping

from delivery.adapters.platform_local.environment import RESERVED, platform_environment, read_variables
from delivery.adapters.platform_local.expansion import expand
from delivery.adapters.platform_local.manifests import Objects, check_selection, sort_objects
from delivery.adapters.platform_local.plan import (
    ContainerPort,
    PodPlan,
    Probes,
    ProcessSpec,
    ReplicaPorts,
    ServicePort,
    Variable,
)
from delivery.adapters.platform_local.probes import default_readiness, port_number, read_probes
from delivery.adapters.platform_local.reading import Fields
from delivery.workloads import WorkloadSpec

MAX_REPLICAS = 50  # of one workload on one machine
NO_SUPPORT = "remove the field, or run this service on Kubernetes"
POD_UNDERSTOOD = frozenset({"containers", "terminationGracePeriodSeconds", "volumes", "restartPolicy"})
POD_IGNORED = frozenset(
    {"serviceAccountName", "serviceAccount", "automountServiceAccountToken", "securityContext", "nodeSelector"}
    | {"affinity", "tolerations", "topologySpreadConstraints", "priorityClassName", "imagePullSecrets", "dnsPolicy"}
    | {"schedulerName", "enableServiceLinks", "runtimeClassName", "hostname", "subdomain", "priority", "overhead"}
)
CONTAINER_UNDERSTOOD = frozenset(
    {"name", "image", "command", "args", "env", "envFrom", "ports", "workingDir", "lifecycle", "volumeMounts"}
    | {"startupProbe", "readinessProbe", "livenessProbe"}
)
CONTAINER_IGNORED = frozenset(
    {"resources", "securityContext", "imagePullPolicy", "terminationMessagePath", "terminationMessagePolicy"}
    | {"stdin", "tty", "resizePolicy"}
)
DEPLOYMENT_UNDERSTOOD = frozenset({"replicas", "selector", "template"})
DEPLOYMENT_IGNORED = frozenset(
    {"strategy", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds", "paused"}
)
PROTOCOLS = {
    "http": "http",
    "http2": "http2",
    "kubernetes.io/h2c": "http2",
    "h2c": "http2",
    "grpc": "grpc",
    "tcp": "tcp",
}


def compile_spec(spec: WorkloadSpec) -> PodPlan:
    """Return the plan of a workload. Raises Rejected with the field path and what to change."""
    objects = sort_objects(spec.manifests)
    deployment = objects.deployment.child("spec")
    ignored = [*objects.ignored, *deployment.known(DEPLOYMENT_UNDERSTOOD, DEPLOYMENT_IGNORED, NO_SUPPORT)]
    template = deployment.child("template")
    pod = template.child("spec")
    ignored += pod.known(POD_UNDERSTOOD, POD_IGNORED, NO_SUPPORT)
    container = _only_container(pod)
    ignored += container.known(CONTAINER_UNDERSTOOD, CONTAINER_IGNORED, NO_SUPPORT)
    ignored += _check_volumes(pod, container)
    labels = template.child("metadata").mapping("labels")
    own_ports = _container_ports(container)
    services = _service_ports(objects, labels, own_ports)
    ports = _with_targets(own_ports, services)
    variables = read_variables(container, objects)
    ignored += [f"{container.path('env')}: {v.name} is given by the platform" for v in variables if v.name in RESERVED]
    command, sleep = _pre_stop(container)
    wanted = deployment.number("replicas", 1, high=MAX_REPLICAS) if spec.replicas is None else spec.replicas
    return PodPlan(
        replicas=int(wanted),
        argv=_argv(container),
        working_dir=_working_dir(container),
        variables=variables,
        container_ports=ports,
        service_ports=services,
        probes=_probes(container, ports),
        grace=pod.number("terminationGracePeriodSeconds", 30, high=3600),
        labels=labels,
        annotations=template.child("metadata").mapping("annotations"),
        pre_stop=command,
        pre_stop_sleep=sleep,
        ignored=tuple(ignored),
    )


def process_spec(plan: PodPlan, ports: ReplicaPorts, pod: str, namespace: str) -> ProcessSpec:
    """Return the process of one replica: ports given, variables resolved in order, command expanded."""
    given = platform_environment(plan, ports, pod)
    env = dict(given)
    for variable in plan.variables:
        env[variable.name] = _value(variable, env, plan, pod, namespace)
        if variable.name in RESERVED:
            env[variable.name] = given.get(variable.name, env[variable.name])
    return ProcessSpec(tuple(expand(part, env) for part in plan.argv), expand(plan.working_dir, env), env)


def _value(variable: Variable, env: Mapping[str, str], plan: PodPlan, pod: str, namespace: str) -> str:
    if not variable.source:
        return expand(variable.value, env)
    place, _, key = variable.source.partition("['")
    if place == "metadata.labels":
        return plan.labels.get(key.removesuffix("']"), "")
    if place == "metadata.annotations":
        return plan.annotations.get(key.removesuffix("']"), "")
    simple = {"metadata.name": pod, "metadata.uid": pod, "metadata.namespace": namespace, "spec.nodeName": "localhost"}
    return simple.get(place, "127.0.0.1")


def _only_container(pod: Fields) -> Fields:
    containers = pod.children("containers")
    if len(containers) != 1:
        pod.refuse(
            "containers",
            f"the local platform runs exactly one container in a pod, here are {len(containers)}",
            "leave one; the sidecar of the mesh is added for you",
        )
    return containers[0]


def _argv(container: Fields) -> tuple[str, ...]:
    command, args = container.texts("command"), container.texts("args")
    if not command and not args:
        container.refuse(
            "command",
            "is missing: locally there is no image whose entry point could be used",
            'write what the image would run, e.g. command: ["python3", "app.py"]',
        )
    return command + args


def _working_dir(container: Fields) -> str:
    """Return the folder in the artifact; a path of an image, or one that leads out, would mean this machine's files."""
    path = container.text("workingDir")
    if path.startswith("/") or ".." in path.split("/"):
        container.refuse(
            "workingDir",
            f"{path!r} is not a folder of the service's own tree",
            "give it relative to the service's directory, or remove the field",
        )
    return path


def _container_ports(container: Fields) -> tuple[ContainerPort, ...]:
    found: dict[int, ContainerPort] = {}
    for fields in container.children("ports"):
        _only_tcp(fields)
        if not fields.has("containerPort"):
            fields.refuse("containerPort", "is missing", "give the port on which the container listens")
        number = port_number(fields, "containerPort", {})
        found.setdefault(number, ContainerPort(fields.text("name"), number))
    return tuple(found.values())


def _service_ports(
    objects: Objects, labels: Mapping[str, str], ports: tuple[ContainerPort, ...]
) -> tuple[ServicePort, ...]:
    named = {port.name: port.number for port in ports if port.name}
    found: dict[int, ServicePort] = {}
    for service in objects.services:
        if not check_selection(service, labels):
            continue
        for fields in service.child("spec").children("ports"):
            _only_tcp(fields)
            number = port_number(fields, "port", {})
            target = port_number(fields, "targetPort", named) if fields.has("targetPort") else number
            found.setdefault(number, ServicePort(fields.text("name"), number, target, _protocol(fields)))
    return tuple(found.values())


def _protocol(fields: Fields) -> str:
    """Return the port's protocol: appProtocol, else the prefix of the name (as Istio has it), else HTTP."""
    stated = fields.text("appProtocol")
    if stated and stated not in PROTOCOLS:
        fields.refuse("appProtocol", f"{stated!r} is not known", f"use one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[stated] if stated else PROTOCOLS.get(fields.text("name").partition("-")[0], "http")


def _only_tcp(fields: Fields) -> None:
    if fields.text("protocol", "TCP") != "TCP":
        fields.refuse("protocol", "only TCP ports are supported", "remove the port")


def _with_targets(ports: tuple[ContainerPort, ...], services: tuple[ServicePort, ...]) -> tuple[ContainerPort, ...]:
    """Add ports that Services lead to but the container does not list (Kubernetes does not ask for the list)."""
    listed = {port.number for port in ports}
    missing = dict.fromkeys(s.container_port for s in services if s.container_port not in listed)
    return ports + tuple(ContainerPort("", number) for number in missing)


def _probes(container: Fields, ports: tuple[ContainerPort, ...]) -> Probes:
    probes = read_probes(container, {port.name: port.number for port in ports if port.name})
    known = {port.number for port in ports}
    for field, probe in (
        ("startupProbe", probes.startup),
        ("readinessProbe", probes.readiness),
        ("livenessProbe", probes.liveness),
    ):
        if probe is not None and probe.kind != "exec" and probe.port not in known:
            listed = ", ".join(map(str, sorted(known))) or "none"
            remedy = "add it to the container's ports, so that it gets a port on this machine"
            container.refuse(field, f"asks port {probe.port}, the container's ports are: {listed}", remedy)
    if probes.readiness is None and probes.startup is None:
        return Probes(readiness=default_readiness(ports), liveness=probes.liveness)
    return probes


def _check_volumes(pod: Fields, container: Fields) -> list[str]:
    """Scratch space at /tmp is there anyway; anything else would have to be mounted over this machine's files."""
    if not pod.has("volumes") and not container.has("volumeMounts"):
        return []
    scratch = {volume.text("name") for volume in pod.children("volumes") if "emptyDir" in volume.body}
    for mount in container.children("volumeMounts"):
        if mount.text("name") not in scratch or mount.text("mountPath").rstrip("/") != "/tmp":  # noqa: S108  named, not used
            mount.refuse(
                "mountPath",
                "the local platform cannot mount volumes (an emptyDir at /tmp is the exception)",
                "pass settings through env or envFrom, keep files in the service's own directory",
            )
    return [pod.path("volumes"), container.path("volumeMounts")]


def _pre_stop(container: Fields) -> tuple[tuple[str, ...], float]:
    lifecycle = container.child("lifecycle")
    lifecycle.known(frozenset({"preStop"}), frozenset(), NO_SUPPORT)
    hook = lifecycle.child("preStop")
    hook.known(frozenset({"exec", "sleep"}), frozenset(), "use exec or sleep")
    return hook.child("exec").texts("command"), hook.child("sleep").number("seconds", 0, high=3600)
