"""Command `colorlane mesh inject`: sidecars into files of manifests, where the admission webhook is not wanted.

Needs no API: all it does is mesh.injection. Neighbours: mesh (the group it is in), mesh.injection.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from delivery.cli.client import USAGE, Failure
from delivery.cli.output import errors, plain
from mesh.errors import Rejected
from mesh.injection import Finding, Mode, Options, inject_text

SUFFIXES = (".yaml", ".yml", ".json")
CA_HINT = (
    "kubectl -n colorlane get secret colorlane-mesh-ca -o jsonpath='{.data.ca\\.crt}' | base64 -d > ca.crt,"
    " then --ca-file ca.crt"
)

Files = Annotated[list[str], typer.Option("--file", "-f", help="A file, a directory, or - for standard input.")]
CaFile = Annotated[
    Path | None, typer.Option("--ca-file", envvar="COLORLANE_XDS_CA_FILE", help="PEM of the mesh's roots.")
]
Image = Annotated[str, typer.Option("--image", envvar="COLORLANE_SIDECAR_IMAGE", help="Image of the sidecar.")]
ModeOption = Annotated[Mode, typer.Option("--mode", help="transparent: packets are redirected; proxy: HTTP_PROXY.")]
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Of objects that name none.")]
Revision = Annotated[str, typer.Option("--revision", help="Inject for the control plane of this revision.")]
Address = Annotated[str, typer.Option("--mesh-address", help="Host name of the mesh; its certificate carries it.")]


def inject(
    file: Files,
    ca_file: CaFile = None,
    image: Image = "colorlane",
    mode: ModeOption = Mode.TRANSPARENT,
    namespace: Namespace = "",
    revision: Revision = "",
    mesh_address: Address = "colorlane-mesh.colorlane.svc",
) -> None:
    """Add sidecars to the pods of manifests; YAML goes to standard output, what became of each pod to standard error.

    Again on its own output it changes nothing. Documents without pods stay as they are, to the byte.

    Example: colorlane mesh inject -f k8s --ca-file ca.crt | kubectl apply -f -
    """
    if ca_file is None:
        raise Failure("the mesh's roots are not given (--ca-file)", CA_HINT, USAGE)
    options = Options(image, _read(str(ca_file)), mode=mode, revision=revision, mesh_address=mesh_address)
    written: list[str] = []
    for name in (each for given in file for each in _expanded(given)):
        try:
            text, findings = inject_text(_read(name), options, namespace=namespace)
        except Rejected as error:
            raise Failure(f"{name}: {error.message}", error.remedy) from error
        written.append(text)
        _tell(findings)
    sys.stdout.write(_joined(written))


def _joined(texts: list[str]) -> str:
    parts = [text for text in texts if text.strip()]
    return "".join(text if index == 0 or text.startswith("---") else f"---\n{text}" for index, text in enumerate(parts))


def _expanded(name: str) -> list[str]:
    folder = Path(name)
    if name == "-" or not folder.is_dir():
        return [name]
    return [str(each) for each in sorted(folder.iterdir()) if each.suffix in SUFFIXES]


def _read(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Failure(f"{name}: {why}", "name a file of manifests, a directory, or -", USAGE) from error


def _tell(findings: list[Finding]) -> None:
    for finding in findings:
        if finding.verdict.inject:
            errors.print(f"[green]✓[/] {plain(finding.what)}", soft_wrap=True)
        else:
            errors.print(f"[yellow]-[/] {plain(finding.what)}: {plain(finding.verdict.reason)}", soft_wrap=True)


def register(group: typer.Typer) -> None:
    """Add the command to the group `mesh`."""
    group.command("inject")(inject)
