"""``python -m headrace.testing.proxy --to HOST:PORT``: a proxy that is told what goes wrong, a line at a time."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from headrace.testing.proxy.answers import Dialogue, QuietDialogue
from headrace.testing.proxy.commands import HELP, obey
from headrace.testing.proxy.http import HttpDialogue
from headrace.testing.proxy.postgres import PostgresDialogue
from headrace.testing.proxy.thread import ProxyThread


def main(arguments: Sequence[str]) -> int:
    """Prints the port, then a line in answer to each command: what it asks for is in force by then. Ends with stdin, so
    that it never outlives who started it."""
    given = _parser().parse_args(arguments)
    host, _, port = given.to.rpartition(":")
    dialogues: Mapping[str, Callable[[], Dialogue]] = {
        "postgres": PostgresDialogue,
        "http": HttpDialogue,
        "anything": partial(QuietDialogue, given.quiet),
    }
    with ProxyThread(host, int(port), speaks=dialogues[given.speaks], seed=given.seed) as thread:
        _say(str(thread.port))
        for line in sys.stdin:
            _say(thread.ask(partial(obey, line=line)))
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m headrace.testing.proxy",
        description=__doc__,
        epilog=f"commands:\n{HELP}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--to", required=True, metavar="HOST:PORT", help="the server")
    parser.add_argument("--speaks", choices=["postgres", "http", "anything"], default="anything", help="its protocol")
    parser.add_argument("--quiet", type=float, default=0.1, help="seconds of silence that end an answer of anything")
    parser.add_argument("--seed", default="0", help="what jitter comes from")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
