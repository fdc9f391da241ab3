"""taskito on SQLite: the engine of flexiq under an earlier name."""

from taskito import Queue

from bench.peers.setting import Payload, data_path, fresh_path, mark


def _open(workers: int = 0) -> Queue:
    return Queue(db_path=data_path("taskito.db"), **({"workers": workers} if workers else {}))


def declare(queue: Queue) -> object:
    @queue.task(name="noop")
    def noop(job: Payload) -> None:
        mark(job)

    return noop


def setup() -> None:
    fresh_path("taskito.db")
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
