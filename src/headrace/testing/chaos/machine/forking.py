"""Forks of processes that use the store, as servers make that load an app first and then fork their workers."""

from collections.abc import Mapping

from headrace.testing.chaos.machine.course import Course, Stand
from headrace.testing.history.records import Died


class Fork(Course):
    """A parent that enqueues from a thread without a pause, and meanwhile forks children that enqueue, each by the app
    that it has inherited in use. One of four is killed in the middle."""

    options: Mapping[str, str] = {
        "patience": "10s"
    }  # thirty processes that do nothing else than enqueue get in each other's way

    def play(self, stand: Stand) -> None:
        stand.start("worker", 2)
        parents = stand.start("forker", 2)
        for parent in parents:
            stand.await_end(parent)
            if parent.code:
                stand.objections.append(f"{parent.name} ended with {parent.code}: a child of it hung or failed")
        died = sum(isinstance(record, Died) for record in stand.records())
        stand.counts["kills"] += died
        stand.counts["forks"] += sum(path.stem.count("child") for path in stand.fleet.station.ledgers.iterdir())
