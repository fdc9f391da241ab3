"""Dead jobs are sent back by several processes at once, while others run them."""

from collections import Counter
from pathlib import Path

from survival.fleet import fleet, wait_until

from headrace import Headrace
from headrace.model.state import State

JOBS = 1_000


def test_operators_in_many_processes_neither_lose_nor_double(tmp_path: Path) -> None:
    with fleet(tmp_path) as ships, Headrace(ships.url) as app:
        calls = [app.by_name("survival.app.die_once", {"number": number}, {}) for number in range(JOBS)]
        ids = [receipt.id for receipt in app.enqueue_many(calls)]
        operators = [ships.start("-m", "survival.operator") for _ in range(3)]
        workers = [ships.start_worker() for _ in range(2)]
        wait_until(lambda: app.counts() == {"default": {State.COMPLETED: JOBS}}, "all are completed", 60)
        assert [ships.let_go(process) for process in operators] == [0, 0, 0]
        assert [ships.end(process) for process in workers] == [0, 0]
        sent_back = ships.effects("sent back")
        assert sum(record["count"] for record in sent_back) == JOBS
        assert len({record["pid"] for record in sent_back}) > 1, "more than one operator sent some back"
        starts = Counter(record["job"] for record in ships.effects("start"))
        assert starts == dict.fromkeys(ids, 2)
        assert Counter(record["job"] for record in ships.effects("completed")) == Counter(ids)
