"""Options of capture and the rules they become, side by side. After a change that is meant: `--write-golden`."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh.capture import iptables, nftables
from mesh.capture.groups import Member, table_ruleset
from mesh.capture.options import Options, read_networks, read_ranges

HERE = Path(__file__).parent
FULL = Options(
    proxy_gid=10101,
    dns=15053,
    exclude_inbound_ports=read_ranges("15000-15199,9090,7000-7100", field="inbound"),
    exclude_outbound_ports=read_ranges("3306,22,8000-8100,8050-8200", field="outbound"),
    exclude_outbound_cidrs=read_networks("10.1.0.0/16,192.0.2.7,fd00::/8,10.1.2.0/24", field="cidrs"),
    exclude_uids=read_ranges("1001,2000-2010", field="uids"),
    exclude_gids=read_ranges("3000", field="gids"),
)
CASES = {
    "default": Options(),
    "full": FULL,
    "included": Options(include_outbound_cidrs=read_networks("10.0.0.0/8,fd00::/8", field="cidrs")),
    "outbound-only": Options(inbound=0),
    "dns-only": Options(outbound=0, inbound=0, dns=15053),
}
SAVED = "*nat\n:COLORLANE_OUTBOUND - [0:0]\n-A OUTPUT -j COLORLANE_OUTBOUND\nCOMMIT\n"
GROUPS = [Member(1810020007, 20007, 20008), Member(1810020003, 20003, 20004)]
FILES = {
    **{f"{name}.nft": nftables.ruleset(options) for name, options in CASES.items()},
    **{f"{name}.iptables": iptables.ruleset(options, 4) for name, options in CASES.items()},
    **{f"{name}.ip6tables": iptables.ruleset(options, 6) for name, options in CASES.items()},
    "again.iptables": iptables.ruleset(Options(), 4, SAVED),
    "groups.nft": table_ruleset("colorlane_0123456789ab", GROUPS, ipv6=True),
    "groups-ipv4.nft": table_ruleset("colorlane_0123456789ab", GROUPS[:1], ipv6=False),
    "groups-none.nft": table_ruleset("colorlane_0123456789ab", [], ipv6=True),
    "removal.nft": nftables.removal(),
    "removal.iptables": iptables.removal(SAVED),
}


@pytest.mark.parametrize("name", FILES)
def test_options_become_these_rules(name: str, write_golden: bool) -> None:
    path = HERE / name
    if write_golden:
        path.write_text(FILES[name])
    assert path.is_file(), f"no {name}: run pytest with --write-golden"
    assert FILES[name] == path.read_text(), "if this is meant: pytest tests/golden --write-golden"


def test_every_file_belongs_to_a_case() -> None:
    assert {path.name for path in HERE.iterdir() if path.suffix in (".nft", ".iptables", ".ip6tables")} == set(FILES)
