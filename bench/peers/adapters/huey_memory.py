"""huey in memory: its consumer's threads beside the producer."""

from collections.abc import Iterator
from contextlib import contextmanager

from huey import MemoryHuey

from bench.peers.setting import Payload, mark

huey = MemoryHuey("bench", results=False)


@huey.task(name="noop")
def noop(job: Payload) -> None:
    mark(job)


def setup() -> None: ...


class Producer:
    def start(self) -> None: ...

    def one(self, job: Payload) -> None:
        noop(job)

    def stop(self) -> None: ...


@contextmanager
def working(concurrency: int) -> Iterator[None]:
    consumer = huey.create_consumer(workers=concurrency or 1)
    consumer.start()
    try:
        yield
    finally:
        consumer.stop(graceful=True)
