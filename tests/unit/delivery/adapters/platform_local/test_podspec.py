"""Manifests become a plan, or are refused with the field and the remedy; a plan and ports become a process."""

import base64

import pytest

from delivery.adapters.platform_local.plan import Probe, ReplicaPorts, ServicePort
from delivery.adapters.platform_local.podspec import compile_spec, process_spec
from delivery.errors import Rejected
from delivery.workloads import WorkloadKey, WorkloadSpec
from tests.fakes.workloads import manifests

KEY = WorkloadKey("bookshop", "reviews", "alice", "v1")
PORTS = ReplicaPorts(targets={9080: 41001}, inbound={9080: 41002}, outbound=41003, admin=41004)


def compiled(*extra, replicas_override=None, **more):
    objects = [*manifests(**more), *extra]
    return compile_spec(WorkloadSpec(KEY, 1, "sha256:0", objects, replicas_override))


def environment(*extra, env=(), env_from=()):
    plan = compiled(*extra, container={"env": list(env), "envFrom": list(env_from)})
    return process_spec(plan, PORTS, "reviews-alice-v1-0", "bookshop").env


def config_map(name, **data):
    return {"kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_the_usual_deployment():
    plan = compiled(replicas=2)
    assert plan.argv == ("python3", "app.py")
    assert (plan.replicas, plan.grace) == (2, 5)
    assert plan.service_ports == (ServicePort("http", 9080, 9080),)
    assert plan.probes.readiness == Probe("http", port=9080, path="/healthz", period=1)
    assert compiled(replicas=2, replicas_override=5).replicas == 5


def test_ports_and_arguments_expand():
    plan = compiled(
        command=["python3", "-m", "app", "--port=$(PORT)"],
        container={
            "args": ["--name=$(POD_NAME)", "--where=$(WHERE)"],
            "env": [{"name": "WHERE", "value": "at-$(PORT)"}],
        },
    )
    process = process_spec(plan, PORTS, "pod-0", "bookshop")
    assert process.argv == ("python3", "-m", "app", "--port=41001", "--name=pod-0", "--where=at-41001")


def test_the_platform_gives_ports_names_and_the_proxy_whatever_the_manifest_says():
    env = environment(env=[{"name": "PORT", "value": "9080"}, {"name": "HTTP_PROXY", "value": "http://corp:3128"}])
    assert env["PORT"] == env["PORT_HTTP"] == "41001"
    assert env["http_proxy"] == env["HTTP_PROXY"] == "http://127.0.0.1:41003"
    assert "127.0.0.1" in env["no_proxy"]
    assert env["NODE_USE_ENV_PROXY"] == "1"
    ignored = compiled(container={"env": [{"name": "PORT", "value": "9080"}]}).ignored
    assert any("PORT is given by the platform" in line for line in ignored)


def test_values_from_config_maps_secrets_and_fields():
    secret = {
        "kind": "Secret",
        "metadata": {"name": "key"},
        "data": {"a": base64.b64encode(b"from-data").decode()},
        "stringData": {"b": "from-$(PORT)"},
    }
    env = environment(
        config_map("words", COLOR="red", SIZE="1"),
        secret,
        env_from=[{"prefix": "X_", "configMapRef": {"name": "words"}}, {"secretRef": {"name": "key"}}],
        env=[
            {"name": "ONE", "valueFrom": {"configMapKeyRef": {"name": "words", "key": "COLOR"}}},
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
            {"name": "GONE", "valueFrom": {"configMapKeyRef": {"name": "no", "key": "no", "optional": True}}},
        ],
    )
    assert (env["X_COLOR"], env["X_SIZE"], env["a"], env["ONE"]) == ("red", "1", "from-data", "red")
    assert env["b"] == "from-$(PORT)", "values from objects are not expanded"
    assert (env["POD"], env["NAMESPACE"], env["APP"]) == ("reviews-alice-v1-0", "bookshop", "reviews")
    assert "GONE" not in env


def test_defaults_of_probes_are_those_of_kubernetes():
    plan = compiled(container={"livenessProbe": {"tcpSocket": {"port": "http"}}})
    assert plan.probes.liveness == Probe(
        "tcp", port=9080, initial_delay=0, period=10, timeout=1, failure_threshold=3, success_threshold=1
    )


def test_without_probes_the_first_port_must_accept():
    assert compiled(container={"readinessProbe": None}).probes.readiness == Probe("tcp", port=9080, period=1)


def test_a_target_port_that_the_container_does_not_list_gets_a_port_all_the_same():
    objects = manifests(container={"ports": [], "readinessProbe": None})
    objects[1]["spec"]["ports"] = [{"port": 80, "targetPort": 7000, "appProtocol": "grpc"}]
    plan = compile_spec(WorkloadSpec(KEY, 1, "sha256:0", objects))
    assert plan.service_ports == (ServicePort("", 80, 7000, "grpc"),)
    assert [port.number for port in plan.container_ports] == [7000]


def test_what_means_nothing_to_processes_is_reported():
    plan = compiled(
        {"kind": "ServiceAccount", "metadata": {"name": "reviews"}},
        container={"resources": {"limits": {"cpu": "1"}}, "imagePullPolicy": "Always"},
        pod={"securityContext": {"runAsNonRoot": True}},
    )
    assert plan.ignored == (
        "ServiceAccount/reviews",
        "Deployment/reviews: spec.template.spec.securityContext",
        "Deployment/reviews: spec.template.spec.containers[0].resources",
        "Deployment/reviews: spec.template.spec.containers[0].imagePullPolicy",
    )


CONTAINER = "Deployment/reviews: spec.template.spec.containers[0]"
REFUSED = [
    ({"container": {"command": []}}, f"{CONTAINER}.command", "no image"),
    ({"container": {"command": "python3 app.py"}}, f"{CONTAINER}.command", "list of strings"),
    ({"container": {"workingDir": "/app"}}, f"{CONTAINER}.workingDir", "not a folder of the service's own tree"),
    ({"container": {"workingDir": "web/../.."}}, f"{CONTAINER}.workingDir", "relative to the service's directory"),
    ({"container": {"args": [1]}}, f"{CONTAINER}.args", "list of strings"),
    ({"container": {"volumeDevices": [{"name": "x"}]}}, f"{CONTAINER}.volumeDevices", "does not support"),
    ({"pod": {"initContainers": [{"name": "x"}]}}, "Deployment/reviews: spec.template.spec.initContainers", "support"),
    ({"pod": {"hostNetwork": True}}, "Deployment/reviews: spec.template.spec.hostNetwork", "does not support"),
    ({"pod": {"containers": [{}, {}]}}, "Deployment/reviews: spec.template.spec.containers", "exactly one"),
    ({"replicas": -1}, "Deployment/reviews: spec.replicas", "from 0 to 50"),
    ({"replicas": 1000}, "Deployment/reviews: spec.replicas", "from 0 to 50"),
    ({"readiness": {"grpc": {"port": 1}}}, f"{CONTAINER}.readinessProbe.grpc", "does not support"),
    ({"readiness": {"periodSeconds": 1}}, f"{CONTAINER}.readinessProbe.httpGet", "exactly one of"),
    ({"readiness": {"tcpSocket": {"port": "web"}}}, f"{CONTAINER}.readinessProbe.tcpSocket.port", "named ports: http"),
    ({"readiness": {"tcpSocket": {"port": 1234}}}, f"{CONTAINER}.readinessProbe", "asks port 1234"),
    ({"container": {"env": [{"name": "A", "value": 1}]}}, f"{CONTAINER}.env[0].value", "must be a string"),
    (
        {"container": {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "no", "key": "k"}}}]}},
        f"{CONTAINER}.env[0].valueFrom.configMapKeyRef.name",
        "no such object",
    ),
    (
        {"container": {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.serviceAccountName"}}}]}},
        f"{CONTAINER}.env[0].valueFrom.fieldRef.fieldPath",
        "is not known",
    ),
    (
        {"container": {"volumeMounts": [{"name": "c", "mountPath": "/etc/c"}]}},
        f"{CONTAINER}.volumeMounts[0].mountPath",
        "cannot mount",
    ),
]


@pytest.mark.parametrize(("change", "field", "words"), REFUSED, ids=[str(field) for _, field, _ in REFUSED])
def test_what_cannot_be_honoured_is_refused_with_the_field_and_the_remedy(change, field, words):
    with pytest.raises(Rejected) as refusal:
        compiled(**change)
    assert refusal.value.field == field
    assert words in refusal.value.message or words in str(refusal.value.remedy)
    assert refusal.value.message.startswith(field.partition(": ")[0])
    assert refusal.value.remedy


def test_a_service_that_selects_nothing_is_refused():
    objects = manifests()
    objects[1]["spec"]["selector"] = {"app": "review"}
    with pytest.raises(Rejected, match=r"selects nothing: .* app=review, .* app=reviews"):
        compile_spec(WorkloadSpec(KEY, 1, "sha256:0", objects))


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet", "CronJob"])
def test_other_workloads_are_refused(kind):
    with pytest.raises(Rejected, match=f"{kind}/db: the local platform runs Deployments only"):
        compiled({"kind": kind, "metadata": {"name": "db"}})


def test_exactly_one_deployment():
    with pytest.raises(Rejected, match="exactly one Deployment, these manifests have 0"):
        compile_spec(WorkloadSpec(KEY, 1, "sha256:0", manifests()[1:]))


def test_a_damaged_secret_is_refused():
    with pytest.raises(Rejected, match="is not base64"):
        compiled({"kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "%%%"}})


def test_scratch_space_at_tmp_and_pre_stop_hooks():
    plan = compiled(
        pod={"volumes": [{"name": "scratch", "emptyDir": {}}]},
        container={
            "volumeMounts": [{"name": "scratch", "mountPath": "/tmp"}],
            "lifecycle": {"preStop": {"sleep": {"seconds": 2}}},
        },
    )
    assert plan.pre_stop_sleep == 2
    plan = compiled(container={"lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", "true"]}}}})
    assert plan.pre_stop == ("sh", "-c", "true")
