"""The fixture ``headrace`` as users meet it: suites of their own, in a folder of their own, that pass and that fail."""

import re
from pathlib import Path

import pytest

import headrace.testing.stand
from headrace.interface.cli import applications

pytest_plugins = ["pytester"]

MAIL = """
import asyncio

from headrace import Headrace, RetryPolicy, Snooze, current

app = Headrace("sqlite:///never-made.db")
sent, charged, fences, ticks = [], [], [], []


@app.task(queue="email", retry=RetryPolicy.exponential(max_attempts=3, base="10s", jitter=0))
async def send(to: str, subject: str = "hello") -> str:
    if to == "nobody":
        raise ValueError("no such address")
    sent.append(to)
    return f"sent to {to}"


@app.task
def charge(order: int) -> int:
    fences.append(current().fence)
    charged.append(order)
    send.enqueue(f"customer of {order}")
    return order


@app.task
async def sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)


@app.task(sensitive=True)
def secret(token: str) -> None: ...


@app.every("10m")
@app.task
def tick() -> None:
    ticks.append(1)
"""

START = """
import asyncio
import threading
from datetime import UTC, datetime, timedelta

import pytest

import mail
from mail import *
"""

IMPORTED = (headrace.testing.stand, applications)
"""Here, so that the suites within don't import them again and again."""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """A user's project whose app is mail:app, under the strictest of settings."""
    pytester.makepyfile(mail=MAIL)
    pytester.makeini(
        "[pytest]\nheadrace_app = mail:app\nxfail_strict = true\nfilterwarnings = error\n"
        "addopts = -p pytest_headrace -p no:cacheprovider --strict-markers --strict-config\n"
    )
    return pytester


def run(suite: pytest.Pytester, tests: str, *options: str) -> pytest.RunResult:
    """The user's tests, run; without a plugin of ours that has nothing to do there and takes a second to come."""
    suite.makepyfile(test_mail=START + tests)
    return suite.runpytest_inprocess("-q", "-p", "no:hypothesispytest", *options)


def passes(suite: pytest.Pytester, tests: str, number: int = 1) -> None:
    run(suite, tests).assert_outcomes(passed=number)


def fails(suite: pytest.Pytester, tests: str, *lines: str) -> None:
    """The one test fails, by itself and not by an error afterwards, and says so."""
    result = run(suite, tests)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*{line}" for line in lines])


# --- running ---------------------------------------------------------------------------------------------------------


def test_drain_runs_all_that_is_due_and_what_that_enqueues(suite: pytest.Pytester) -> None:
    passes(
        suite,
        """
def test(headrace):
    receipt = charge.enqueue(7)
    assert charged == []
    headrace.drain()
    assert (charged, sent) == ([7], ["customer of 7"])
    assert headrace.job(receipt).state == "completed"
    assert app.result(receipt) == 7
    assert [job.task for job in headrace.jobs()] == ["mail.charge", "mail.send"]
    assert len(headrace.jobs(send)) == len(headrace.jobs("mail.charge", state="completed")) == 1
""",
    )
    assert not list(Path(suite.path).glob("*.db*"))


def test_nothing_of_one_test_is_there_in_the_next(suite: pytest.Pytester) -> None:
    tests = """
before = dict(vars(app))

def test_first(headrace):
    @app.task
    def mine(): ...
    app.on("queue.job.completed")(print)
    app.queue("other", priority=3)
    app.add_router({"mail.": "routed"})
    mine.enqueue()
    headrace.assert_enqueued(mine, queue="routed" if mine.name.startswith("mail.") else "default")
    headrace.drain()

def test_second(headrace):
    assert headrace.jobs() == []
    @app.task
    def mine(): ...
    assert charge.handler.queue == "default"
    assert "other" not in app.declared_queues

def test_third():
    assert vars(app) == before
"""
    passes(suite, tests, 3)


def test_advance_runs_delayed_jobs_at_their_moment(suite: pytest.Pytester) -> None:
    passes(
        suite,
        """
def test(headrace):
    began = headrace.now
    late = send.using(delay="10m").enqueue("late")
    later = send.using(at=began + timedelta(hours=1)).enqueue("later")
    headrace.drain()
    headrace.advance("9m59s")
    assert sent == []
    headrace.advance("1s")
    assert sent == ["late"]
    assert headrace.now - began == timedelta(minutes=10)
    headrace.advance("2h")
    assert sent == ["late", "later"]
    assert headrace.job(later).finished_at == int(began.timestamp() * 1000) + 3_600_000
""",
    )


def test_advance_retries_with_the_back_off_of_the_task(suite: pytest.Pytester) -> None:
    passes(
        suite,
        """
def test(headrace):
    receipt = send.enqueue("nobody")
    headrace.drain()
    assert headrace.job(receipt).state == "retrying"
    headrace.advance("10s")
    assert headrace.job(receipt).attempt == 2
    headrace.advance("20s")
    job = headrace.assert_state(receipt, "dead")
    assert len(job.attempts) == 3
""",
    )


def test_advance_fires_schedules_tick_by_tick(suite: pytest.Pytester) -> None:
    passes(
        suite,
        """
def test(headrace):
    headrace.advance("9m")
    assert ticks == []
    headrace.advance("1d")
    assert len(ticks) == 144
""",
    )


def test_handlers_sleep_in_no_time_and_time_out_by_the_clock_of_the_test(suite: pytest.Pytester) -> None:
    passes(
        suite,
        """
def test(headrace):
    began = headrace.now
    sleep.enqueue(1800)
    headrace.drain()
    assert timedelta(0) <= headrace.now - began - timedelta(seconds=1800) < timedelta(seconds=1)
    receipt = sleep.using(timeout="30s", max_attempts=1).enqueue(3000)
    headrace.drain()
    assert "timeout=30" in headrace.assert_state(receipt, "dead").last_error
""",
    )


def test_time_stands_still_while_nothing_sleeps(suite: pytest.Pytester) -> None:
    passes(
        suite,
        """
def test(headrace):
    began = headrace.now
    for order in range(20):
        charge.enqueue(order)
    headrace.drain()
    assert headrace.now == began
    assert charged == list(range(20))
""",
    )


def test_what_handlers_wait_for_outside_is_waited_for(suite: pytest.Pytester) -> None:
    passes(
        suite,
        """
def test(headrace):
    began = headrace.now
    release = threading.Event()

    @app.task(timeout="30s")
    async def ask_a_database() -> None:
        answer = asyncio.get_running_loop().create_future()
        loop = asyncio.get_running_loop()
        threading.Timer(0.05, loop.call_soon_threadsafe, (answer.set_result, "rows")).start()
        assert await answer == "rows"
        assert await asyncio.to_thread(lambda: "more") == "more"

    receipt = ask_a_database.enqueue()
    headrace.drain()
    assert headrace.job(receipt).state == "completed"
    assert headrace.now - began < timedelta(seconds=2)
""",
    )


def test_sync_handlers_run_on_the_thread_of_the_test_and_see_no_loop(suite: pytest.Pytester) -> None:
    passes(
        suite,
        """
def test(headrace):
    seen = []

    @app.task
    def look() -> None:
        seen.append(threading.current_thread())
        seen.append(asyncio.run(answer()))
        receipt = sleep.enqueue(0)
        seen.append(app.job(receipt).state)
        with pytest.raises(TimeoutError):
            app.result(receipt, timeout=5)

    async def answer() -> int:
        return 42

    look.enqueue()
    headrace.drain()
    assert seen == [threading.current_thread(), 42, "pending"]
""",
    )


def test_listeners_middleware_and_hooks_are_the_apps_own(suite: pytest.Pytester) -> None:
    passes(
        suite,
        """
heard, around, opened = [], [], []

@app.on("queue.job.completed")
def sync(event): heard.append(event.task)

@app.on("queue.job.completed")
async def later(event):
    await asyncio.sleep(1)
    heard.append(event.job_id)

@app.on("queue.job.completed")
def broken(event): raise RuntimeError("a listener")

@app.on_worker_start
async def start():
    await asyncio.to_thread(opened.append, "open")

async def middleware(job, call_next):
    around.append("in")
    try:
        return await call_next(job)
    finally:
        around.append("out")

app.add_middleware(middleware)

def test(headrace):
    receipt = send.enqueue("x")
    headrace.drain()
    assert heard == ["mail.send", receipt.id]
    assert around == ["in", "out"]
    assert opened == ["open"]
""",
    )


def test_a_queue_that_is_paused_or_limited_ends_no_drain(suite: pytest.Pytester) -> None:
    passes(
        suite,
        """
app.limit("slack", rate="1/m")

@app.task(limits="slack")
def post() -> None: ...

def test(headrace):
    began = headrace.now
    app.pause("email")
    send.enqueue("x")
    posts = [post.enqueue(), post.enqueue(), post.enqueue()]
    headrace.drain()
    assert headrace.now == began
    assert [headrace.job(one).state == "completed" for one in posts] == [True, False, False]
    headrace.advance("59s")
    assert not headrace.job(posts[1]).state == "completed"
    headrace.advance("61s")
    assert [headrace.job(one).state == "completed" for one in posts] == [True, True, True]
    headrace.advance("1d")
    assert sent == []
    app.resume("email")
    headrace.drain()
    assert sent == ["x"]
""",
    )


def test_jobs_that_a_handler_waits_for_run_beside_it(suite: pytest.Pytester) -> None:
    passes(
        suite,
        """
@app.task
async def parent() -> str:
    return await app.aresult(await send.aenqueue("child"), timeout=10)

def test(headrace):
    receipt = parent.enqueue()
    headrace.drain()
    assert app.result(receipt) == "sent to child"
""",
    )


def test_other_threads_and_loops_enqueue_into_the_same_store(suite: pytest.Pytester) -> None:
    passes(
        suite,
        """
def test(headrace):
    def serve() -> None:
        charge.enqueue(1)
        asyncio.run(answer())

    async def answer() -> None:
        await charge.aenqueue(2)
        async with app.worker(["email"]) as worker:
            await send.aenqueue("by a worker of its own")
            await worker.idle()

    server = threading.Thread(target=serve)
    server.start()
    server.join()
    assert sent == ["by a worker of its own"]
    headrace.drain()
    assert charged == [1, 2]
""",
    )


def test_what_another_version_enqueued_is_told_as_it_stands(suite: pytest.Pytester) -> None:
    fails(
        suite,
        """
@pytest.mark.headrace(allow="dead")
def test(headrace):
    app.registry._handlers.pop("mail.charge")
    app.enqueue("mail.charge", {"customer": "ann"})
    app.enqueue("mail.charge", b"raw")
    app.registry.add(charge.handler)
    headrace.assert_enqueued(charge, 7)
""",
        "mail.charge(customer='ann') on queue 'default': pending",
        "mail.charge(order=b'raw') on queue 'default': pending",
    )


def test_claims_by_hand_are_rescued_when_their_lease_runs_out(suite: pytest.Pytester) -> None:
    passes(
        suite,
        """
def test(headrace):
    charge.enqueue(1)
    (claim,) = app.claim()
    headrace.drain()
    assert charged == []
    headrace.advance("29s")
    assert headrace.job(claim.id).state == "running"
    headrace.advance("1m")
    assert charged == [1]
    with pytest.raises(Exception, match="is not yours"):
        app.ack(claim)
""".replace('pytest.raises(Exception, match="is not yours")', "pytest.raises(__import__('headrace').LeaseLost)"),
    )


def test_what_is_past_its_retention_goes(suite: pytest.Pytester) -> None:
    passes(
        suite,
        """
def test(headrace):
    send.enqueue("x")
    headrace.drain()
    headrace.advance("23h")
    assert len(headrace.jobs(send)) == 1
    headrace.advance("2h")
    assert headrace.jobs(send) == []
""",
    )


def test_a_handler_that_never_ends_ends_the_drain(suite: pytest.Pytester) -> None:
    fails(
        suite,
        """
def test(headrace):
    sleep.using(timeout=0).enqueue(100_000)
    headrace.drain()
""",
        "AssertionError: these handlers did not end within 1h of the test's time:",
        "mail.sleep(seconds=100000.0) on queue 'default': running",
    )


# --- async tests -----------------------------------------------------------------------------------------------------

ASYNC = """
@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.anyio
async def test(headrace):
    here = asyncio.get_running_loop()
    loops = []

    @app.task
    async def look() -> None:
        loops.append(asyncio.get_running_loop())

    receipt = await charge.aenqueue(7)
    await look.aenqueue()
    await send.using(delay="10m").aenqueue("late")
    await headrace.adrain()
    assert loops == [here]
    assert sent == ["customer of 7"]
    await headrace.aadvance("10m")
    assert sent == ["customer of 7", "late"]
    assert await app.aresult(receipt) == 7
    job = await headrace.arun_twice(charge.call(8))
    assert charged == [7, 8, 8] and job.state == "completed"
    await headrace.adrain()
    with pytest.raises(RuntimeError, match="await adrain"):
        headrace.drain()
"""


def test_async_tests_run_handlers_on_their_own_loop(suite: pytest.Pytester) -> None:
    passes(suite, ASYNC)


def test_async_tests_leave_nothing_over_either(suite: pytest.Pytester) -> None:
    fails(
        suite,
        """
@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test(headrace):
    await charge.aenqueue(7)
""",
        "this test leaves 1 job over:",
        "mail.charge(order=7) on queue 'default': pending",
    )


# --- what was enqueued -----------------------------------------------------------------------------------------------


def test_assert_enqueued_looks_at_what_is_named_only(suite: pytest.Pytester) -> None:
    passes(
        suite,
        """
def test(headrace):
    receipt = send.using(delay="10m", key="k").enqueue("a", subject="hi")
    assert headrace.assert_enqueued(send).id == receipt.id
    headrace.assert_enqueued(send, "a")
    headrace.assert_enqueued(send, subject="hi")
    headrace.assert_enqueued(send, "a", "hi", queue="email", delay="10m", key="k")
    headrace.assert_enqueued(send, at=headrace.now + timedelta(minutes=10))
    headrace.assert_enqueued(send.using(delay=600), "a")
    headrace.assert_enqueued(send.using(delay=600, key="k").call("a", "hi"))
    headrace.assert_enqueued("mail.send", to="a")
    headrace.assert_not_enqueued(send, "b")
    headrace.assert_not_enqueued(send, delay="9m")
    headrace.assert_not_enqueued(send, priority=7)
    headrace.assert_not_enqueued(charge)
""",
    )


def test_arguments_are_compared_in_their_types(suite: pytest.Pytester) -> None:
    passes(
        suite,
        """
@app.task
def visit(when: datetime, places: tuple[str, ...], queue: str, *more: int, **rest: bool) -> None: ...

def test(headrace):
    when = datetime(2027, 1, 1, tzinfo=UTC)
    visit.enqueue(when, ("a", "b"), "long", 1, 2, flag=True)
    app.enqueue("unknown.task", {"a": [1]})
    app.enqueue("unknown.bytes", b"data")
    headrace.assert_enqueued(visit, when, ("a", "b"))
    headrace.assert_enqueued(visit, queue="long", flag=True)
    headrace.assert_enqueued(visit.using(queue="default"), queue="long")
    headrace.assert_not_enqueued(visit, queue="short")
    headrace.assert_not_enqueued(visit.using(queue="other"))
    headrace.assert_enqueued("unknown.task", a=[1], queue="default")
    headrace.assert_enqueued("unknown.bytes", b"data")
    headrace.assert_not_enqueued("unknown.bytes", b"other")
""",
    )


def test_a_job_that_was_not_enqueued_is_told_with_those_that_were(suite: pytest.Pytester) -> None:
    fails(
        suite,
        """
def test(headrace):
    send.using(delay="1h30m").enqueue("b")
    secret.enqueue("hunter2")
    headrace.drain()
    headrace.assert_enqueued(send, "a", delay="1h")
""",
        "no job was enqueued such as mail.send(to='a') with delay=1h. Enqueued were:",
        "mail.send(to='b') on queue 'email', due in 1h30m: scheduled",
        "mail.secret(...) on queue 'default': completed",
    )


def test_where_nothing_was_enqueued_it_says_so(suite: pytest.Pytester) -> None:
    fails(suite, "def test(headrace):\n    headrace.assert_enqueued(send)\n", "Nothing was enqueued at all.")


def test_a_job_that_should_not_be_there_is_told(suite: pytest.Pytester) -> None:
    fails(
        suite,
        "def test(headrace):\n    send.enqueue('a')\n    headrace.assert_not_enqueued(send)\n",
        "a job was enqueued such as mail.send(): mail.send(to='a') on queue 'email': pending",
    )


def test_another_state_than_expected_is_told_with_the_error(suite: pytest.Pytester) -> None:
    fails(
        suite,
        """
def test(headrace):
    receipt = send.enqueue("nobody")
    headrace.drain()
    headrace.assert_state(receipt, "completed")
""",
        "expected state 'completed', found mail.send(to='nobody') on queue 'email': retrying "
        "(ValueError: no such address)",
    )


# --- crashes ---------------------------------------------------------------------------------------------------------


def test_run_twice_runs_the_effect_twice_under_rising_fences(suite: pytest.Pytester) -> None:
    passes(
        suite,
        """
def test(headrace):
    job = headrace.run_twice(charge.call(3))
    assert (charged, fences) == ([3, 3], [1, 3])
    assert (job.state, job.attempt, job.crashes) == ("completed", 1, 1)
    with pytest.raises(ValueError, match="it is completed"):
        headrace.run_twice(job)
    assert headrace.run_twice(send.using(delay="1d").enqueue("x")).state == "completed"
    assert sent == ["customer of 3", "customer of 3", "x", "x"]
""",
    )


@pytest.mark.parametrize(
    ("point", "effects", "after"),
    [
        ("before_start", 1, 1),
        ("after_effect", 2, 1),
        ("before_ack", 2, 2),
    ],
)
def test_a_worker_may_die_at_each_point(suite: pytest.Pytester, point: str, effects: int, after: int) -> None:
    passes(
        suite,
        f"""
after = []

async def middleware(job, call_next):
    value = await call_next(job)
    after.append(value)
    return value

app.add_middleware(middleware)

def test(headrace):
    began = headrace.now
    headrace.crash_at("{point}", charge)
    other = send.enqueue("other")
    receipt = charge.enqueue(5)
    headrace.drain()
    assert charged == [5] * {effects}
    assert [value for value in after if value == 5] == [5] * {after}
    assert headrace.now - began >= timedelta(seconds=30)
    job = headrace.job(receipt)
    assert (job.state, job.crashes, job.generation) == ("completed", 1, 3)
    assert headrace.job(other).crashes == 0
""",
    )


def test_a_job_that_takes_every_worker_along_is_poison(suite: pytest.Pytester) -> None:
    passes(
        suite,
        """
def test(headrace):
    headrace.crash_at("after_effect", charge, times=3)
    receipt = charge.enqueue(5)
    headrace.drain()
    assert headrace.assert_state(receipt, "dead").reason == "poison"
    assert charged == [5, 5, 5]
""",
    )


def test_a_worker_may_die_inside_of_a_handler(suite: pytest.Pytester) -> None:
    passes(
        suite,
        """
@app.task
def buy() -> None:
    charged.append("paid")
    ship()
    charged.append("shipped")

def ship() -> None: ...

def test(headrace, monkeypatch):
    deaths = [headrace.die]
    monkeypatch.setattr(__import__(__name__), "ship", lambda: deaths.pop()() if deaths else None)
    buy.enqueue()
    headrace.drain()
    assert charged == ["paid", "paid", "shipped"]
""",
    )


def test_a_crash_that_never_happens_fails_the_test(suite: pytest.Pytester) -> None:
    fails(
        suite,
        "def test(headrace):\n    headrace.crash_at('before_ack', charge)\n    headrace.drain()\n",
        "crash_at('before_ack', mail.charge) never happened: no such job came to that point",
    )


def test_a_point_that_does_not_exist_is_refused(suite: pytest.Pytester) -> None:
    fails(
        suite,
        "def test(headrace):\n    headrace.crash_at('whenever')\n",
        "InvalidOption: point='whenever' can't be used: it must be one of before_start, after_effect, before_ack",
    )


# --- what is left over -----------------------------------------------------------------------------------------------


def test_a_job_that_nobody_ran_fails_the_test(suite: pytest.Pytester) -> None:
    fails(
        suite,
        "def test(headrace):\n    charge.enqueue(7)\n",
        "this test leaves 1 job over:",
        "mail.charge(order=7) on queue 'default': pending",
        "it is due: run it with drain()",
        "@pytest.mark.headrace(allow=[[]'pending'[]])",
    )


def test_dead_retrying_scheduled_running_and_unknown_jobs_are_left_over(suite: pytest.Pytester) -> None:
    fails(
        suite,
        """
def test(headrace):
    send.using(max_attempts=1).enqueue("nobody")
    send.enqueue("nobody")
    send.using(delay="1h").enqueue("late")
    app.enqueue("other.task", queue="other")
    headrace.drain()
    charge.enqueue(1)
    app.claim()
""",
        "this test leaves 5 jobs over:",
        "mail.send(to='nobody') on queue 'email': dead",
        "ValueError: no such address (attempt 1)",
        "assert_state(job, 'dead') if it should be",
        "mail.send(to='nobody') on queue 'email'*: retrying",
        "mail.send(to='late') on queue 'email', due in 1h: scheduled",
        "other.task() on queue 'other'*: scheduled",
        "nobody registered its task: import the module that does",
        "mail.charge(order=1) on queue 'default': running",
    )


def test_what_is_expected_may_stay(suite: pytest.Pytester) -> None:
    passes(
        suite,
        """
def test_said(headrace):
    headrace.allow("dead", "waiting")
    send.using(max_attempts=1).enqueue("nobody")
    headrace.drain()
    charge.enqueue(1)

def test_asserted(headrace):
    headrace.assert_state(send.using(delay="1h").enqueue("late"), "scheduled")
    charge.enqueue(1)
    headrace.assert_enqueued(charge, 1)

@pytest.mark.headrace(allow="all")
def test_marked(headrace):
    charge.enqueue(1)
    app.claim()
""",
        3,
    )


def test_a_test_that_failed_is_not_failed_again(suite: pytest.Pytester) -> None:
    result = run(suite, "def test(headrace):\n    charge.enqueue(7)\n    assert 1 == 2\n")
    result.assert_outcomes(failed=1)
    assert "over:" not in result.stdout.str()


def test_a_fixture_may_stand_on_it_and_a_test_need_not_name_it(suite: pytest.Pytester) -> None:
    fails(
        suite,
        """
@pytest.fixture(autouse=True)
def jobs(headrace):
    yield
    assert headrace.jobs()

def test():
    charge.enqueue(7)
""",
        "this test leaves 1 job over:",
    )


def test_unittest_cases_may_use_it(suite: pytest.Pytester) -> None:
    tests = """
import unittest

@pytest.mark.usefixtures("headrace")
class Case(unittest.TestCase):
    def test_passes(self):
        assert charge(1) == 1

    def test_leaves_a_job(self):
        charge.enqueue(7)
"""
    result = run(suite, tests.replace("assert charge(1) == 1", "assert not app.jobs()"))
    result.assert_outcomes(passed=1, failed=1)


# --- settings --------------------------------------------------------------------------------------------------------


def test_a_test_may_begin_at_an_instant_of_its_choice(suite: pytest.Pytester) -> None:
    tests = """
@pytest.mark.headrace(start="2027-03-28T00:59:59+00:00")
def test_marked(headrace):
    assert headrace.now == datetime(2027, 3, 28, 0, 59, 59, tzinfo=UTC)

def test_plain(headrace):
    assert headrace.now == datetime(2027, 1, 15, 8, tzinfo=UTC)
"""
    run(suite, tests, "-o", "headrace_start=2027-01-15T08:00").assert_outcomes(passed=2)


def test_without_more_a_test_begins_now(suite: pytest.Pytester) -> None:
    passes(
        suite,
        "def test(headrace):\n    assert abs(headrace.now - datetime.now(UTC)) < timedelta(minutes=1)\n",
    )


def test_the_app_may_come_from_a_fixture(suite: pytest.Pytester) -> None:
    suite.makeini("[pytest]\n")
    tests = """
@pytest.fixture
def headrace_app():
    return app

def test(headrace):
    assert headrace.app is app
"""
    run(suite, tests, "-p", "pytest_headrace").assert_outcomes(passed=1)


def test_without_an_app_it_says_how_to_name_one(suite: pytest.Pytester) -> None:
    suite.makeini("[pytest]\n")
    result = run(suite, "def test(headrace): ...\n", "-p", "pytest_headrace")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["which app is under test?*", '*headrace_app = "package.module:app"'])


def test_an_app_that_is_not_there_is_told(suite: pytest.Pytester) -> None:
    result = run(suite, "def test(headrace): ...\n", "-o", "headrace_app=mail:ap")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["headrace_app: module 'mail' has no 'ap'; try mail:app"])


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ("allow=['lost']", "*allow='lost' can't be used: it must be one of all, dead, *"),
        ("start='soon'", "headrace start: *soon*"),
        ("start=5", "headrace start=5 is no instant*"),
        ("until='x'", "the marker headrace takes allow= and start=, not *until*"),
    ],
)
def test_a_marker_that_makes_no_sense_is_told(suite: pytest.Pytester, marker: str, message: str) -> None:
    result = run(suite, f"@pytest.mark.headrace({marker})\ndef test(headrace): ...\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([message])


def test_a_suite_that_does_not_use_it_imports_nothing_of_headrace(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import sys\n\ndef test():\n    assert not [name for name in sys.modules if name == 'headrace']\n"
    )
    result = pytester.runpytest_subprocess("-p", "pytest_headrace", "-p", "no:cacheprovider", "-q")
    result.assert_outcomes(passed=1)


def test_background_work_is_refused_with_a_way_out(suite: pytest.Pytester) -> None:
    fails(
        suite,
        "def test(headrace):\n    with app.background():\n        ...\n",
        "nothing runs in the background of a test: call drain() or advance() of the fixture `headrace`*",
    )


def test_the_tests_of_the_how_to_page_pass(pytester: pytest.Pytester) -> None:
    page = Path(__file__).parents[2] / "docs/how-to/test-your-tasks.md"
    for name, text in re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S):
        (pytester.path / name).write_text(text, encoding="utf-8")
    options = ("-q", "-p", "pytest_headrace", "-p", "no:hypothesispytest", "-p", "no:cacheprovider", "-W", "error")
    pytester.runpytest_inprocess(*options).assert_outcomes(passed=4)
    (pytester.path / "conftest.py").unlink()
    pytester.runpytest_inprocess(*options, "-o", "headrace_app=shop:app").assert_outcomes(passed=4)
