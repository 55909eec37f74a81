"""A real Envoy with static configuration, and small HTTP servers behind it: the bench for filters and telemetry."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from mesh.protos import duration, message, pack, to_dict
from mesh.sidecar import envoy_argv, ready
from mesh.translation.access import endpoint_metadata

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
Answer = tuple[int, Mapping[str, str], bytes]
Handler = Callable[[str, list[tuple[str, str]]], Answer]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("condition not met in time")
        time.sleep(0.01)


@contextlib.contextmanager
def server(handler: Handler, port: int = 0) -> Iterator[int]:
    """An application: `handler(path, headers)` answers every method."""

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            status, headers, body = handler(self.path, self.headers.items())
            if status == 0:  # die without an answer
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", port), Door)
    httpd.daemon_threads = True
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield httpd.server_port
    finally:
        httpd.shutdown()
        httpd.server_close()


def echo(path: str, headers: list[tuple[str, str]]) -> Answer:
    """Answer with the request headers as JSON: name -> values, in order."""
    seen: dict[str, list[str]] = {}
    for name, value in headers:
        seen.setdefault(name.lower(), []).append(value)
    return 200, {"content-type": "application/json"}, json.dumps(seen).encode()


def get(
    port: int, path: str = "/", headers: Sequence[tuple[str, str]] = (), host: str = "", method: str = "GET"
) -> tuple[int, dict[str, str], bytes]:
    """One request with exactly these header lines (repeated names stay repeated); returns status, headers, body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("host", host or f"127.0.0.1:{port}")
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
    finally:
        connection.close()


def cluster(name: str, *ports: int, identity: tuple[str, str, str, str] | None = None, http2: bool = False) -> Any:
    """A static cluster; all endpoints carry the same identity (namespace, service, color, version)."""
    made = message("envoy.config.cluster.v3.Cluster")(name=name, connect_timeout=duration(1))
    made.load_assignment.cluster_name = name
    locality = made.load_assignment.endpoints.add()
    for port in ports:
        endpoint = locality.lb_endpoints.add()
        endpoint.endpoint.address.socket_address.address = "127.0.0.1"
        endpoint.endpoint.address.socket_address.port_value = port
        if identity:
            endpoint.metadata.CopyFrom(endpoint_metadata(*identity))
    if http2:
        options = message(HTTP_OPTIONS)()
        options.explicit_http_config.http2_protocol_options.SetInParent()
        made.typed_extension_protocol_options[HTTP_OPTIONS].CopyFrom(pack(options))
    return made


def listener(port: int, filters: Sequence[Any], routes: Any) -> Any:
    """A listener with one connection manager."""
    manager = message("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager")()
    manager.stat_prefix = f"p{port}"
    manager.http_filters.extend(filters)
    manager.route_config.CopyFrom(routes)
    made = message("envoy.config.listener.v3.Listener")(name=f"p{port}")
    made.address.socket_address.address = "127.0.0.1"
    made.address.socket_address.port_value = port
    chain = made.filter_chains.add().filters.add()
    chain.name = "envoy.filters.network.http_connection_manager"
    chain.typed_config.CopyFrom(pack(manager))
    return made


def route_config(*hosts: Any) -> Any:
    made = message("envoy.config.route.v3.RouteConfiguration")(name="routes")
    made.virtual_hosts.extend(hosts)
    made.validate_clusters.value = False
    made.ignore_port_in_host_matching = True
    return made


def virtual_host(name: str, domains: Sequence[str], config: Mapping[str, Any] | None = None) -> Any:
    made = message("envoy.config.route.v3.VirtualHost")(name=name, domains=domains)
    for key, value in (config or {}).items():
        made.typed_per_filter_config[key].CopyFrom(value)
    return made


def route(to: str, prefix: str = "/", metadata: Any | None = None) -> Any:
    made = message("envoy.config.route.v3.Route")()
    made.match.prefix = prefix
    made.route.cluster = to
    if metadata is not None:
        made.metadata.CopyFrom(metadata)
    return made


def lanes(header: str, by_value: Mapping[str, Any], otherwise: Any) -> Any:
    """A matcher tree: the route whose key equals the header's value, else `otherwise`."""
    matcher = message("xds.type.matcher.v3.Matcher")()
    tree = matcher.matcher_tree
    tree.input.name = "header"
    tree.input.typed_config.CopyFrom(
        pack(message("envoy.type.matcher.v3.HttpRequestHeaderMatchInput")(header_name=header))
    )
    for value, to in by_value.items():
        action = tree.exact_match_map.map[value].action
        action.name = "route"
        action.typed_config.CopyFrom(pack(to))
    matcher.on_no_match.action.name = "route"
    matcher.on_no_match.action.typed_config.CopyFrom(pack(otherwise))
    return matcher


def write_config(
    folder: Path, listeners: Sequence[Any], clusters: Sequence[Any], extra: Mapping[str, Any] | None = None
) -> tuple[int, Path]:
    """Write a static configuration; returns its admin port and its path."""
    admin = free_port()
    config = {
        "node": {"id": "test", "cluster": "test"},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}},
        "static_resources": {
            "listeners": [to_dict(item) for item in listeners],
            "clusters": [to_dict(item) for item in clusters],
        },
        **(extra or {}),
    }
    path = folder / f"envoy-{admin}.json"
    path.write_text(json.dumps(config))
    return admin, path


@contextlib.contextmanager
def envoy(
    folder: Path, listeners: Sequence[Any], clusters: Sequence[Any], extra: Mapping[str, Any] | None = None
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Run an Envoy; yields (admin port, process)."""
    admin, path = write_config(folder, listeners, clusters, extra)
    with path.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(envoy_argv(path, log_level="warning"), stdout=log, stderr=log)
        try:
            wait_for(lambda: process.poll() is not None or ready(admin))
            if process.poll() is not None:
                raise AssertionError(path.with_suffix(".log").read_text())
            yield admin, process
        finally:
            process.terminate()
            process.wait()
