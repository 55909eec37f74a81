"""Lines for people in Git's answer: before the flush, and only where the client understands bands."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from delivery.api.sideband import Sideband

REPORT = b"0013\x01000eunpack ok\n"


def through(chunks: list[bytes], lines: list[str]) -> bytes:
    sideband = Sideband()
    return b"".join([*(sideband.feed(chunk) for chunk in chunks), sideband.close(lines)])


def test_lines_stand_before_the_flush() -> None:
    assert through([REPORT + b"0000"], ["hi"]) == REPORT + b"0008\x02hi\n" + b"0000"


def test_without_bands_nothing_is_added() -> None:
    plain = b"000eunpack ok\n0000"
    assert through([plain], ["hi"]) == plain


def test_a_broken_answer_is_left_as_it_is() -> None:
    assert through([REPORT[:10]], ["hi"]) == REPORT[:10]
    assert through([], ["hi"]) == b""


@given(st.lists(st.integers(0, 30), max_size=6), st.lists(st.text(max_size=20), max_size=3))
def test_how_the_answer_is_cut_makes_no_difference(cuts: list[int], lines: list[str]) -> None:
    whole = REPORT * 2 + b"0000"
    places = sorted({min(cut, len(whole)) for cut in cuts} | {0, len(whole)})
    chunks = [whole[start:end] for start, end in pairwise(places)]
    assert through(chunks, lines) == through([whole], lines)
