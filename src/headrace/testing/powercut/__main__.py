"""``python -m headrace.testing.powercut``"""

import argparse
import sys

import msgspec

from headrace.testing.powercut.recording import NoRecorder
from headrace.testing.powercut.run import ROUNDS, cut_power


def main() -> int:
    """0: the store held what it promises; 1: it did not; 2: nothing could be recorded."""
    parser = argparse.ArgumentParser(prog="python -m headrace.testing.powercut", description=__doc__)
    parser.add_argument("--cuts", type=int, default=500, help="how many power cuts (500)")
    parser.add_argument("--seed", type=int, default=7, help="what all chances come from (7)")
    parser.add_argument("--durability", choices=["full", "normal", "off"], default="full")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"inserts of each producer ({ROUNDS})")
    parser.add_argument("--json", action="store_true", help="the verdict as JSON")
    options = parser.parse_args()
    try:
        verdict = cut_power(options.cuts, options.seed, options.durability, options.rounds)
    except NoRecorder as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if options.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(verdict)).decode() + "\n")
    else:
        sys.stdout.write("".join(f"{example}\n" for example in verdict.examples) + verdict.line() + "\n")
    return 0 if verdict.holds else 1


if __name__ == "__main__":
    sys.exit(main())
