"""How a proxy comes in at the mesh's door: TLS to a server of the mesh's own authority, and a token in each stream.

The token is a file that somebody replaces while the proxy runs (the kubelet writes a new one long before the old one
ends). Envoy 1.40 re-reads it by itself: its formatter `%FILE_CONTENT(file:directory)%` watches the directory, in which
the kubelet swaps a symbolic link. A header-mutation filter on the mesh's cluster puts it on streams as they open, ADS
and OTLP alike. Neighbours: bootstrap, pod. Why not a file of secrets (SDS): it would have to be written first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

TYPES = "type.googleapis.com/envoy."


@dataclass(frozen=True)
class Door:
    """`ca_pem`: roots to trust, as text. `token_file`: path of the token without a newline; empty: none is sent.

    `server_name`: name the mesh's certificate must carry; empty: the address that is dialled.
    """

    ca_pem: str
    token_file: str = ""
    server_name: str = ""

    def socket(self, address: str) -> Mapping[str, object]:
        """Return the transport socket of the mesh's cluster."""
        name = self.server_name or address
        validation = {
            "trusted_ca": {"inline_string": self.ca_pem},
            "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": name}}],
        }
        tls = {
            "@type": f"{TYPES}extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": name,
            "common_tls_context": {
                "alpn_protocols": ["h2"],
                "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"},
                "validation_context": validation,
            },
        }
        return {"name": "envoy.transport_sockets.tls", "typed_config": tls}

    def filters(self) -> list[Mapping[str, object]]:
        """Return the filters that each stream to the mesh passes."""
        return [*([self._token()] if self.token_file else []), _filter("upstream_codec.v3.UpstreamCodec")]

    def _token(self) -> Mapping[str, object]:
        file = PurePosixPath(self.token_file)
        header = {"key": "authorization", "value": f"Bearer %FILE_CONTENT({file}:{file.parent})%"}
        reader = {"@type": f"{TYPES}extensions.formatter.file_content.v3.FileContent"}
        mutations = {
            "request_mutations": [{"append": {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}],
            "formatters": [{"name": "envoy.formatter.file_content", "typed_config": reader}],
        }
        return _filter("header_mutation.v3.HeaderMutation", mutations=mutations)


def _filter(message: str, **fields: object) -> Mapping[str, object]:
    name = f"envoy.filters.http.{message.split('.')[0]}"
    return {"name": name, "typed_config": {"@type": f"{TYPES}extensions.filters.http.{message}", **fields}}
