"""Routing as users meet it: which queue wins, for tasks before and after, known and unknown."""

from typing import Any

import pytest

from headrace import Headrace, PrefixRouter
from headrace.model.errors import InvalidName, InvalidOption, RoutingFailed


def nothing() -> None: ...


def queue_of(app: Headrace, receipt: Any) -> str:
    job = app.job(receipt)
    assert job is not None
    return job.queue


def test_the_caller_wins_over_the_task_over_routers_over_the_default(app: Headrace) -> None:
    app.add_router({"gh_": "gh"})
    own = app.task(name="gh_own", queue="own")(nothing)
    routed = app.task(name="gh_routed")(nothing)
    other = app.task(name="other")(nothing)
    assert [queue_of(app, task.enqueue()) for task in (own, routed, other)] == ["own", "gh", "default"]
    assert [queue_of(app, task.using(queue="now").enqueue()) for task in (own, routed, other)] == ["now"] * 3
    assert [queue_of(app, app.enqueue(name)) for name in ("gh_own", "gh_routed", "other")] == ["own", "gh", "default"]
    assert queue_of(app, app.enqueue("gh_routed", queue="now")) == "now"


def test_routers_are_asked_in_the_order_of_adding(app: Headrace) -> None:
    app.add_router(lambda task: "first" if task.endswith("_1") else None)
    app.add_router(PrefixRouter({"gh_": "second"}))
    assert [queue_of(app, app.enqueue(name)) for name in ("gh_1", "gh_2", "x")] == ["first", "second", "default"]


def test_a_task_unknown_here_is_routed_by_its_name(app: Headrace) -> None:
    app.add_router({"elsewhere.": "far"})
    assert queue_of(app, app.enqueue("elsewhere.mail", {"to": "a"})) == "far"
    assert queue_of(app, app.enqueue("elsewhere.mail", b"raw")) == "far"


def test_a_router_added_later_moves_the_tasks_that_name_no_queue(app: Headrace) -> None:
    own = app.task(name="gh_own", queue="own")(nothing)
    routed = app.task(name="gh_routed")(nothing)
    soon, call = routed.using(priority=1), routed.call()
    assert list(app.registry.queues()) == ["own", "default"]
    app.add_router({"gh_": "gh"})
    assert list(app.registry.queues()) == ["own", "gh"]
    assert repr(routed) == "<Task 'gh_routed' on queue 'gh'>"
    receipts = [own.enqueue(), routed.enqueue(), soon.enqueue(), *app.enqueue_many([call])]
    assert [queue_of(app, receipt) for receipt in receipts] == ["own", "gh", "gh", "gh"]
    assert list(app.slots(None)) == ["own", "gh"]


def test_a_routed_task_is_lent_what_its_queue_was_declared_with(app: Headrace) -> None:
    app.queue("gh", priority=7, retention="1h")
    plain, choosy = (
        app.task(name="gh_plain")(nothing),
        app.task(name="gh_choosy", priority=3, retention="2h")(nothing),
    )
    app.add_router({"gh_": "gh"})
    jobs = [app.job(task.enqueue()) for task in (plain, choosy, plain.using(priority=1, retention="3h"))]
    assert [(job.priority, job.options.retention) for job in jobs if job] == [(7, None), (3, 7200), (1, 10_800)]


def test_a_worker_of_all_queues_serves_the_routed_ones(app: Headrace) -> None:
    task = app.task(name="gh_a")(lambda: "ran")
    app.add_router({"gh_": "gh"})
    receipt = task.enqueue()
    with app.background():
        assert app.result(receipt, timeout=10) == "ran"


def test_a_router_that_fails_is_refused_where_it_is_asked(app: Headrace) -> None:
    def moody(task: str) -> Any:
        return "not a queue" if task == "bad" else None

    app.task(name="good")(nothing)
    app.add_router(moody)
    with pytest.raises(RoutingFailed, match=r"moody gave no queue for task 'bad'"):
        app.task(name="bad")(nothing)
    assert app.registry.get("bad") is None
    with pytest.raises(RoutingFailed):
        app.enqueue("bad")
    assert app.counts() == {}
    assert queue_of(app, app.enqueue("bad", queue="now")) == "now", "where the queue is named, nobody is asked"


def test_a_router_that_fails_for_a_task_of_the_app_is_not_added(app: Headrace) -> None:
    first, second = (app.task(name=name)(nothing) for name in ("first", "second"))

    def broken(task: str) -> str:
        if task == "second":
            raise LookupError
        return "moved"

    with pytest.raises(RoutingFailed, match="raised LookupError"):
        app.add_router(broken)
    assert [queue_of(app, task.enqueue()) for task in (first, second)] == ["default", "default"]


@pytest.mark.parametrize("router", [None, "gh", {"gh_": "a queue"}, {3: "gh"}])
def test_a_router_that_is_none_is_refused(app: Headrace, router: Any) -> None:
    with pytest.raises((InvalidOption, InvalidName)):
        app.add_router(router)


def test_an_empty_queue_name_is_no_queue(app: Headrace) -> None:
    with pytest.raises(InvalidName):
        app.task(name="t", queue="")(nothing)
