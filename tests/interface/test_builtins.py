"""Tasks that come with headrace, up to the enqueue: what is declared, and what is refused before it is written."""

import inspect
from pathlib import Path
from typing import Any

import pytest

from headrace import Headrace, RetryPolicy, State
from headrace.model.errors import (
    AlreadyRegistered,
    InvalidArguments,
    InvalidDelay,
    InvalidName,
    InvalidOption,
    NotSerializable,
    PayloadTooLarge,
)


def kept(app: Headrace) -> int:
    return sum(sum(states.values()) for states in app.counts().values())


# --- echo -------------------------------------------------------------------------------------------------------------


def test_echo_returns_what_it_is_given(app: Headrace) -> None:
    echo = app.echo_task()
    assert echo.name == "echo"
    values: list[object] = [None, 1, "text", [1, {"a": None}], {"deep": [[]]}]
    with app.background():
        assert [app.result(echo.enqueue(value), timeout=10) for value in values] == values
        assert app.result(app.enqueue("echo", {"value": 7, "sleep": "1ms"}), timeout=10) == 7


@pytest.mark.anyio
async def test_a_plain_call_of_echo_runs_it() -> None:
    async with Headrace("memory:") as app:
        assert await app.echo_task()("hello", sleep=0.001) == "hello"


def test_echo_fails_and_is_throttled_on_request(app: Headrace) -> None:
    echo = app.echo_task("try", retry=RetryPolicy.none(), queue="tries", priority=3)
    with app.background():
        job = app.join(echo.enqueue(fail="as you like"), timeout=10)
        assert (job.state, job.last_error, job.queue, job.priority) == (
            State.DEAD,
            "RuntimeError: as you like",
            "tries",
            3,
        )
        throttled = echo.enqueue(throttle="1h")
        while (job := app.job(throttled)) is None or job.state is not State.SCHEDULED:  # type: ignore[assignment]
            app.result(echo.enqueue("once more"), timeout=10)
        assert (job.reason, job.attempt) == ("throttled", 0)


@pytest.mark.parametrize("arguments", [{"sleep": -1}, {"sleep": "soon"}, {"throttle": -1}, {"throttle": "1y"}])
def test_what_echo_can_not_wait_for_is_refused(app: Headrace, arguments: dict[str, Any]) -> None:
    echo = app.echo_task()
    with pytest.raises(InvalidDelay):
        echo.enqueue(**arguments)
    with pytest.raises(InvalidDelay):
        app.enqueue("echo", arguments)
    assert kept(app) == 0


# --- commands: what is refused at the caller --------------------------------------------------------------------------


@pytest.fixture
def command(app: Headrace, tmp_path: Path) -> Any:
    return app.command_task(root=tmp_path, environment=("PATH", "LANG"))


BAD_COMMANDS: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"argv": []}, InvalidOption),
    ({"argv": [""]}, InvalidOption),
    ({"argv": ["ls", "a\0b"]}, InvalidOption),
    ({"argv": "ls -l"}, NotSerializable),
    ({"argv": ["ls", 3]}, NotSerializable),
    ({"argv": ["ls", None]}, NotSerializable),
    ({"argv": ["ls", b"-l"]}, NotSerializable),
    ({"argv": ["ls", "\ud800"]}, NotSerializable),
    ({"argv": {"ls": 1}}, NotSerializable),
    ({}, InvalidArguments),
    ({"argv": ["ls"], "shell": True}, InvalidArguments),
    ({"argv": ["ls"], "cwd": ".."}, InvalidOption),
    ({"argv": ["ls"], "cwd": "/etc"}, InvalidOption),
    ({"argv": ["ls"], "cwd": ""}, InvalidOption),
    ({"argv": ["ls"], "cwd": "a\0"}, InvalidOption),
    ({"argv": ["ls"], "cwd": 3}, NotSerializable),
    ({"argv": ["ls"], "env": {"HOME": "/"}}, InvalidOption),
    ({"argv": ["ls"], "env": {"LANG": "a\0"}}, InvalidOption),
    ({"argv": ["ls"], "env": {"LANG": None}}, NotSerializable),
    ({"argv": ["ls"], "env": ["LANG=C"]}, NotSerializable),
    ({"argv": ["cat"], "stdin": b"bytes"}, NotSerializable),
    ({"argv": ["cat"], "stdin": "x" * 1_048_577}, PayloadTooLarge),
]


@pytest.mark.parametrize(("arguments", "error"), BAD_COMMANDS, ids=lambda value: repr(value)[:60])
def test_a_bad_command_is_refused_before_anything_is_written(
    app: Headrace, command: Any, arguments: dict[str, Any], error: type[Exception]
) -> None:
    for enqueue in (
        lambda: command.enqueue(**arguments),
        lambda: command.using(priority=1).enqueue(**arguments),
        lambda: command.call(**arguments),
        lambda: app.enqueue("command", arguments),
    ):
        with pytest.raises(error):
            enqueue()
    assert kept(app) == 0


def test_what_is_refused_says_what_is_allowed(command: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match=rf"cwd='\.\./x' can't be used: it must lie inside root={tmp_path}"):
        command.enqueue(["ls"], "../x")
    with pytest.raises(InvalidOption, match=r"env='HOME' can't be used: only these may be set: PATH, LANG"):
        command.enqueue(["ls"], env={"HOME": "/"})


def test_a_command_that_passes_is_stored_as_it_is(app: Headrace, command: Any) -> None:
    receipts = [
        command.enqueue(["ls", "-l"], "sub", {"LANG": "C"}, "text"),
        app.enqueue("command", {"argv": ["ls", "-l"], "cwd": "sub", "env": {"LANG": "C"}, "stdin": "text"}),
    ]
    payloads = [app.job(receipt).payload for receipt in receipts]  # type: ignore[union-attr]
    assert payloads == ['{"argv":["ls","-l"],"cwd":"sub","env":{"LANG":"C"},"stdin":"text"}'] * 2
    assert app.job(command.enqueue(["ls"])).payload == '{"argv":["ls"]}'  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"root": "relative"}, InvalidOption),
        ({"root": "/srv/.."}, InvalidOption),
        ({"root": b"/srv"}, InvalidOption),
        ({"environment": "PATH"}, InvalidOption),
        ({"environment": ["A=B"]}, InvalidOption),
        ({"output": 0}, InvalidOption),
        ({"output": "256KiB"}, InvalidOption),
        ({"timeout": "soon"}, InvalidDelay),
        ({"queue": "a b"}, InvalidName),
        ({"priority": -1}, InvalidOption),
        ({"retry": "often"}, InvalidOption),
        ({"shell": True}, InvalidOption),
    ],
)
def test_a_bad_declaration_is_refused_and_registers_nothing(
    app: Headrace, options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        app.command_task(**{"root": "/", **options})
    if "output" not in options:
        with pytest.raises(error):
            app.pool_task("pool", **{"argv": ["cat"], **options})
    assert not app.registry.all()
    assert not app.stop_hooks


def test_a_root_is_needed() -> None:
    assert inspect.signature(Headrace.command_task).parameters["root"].default is inspect.Parameter.empty


@pytest.mark.parametrize("argv", [[], "cat", [""], ["cat", 3], ["c\0"], None])
def test_a_pool_needs_a_program(app: Headrace, argv: Any) -> None:
    with pytest.raises(InvalidOption, match="argv="):
        app.pool_task("pool", argv=argv)


@pytest.mark.parametrize("size", [0, -1, 1001, 2.5, True, "4"])
def test_a_pool_has_a_size(app: Headrace, size: Any) -> None:
    with pytest.raises(InvalidOption, match="size="):
        app.pool_task("pool", argv=["cat"], size=size)


def test_names_are_those_of_tasks(app: Headrace) -> None:
    first, second = app.command_task(root="/"), app.command_task("other", root="/", queue="slow")
    assert [first.name, second.name, second.handler.queue, first.handler.timeout] == ["command", "other", "slow", 600]
    with pytest.raises(AlreadyRegistered):
        app.command_task(root="/")
    app.add_router({"pool.": "pools"})
    assert app.pool_task("pool.a", argv=["cat"], timeout="1m").handler.queue == "pools"
