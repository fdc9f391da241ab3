"""``python -m bench [--json FILE] [QUESTION...]``: measure, and print one table. The questions are below."""

import sys

from bench import (
    constants,
    cores,
    drain,
    enqueue,
    hybrid,
    latency,
    limits,
    many_queues,
    objectstore,
    postgres,
    schedules,
    waiting,
)
from bench.setting import machine, save, show

QUESTIONS = {
    "enqueue": enqueue.measure,
    "drain": drain.measure,
    "hybrid": hybrid.measure,
    "constants": constants.measure,
    "cores": cores.measure,
    "latency": latency.measure,
    "queues": many_queues.measure,
    "schedules": schedules.measure,
    "waiting": waiting.measure,
    "limits": limits.measure,
    "postgres": postgres.measure,
    "objectstore": objectstore.measure,
}


def main(arguments: list[str]) -> int:
    """The exit code is 0 whatever the figures are: a bench measures, a test judges."""
    path = arguments[arguments.index("--json") + 1] if "--json" in arguments else None
    chosen = [name for name in arguments if name in QUESTIONS] or list(QUESTIONS)
    for name, value in machine().items():
        print(f"{name:10} {value}")
    figures = [figure for name in chosen for figure in QUESTIONS[name]()]
    show(figures)
    if path is not None:
        save(path, figures)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
