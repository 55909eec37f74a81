"""Hiding: takes from this process, and all it starts, the right to read some files. Neighbour: guard, which runs it.

Standard library only. Landlock (landlock(7), Linux 5.19 for its second version) needs no privileges and cannot be
undone. Its rules only grant, so everything beside the way to a hidden file is granted. It also ends looks into other
processes: whatever is restricted may not trace a process that is not, nor (unless it is root) read its
`/proc/<pid>/environ` and `mem`. What it takes besides: mount(2), and set-user-id programs (no_new_privs). A file made
beside a hidden one later on is hidden too; a hidden one cannot be linked or moved to where it could be read.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator, Sequence

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on all architectures but alpha
PATH_BENEATH = 1
READ_FILE = 1 << 2
# To link and rename from one folder to another: refused by every set of rules that does not grant it, even unasked.
REFER = 1 << 13
PR_SET_NO_NEW_PRIVS = 38


def hide(hidden: Sequence[str], shown: Sequence[str]) -> bool:
    """Hide files and folders, but for what lies in `shown`; return False where the kernel cannot."""
    libc = ctypes.CDLL(None, use_errno=True)
    attributes = struct.pack("Q", READ_FILE | REFER)
    rules = libc.syscall(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if rules < 0:
        return False
    try:
        _grant(libc, rules, "/", REFER)
        for path in (*_beside(_ways(hidden)), *shown):
            _grant(libc, rules, path, READ_FILE)
        return not libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) and not libc.syscall(RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)


def _ways(hidden: Sequence[str]) -> dict[str, bool]:
    """Return hidden paths (True) and the folders on the way to them (False), as the kernel sees them."""
    found: dict[str, bool] = {}
    for given in hidden:
        # A mounted secret's file is a link into a folder that changes with the secret: both are hidden.
        named = os.path.join(os.path.realpath(os.path.dirname(given)), os.path.basename(given))
        for path in {named, os.path.realpath(given)}:
            found[path] = True
            while path != "/":
                path = os.path.dirname(path)
                found.setdefault(path, False)
    return found


def _beside(ways: dict[str, bool], folder: str = "/") -> Iterator[str]:
    """Yield what lies beside the ways. Links grant nothing: rights belong to what they lead to."""
    if ways.get(folder, True):
        return
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.path in ways:
            yield from _beside(ways, entry.path)
        elif not entry.is_symlink():
            yield entry.path


def _grant(libc: ctypes.CDLL, rules: int, path: str, right: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # it went meanwhile
        return
    try:
        libc.syscall(ADD_RULE, rules, PATH_BENEATH, struct.pack("=Qi", right, place), 0)
    finally:
        os.close(place)
