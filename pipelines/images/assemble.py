"""Assemble: a built tree becomes an image by laying it on a base, as one layer; nothing is run for that. Pure but for
packing the layer.

What is in the image: the base, the tree under /app owned by root, `WorkingDir` /app, user 10001, and labels that are
content too. No commit and no clock: equal content has an equal digest, whoever builds it and when.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.images.layers import PackedLayer, pack_layer
from pipelines.images.model import LAYER, Descriptor, Image, Layer, image_of

FOLDER = "app"
USER = "10001:10001"  # nobody: a number, so that Kubernetes can tell that it is not root
CREATED = "1980-01-01T00:00:00Z"  # layers.EPOCH
DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Base:
    """What the layer is laid on. `name` and `digest` are those of the base's manifest; "" for the empty image."""

    config: Mapping[str, Any]
    layers: tuple[Layer, ...]
    name: str = ""
    digest: str = ""


def empty_base(platform: str) -> Base:
    """Return `scratch` for a platform (os/architecture[/variant])."""
    system, _, rest = platform.partition("/")
    architecture, _, variant = rest.partition("/")
    config: dict[str, Any] = {"os": system, "architecture": architecture, "rootfs": {"type": "layers", "diff_ids": []}}
    if variant:
        config["variant"] = variant
    return Base(config, ())


def assemble(
    base: Base, tree: Path, workspace: Path, labels: Mapping[str, str], going: Callable[[], None] = lambda: None
) -> Image:
    """Return the image of `tree` on `base`; the new layer's file lies in `workspace`. Raises Rejected (see layers)."""
    packed = pack_layer(tree, FOLDER, workspace / "layer.tar.gz", going)
    layer = Layer(Descriptor(LAYER, packed.digest, packed.size), lambda: packed.path)
    return image_of(_config(base, packed, labels), (*base.layers, layer))


def _config(base: Base, packed: PackedLayer, labels: Mapping[str, str]) -> dict[str, Any]:
    """Return the base's configuration with ours over it; what is only history of one machine is left out."""
    kept = {key: base.config[key] for key in ("os", "architecture", "variant", "os.version") if key in base.config}
    old = base.config.get("config") or {}
    settings = {key: value for key, value in old.items() if key in _INHERITED and value is not None}
    settings["Env"] = settings.get("Env") or [DEFAULT_PATH]
    settings |= {"WorkingDir": f"/{FOLDER}", "User": USER}
    settings["Labels"] = {**(old.get("Labels") or {}), **labels}
    rootfs = base.config.get("rootfs") or {}
    history = [entry for entry in base.config.get("history") or [] if isinstance(entry, dict)]
    return {
        **kept,
        "created": CREATED,
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": [*(rootfs.get("diff_ids") or []), packed.diff_id]},
        "history": [*history, {"created": CREATED, "created_by": "colorlane: the built tree"}],
    }


_INHERITED = ("Env", "Entrypoint", "Cmd", "ExposedPorts", "Volumes", "StopSignal", "Shell", "Labels")
