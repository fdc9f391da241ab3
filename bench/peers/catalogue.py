"""The queues that are measured: each with its package, the version it is pinned to, and what it promises."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

RAW = Path(os.environ.get("BENCH_RAW", Path(__file__).parent / "raw"))
"""Where the figures are: a file of JSON for each adapter and floor."""


class Durability(IntEnum):
    """What an acknowledged job survives: a higher one includes the lower."""

    NOTHING = 0
    WINDOW = 1
    KILL = 2
    POWER = 3

    @property
    def words(self) -> str:
        """For tables."""
        return _WORDS[self]


_WORDS = {
    Durability.NOTHING: "none: ends with its process",
    Durability.WINDOW: "a kill takes at most the last second",
    Durability.KILL: "a kill takes nothing, a power cut the last moments",
    Durability.POWER: "a power cut takes nothing",
}

MEMORY, SQLITE, POSTGRES, FILES = "memory", "SQLite", "Postgres", "object storage on disk"


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """One queue, in one setting."""

    name: str
    module: str
    package: str
    version: str
    """Pinned; empty for headrace, which is the tree that measures."""
    storage: str
    durability: Durability
    worker: str
    """How its worker is set up, in words; ``N`` is the concurrency of the column."""
    python: str = ""
    """The Python it needs, where that is not ours."""
    url: str = ""
    variant: str = ""
    bulk: str = ""
    """The name of its call for many jobs; empty where it has none."""
    concurrencies: Sequence[int] = (0,)
    """0 is its own default, or no choice."""
    many_processes: bool = True
    inside: bool = False
    """Whether producer and worker must share a process."""
    bare: bool = False
    """Whether jobs are taken by a loop of ours over its claims, for there is no worker, or without it."""
    latency: bool = True
    gaps: tuple[float, float] = (0.01, 0.05)
    """Seconds between samples of latency: as long as it takes to become idle."""
    jobs: int = 10_000
    wheel: str = ""
    """The platform of its wheel, where pip must be told."""

    @property
    def ours(self) -> bool:
        """Whether it is headrace."""
        return self.package == "headrace"


def _sqlite(name: str, package: str, version: str, worker: str, **other: object) -> Adapter:
    fields = {"module": name, "durability": Durability.KILL} | other
    return Adapter(name=name, package=package, version=version, storage=SQLITE, worker=worker, **fields)


def _postgres(name: str, package: str, version: str, worker: str, **other: object) -> Adapter:
    fields = {"module": name, "durability": Durability.POWER} | other
    return Adapter(name=name, package=package, version=version, storage=POSTGRES, worker=worker, **fields)


_FLEXIQ = {"module": "flexiq_sqlite", "bulk": "enqueue_many", "gaps": (0.02, 0.12), "jobs": 3_000}

PEERS: Sequence[Adapter] = (
    Adapter(
        name="huey_memory", module="huey_memory", package="huey", version="3.5.4", storage=MEMORY,
        durability=Durability.NOTHING, worker="consumer with N threads, default 1", inside=True,
        many_processes=False, concurrencies=(0, 4, 10, 100), jobs=50_000,
    ),
    _sqlite(
        *("huey_sqlite", "huey", "3.5.4", "consumer with N threads, default 1"),
        durability=Durability.POWER, concurrencies=(0, 4, 10, 100), gaps=(0.1, 0.4),
    ),
    _sqlite(
        *("persistqueue_sqlite", "persist-queue", "1.1.0", "none of its own: our loop of get, handler, ack"),
        durability=Durability.POWER, latency=False, bare=True,
    ),
    _sqlite(
        *("tinyjobs_sqlite", "tinyjobs", "0.7.1", "Worker with async_concurrency N, async handler"),
        concurrencies=(0, 10, 100, 1000), gaps=(0.02, 0.12), python="3.12",
    ),
    _sqlite("honker_sqlite", "honker", "0.5.0", "async for job in q.claim(): job.ack()", bulk="enqueue(tx=)",
            wheel="manylinux_2_38_x86_64"),
    _sqlite("honker_batch", "honker", "0.5.0", "claim_batch(N), ack_batch: our loop, no worker", latency=False,
            bare=True, bulk="enqueue(tx=)", concurrencies=(10, 100, 1000), jobs=30_000, wheel="manylinux_2_38_x86_64"),
    _sqlite("flexiq_sqlite", "flexiq", "2.1.0", "N threads, default the number of cores", **_FLEXIQ,
            concurrencies=(0, 10, 100)),
    _sqlite("flexiq_tuned", "flexiq", "2.1.0", "N threads, scheduler_batch_size 100, polling each ms", **_FLEXIQ,
            variant="tuned", concurrencies=(10, 16, 100)),
    _sqlite("flexiq_push", "flexiq", "2.1.0", "N threads, push_dispatch, polling each 5 ms", **_FLEXIQ,
            variant="push", concurrencies=(10,)),
    _sqlite("taskito_sqlite", "taskito", "0.22.0", "N threads, default the number of cores", bulk="enqueue_many",
            gaps=(0.02, 0.12), jobs=3_000, concurrencies=(0, 10)),
    _sqlite("litequeue_sqlite", "litequeue", "0.14", "none of its own: our loop of pop, handler, done", python="3.12",
            bare=True),
    _sqlite("firmqueue_sqlite", "firm-queue", "1.0.0", "ThreadSupervisor, 3 threads", gaps=(0.02, 0.15), jobs=2_000),
    _postgres("pgqueuer_postgres", "pgqueuer", "1.6.0", "run(batch_size=N), default 10, async handler",
              bulk="Queries.enqueue", concurrencies=(0, 10, 50, 100, 1000)),
    _postgres("oban_postgres", "oban", "0.7.0", "embedded, queue limit N, default 20, uvloop", python="3.12",
              bulk="enqueue_many", concurrencies=(0, 10, 100, 1000)),
    _postgres("procrastinate_postgres", "procrastinate", "3.10.0", "run_worker_async(concurrency=N), default 1",
              bulk="batch_defer_async", concurrencies=(0, 10, 30, 100), jobs=5_000),
    _postgres("chancy_postgres", "chancy", "0.26.0", "Worker, queue concurrency N, default 20, async executor",
              bulk="push_many", concurrencies=(0, 100), jobs=2_000),
    _postgres("chancy_tuned", "chancy", "0.26.0", "the same, polling each second", module="chancy_postgres",
              variant="tuned", bulk="push_many", concurrencies=(100, 1000), jobs=3_000, latency=False),
)  # fmt: skip
"""In the order of the table."""


def _ours(name: str, storage: str, durability: Durability, url: str, **other: object) -> Adapter:
    fields = {
        "module": "headrace_worker",
        "worker": "app.worker with concurrency N, async handler",
        "bulk": "aenqueue_many",
        "concurrencies": (10, 100, 1000),
        "jobs": 50_000,
    }
    return Adapter(
        name=name, package="headrace", version="", storage=storage, durability=durability, url=url, **fields | other
    )


_ONE_PROCESS = {"inside": True, "many_processes": False}

OURS: Sequence[Adapter] = (
    _ours("headrace_memory", MEMORY, Durability.NOTHING, "memory:", **_ONE_PROCESS),
    _ours("headrace_hybrid", MEMORY, Durability.WINDOW, "hybrid:///{data}/headrace.snap", **_ONE_PROCESS),
    _ours("headrace_normal", SQLITE, Durability.KILL, "sqlite:///{data}/headrace.db?durability=normal"),
    _ours(
        *("headrace_claims", SQLITE, Durability.KILL, "sqlite:///{data}/headrace.db?durability=normal"),
        module="headrace_claims",
        worker="aclaim(limit=N), then aack_many: our loop, no worker",
        latency=False,
        bare=True,
    ),
    _ours("headrace_full", SQLITE, Durability.POWER, "sqlite:///{data}/headrace.db"),
    _ours("headrace_file", FILES, Durability.KILL, "file:///{data}/headrace-objects", **_ONE_PROCESS),
    _ours("headrace_postgres", POSTGRES, Durability.POWER, ""),
)

ADAPTERS = {adapter.name: adapter for adapter in (*OURS, *PEERS)}
