"""``python -m headrace.testing.powercut``: cut the power under a store in SQLite, and look at what is left."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from headrace.testing.powercut.recording import NoRecorder
from headrace.testing.powercut.run import ROUNDS, cut_power

_LEVELS = ("full", "normal", "off")
_ALL = [("full", False, 1.0), ("full", True, 1.0), ("normal", False, 0.2), ("off", False, 0.2)]
"""Durability, whether syncs fail, and which part of the cuts it gets."""


def main(arguments: Sequence[str]) -> int:
    """0: the stores held what they promise; 1: one did not; 2: nothing could be recorded."""
    given = _parser().parse_args(arguments)
    runs = _ALL if given.durability == "all" else [(given.durability, given.failing_syncs, 1.0)]
    verdicts = []
    for level, failing, part in runs:
        cuts = max(1, round(given.cuts * part))
        try:
            verdicts.append(cut_power(cuts, given.seed, level, given.rounds, failing_syncs=failing, keep=given.keep))
        except NoRecorder as error:
            sys.stderr.write(f"{error}\n")
            return 2
        if level != "off":
            sys.stdout.write("".join(f"{example}\n" for example in verdicts[-1].examples))
        sys.stdout.write(verdicts[-1].line() + "\n")
    if given.json is not None:
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(verdicts)) + b"\n")
    return 0 if all(verdict.holds for verdict in verdicts) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m headrace.testing.powercut", description=__doc__)
    parser.add_argument("--cuts", type=int, default=500, help="how many power cuts (500)")
    parser.add_argument("--seed", type=int, default=7, help="what all chances come from (7)")
    parser.add_argument(
        "--durability",
        choices=[*_LEVELS, "all"],
        default="full",
        help="that of the store; off is none that a store offers, and shows that losses are seen (full)",
    )
    parser.add_argument("--failing-syncs", action="store_true", help="now and then a sync of the program fails")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"inserts of each producer ({ROUNDS})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the verdicts there")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the files of damaged stores there")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
