"""huey on SQLite."""

from huey import SqliteHuey

from bench.peers.setting import Payload, data_path, fresh_path, mark, pragmas


def _open() -> SqliteHuey:
    return SqliteHuey("bench", filename=data_path("huey.db"), results=False)


def setup() -> None:
    fresh_path("huey.db")
    _open()


def durability() -> str:
    return pragmas(lambda pragma: _open().storage.sql(pragma, results=True)[0][0])


class Producer:
    def start(self) -> None:
        self.noop = declare(_open())

    def one(self, job: Payload) -> None:
        self.noop(job)

    def stop(self) -> None: ...


def declare(huey: SqliteHuey) -> object:
    @huey.task(name="noop")
    def noop(job: Payload) -> None:
        mark(job)

    return noop


def work(concurrency: int) -> None:
    huey = _open()
    declare(huey)
    huey.create_consumer(workers=concurrency or 1).run()
