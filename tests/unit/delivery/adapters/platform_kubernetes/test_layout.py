"""Quotas as they are written in settings."""

from __future__ import annotations

import pytest

from delivery.adapters.platform_kubernetes.layout import read_quota
from delivery.errors import Rejected


def test_quotas() -> None:
    assert read_quota("pods=50, requests.cpu=4") == {"pods": "50", "requests.cpu": "4"}
    assert read_quota("") == {}


@pytest.mark.parametrize("text", ["pods", "=5", "pods="])
def test_a_wrong_quota_is_refused(text: str) -> None:
    with pytest.raises(Rejected, match="is not <resource>=<amount>"):
        read_quota(text)
