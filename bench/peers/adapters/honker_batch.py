"""honker on SQLite: the bare loop over its batches, without a worker."""

import os
import time

import honker

from bench.peers.adapters.honker_sqlite import Producer, durability, setup
from bench.peers.setting import data_path, mark

__all__ = ["Producer", "durability", "setup", "work"]


def work(concurrency: int) -> None:
    queue, name = honker.open(data_path("honker.db")).queue("bench"), f"worker-{os.getpid()}"
    while True:
        jobs = queue.claim_batch(name, concurrency)
        if not jobs:
            time.sleep(0.005)
            continue
        for job in jobs:
            mark(job.payload)
        queue.ack_batch([job.id for job in jobs], name)
