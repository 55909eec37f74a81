"""`$(NAME)` expands as in Kubernetes."""

import pytest

from delivery.adapters.platform_local.expansion import expand

KNOWN = {"PORT": "41001", "A": "$(PORT)", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("--port=$(PORT)", "--port=41001"),
        ("$(UNKNOWN) stays", "$(UNKNOWN) stays"),
        ("$$(PORT)", "$(PORT)"),
        ("$$$(PORT)", "$41001"),
        ("$(A)", "$(PORT)"),  # one pass: what a value holds is not looked at again
        ("[$(EMPTY)]", "[]"),
        ("$(PORT", "$(PORT"),
        ("$PORT ${PORT} $", "$PORT ${PORT} $"),
        ("cost: 5$$", "cost: 5$"),
    ],
)
def test_expand(text, expected):
    assert expand(text, KNOWN) == expected
