"""Console: how the story is told, to people with rich, to machines as JSON lines at the end. Neighbours: story."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.panel import Panel

from delivery.demo.claims import Claim, Ledger


class Teller:
    """Prints what the demo does and what it saw."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.out = Console(stderr=as_json, highlight=False)
        self._chapter = ""

    def chapter(self, number: int, title: str) -> None:
        """Open a chapter."""
        self._chapter = f"{number} {title}"
        self.out.print()
        self.out.rule(f"[bold]{number}  {title}[/]", align="left", style="cyan")

    def does(self, text: str) -> None:
        """Say what is being done."""
        self.out.print(f"[dim]▸[/] {text}")

    @contextmanager
    def doing(self, text: str) -> Iterator[None]:
        """Say what is being waited for, with a spinner on a terminal."""
        if self.out.is_terminal:
            with self.out.status(text):
                yield
        else:
            self.does(text)
            yield

    def claim(self, ledger: Ledger, text: str, ok: bool, seen: str = "") -> bool:
        """Record a claim and print its mark."""
        ledger.add(Claim(self._chapter, text, ok, seen))
        mark = "[bold green]✔[/]" if ok else "[bold red]✘[/]"
        self.out.print(f"{mark} {text}" + (f"  [dim]{seen}[/]" if seen else ""), markup=True, soft_wrap=True)
        return ok

    def close(self, ledger: Ledger) -> None:
        """Print the sum."""
        if self.as_json:
            sys.stdout.write(json.dumps(ledger.as_json(), indent=2) + "\n")
            return
        good = sum(claim.ok for claim in ledger.claims)
        style = "green" if ledger.ok else "red"
        lines = [f"[bold]{good} of {len(ledger.claims)} claims observed[/]"]
        lines += [f"{name}: {value}" for name, value in ledger.figures.items()]
        self.out.print()
        self.out.print(Panel("\n".join(lines), title="Colorlane demo", border_style=style, expand=False))
