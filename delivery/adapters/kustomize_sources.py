"""What a kustomization reads must lie in the repository: checked before kustomize runs, which would fetch URLs.

Kustomize takes a URL or a Git address wherever it takes a path; rendering a pushed branch must reach neither the
network nor this machine's loopback. Neighbour: render_kustomize.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from delivery.errors import Rejected

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
MAX_BYTES = 1024 * 1024  # of one kustomization file
MAX_FOLDERS = 500
MAX_MANIFEST_BYTES = 5 * 1024 * 1024
MAX_VALUES = 500_000  # of one manifest file, aliases written out

_FOLDERS = ("resources", "bases", "components")  # may name directories with a kustomization of their own
_FILES = ("crds", "configurations", "patchesStrategicMerge", "generators", "transformers", "validators")
_PLUGINS = ("generators", "transformers", "validators")  # configurations with paths of their own
_URL = re.compile(r"""(?:^|[\s"'=,\[{])https?:""", re.IGNORECASE)
_WITH_PATH = ("patches", "patchesJson6902", "replacements")
_GENERATORS = ("configMapGenerator", "secretGenerator")
_HELM = ("helmCharts", "helmChartInflationGenerator", "helmGlobals")


def check_sources(tree: Path, manifests: str) -> None:
    """Raise Rejected, with all problems, when a kustomization reachable from `manifests` reads what `tree` has not."""
    root = tree.resolve()
    waiting, seen, problems = [root / manifests], set[Path](), list[str]()
    while waiting:
        folder = waiting.pop().resolve()  # as kustomize does: `..` behind a link means the parent of what it leads to
        if folder in seen:
            continue
        seen.add(folder)
        if len(seen) > MAX_FOLDERS:
            raise Rejected(f"more than {MAX_FOLDERS} kustomizations", field="manifests", remedy="Use fewer")
        for field, entry in _entries(_read(folder, root)):
            place = Path(os.path.normpath(folder / entry))
            where = f"{(folder / NAMES[0]).relative_to(root)}: {field}: {entry[:200]}"
            if not place.is_relative_to(root) or not place.resolve().is_relative_to(root):
                problems.append(f"{where} lies outside the repository")
            elif not place.exists():
                problems.append(f"{where} is not in the repository; nothing is fetched from elsewhere")
            elif place.is_dir() and field.startswith(_FOLDERS):
                waiting.append(place)
            elif place.is_dir():
                problems.append(f"{where} is a folder; name the files in it")
            elif field.startswith(_PLUGINS) and _names_url(place.read_text("utf-8", "replace")):
                problems.append(f"{where} names a URL; nothing is fetched from elsewhere")
            elif not field.startswith(_GENERATORS) and _too_large(place):
                problems.append(f"{where} is too large once YAML aliases are written out")
    if problems:
        remedy = "Commit a copy of what is missing below the manifests' top directory, or correct the path"
        raise Rejected("\n".join(problems), field="manifests", value=len(problems), remedy=remedy)


def _too_large(file: Path) -> bool:
    """Tell whether kustomize would unfold the file into more than it can hold: 1 KB can become terabytes."""
    if file.stat().st_size > MAX_MANIFEST_BYTES:
        return True
    content = file.read_bytes()
    if b"&" not in content or b"*" not in content:
        return False
    try:
        return _unfolded(content) > MAX_VALUES
    except (yaml.YAMLError, ValueError, OverflowError):
        return False  # kustomize says what is wrong with it


def _unfolded(content: bytes) -> int:
    """Return the number of values in a YAML stream with every alias written out."""
    anchors: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = [(None, 0)]
    for event in yaml.parse(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        anchor, size = getattr(event, "anchor", None), 0
        if isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((anchor, 1))
            continue
        if isinstance(event, yaml.AliasEvent):
            size, anchor = anchors.get(event.anchor or "", 0), None
        elif isinstance(event, yaml.ScalarEvent):
            size = 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, size = open_nodes.pop()
        if anchor:
            anchors[anchor] = size
        outer, total = open_nodes.pop()
        open_nodes.append((outer, total + size))
    return open_nodes[0][1]


def _read(folder: Path, root: Path) -> dict[str, Any]:
    for name in NAMES:
        file = folder / name
        if not file.is_file():
            continue
        shown = file.relative_to(root)
        if not file.resolve().is_relative_to(root) or file.stat().st_size > MAX_BYTES:
            raise Rejected(f"{shown}: leads outside or is larger than {MAX_BYTES} bytes", field="manifests")
        try:
            document = yaml.safe_load(file.read_bytes())
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise Rejected(f"{shown}: is not valid YAML: {error}", field="manifests", remedy="Correct it") from None
        if not isinstance(document, dict):
            raise Rejected(f"{shown}: is not a mapping", field="manifests", remedy="Begin with `resources:`")
        if helm := [key for key in _HELM if document.get(key)]:
            message = f"{shown}: {helm[0]}: charts are not inflated here"
            raise Rejected(message, field="manifests", remedy="Commit the rendered chart")
        return document
    where = str(folder.relative_to(root)) if folder.is_relative_to(root) else folder.name
    message = f"{where}: there is no kustomization.yaml"
    raise Rejected(message, field="manifests", value=where, remedy="Commit one with the manifests as `resources:`")


def _entries(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (field, path) for everything kustomize would load; YAML written in place is no path."""
    for field in (*_FOLDERS, *_FILES):
        for index, entry in enumerate(_list(document.get(field))):
            if isinstance(entry, str) and not _inline(entry):
                yield f"{field}[{index}]", entry
            elif isinstance(entry, str) and field in _PLUGINS and _names_url(entry):
                yield f"{field}[{index}]", "https://"  # lies nowhere in the tree
    for field in _WITH_PATH:
        for index, entry in enumerate(_list(document.get(field))):
            if isinstance(entry, dict) and isinstance(entry.get("path"), str):
                yield f"{field}[{index}].path", entry["path"]
    openapi = document.get("openapi")
    if isinstance(openapi, dict) and isinstance(openapi.get("path"), str):
        yield "openapi.path", openapi["path"]
    for field in _GENERATORS:
        for index, entry in enumerate(_list(document.get(field))):
            if isinstance(entry, dict):
                yield from _generated(f"{field}[{index}]", entry)


def _generated(field: str, entry: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key in ("files", "envs"):
        for index, source in enumerate(_list(entry.get(key))):
            if isinstance(source, str):
                path = source.partition("=")[2] if key == "files" and "=" in source else source
                yield f"{field}.{key}[{index}]", path
    if isinstance(entry.get("env"), str):
        yield f"{field}.env", entry["env"]


def _names_url(configuration: str) -> bool:
    """Tell whether a plugin's configuration could make kustomize fetch; an address in an annotation is refused, too."""
    return bool(_URL.search(configuration)) or "\\" in configuration


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _inline(entry: str) -> bool:
    return "\n" in entry or entry.lstrip().startswith("{")
