"""`python -m mesh.capture`: the command of the init container that captures a pod's connections."""

from __future__ import annotations

import argparse
import ipaddress
import sys
import time
from collections.abc import Sequence

from mesh.capture import iptables, kernel, nftables
from mesh.capture.options import LAST_ID, SIDECAR_PORTS, Options, read_networks, read_ranges
from mesh.errors import MeshError
from mesh.model import pods

QUICK_START = f"""
quick start (as root, in the network namespace of the application):
  python -m mesh.capture apply                 all TCP to the sidecar, except what user {pods.PROXY_UID} sends
  python -m mesh.capture apply --dns --exclude-outbound-ports 3306 --exclude-outbound-cidrs 10.1.0.0/16
  python -m mesh.capture show                  the rules in force
  python -m mesh.capture clean                 none of them any more
  python -m mesh.capture print                 the rules as text; changes nothing, needs no right
exit codes: 0 done, 1 the kernel or its tools refused, 2 wrong options. Applying again replaces the rules at once.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks; words go to standard error, rules to standard output."""
    asked = _parser().parse_args(arguments)
    try:
        options = _options(asked)
    except MeshError as error:
        return _refuse(error, 2)
    try:
        _do(asked.command, options, kernel.Backend(asked.backend) if asked.backend != "auto" else None)
    except MeshError as error:
        return _refuse(error, 1)
    return 0


def _do(command: str, options: Options, backend: kernel.Backend | None) -> None:
    started = time.monotonic()
    if command == "apply":
        used = kernel.apply(options, backend)
        _say(f"captured by {used} in {(time.monotonic() - started) * 1000:.0f} ms: {_summary(options)}")
    elif command == "clean":
        kernel.clean()
        _say("no rules of capture are left")
    elif command == "show":
        sys.stdout.write(kernel.show())
    elif backend is kernel.Backend.IPTABLES:
        sys.stdout.write(f"# IPv4\n{iptables.ruleset(options, 4)}# IPv6\n{iptables.ruleset(options, 6)}")
    else:
        sys.stdout.write(nftables.ruleset(options))


def _options(asked: argparse.Namespace) -> Options:
    inbound_ports = f"{SIDECAR_PORTS},{asked.exclude_inbound_ports}"
    return Options(
        proxy_uid=asked.proxy_uid,
        proxy_gid=asked.proxy_gid,
        outbound=asked.outbound_port,
        inbound=asked.inbound_port,
        dns=asked.dns_port if asked.dns else 0,
        exclude_inbound_ports=read_ranges(inbound_ports, field="--exclude-inbound-ports"),
        exclude_outbound_ports=read_ranges(asked.exclude_outbound_ports, field="--exclude-outbound-ports"),
        exclude_outbound_cidrs=read_networks(asked.exclude_outbound_cidrs, field="--exclude-outbound-cidrs"),
        include_outbound_cidrs=_included(asked),
        exclude_uids=read_ranges(asked.exclude_uids, field="--exclude-uids", last=LAST_ID),
        exclude_gids=read_ranges(asked.exclude_gids, field="--exclude-gids", last=LAST_ID),
    )


def _included(asked: argparse.Namespace) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    """What look-ups answer with must be captured, or it leads nowhere."""
    stated = asked.include_outbound_cidrs
    virtual = f",{pods.VIRTUAL_IPV4},{pods.VIRTUAL_IPV6}" if stated and asked.dns else ""
    return read_networks(f"{stated}{virtual}", field="--include-outbound-cidrs")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mesh.capture",
        description="Lead an application's TCP connections to its sidecar by rules in the kernel (nftables, else"
        " iptables), for IPv4 and IPv6.",
        epilog=QUICK_START,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=("apply", "clean", "show", "print"))
    parser.add_argument("--backend", choices=("auto", "nft", "iptables"), default="auto")
    parser.add_argument("--proxy-uid", type=int, default=pods.PROXY_UID, metavar="UID", help="the sidecar's user")
    parser.add_argument("--proxy-gid", type=int, metavar="GID", help="the sidecar's group, if it is nobody else's")
    parser.add_argument("--outbound-port", type=int, default=pods.CAPTURED_OUTBOUND_PORT, metavar="N", help="0: none")
    parser.add_argument("--inbound-port", type=int, default=pods.CAPTURED_INBOUND_PORT, metavar="N", help="0: none")
    parser.add_argument("--dns", action="store_true", help="lead look-ups (UDP 53) to the sidecar too")
    parser.add_argument("--dns-port", type=int, default=pods.DNS_PORT, metavar="N")
    for name, meaning in _LISTS.items():
        parser.add_argument(f"--{name}", default="", metavar="LIST", help=meaning)
    return parser


_LISTS = {
    "exclude-inbound-ports": f"ports of the pod that stay uncaptured, e.g. 9090,7000-7100; {SIDECAR_PORTS} always do",
    "exclude-outbound-ports": "destination ports that are called directly; 53 always is",
    "exclude-outbound-cidrs": "destinations that are called directly, e.g. 10.1.0.0/16,fd00::/8",
    "include-outbound-cidrs": "capture only connections to these",
    "exclude-uids": "users whose packets are left alone, e.g. 1001,2000-2010",
    "exclude-gids": "groups whose packets are left alone",
}


def _summary(options: Options) -> str:
    return f"outbound {options.outbound}, inbound {options.inbound}, look-ups {options.dns or 'not'}; 0 is not captured"


def _refuse(error: MeshError, code: int) -> int:
    remedy = getattr(error, "remedy", "")
    _say(f"{error.message}; {remedy}" if remedy else error.message)
    return code


def _say(text: str) -> None:
    sys.stderr.write(f"mesh.capture: {text}\n")


if __name__ == "__main__":
    sys.exit(main())
