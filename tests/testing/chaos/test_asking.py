"""Producers: what they ask for, and what their successors ask for again."""

from pathlib import Path

from headrace.testing.chaos.asking import Asker, call_of
from headrace.testing.chaos.ledger import SUFFIX
from headrace.testing.chaos.notes import wanted
from headrace.testing.chaos.producer import TOGETHER, unanswered
from headrace.testing.chaos.station import Station
from headrace.testing.chaos.workload import MAX_ATTEMPTS, WEIGHTS, make_app
from headrace.testing.history.records import Answer, Enqueued, Enqueueing, NotEnqueued, Wanted, encode


def station(folder: Path, **more: object) -> Station:
    own = Station(url="memory:", folder=str(folder), role="producer", number=3, seed=1, offset=0, **more)  # type: ignore[arg-type]
    own.ledgers.mkdir(exist_ok=True)
    return own


def test_every_kind_is_asked_for_and_the_call_asks_for_just_that(tmp_path: Path) -> None:
    own = station(tmp_path)
    ledger = own.open_ledger()
    app = make_app(own, ledger)
    asker = Asker(own, app.ids.new)
    jobs = [job for _ in range(400) for job in asker.ask(TOGETHER)]
    assert {job.task for job in jobs} >= {kind for kind, weight in WEIGHTS.items() if weight > 10}
    assert len({job.id for job in jobs}) == len({job.payload for job in jobs}) == len(jobs)
    assert {job.until for job in jobs if job.key} == {"finished", "claimed", "window"}
    for job in jobs:
        made = wanted(call_of(app, job).make("unused"), None)
        assert (made.id, made.task, made.queue, made.payload) == (job.id, job.task, job.queue, job.payload)
        assert (made.key, made.until, made.window) == (job.key, job.until, job.window)
        assert (made.priority, round(made.delay, 3), job.max_attempts) == (
            job.priority,
            round(job.delay, 3),
            MAX_ATTEMPTS,
        )
    ledger.close()


def test_many_jobs_of_one_call_fit_into_a_line(tmp_path: Path) -> None:
    own = station(tmp_path)
    ledger = own.open_ledger()
    asker = Asker(own, make_app(own, ledger).ids.new)
    longest = [job for _ in range(TOGETHER) for job in asker.of_kind("throttled", 1)]
    ledger.write(lambda at, process: Enqueueing(at=at, process=process, call=1, jobs=longest))
    ledger.close()


def test_a_station_may_want_other_jobs(tmp_path: Path) -> None:
    nothing = dict.fromkeys(WEIGHTS, "0")
    own = station(tmp_path, workload={**nothing, "narrow": "1"})
    ids = iter(f"{number}" for number in range(1000))
    assert {job.task for _ in range(9) for job in Asker(own, lambda: next(ids)).ask(5)} == {"narrow"}


def test_what_was_not_answered_is_asked_for_again(tmp_path: Path) -> None:
    jobs = [Wanted(id=f"{number}", task="work", queue="default") for number in range(5)]
    records = [Enqueueing(at=1, process="p", call=call, jobs=[job]) for call, job in enumerate(jobs)]
    answers = [
        Enqueued(at=2, process="p", call=0, answers=[Answer("0")]),
        NotEnqueued(at=2, process="p", call=1, error="StoreBusy", certain=True),
        NotEnqueued(at=2, process="p", call=2, error="EnqueueUnknown", certain=False),
        NotEnqueued(at=2, process="p", call=4, error="StoreUnreachable", certain=True),
    ]
    path = tmp_path / f"p{SUFFIX}"
    path.write_bytes(b"".join(encode(record) + b"\n" for record in [*records, *answers]) + b'{"type":"Enq')
    assert unanswered(path) == [[jobs[1]], [jobs[2]], [jobs[3]]], "of what was refused for certain half is given up"
    assert unanswered(tmp_path / "none") == []
