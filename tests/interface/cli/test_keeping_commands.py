"""``headrace workers`` and ``headrace prune``."""

import os
import re
import threading
from typing import Any

import pytest
from shell import Shell

from headrace import Headrace, PermanentFailure
from headrace.model.record import WORKER, Put
from headrace.storage.contract import Storage

EVIL = "\x1b]0;title\x07[bold red]:smile:\u202e"


def put_workers(app: Headrace, *values: str) -> None:
    async def write() -> None:
        storage: Storage = (await app.here()).storage
        await storage.put([Put(WORKER, f"w{number:03}", value) for number, value in enumerate(values)])

    app.block("write", write)


# --- workers ----------------------------------------------------------------------------------------------------------


def test_workers_of_an_empty_store(shell: Shell) -> None:
    shell("migrate", "shop:app")
    assert shell("workers", "shop:app").out == "no workers\n"
    assert shell("workers", "shop:app", "--json").json == {"workers": [], "next": None}
    assert shell("workers", "--storage", "sqlite:///nowhere.db").code == 4


def test_workers_are_listed_with_what_they_run(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_WORKER_PREFIX", "shop")
    running, end = threading.Event(), threading.Event()
    with shell.store() as app:

        @app.task(name="wait", queue="email")
        def wait() -> None:
            running.set()
            end.wait(60)

        with app.background({"email": 2, "default": 1}):
            receipt = wait.enqueue()
            assert running.wait(20)
            listed = shell("workers", "shop:app")
            told = shell("workers", "shop:app", "--json").json
            end.set()
    (worker,) = told["workers"]
    assert (worker["label"], worker["pid"], worker["version"]) == ("shop-worker", os.getpid(), "")
    assert worker["queues"] == {"email": 2, "default": 1}
    assert (worker["tasks"], worker["more_tasks"]) == (["wait"], 0)
    assert 0 < worker["lease_seconds_left"] <= 30
    assert [(job["id"], job["task"], job["queue"], job["attempt"]) for job in worker["running"]] == [
        (receipt.id, "wait", "email", 1)
    ]
    assert worker["running"][0]["started_at"].endswith("Z")
    line = listed.out.splitlines()[1]
    assert worker["id"] in line
    assert f"wait {receipt.id}" in line
    assert "email:2 default:1" in line
    assert re.search(r" (29|30|2\d) s ", line)


def test_a_vanished_worker_and_one_with_very_much_to_tell(shell: Shell) -> None:
    queues = ",".join(f'"q{number:05}":1' for number in range(10_000))
    with shell.store() as app:
        put_workers(
            app, f'{{"label":"x","host":"h","pid":1,"queues":{{{queues}}}}}', '{"label":"y","host":"h","pid":2}'
        )
    listed = shell("workers", "shop:app")
    assert listed.code == 0
    first, second = listed.out.splitlines()[1:]
    assert "vanished" in first
    assert "q00000:1 q00001:1 q00002:1 q00003:1 q00004:1 9995 more" in first
    assert len(first) < 300
    assert " y " in second
    assert len(shell("workers", "shop:app", "--json").json["workers"][0]["queues"]) == 10_000


def test_workers_are_paged(shell: Shell) -> None:
    with shell.store() as app:
        put_workers(app, *['{"label":"x","host":"h","pid":1}'] * 5)
    first = shell("workers", "shop:app", "--limit", "3", "--json").json
    assert [worker["id"] for worker in first["workers"]] == ["w000", "w001", "w002"]
    rest = shell("workers", "shop:app", "--after", first["next"], "--json").json
    assert ([worker["id"] for worker in rest["workers"]], rest["next"]) == (["w003", "w004"], None)
    assert shell("workers", "shop:app", "-n", "3").out.endswith("more: --after w002\n")


def test_names_that_mean_harm_are_shown_and_do_none(shell: Shell) -> None:
    with shell.store() as app:
        put_workers(app, '{"label":"\\u001b]0;t\\u0007[bold]\\u202e","host":"\\u0000","pid":1,"queues":{"a":1}}')
    listed = shell("workers", "shop:app")
    assert listed.code == 0
    assert not set(listed.out) & set("\x1b\x07\x00\u202e")
    assert shell("workers", "shop:app", "--json").json["workers"][0]["label"] == "\x1b]0;t\x07[bold]\u202e"


# --- prune ------------------------------------------------------------------------------------------------------------


def fill(app: Headrace) -> None:
    """Two queues with two jobs in each final state and one that waits."""
    app.set_retention("b", {"dead": 0, "cancelled": "1h"})
    for queue in ("a", "b"):
        for number in range(2):
            for end in (_ack, _nack):
                app.enqueue("t", {}, queue=queue, **({"retention": 0} if number else {}))
                end(app, queue)
            app.cancel(app.enqueue("t", {}, queue=queue))
        app.enqueue("t", {}, queue=queue)


def _ack(app: Headrace, queue: str) -> None:
    (claim,) = app.claim(queue)
    app.ack(claim)


def _nack(app: Headrace, queue: str) -> None:
    (claim,) = app.claim(queue)
    app.nack(claim, PermanentFailure("no"))


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ([], 5),
        (["--queue", "a"], 2),
        (["--queue", "b"], 3),
        (["--state", "dead"], 3),
        (["--state", "cancelled"], 0),
        (["--older", "1h"], 4),
        (["--older", "0"], 12),
        (["--older", "0s", "--queue", "b"], 6),
        (["--older", "0", "--queue", "b", "--state", "completed"], 2),
        (["--queue", "nobody"], 0),
    ],
    ids=str,
)
def test_prune_shows_the_count_and_wants_a_yes(shell: Shell, options: list[str], count: int) -> None:
    with shell.store() as app:
        fill(app)
    asked = shell("prune", "shop:app", *options)
    assert asked.out == f"{count} job{'' if count == 1 else 's'} would be removed for good\n"
    assert asked.code == (2 if count else 0)
    assert ("--yes" in asked.err) == bool(count)
    assert shell("prune", "shop:app", *options, "--json").json == {"jobs": count}
    with shell.store() as app:
        assert sum(sum(of.values()) for of in app.counts().values()) == 14
    done = shell("prune", "shop:app", *options, "--yes")
    assert (done.code, done.out) == (0, f"{count} job{'' if count == 1 else 's'} removed\n")
    with shell.store() as app:
        assert sum(sum(of.values()) for of in app.counts().values()) == 14 - count
        assert app.pending_count() == 2
    assert shell("prune", "shop:app", *options, "--yes", "--json").json == {"removed": 0}


def test_prune_counts_what_is_beyond_the_number_that_is_kept(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    from headrace.model.state import State
    from headrace.runtime import settings
    from headrace.storage.contract import Keep

    monkeypatch.setattr(settings, "_KEEP", {})
    keep = {state: Keep(3600.0, 3) for state in (State.COMPLETED, State.DEAD, State.CANCELLED)}
    monkeypatch.setattr("headrace.interface.config.Settings", lambda: settings.Settings(keep=keep))
    with shell.store() as app:
        for number in range(9):
            app.enqueue("t", {}, queue=f"q{number % 2}")
            _ack(app, f"q{number % 2}")
    assert shell("prune", "shop:app").out == "3 jobs would be removed for good\n"
    assert shell("prune", "shop:app", "--yes").out == "3 jobs removed\n"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--state", "running"], "state='running' can't be used: it must be one of cancelled, completed, dead"),
        (["--older", "soon"], "older='soon' can't be used"),
        (["--older", "-1"], "older='-1' can't be used"),
        (["--queue", "no such"], "queue name 'no such'"),
    ],
    ids=str,
)
@pytest.mark.parametrize("yes", [True, False])
def test_a_prune_that_cant_be_is_refused_with_2(shell: Shell, options: list[str], words: str, yes: Any) -> None:
    with shell.store() as app:
        fill(app)
    ran = shell("prune", "shop:app", *options, *(["--yes"] if yes else []))
    assert (ran.code, len(ran.err.splitlines())) == (2, 1)
    assert words in ran.err
