"""tinyjobs on SQLite."""

from tinyjobs import TinyJobs

from bench.peers.setting import Payload, data_path, fresh_path, mark

app = TinyJobs("sqlite:///" + data_path("tinyjobs.db"))


@app.task
async def noop(job: dict) -> None:
    mark(job)


def setup() -> None:
    fresh_path("tinyjobs.db")


class Producer:
    async def start(self) -> None: ...

    async def one(self, job: Payload) -> None:
        await noop.aenqueue(job)

    async def stop(self) -> None:
        await app.aclose()


def work(concurrency: int) -> None:
    app.worker(**({"async_concurrency": concurrency} if concurrency else {})).run()
