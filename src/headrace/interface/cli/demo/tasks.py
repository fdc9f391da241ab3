"""The app of the demo. Its workers are started as anybody's are, by ``headrace worker`` and the name of this module."""

import warnings
from typing import NamedTuple

from headrace.interface.app import Headrace
from headrace.interface.cli.demo import roster
from headrace.interface.cli.demo.symbols import Symbols, index
from headrace.interface.task import Task
from headrace.runtime.attempt import current

QUEUE = "demo"
LEASE = 3.0
"""Seconds. Short, so that nobody waits long for the rescue."""


class Parts(NamedTuple):
    """An app and its one task."""

    app: Headrace
    index_file: Task[[str, str], Symbols, Symbols]


def build(url: str | None = None) -> Parts:
    """On a storage, or on that of ``HEADRACE_URL``."""
    app = Headrace(
        url,
        lease=LEASE,
        beat=LEASE / 3,
        reap=LEASE / 6,
        grace="5s",
        retention={"completed": "24h", "cancelled": "24h", "dead": "30d"},
    )
    app.on_worker_start(_silence)
    return Parts(app, app.task(name="index_file", queue=QUEUE)(index_file))


def index_file(source: str, folder: str) -> Symbols:
    """Index one Python file."""
    roster.sign(folder, current().job.worker or "")
    return index(source, folder)


def _silence() -> None:
    warnings.simplefilter("ignore")  # what the compiler thinks of other people's files


app = build().app
