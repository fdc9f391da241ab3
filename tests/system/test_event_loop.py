"""Loops of our own end with their main, and with nothing else."""

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from typing import NoReturn

import pytest

from headrace.system.event_loop import run_to_its_end
from headrace.system.threads import start_thread


def in_thread(function: Callable[[], object]) -> object:
    """What it returns, called in a thread: where no signal ever comes."""
    answers: list[object] = []
    start_thread("run", lambda: answers.append(function())).join(20)
    return answers[0]


async def raises(error: BaseException) -> NoReturn:
    raise error


async def survive(error: BaseException | None) -> str:
    """Something ends the loop, and it turns on."""
    loop = asyncio.get_running_loop()
    if error is None:
        loop.stop()
    else:
        task = loop.create_task(raises(error))
    turned = loop.create_future()
    loop.call_later(0.01, turned.set_result, None)
    await turned
    if error is not None:
        assert task.exception() is error
    return "to its end"


STRAYS = {"exit": SystemExit(0), "interrupt": KeyboardInterrupt(), "stop": None}


@pytest.mark.parametrize("error", STRAYS.values(), ids=STRAYS.keys())
def test_what_a_task_raises_and_a_stop_dont_end_it(
    error: BaseException | None, caplog: pytest.LogCaptureFixture
) -> None:
    assert in_thread(lambda: run_to_its_end(survive(error))) == "to its end"
    assert [record.message for record in caplog.records] == ["something tried to end the event loop"]


def test_where_sigint_has_another_handler_an_interrupt_is_somebodys_exception() -> None:
    async def main() -> str:
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, print)
        return await survive(KeyboardInterrupt())

    assert run_to_its_end(main()) == "to its end"


def test_a_real_one_cancels_main() -> None:
    ends: list[str] = []

    async def main() -> None:
        signal.raise_signal(signal.SIGINT)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    with pytest.raises(KeyboardInterrupt):
        run_to_its_end(main())
    assert ends == ["cancelled"]


def test_a_second_real_one_ends_it_where_main_goes_on() -> None:
    async def main() -> None:
        signal.raise_signal(signal.SIGINT)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_to_its_end(main())


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), RuntimeError("mine"), ValueError()], ids=repr)
def test_what_main_raises_is_raised(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        run_to_its_end(raises(error))
    assert caught.value is error


def test_its_timers_fire_though_time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> str:
        moment = time.monotonic()  # noqa: TID251 - what a handler does
        monkeypatch.setattr(time, "monotonic", lambda: moment)
        return await survive(SystemExit(0))

    assert in_thread(lambda: run_to_its_end(main())) == "to its end"


def test_sys_exit_in_main_is_an_exit() -> None:
    async def main() -> None:
        sys.exit(4)

    with pytest.raises(SystemExit, match="4"):
        run_to_its_end(main())
