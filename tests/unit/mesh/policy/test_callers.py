"""Which proxies a token may speak for."""

from __future__ import annotations

import pytest

from mesh.errors import Forbidden, Unauthenticated
from mesh.policy.callers import Caller, Places, check_node
from mesh.policy.doors import TokenDoor, token_of

POD = Caller("bookshop", "default", "reviews-7d9-x1")
NODE = "bookshop/reviews/-/v1/reviews-7d9-x1"


@pytest.mark.parametrize(
    ("caller", "node", "places"),
    [
        (POD, NODE, Places()),
        (Caller("shop-prod", "default", "a"), "shop/reviews/-/v1/a", Places(projects="{project}-prod")),
        (Caller("shop-alice", "default", "a"), "shop/reviews/alice/v1/a", Places(own_previews=True)),
        (Caller("colorlane", "colorlane-gateway", "gateway-1"), "gateway/gateway-1", Places()),
    ],
)
def test_who_fits(caller: Caller, node: str, places: Places) -> None:
    check_node(caller, node, places)


@pytest.mark.parametrize(
    ("caller", "node"),
    [
        (POD, "bookshop/reviews/-/v1/reviews-7d9-x2"),  # another pod
        (POD, "payments/reviews/-/v1/reviews-7d9-x1"),  # another project
        (Caller("bookshop-alice", "default", "a"), "bookshop/reviews/bob/v1/a"),  # another colour's namespace
        (Caller("bookshop-alice", "default", "a"), "bookshop/reviews/-/v1/a"),  # a preview as the baseline
        (Caller("bookshop", "default"), NODE),  # a token of no pod
        (POD, "gateway/main"),
        (Caller("colorlane", "default", "gateway-1"), "gateway/main"),
        (Caller("bookshop", "colorlane-gateway", "gateway-1"), "gateway/main"),
        (POD, "reviews-7d9-x1"),
        (POD, f"{NODE}/reviews-7d9-x1"),
        (POD, ""),
    ],
)
def test_who_does_not(caller: Caller, node: str) -> None:
    with pytest.raises(Forbidden, match="says it is proxy") as refusal:
        check_node(caller, node, Places(own_previews=True))
    assert refusal.value.remedy


def test_a_project_whose_name_looks_like_anothers_preview_is_not_one() -> None:
    with pytest.raises(Forbidden):
        check_node(Caller("shop-alice", "default", "a"), "shop/reviews/alice/v1/a", Places())


class Known:
    async def identify(self, token: str) -> Caller:
        assert token == "good"
        return POD


async def test_the_door_asks_for_a_token_and_looks_at_the_node() -> None:
    door = TokenDoor(Known(), Places())
    await door.admit({"authorization": "Bearer good"}, NODE)
    with pytest.raises(Forbidden):
        await door.admit({"authorization": "bearer good"}, "gateway/main")
    for metadata in ({}, {"authorization": "Basic good"}, {"authorization": "Bearer "}, {"authorization": b"Bearer x"}):
        with pytest.raises(Unauthenticated, match="token is needed"):
            token_of(metadata)
