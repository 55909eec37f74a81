"""The page of settings is what the settings say of themselves, and no page names a variable that does not exist."""

from __future__ import annotations

import re

from tests.architecture.sources import ROOT, text_files
from tests.docs.pages import pages
from tests.docs.settings_page import client_variables, known, render

PAGE = "docs/settings.md"
# Variables that are set for applications, mark processes, or belong to the tests.
FOREIGN = {
    *("COLORLANE_PROCESS", "COLORLANE_REPLICA", "COLORLANE_WORKLOAD"),
    *("COLORLANE_TEST_POSTGRES_URL", "COLORLANE_TEST_KUBECONFIG"),
}


def test_the_page_is_up_to_date() -> None:
    assert (ROOT / PAGE).read_text() == render(), f"run: python -m tests.docs.settings_page > {PAGE}"


def test_pages_name_only_variables_that_exist() -> None:
    named = {(page.path, name) for page in pages() for name in re.findall(r"\bCOLORLANE_[A-Z_]+[A-Z]\b", page.text)}
    unknown = sorted(
        (path, name) for path, name in named if name not in known().keys() | client_variables().keys() | FOREIGN
    )
    assert not unknown


def test_every_setting_says_what_and_why() -> None:
    thin = [name for name, field in known().items() if not field.description or len(field.description.split()) < 3]
    assert not thin


def test_there_are_no_settings_beside_the_settings() -> None:
    """A COLORLANE_ variable that some source reads is a field of a settings class."""
    for name, text in text_files():
        if name.startswith(("delivery/", "mesh/", "pipelines/")) and name.endswith(".py"):
            read = re.findall(r"environ(?:\.get\(|\[)[\"'](COLORLANE_\w+)", text)
            assert set(read) <= known().keys() | FOREIGN, name
