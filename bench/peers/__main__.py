"""``python -m bench.peers [--quick] [--rounds 3] [NAME...]``: measures queues and floors, and writes bench/peers/raw.

A name is that of an adapter or floor, or ``peers``, ``ours``, ``floors``; without one, all are measured. What is not
installed is told of, and left out: ``make bench-peers`` installs the peers.
"""

import argparse
import dataclasses
import signal
import sys
from collections.abc import Sequence

from bench.peers import floors
from bench.peers.catalogue import ADAPTERS, OURS, PEERS, POSTGRES
from bench.peers.databases import Server, postgres
from bench.peers.run import QUICK, alone, keep, measure, surroundings, told
from bench.peers.steps import Size

_GROUPS = {"peers": [one.name for one in PEERS], "ours": [one.name for one in OURS], "floors": list(floors.FLOORS)}


def main(arguments: Sequence[str]) -> int:
    """The exit code is 0 whatever the figures are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="to see that it works; the figures mean nothing")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("names", nargs="*", metavar="NAME", default=list(_GROUPS))
    given = parser.parse_args(arguments)
    size = QUICK if given.quick else Size()
    if given.rounds:
        size = dataclasses.replace(size, rounds=given.rounds)
    names = [name for given_name in given.names for name in _GROUPS.get(given_name, [given_name])]
    if unknown := [name for name in names if name not in ADAPTERS and name not in floors.FLOORS]:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join([*_GROUPS, *floors.FLOORS, *ADAPTERS])}")
    # so that the workers of a step end with this program
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with postgres() as server:
        for name in names:
            print(f"{name:22} {_measure(name, size, server)}", flush=True)
    return 0


def _measure(name: str, size: Size, server: Server | None) -> str:
    needs_server = POSTGRES in (ADAPTERS[name].storage if name in ADAPTERS else floors.FLOORS[name].storage)
    if needs_server and server is None:
        return "skipped: no Postgres is installed (apt-get install postgresql)"
    chosen = server if needs_server else None
    if name in ADAPTERS:
        return measure(ADAPTERS[name], size, chosen)
    with alone():
        record = floors.measure(floors.FLOORS[name], size, chosen)
    keep(name, record | surroundings(chosen))
    return told(record["median"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
