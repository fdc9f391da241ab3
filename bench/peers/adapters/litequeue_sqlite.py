"""litequeue on SQLite, which has no worker: our own smallest loop."""

import json
import time

from litequeue import LiteQueue

from bench.peers.setting import Payload, data_path, fresh_path, mark, pragmas


def setup() -> None:
    LiteQueue(fresh_path("litequeue.db"))


def durability() -> str:
    connection = LiteQueue(data_path("litequeue.db")).conn
    return pragmas(lambda pragma: connection.execute(pragma).fetchone()[0])


class Producer:
    def start(self) -> None:
        self.queue = LiteQueue(data_path("litequeue.db"))

    def one(self, job: Payload) -> None:
        self.queue.put(json.dumps(job))

    def stop(self) -> None:
        self.queue.close()


def work(_: int) -> None:
    queue = LiteQueue(data_path("litequeue.db"))
    while True:
        message = queue.pop()
        if message is None:
            time.sleep(0.001)
            continue
        mark(json.loads(message.data))
        queue.done(message.message_id, claim_id=message.claim_id)
