"""Companions and commands in virtual time: which companion is asked, what their answers become, what is retried."""

import asyncio
import errno
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from stand import EXACT, Stand, gaps_of, settle_loop

from headrace import Headrace, RetryPolicy, State
from headrace.system.spawn import Companion, Ended, MinderDied, Order, ProgramNotStarted, Tail, Unanswered
from headrace.testing.clock import VirtualSpawn

pytestmark = pytest.mark.anyio

ONCE = RetryPolicy.none()
NOTHING = Tail(b"", 0)


class Actor:
    """A companion that plays: the payload says what it does."""

    def __init__(self, number: int, stage: "Stage") -> None:
        self.number, self._stage, self.is_alive = number, stage, True

    async def ask(self, line: bytes) -> bytes:
        request = msgspec.json.decode(line)
        self._stage.asked.append(self.number)
        answer = {"id": request["id"], "status": "ok", "result": self.number}
        match request["payload"]:
            case {"takes": seconds}:
                await self._stage.stand.pass_time(seconds)
            case {"says": line}:
                return str(line).encode()
            case {"answers": fields}:
                answer |= fields
            case "closes":
                raise Unanswered("it closed its output")
            case "dies afterwards":
                self.is_alive = False
        return msgspec.json.encode(answer) + b"\n"

    async def end(self) -> Ended:
        self.is_alive = False
        self._stage.ended.append(self.number)
        await self._stage.stand.pass_time(self._stage.end_takes)
        return Ended(-15, NOTHING, Tail(b"last words\n", 11))


class Stage:
    """A pool of actors."""

    def __init__(self, stand: Stand, size: int = 2, **options: Any) -> None:
        self.stand, self.end_takes = stand, 0.0
        self.asked: list[int] = []
        self.ended: list[int] = []
        self.orders: list[Order] = []
        spawn = stand.app.spawn
        assert isinstance(spawn, VirtualSpawn)
        spawn.companions["actor"] = self._start
        self.task = stand.app.pool_task("pool", argv=["actor", "-x"], size=size, **{"retry": ONCE, **options})

    async def _start(self, order: Order) -> Companion:
        self.orders.append(order)
        return Actor(len(self.orders), self)

    async def results(self, *payloads: object) -> list[object]:
        receipts = [await self.task.aenqueue(payload) for payload in payloads]
        return [await self.stand.app.aresult(receipt, "1h") for receipt in receipts]

    async def error(self, payload: object) -> str | None:
        job = await self.stand.app.ajoin(await self.task.aenqueue(payload), "1h")
        assert job.state is State.DEAD
        return job.last_error


# --- which one is asked -----------------------------------------------------------------------------------------------


async def test_none_is_started_before_it_is_needed_and_one_is_enough_for_one_at_a_time(stand: Stand) -> None:
    stage = Stage(stand)
    async with stand.app.worker({"default": 4}):
        await settle_loop()
        assert stage.orders == []
        assert [await stage.results(number) for number in range(3)] == [[1], [1], [1]]
    assert len(stage.orders) == 1


async def test_what_is_started_is_what_was_declared(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREETING", "hello")
    monkeypatch.setenv("SECRET", "s3cret")
    stage = Stage(stand, root="/srv/jobs", environment=["GREETING", "MISSING"])
    async with stand.app.worker():
        await stage.results(1)
    order = stage.orders[0]
    assert (list(order.argv), order.root, order.cwd) == (["actor", "-x"], "/srv/jobs", ".")
    assert (order.environment, order.grace) == ({"GREETING": "hello"}, 5.0)


async def test_a_free_one_is_asked_though_another_is_busy(stand: Stand) -> None:
    stage = Stage(stand)
    async with stand.app.worker({"default": 4}):
        slow = await stage.task.aenqueue({"takes": 60})
        await stand.pass_time(1)
        begun = stand.now
        assert await stage.results(1, 2, 3) == [2, 2, 2]
        assert stand.now - begun < 5
        assert await stand.app.aresult(slow, "1h") == 1
    assert len(stage.orders) == 2


async def test_no_more_than_its_size_run_and_the_others_wait_in_order(stand: Stand) -> None:
    stage = Stage(stand, size=2)
    async with stand.app.worker({"default": 6}):
        begun = stand.now
        await stage.results(*[{"takes": 10}] * 6)
        assert 30 <= stand.now - begun < 32
    assert len(stage.orders) == 2
    assert sorted(stage.asked) == [1, 1, 1, 2, 2, 2]


async def test_one_that_died_while_idle_is_replaced_before_it_is_asked(stand: Stand) -> None:
    stage = Stage(stand)
    async with stand.app.worker():
        assert [await stage.results(payload) for payload in ("dies afterwards", 2)] == [[1], [2]]
        assert stage.ended == [1]
    assert stage.ended == [1, 2]


# --- what answers become ----------------------------------------------------------------------------------------------


async def test_an_error_fails_the_attempt_and_keeps_the_companion(stand: Stand) -> None:
    stage = Stage(stand)
    async with stand.app.worker():
        assert await stage.error({"answers": {"status": "error", "message": "no paper"}}) == "CompanionFailed: no paper"
        assert await stage.results(1) == [1]


async def test_a_throttled_answer_waits_as_long_as_it_says_and_burns_no_attempt(stand: Stand) -> None:
    stage = Stage(stand)
    moments: list[float] = []
    stand.app.on("queue.job.started")(lambda _: moments.append(stand.now))
    async with stand.app.worker():
        receipt = await stage.task.aenqueue({"answers": {"status": "throttled", "retry_after": 90}})
        await stand.pass_time(300)
        job = await stand.job(receipt)
        assert (job.state, job.reason, job.attempt) == (State.SCHEDULED, "throttled", 0)
        await stand.app.acancel(receipt)
    assert gaps_of(moments) == [pytest.approx(90, abs=0.1)] * 3
    assert set(stage.asked) == {1}


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ({"says": "Traceback:"}, "it sent b'Traceback:', which is no answer: "),
        ({"answers": {"id": "other"}}, "it answered job 'other', which it was not asked; "),
        ({"answers": {"status": "throttled"}}, "it was throttled, and did not say for how long: "),
        ("closes", "it closed its output; "),
    ],
)
async def test_one_that_gives_no_answer_is_ended_and_replaced(stand: Stand, payload: object, why: str) -> None:
    stage = Stage(stand)
    async with stand.app.worker():
        error = await stage.error(payload)
        assert error is not None
        assert error.startswith(f"CompanionFailed: it gave no answer: {why}")
        assert error.endswith("; killed by SIGTERM: last words")
        assert stage.ended == [1]
        assert await stage.results(1) == [2]


async def test_a_failed_attempt_is_retried_with_another_companion(stand: Stand) -> None:
    stage = Stage(stand, retry=EXACT)
    async with stand.app.worker():
        job = await stand.app.ajoin(await stage.task.aenqueue("closes"), "1h")
    assert (job.attempt, job.reason, stage.asked, stage.ended) == (3, "exhausted", [1, 2, 3], [1, 2, 3])


@pytest.mark.parametrize("stop", ["cancel", "timeout", "stop"])
async def test_one_that_nobody_waits_for_is_ended_before_its_job_is_settled(stand: Stand, stop: str) -> None:
    stage = Stage(stand)
    stage.end_takes = 5.2  # it ignores SIGTERM until kill_after, and is collected after that
    async with stand.app.worker({"default": 1}) as worker:
        receipt = await stage.task.using(timeout="20s" if stop == "timeout" else "1h").aenqueue({"takes": 3000})
        await stand.pass_time(1)
        match stop:
            case "cancel":
                await stand.app.acancel(receipt)
            case "stop":
                stopping = asyncio.ensure_future(worker.stop(18))
        while not stage.ended:
            await stand.pass_time(0.1)
        await stand.pass_time(5)
        assert (await stand.job(receipt)).state is State.RUNNING
        if stop == "stop":
            await stopping
            job = await stand.job(receipt)
            assert (job.state, job.attempt) == (State.PENDING, 0)
        else:
            job = await stand.app.ajoin(receipt, "1m")
            expected = (State.CANCELLED, "cancelled") if stop == "cancel" else (State.DEAD, "exhausted")
            assert (job.state, job.reason) == expected
            assert await stage.results(1) == [2]


async def test_waiting_for_a_free_one_can_be_cancelled(stand: Stand) -> None:
    stage = Stage(stand, size=1)
    async with stand.app.worker({"default": 3}):
        slow = await stage.task.aenqueue({"takes": 60})
        waiting = await stage.task.using(timeout="5s").aenqueue(1)
        assert (await stand.app.ajoin(waiting, "30s")).last_error == "Timeout: ran longer than timeout=5 s"
        assert stage.ended == []
        assert await stand.app.aresult(slow, "1h") == 1
        assert await stage.results(1) == [1]


async def test_a_program_that_can_not_be_run_fails_the_attempt(stand: Stand) -> None:
    task = stand.app.pool_task("none", argv=["missing"], retry=ONCE)
    job = await stand.final(await task.aenqueue(1))
    assert job.last_error == (
        "CompanionFailed: it gave no answer: it closed its output; "
        "program 'missing' can't be run: No such file or directory"
    )


# --- the end of a pool ------------------------------------------------------------------------------------------------


async def test_all_end_with_the_worker_before_other_hooks_run(stand: Stand) -> None:
    order: list[object] = []
    stand.app.on_worker_stop(lambda: order.append(list(stage.ended)))
    stage = Stage(stand)
    async with stand.app.worker({"default": 4}):
        await stage.results({"takes": 1}, {"takes": 1})
        assert stage.ended == []
    assert order == [[2, 1]] or order == [[1, 2]]
    async with stand.app.worker():
        assert await stage.results(1) == [3]
    assert sorted(stage.ended) == [1, 2, 3]


async def test_a_worker_that_stops_leaves_the_companions_that_another_one_uses(stand: Stand) -> None:
    stage = Stage(stand)
    async with stand.app.worker({"default": 1}):
        slow = await stage.task.aenqueue({"takes": 60})
        await stand.pass_time(1)
        async with stand.app.worker({"default": 1}):
            assert await stage.results(1) == [2]
        assert stage.ended == [2]
        assert await stand.app.aresult(slow, "1h") == 1
    assert stage.ended == [2, 1]


async def test_a_plain_call_has_a_companion_of_its_own(stand: Stand) -> None:
    stage = Stage(stand)
    assert await stage.task("hello") == 1
    assert stage.ended == [1]


# --- commands ---------------------------------------------------------------------------------------------------------

Act = Callable[[Order], Awaitable[Ended]]


def command(app: Headrace, act: Act, **options: Any) -> Any:
    assert isinstance(app.spawn, VirtualSpawn)
    app.spawn.commands["tool"] = act
    return app.command_task(**{"root": "/srv/jobs", "environment": ("LANG", "TZ"), **options})


def ending(code: int, stdout: bytes = b"", stderr: bytes = b"") -> Act:
    async def act(order: Order) -> Ended:
        return Ended(code, Tail(stdout, len(stdout)), Tail(stderr, len(stderr)))

    return act


async def test_a_command_is_run_as_its_job_says(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "C")
    monkeypatch.setenv("SECRET", "s3cret")
    orders: list[Order] = []

    async def act(order: Order) -> Ended:
        orders.append(order)
        return Ended(0, Tail(b"out", 30), Tail(b"err", 3))

    task = command(stand.app, act, output=77)
    receipt = await task.aenqueue(["tool", "-v"], "sub", {"TZ": "UTC"}, "ä")
    async with stand.app.worker():
        result = await stand.app.aresult(receipt, "1m")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "out", "err")
    assert (result.stdout_size, result.stderr_size) == (30, 3)
    expected = Order(["tool", "-v"], "/srv/jobs", "sub", {"LANG": "C", "TZ": "UTC"}, 5.0, 77, "ä".encode())
    assert orders == [expected]


async def test_another_exit_code_fails_the_attempt_and_is_retried(stand: Stand) -> None:
    task = command(stand.app, ending(3, b"out\n", b"disk full\n"), retry=EXACT)
    job = await stand.final(await task.aenqueue(["tool"]))
    assert (job.attempt, job.reason, job.last_error) == (3, "exhausted", "CommandFailed: exit code 3: disk full")


async def test_a_killed_program_is_told_apart(stand: Stand) -> None:
    job = await stand.final(await command(stand.app, ending(-9), retry=ONCE).aenqueue(["tool"]))
    assert job.last_error == "CommandFailed: killed by SIGKILL"


def failing(error: Exception) -> Act:
    async def act(order: Order) -> Ended:
        raise error

    return act


@pytest.mark.parametrize(
    ("error", "reason", "text"),
    [
        (
            ProgramNotStarted("program", OSError(errno.ENOENT, "No such file or directory")),
            "exhausted",
            "CommandFailed: program 'tool' can't be run: No such file or directory",
        ),
        (
            ProgramNotStarted("program", OSError(errno.E2BIG, "Argument list too long")),
            "permanent",
            "PermanentFailure: program 'tool' can't be told so much: Argument list too long",
        ),
        (
            ProgramNotStarted("outside", OSError(0, "Success")),
            "permanent",
            "PermanentFailure: cwd=link leads out of root=/srv/jobs",
        ),
        (
            ProgramNotStarted("root", OSError(errno.ENOENT, "No such file or directory")),
            "exhausted",
            "CommandFailed: root=/srv/jobs can't be entered: No such file or directory",
        ),
        (MinderDied("the process that minds it died"), "exhausted", "CommandFailed: the process that minds it died"),
    ],
)
async def test_what_is_not_started_is_tried_again_unless_that_is_of_no_use(
    stand: Stand, error: Exception, reason: str, text: str
) -> None:
    task = command(stand.app, failing(error), retry=EXACT)
    job = await stand.final(await task.aenqueue(["tool"], "link"))
    assert (job.reason, job.last_error) == (reason, text)
    assert job.attempt == (3 if reason == "exhausted" else 1)


@pytest.mark.parametrize(
    "arguments", [{"argv": []}, {"argv": ["tool"], "cwd": "../x"}, {"argv": ["tool"], "env": {"HOME": "/"}}]
)
async def test_a_job_that_another_program_enqueued_unchecked_is_refused_by_the_worker(
    make_stand: Callable[..., Stand], arguments: dict[str, Any]
) -> None:
    stand = make_stand()
    receipt = await stand.app.aenqueue("command", arguments)
    command(stand.app, ending(0), retry=EXACT)
    job = await stand.final(receipt)
    assert (job.state, job.reason, job.attempt) == (State.DEAD, "permanent", 1)
    assert "can't be used" in (job.last_error or "")
