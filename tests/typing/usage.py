"""The public API as users write it. mypy checks this file; each ``type: ignore`` marks what must be an error."""

from datetime import timedelta
from sqlite3 import connect
from typing import assert_type

from headrace import (
    Call,
    Headrace,
    Job,
    Page,
    PrefixRouter,
    Receipt,
    RetryPolicy,
    Schedule,
    State,
    Task,
    current,
    parse_cron,
)
from headrace.interface.jobs import CancelOutcome
from headrace.model.command import CommandResult

app = Headrace("memory:", lease="30s", poll=timedelta(seconds=1))


@app.task
async def send(to: str, subject: str = "hi") -> int:
    return len(to + subject)


@app.task(name="plain", queue="email", retry=RetryPolicy.fixed(3, "1s"), timeout="30s")
def plain(n: int, *, loud: bool = False) -> list[str]:
    return ["x" if loud else "y"] * n


@app.cron("0 9 * * 1-5", tz="Europe/Paris", catch_up="none")
@app.every("10s", name="often", overlap=False)
@app.task
async def digest(hour: int = 9) -> str:
    return str(hour)


app.schedule("nightly", cron="0 3 * * *", job=plain.using(queue="slow").call(3))


async def main() -> None:
    receipt = await send.aenqueue("a", subject="b")
    assert_type(receipt, Receipt[int])
    assert_type(await app.aresult(receipt), int)
    assert_type(app.result(receipt, timeout="10s"), int)
    assert_type(await app.aresult("01890000-0000-7000-8000-000000000000"), object)
    assert_type(await app.ajoin(receipt), Job)
    assert_type(await send("a"), int)

    sync = plain.enqueue(3, loud=True)
    assert_type(sync, Receipt[list[str]])
    assert_type(app.result(sync), list[str])
    assert_type(plain(3), list[str])
    assert_type(plain.call(3), Call[list[str]])
    delayed = plain.using(delay="10m", priority=1, key="k", until="claimed")
    assert_type(await delayed.aenqueue(1), Receipt[list[str]])
    with connect("mine.db") as session:
        assert_type(plain.using(session=session).enqueue(1), Receipt[list[str]])
        assert_type(await plain.using(session=session, delay=5).aenqueue(1), Receipt[list[str]])
        app.enqueue_many([plain.call(1)], session=session)
        current().complete_in(session, ["x"])
        await current().acomplete_in(session)
    assert_type(app.cancel(receipt), CancelOutcome)
    assert_type(await app.acounts(), dict[str, dict[State, int]])  # type: ignore[assert-type]
    task: Task[..., list[str], list[str]] = plain
    async with app.worker({"default": 1}) as worker:
        await worker.idle(within="10s")

    assert_type(await digest(8), str)
    assert_type(await app.aschedules(), Page[Schedule])
    assert_type(app.jobs(), Page[Job])
    assert_type(app.put_schedule("made-up", every=5, job=send.call("a")), Schedule)
    assert_type(parse_cron("* * * * *").next(0), int | None)
    app.schedule("no job", every=5)  # type: ignore[call-arg]
    app.schedule("no call", every=5, job=send)  # type: ignore[arg-type]
    app.schedule("odd", every=5, job=send.call("a"), catch_up="some")  # type: ignore[arg-type]
    await app.aedit_schedule("nightly", cro="* * * * *")  # type: ignore[call-arg]

    command = app.command_task(root="/", queue="slow", timeout="1m")
    assert_type(await command.aenqueue(["ls"], cwd="sub"), Receipt[CommandResult])
    assert_type(app.pool_task("pool", argv=["cat"]).enqueue({"a": 1}), Receipt[object])
    app.add_router(PrefixRouter({"gh_": "gh"}))
    app.add_router(lambda task: "gh" if task == "x" else None)

    await send.aenqueue(1)  # type: ignore[arg-type]
    await send.aenqueue()  # type: ignore[call-arg]
    send.enqueue("a", topic="b")  # type: ignore[call-arg]
    plain.enqueue("3")  # type: ignore[arg-type]
    plain.call(3, loud="yes")  # type: ignore[arg-type]
    plain.using(dely="10m")  # type: ignore[call-arg]
    plain.using(until="soon")  # type: ignore[arg-type]
    delayed.enqueue("1")  # type: ignore[arg-type]
    app.command_task()  # type: ignore[call-arg]
    app.command_task(root="/", shell=True)  # type: ignore[call-arg]
    app.add_router(lambda task: 3)  # type: ignore[arg-type, return-value]
    Headrace(leese="1s")  # type: ignore[call-arg]
    app.task(executor="gpu")  # type: ignore[call-overload]
    text: str = await app.aresult(receipt)  # type: ignore[assignment]
    del task, text
