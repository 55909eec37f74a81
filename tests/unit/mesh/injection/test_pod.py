"""Pods with their sidecars: order, what teams wrote stays, what cannot work is refused with words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.errors import Rejected
from mesh.injection import Mode, Options, difference, inject
from mesh.injection.options import CAPTURE_DNS, DRAIN_SECONDS, EXCLUDE_CIDRS, EXCLUDE_OUTBOUND, PROXY_CPU_LIMIT
from mesh.model.pods import CAPTURE, COLOR, PROJECT, SERVICE, STATUS, VERSION
from tests.fakes.json_patch import patched

OPTIONS = Options(image="colorlane:1", ca_pem="roots\n")


def pod(**spec: Any) -> dict[str, Any]:
    labels = {PROJECT: "bookshop", SERVICE: "reviews", COLOR: "alice", VERSION: "ab12"}
    return {
        "metadata": {"name": "reviews-x", "labels": labels},
        "spec": {"containers": [{"name": "app", "image": "reviews"}], **spec},
    }


def annotated(**annotations: str) -> dict[str, Any]:
    made = pod()
    made["metadata"]["annotations"] = annotations
    return made


def names(spec: dict[str, Any], field: str) -> list[str]:
    return [each["name"] for each in spec.get(field, [])]


def bootstrap(injected: dict[str, Any]) -> dict[str, Any]:
    (proxy,) = [each for each in injected["spec"]["initContainers"] if each["name"] == "colorlane-proxy"]
    return json.loads(proxy["args"][1])


def test_capture_comes_first_then_the_sidecar_then_the_teams_init_containers() -> None:
    injected = inject(pod(initContainers=[{"name": "migrate"}]), OPTIONS)
    assert names(injected["spec"], "initContainers") == ["colorlane-capture", "colorlane-proxy", "migrate"]
    capture, proxy, _ = injected["spec"]["initContainers"]
    assert "restartPolicy" not in capture
    assert proxy["restartPolicy"] == "Always", "a native sidecar: apps wait for its startup probe, Jobs end without it"
    assert proxy["startupProbe"]["httpGet"] == {"path": "/healthz/ready", "port": 15021}
    assert injected["metadata"]["annotations"][STATUS] == "injected"


def test_node_id_is_of_the_pods_labels() -> None:
    assert bootstrap(inject(pod(), OPTIONS))["node"]["id"] == "bookshop/reviews/alice/ab12/$(POD_NAME)"
    bare = {"metadata": {}, "spec": {"containers": []}}
    assert bootstrap(inject(bare, OPTIONS))["node"]["id"] == "$(POD_NAMESPACE)/pod/-/default/$(POD_NAME)"


def test_the_sidecar_is_restricted_and_capture_has_one_capability() -> None:
    capture, proxy = inject(pod(), OPTIONS)["spec"]["initContainers"]
    shared = {"allowPrivilegeEscalation": False, "privileged": False, "readOnlyRootFilesystem": True}
    for container in (capture, proxy):
        assert shared.items() <= container["securityContext"].items()
        assert container["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert proxy["securityContext"]["runAsUser"] == 10101
    assert proxy["securityContext"]["runAsNonRoot"] is True
    assert proxy["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert capture["securityContext"]["runAsUser"] == 0
    assert capture["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["NET_ADMIN"]}


def test_proxy_mode_gives_variables_and_no_root() -> None:
    team = [{"name": "app", "env": [{"name": "no_proxy", "value": "db"}]}, {"name": "other"}]
    injected = inject(pod(containers=team, initContainers=[{"name": "first"}]), Options("i", "c", mode=Mode.PROXY))
    assert names(injected["spec"], "initContainers") == ["colorlane-proxy", "first"]
    app, other = injected["spec"]["containers"]
    values = {each["name"]: each["value"] for each in app["env"]}
    assert values == {
        "no_proxy": "db",
        "HTTP_PROXY": "http://127.0.0.1:15080",
        "http_proxy": "http://127.0.0.1:15080",
        "NODE_USE_ENV_PROXY": "1",
    }
    assert names(other, "env")[-3:] == ["NO_PROXY", "no_proxy", "NODE_USE_ENV_PROXY"]
    assert names(injected["spec"]["initContainers"][1], "env")[0] == "HTTP_PROXY"
    assert "capture" not in bootstrap(injected)["node"]["metadata"]


def test_annotations_of_a_pod_win() -> None:
    injected = inject(
        annotated(
            **{
                EXCLUDE_OUTBOUND: "3306, 6379",
                EXCLUDE_CIDRS: "10.1.0.0/16,fd00::/8",
                CAPTURE_DNS: "true",
                PROXY_CPU_LIMIT: "1",
                DRAIN_SECONDS: "9",
            }
        ),
        OPTIONS,
    )
    capture, proxy = injected["spec"]["initContainers"]
    assert capture["args"] == [
        *("apply", "--proxy-uid", "10101", "--dns"),
        *("--exclude-outbound-ports", "3306,6379", "--exclude-outbound-cidrs", "10.1.0.0/16,fd00::/8"),
    ]
    assert proxy["resources"]["limits"] == {"cpu": "1", "memory": "256Mi"}
    assert bootstrap(injected)["node"]["metadata"]["capture"]["dns"] == 15053
    assert injected["spec"]["containers"][0]["lifecycle"]["preStop"] == {"sleep": {"seconds": 9}}
    assert names(inject(annotated(**{CAPTURE: "proxy"}), OPTIONS)["spec"], "initContainers") == ["colorlane-proxy"]


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (CAPTURE, "yes"),
        (EXCLUDE_OUTBOUND, "http"),
        (EXCLUDE_OUTBOUND, "70000"),
        (EXCLUDE_CIDRS, "10.0.0.0/33"),
        (PROXY_CPU_LIMIT, "many"),
        (DRAIN_SECONDS, "-1"),
    ],
)
def test_a_wrong_annotation_is_refused_by_name(annotation: str, value: str) -> None:
    with pytest.raises(Rejected) as refused:
        inject(annotated(**{annotation: value}), OPTIONS)
    assert refused.value.field == annotation
    assert value in refused.value.message


def test_an_application_as_the_sidecars_user_is_refused_where_it_would_escape() -> None:
    sneaky = pod(securityContext={"runAsUser": 10101})
    with pytest.raises(Rejected, match="would not be captured"):
        inject(sneaky, OPTIONS)
    inject(sneaky, Options("i", "c", mode=Mode.PROXY))
    with pytest.raises(Rejected, match="sidecar's name"):
        inject(pod(containers=[{"name": "colorlane-proxy"}]), OPTIONS)


@pytest.mark.parametrize(
    ("spec", "seconds"),
    [
        ({}, 5),
        ({"terminationGracePeriodSeconds": 4}, 2),
        ({"terminationGracePeriodSeconds": 1}, 0),
        ({"terminationGracePeriodSeconds": 0}, 0),
        ({"restartPolicy": "Never"}, 0),
    ],
)
def test_applications_go_on_serving_while_they_are_withdrawn(spec: dict[str, Any], seconds: int) -> None:
    (app,) = inject(pod(**spec), OPTIONS)["spec"]["containers"]
    assert app.get("lifecycle", {}).get("preStop") == ({"sleep": {"seconds": seconds}} if seconds else None)


def test_a_teams_own_hook_stays() -> None:
    hook = {"preStop": {"exec": {"command": ["drain"]}}, "postStart": {"sleep": {"seconds": 1}}}
    (app,) = inject(pod(containers=[{"name": "app", "lifecycle": hook}]), OPTIONS)["spec"]["containers"]
    assert app["lifecycle"] == hook
    (app,) = inject(pod(), Options("i", "c", native_sleep=False))["spec"]["containers"]
    assert "lifecycle" not in app, "an older cluster refuses sleep"


def test_the_token_is_for_the_sidecar_alone() -> None:
    injected = inject(pod(), OPTIONS)["spec"]
    (token,) = [each for each in injected["volumes"] if each["name"] == "colorlane-identity"]
    assert token["projected"]["sources"][0]["serviceAccountToken"]["audience"] == "colorlane-mesh"
    assert "volumeMounts" not in injected["containers"][0]
    for container in injected["initContainers"]:
        assert "/var/run/secrets/kubernetes.io/serviceaccount" in [m["mountPath"] for m in container["volumeMounts"]]


def test_what_a_container_added_later_lacks_is_given_when_called_again() -> None:
    proxied = Options("i", "c", mode=Mode.PROXY)
    first = inject(pod(), proxied)
    first["spec"]["containers"].append({"name": "late"})
    again = inject(first, proxied)
    assert names(again["spec"]["containers"][1], "env")[0] == "HTTP_PROXY"
    assert names(again["spec"], "initContainers") == ["colorlane-proxy"]


def test_a_new_image_replaces_the_old_sidecar() -> None:
    upgraded = inject(inject(pod(), OPTIONS), Options("colorlane:2", "roots\n"))
    assert {each["image"] for each in upgraded["spec"]["initContainers"]} == {"colorlane:2"}


WORDS = st.sampled_from(["app", "colorlane-proxy", "colorlane-capture", "x", "HTTP_PROXY", "no_proxy"])
CONTAINERS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["app", "b", "c"])},
        optional={
            "env": st.lists(st.fixed_dictionaries({"name": WORDS, "value": st.text(max_size=3)}), max_size=3),
            "lifecycle": st.sampled_from([{}, {"preStop": {"sleep": {"seconds": 1}}}, {"postStart": {}}]),
            "securityContext": st.sampled_from([{}, {"runAsUser": 5}]),
            "volumeMounts": st.just([]),
        },
    ),
    max_size=3,
)
PODS = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries(
            {},
            optional={
                "labels": st.dictionaries(st.sampled_from([SERVICE, COLOR, PROJECT, "app"]), WORDS, max_size=3),
                "annotations": st.dictionaries(st.sampled_from(["a", DRAIN_SECONDS]), st.just("3"), max_size=2),
                "creationTimestamp": st.none(),
            },
        ),
        "spec": st.fixed_dictionaries(
            {"containers": CONTAINERS},
            optional={
                "initContainers": st.one_of(st.none(), st.lists(st.fixed_dictionaries({"name": WORDS}), max_size=3)),
                "volumes": st.lists(
                    st.fixed_dictionaries({"name": st.sampled_from(["v", "colorlane-identity"])}), max_size=2
                ),
                "restartPolicy": st.sampled_from(["Always", "Never", "OnFailure"]),
                "terminationGracePeriodSeconds": st.integers(0, 40),
                "imagePullSecrets": st.just([{"name": "s"}]),
            },
        ),
    }
)


@settings(max_examples=150, deadline=None)
@given(PODS, st.sampled_from(list(Mode)), st.sampled_from(["", "s", "t"]))
def test_injecting_twice_is_injecting_once(pod: dict[str, Any], mode: Mode, secret: str) -> None:
    options = Options("i", "c", mode=mode, pull_secret=secret)
    before = json.dumps(pod, sort_keys=True)
    once = inject(pod, options)
    assert inject(once, options) == once
    assert json.dumps(pod, sort_keys=True) == before, "the pod given is not changed"
    assert inject(json.loads(before), options) == once, "the same each time"
    assert patched(pod, difference(pod, once)) == once


@settings(max_examples=150, deadline=None)
@given(PODS)
def test_nothing_of_the_team_is_lost(pod: dict[str, Any]) -> None:
    injected = inject(pod, OPTIONS)["spec"]
    ours = {"colorlane-proxy", "colorlane-capture"}
    assert names(injected, "containers") == names(pod["spec"], "containers")
    team = [each["name"] for each in pod["spec"].get("initContainers") or [] if each["name"] not in ours]
    assert names(injected, "initContainers")[2:] == team
    for before, after in zip(pod["spec"]["containers"], injected["containers"], strict=True):
        assert before.items() <= {**after, "lifecycle": before.get("lifecycle")}.items() or "lifecycle" not in before
