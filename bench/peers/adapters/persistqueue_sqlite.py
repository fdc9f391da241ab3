"""persist-queue on SQLite, which has no worker: our own smallest loop."""

import time

from persistqueue import Empty, SQLiteAckQueue

from bench.peers.setting import Payload, data_path, fresh_path, mark


def _open() -> SQLiteAckQueue:
    return SQLiteAckQueue(data_path("persistqueue"), auto_commit=True, multithreading=True)


def setup() -> None:
    fresh_path("persistqueue")
    _open().close()


class Producer:
    def start(self) -> None:
        self.queue = _open()

    def one(self, job: Payload) -> None:
        self.queue.put(job)

    def stop(self) -> None:
        self.queue.close()


def work(_: int) -> None:
    queue = _open()
    while True:
        try:
            job = queue.get(block=False)
        except Empty:
            time.sleep(0.001)
            continue
        mark(job)
        queue.ack(job)
