"""The gateway's bootstrap: in clear on loopback, behind TLS and a token where the settings say so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from delivery.embedded.gateway import write_bootstrap
from delivery.errors import Rejected
from delivery.settings import Settings


def written(settings: Settings, tmp_path: Path) -> dict[str, Any]:
    file = tmp_path / "gateway" / "bootstrap.json"
    write_bootstrap(settings, file, 19000)
    return dict(json.loads(file.read_text()))


def test_embedded_it_speaks_to_loopback_in_clear(tmp_path: Path) -> None:
    document = written(Settings(), tmp_path)
    assert document["node"]["id"] == "gateway/main"
    assert "transport_socket" not in document["static_resources"]["clusters"][0]


def test_on_a_cluster_each_pod_has_its_name_and_shows_its_token(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("roots")
    (tmp_path / "token").write_text("secret")
    settings = Settings(
        gateway_name="gateway-7f-x",
        xds_address="colorlane-mesh.colorlane.svc",
        xds_ca_file=tmp_path / "ca.crt",
        xds_token_file=tmp_path / "token",
    )
    document = written(settings, tmp_path)
    assert document["node"]["id"] == "gateway/gateway-7f-x"
    tls = document["static_resources"]["clusters"][0]["transport_socket"]["typed_config"]
    assert tls["sni"] == "colorlane-mesh.colorlane.svc"
    assert tls["common_tls_context"]["validation_context"]["trusted_ca"] == {"inline_string": "roots"}
    assert f"FILE_CONTENT({tmp_path / 'token'}:{tmp_path})" in json.dumps(document)
    assert "secret" not in json.dumps(document)


def test_a_missing_file_is_named_with_its_setting(tmp_path: Path) -> None:
    with pytest.raises(Rejected) as refused:
        written(Settings(xds_ca_file=tmp_path / "no"), tmp_path)
    assert refused.value.field == "COLORLANE_XDS_CA_FILE"
