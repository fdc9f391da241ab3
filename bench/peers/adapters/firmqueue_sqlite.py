"""firm-queue on SQLite."""

import threading

import firm.queue
from firm.queue import schema
from firm.queue.supervisor import ThreadSupervisor

from bench.peers.setting import Payload, data_path, fresh_path, mark

runtime = firm.queue.configure(database_url="sqlite:///" + data_path("firmqueue.db"))


@firm.queue.job()
def noop(job: Payload) -> None:
    mark(job)


def setup() -> None:
    fresh_path("firmqueue.db")
    schema.create_all(runtime.engine)


class Producer:
    def start(self) -> None: ...

    def one(self, job: Payload) -> None:
        noop.enqueue(job)

    def stop(self) -> None: ...


def work(_: int) -> None:
    with ThreadSupervisor(runtime):
        threading.Event().wait()
