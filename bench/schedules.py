"""What schedules cost: to parse an expression, to find its next firing, and beside an idle worker, ten thousand."""

import statistics
import sys
from functools import partial
from itertools import islice
from time import perf_counter, time

from bench.latency import processor_share
from bench.setting import SQLITE, Figure, make_app, run_python, store, task_of
from headrace import parse_cron

EXPRESSIONS = [
    *("* * * * *", "*/5 * * * *", "0 9 * * 1-5", "30 2 1 * *", "0 0 L * *", "0 0 LW * 5L", "0 0 * 2 MON#4"),
    *("*/10 * * * * *", "30 0 0 1 JAN *", "0 0 29 2 *", "0 0 31 * */7", "0 0 L 1,2 */7", "0 0 31 1,3 */7"),
    ",".join(map(str, range(60))) + " 0-23/2 1-31 JAN-DEC MON-FRI",
]
"""Common ones, and those whose check whether they ever fire looks longest."""
ZONES = ("UTC", "Europe/Paris", "Australia/Lord_Howe")
_ROUNDS = 50
_SCHEDULES = 10_000


def measure() -> list[Figure]:
    """Medians over all expressions and zones, and the slowest of them."""
    parsing = [_median(partial(parse_cron, text, tz)) for text in EXPRESSIONS for tz in ZONES]
    now = int(time() * 1000)
    firing = []
    for text in EXPRESSIONS:
        for tz in ZONES:
            cron = parse_cron(text, tz)
            firing.append(_median(lambda cron=cron: list(islice(cron.firings(now), 10))) / 10)
    idle, declaring = _idle(_SCHEDULES)
    alone, _ = _idle(0)
    return [
        Figure("cron: parse, median", "-", statistics.median(parsing) * 1000, "ms", 1, least=False),
        Figure("cron: parse, slowest expression", "-", max(parsing) * 1000, "ms", 1, least=False),
        Figure("cron: next firing, median", "-", statistics.median(firing) * 1000, "ms"),
        Figure("declaring 10,000 schedules, first use", SQLITE, declaring, "s"),
        Figure("idle worker, no schedules, of a core", SQLITE, alone * 100, "%"),
        Figure("idle worker, 10,000 schedules, of a core", SQLITE, idle * 100, "%", 2, least=False),
    ]


def _median(work: "object") -> float:
    times = []
    for _ in range(_ROUNDS):
        started = perf_counter()
        work()
        times.append(perf_counter() - started)
    return statistics.median(times)


def _idle(count: int) -> tuple[float, float]:
    """What a worker in a child takes of a core beside so many schedules, spread over the minutes of a day, and how
    many seconds it took to declare them."""
    with store(SQLITE) as url:
        with make_app(url) as app:
            mark = task_of(app, "mark")
            for number in range(count):
                minute, hour = number % 60, number // 60 % 24
                app.schedule(f"daily:{number}", cron=f"{minute} {hour} * * *", tz=ZONES[1], job=mark.call(0.0))
            started = perf_counter()
            app.schedules(limit=1)
            declaring = perf_counter() - started
        child = run_python("-m", "bench.schedules", url)
        assert child.stdout is not None
        child.stdout.readline()
        share = processor_share(child.pid)
        child.terminate()
        child.wait(30)
    return share, declaring


def serve(url: str) -> None:
    """Runs in the child: a worker."""
    app = make_app(url)
    app.on_worker_start(lambda: print("ready", flush=True))
    app.run({"default": 10})


if __name__ == "__main__":
    serve(sys.argv[1])
