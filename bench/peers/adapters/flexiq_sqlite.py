"""flexiq on SQLite: as it is, with a shorter poll, or told of each job."""

from flexiq import Queue

from bench.peers.setting import VARIANT, Payload, data_path, fresh_path, mark

_OPTIONS = {
    "": {},
    "tuned": {"scheduler_batch_size": 100, "scheduler_poll_interval_ms": 1},
    "push": {"scheduler_batch_size": 100, "scheduler_poll_interval_ms": 5, "push_dispatch": True},
}


def _open(workers: int = 0) -> Queue:
    return Queue(db_path=data_path("flexiq.db"), **_OPTIONS[VARIANT], **({"workers": workers} if workers else {}))


def declare(queue: Queue) -> object:
    @queue.task(name="noop")
    def noop(job: Payload) -> None:
        mark(job)

    return noop


def setup() -> None:
    fresh_path("flexiq.db")
    _open()


class Producer:
    def start(self) -> None:
        self.queue = _open()
        self.noop = declare(self.queue)

    def one(self, job: Payload) -> None:
        self.noop.delay(job)

    def bulk(self, jobs: list[Payload]) -> None:
        self.queue.enqueue_many(self.noop.name, [(job,) for job in jobs])

    def stop(self) -> None: ...


def work(concurrency: int) -> None:
    queue = _open(concurrency)
    declare(queue)
    queue.run_worker()
