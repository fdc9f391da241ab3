"""Programs under their minder, as ``Spawn`` runs them: real processes, whole trees of them, and how all of it ends."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from witness import Witness

from headrace.system.machine import SystemSpawn
from headrace.system.spawn import Ended, MinderDied, Order, ProgramNotStarted, Unanswered

SPAWN = SystemSpawn()
LONG = 1000
"""Seconds, of what must not be waited for."""


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    witness = Witness(tmp_path / "witness")
    yield witness
    witness.close()


def order(*argv: str, **fields: Any) -> Order:
    usual = {"root": "/", "cwd": ".", "environment": {"PATH": os.environ["PATH"]}, "grace": LONG, "output": 1000}
    return Order(argv, **{**usual, **fields})


def shell(script: str, *arguments: str, **fields: Any) -> Order:
    return order("sh", "-c", script, *arguments, **fields)


def run(what: Order) -> Ended:
    return asyncio.run(SPAWN.command(what))


def printed(what: Order) -> str:
    ended = run(what)
    assert ended.code == 0, ended
    return ended.stdout.kept.decode()


def cancelled_when(what: Order, ready: Callable[[], object]) -> None:
    """Run it, and cancel the wait once ``ready`` has returned."""

    async def main() -> None:
        running = asyncio.ensure_future(SPAWN.command(what))
        await asyncio.get_running_loop().run_in_executor(None, ready)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(main())


# --- what a program gets, and what it gives ---------------------------------------------------------------------------


def test_exit_code_stdout_and_stderr_come_back() -> None:
    ended = run(shell("echo out; echo err >&2; exit 3"))
    assert (ended.code, ended.stdout.kept, ended.stderr.kept) == (3, b"out\n", b"err\n")
    assert (ended.stdout.size, ended.stderr.size) == (4, 4)


def test_a_signal_is_told_apart_from_an_exit_code() -> None:
    assert run(shell("kill -SEGV $$")).code == -signal.SIGSEGV
    assert run(shell("exit 139")).code == 139


def test_no_shell_reads_the_words() -> None:
    words = ["$HOME", "*", "a b", "; exit 3", "", "ä\n", "`id`"]
    assert printed(order("printf", "%s|", *words)) == "".join(f"{word}|" for word in words)


def test_stdin_is_what_it_is_given() -> None:
    text = bytes(range(256)) * 40_000
    assert printed(order("wc", "-c", stdin=text)).strip() == str(len(text))
    assert run(order("tail", "-c", "500", stdin=text)).stdout.kept == text[-500:]
    assert printed(order("cat")) == ""


def test_nobody_has_to_read_stdin() -> None:
    assert run(order("true", stdin=b"x" * 5_000_000)).code == 0
    assert run(shell("exec <&-; exit 4", stdin=b"x" * 5_000_000)).code == 4


def test_the_environment_is_what_is_given_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "s3cret")
    environment = {"PATH": os.environ["PATH"], "GREETING": "hello = ä"}
    assert sorted(printed(order("env", environment=environment)).splitlines()) == [
        "GREETING=hello = ä",
        f"PATH={os.environ['PATH']}",
    ]
    assert printed(order("/usr/bin/env", environment={})) == ""


def test_signals_do_what_programs_expect() -> None:
    ignored = printed(order("grep", "-h", "SigIgn\\|SigBlk", "/proc/self/status"))
    ordinary = (1 << 31) - 1  # those above are the C library's own
    assert [int(line.split()[1], 16) & ordinary for line in ignored.splitlines()] == [0, 0]


def test_no_descriptor_of_ours_is_inherited() -> None:
    read, write = os.pipe()
    try:
        shown = printed(shell("ls /proc/$$/fd"))
    finally:
        os.close(read)
        os.close(write)
    assert shown.split() == ["0", "1", "2"]


def test_it_has_a_session_of_its_own() -> None:
    pid, *fields = printed(shell("cut -d' ' -f1,5,6 /proc/$$/stat")).split()
    assert fields == [pid, pid]


# --- what it prints is bounded ----------------------------------------------------------------------------------------


def test_the_end_of_the_output_is_kept_and_all_of_it_counted() -> None:
    ended = run(shell("seq 100000; seq 7 >&2", output=12))
    assert (ended.stdout.kept, ended.stdout.size) == (b"99999\n100000\n"[-12:], 588_895)
    assert (ended.stderr.kept, ended.stderr.size) == (b"2\n3\n4\n5\n6\n7\n", 14)


def test_a_flood_fills_no_memory() -> None:
    flood = "head -c 300000000 /dev/zero; head -c 300000000 /dev/zero >&2; grep VmHWM /proc/$PPID/status"
    ended = run(shell(flood, output=100_000))
    assert ended.stdout.size > 300_000_000
    assert len(ended.stderr.kept) == 100_000
    kilobytes = int(ended.stdout.kept.rpartition(b"VmHWM:")[2].split()[0])
    assert kilobytes < 40_000, "the most that the minder ever held"


def test_output_may_end_long_before_the_program() -> None:
    assert run(shell("exec >&- 2>&-; exit 4")).code == 4


def test_what_it_printed_last_is_not_lost_when_it_ends() -> None:
    for _ in range(10):
        assert run(shell("head -c 60000 /dev/zero; exec kill -KILL $$", output=60_000)).stdout.size == 60_000


# --- nothing is left of it --------------------------------------------------------------------------------------------

TREE = """
exec 9>"$0"
sh -c 'sleep 1000 & echo child >&9; wait' &
setsid sh -c 'echo grandchild >&9; exec sleep 1000' &
(setsid sh -c '(setsid sh -c "echo daemon >&9; exec sleep 1000" &)' &)
echo up >&9
"""
"""A family over four sessions, one of them without a parent."""
STUBBORN = f'trap "" TERM HUP INT\n{TREE}'


def hear_all(witness: Witness) -> None:
    for name in ("up", "child", "grandchild", "daemon"):
        witness.hear(name)


@pytest.mark.parametrize(("family", "grace"), [(TREE, LONG), (STUBBORN, 0.1)], ids=["polite", "stubborn"])
def test_a_cancel_returns_when_the_whole_family_is_dead(witness: Witness, family: str, grace: float) -> None:
    what = shell(f"{family}\nwhile :; do sleep 1000; done", witness.path, grace=grace)
    cancelled_when(what, lambda: hear_all(witness))
    assert not witness.is_held()


@pytest.mark.parametrize(("family", "grace"), [(TREE, LONG), (STUBBORN, 0.1)], ids=["polite", "stubborn"])
def test_what_a_program_leaves_running_ends_with_it(witness: Witness, family: str, grace: float) -> None:
    waiting = f"{family}\nwhile [ ! -e {witness.path}.go ]; do sleep 0.01; done; echo done; exit 5"

    def let_go() -> None:
        hear_all(witness)
        Path(f"{witness.path}.go").touch()

    async def main() -> Ended:
        running = asyncio.ensure_future(SPAWN.command(shell(waiting, witness.path, grace=grace)))
        await asyncio.get_running_loop().run_in_executor(None, let_go)
        return await running

    ended = asyncio.run(main())
    assert (ended.code, ended.stdout.kept) == (5, b"done\n")
    assert not witness.is_held()


def test_a_daemon_that_holds_the_output_keeps_nobody_waiting() -> None:
    ended = run(shell("setsid sleep 1000 & (sleep 1000 &); echo started"))
    assert (ended.code, ended.stdout.kept) == (0, b"started\n")


def test_a_polite_program_ends_in_its_own_way(witness: Witness) -> None:
    script = 'exec 9>"$0"; trap "echo told >&9; exit 0" TERM; echo up >&9; while :; do sleep 0.01; done'
    cancelled_when(shell(script, witness.path), lambda: witness.hear("up"))
    assert not witness.is_held()
    assert witness.heard == ["up", "told"]


COUNTING = """
import os, signal, sys
end = os.open(sys.argv[1], os.O_WRONLY)
signal.signal(signal.SIGTERM, lambda *_: os.write(end, b"told\\n"))
os.write(end, b"up\\n")
while True:
    signal.pause()
"""


def test_it_is_told_once(witness: Witness) -> None:
    what = order(sys.executable, "-c", COUNTING, witness.path, grace=0.3)
    cancelled_when(what, lambda: witness.hear("up"))
    assert not witness.is_held()
    assert witness.heard == ["up", "told"]


def test_a_stopped_program_is_ended_too(witness: Witness) -> None:
    cancelled_when(shell('exec 9>"$0"; echo up >&9; kill -STOP $$', witness.path), lambda: witness.hear("up"))
    assert not witness.is_held()


def test_a_second_cancel_does_not_cut_the_first_one_short(witness: Witness) -> None:
    script = 'exec 9>"$0"; trap "echo told >&9" TERM; echo up >&9; while :; do sleep 0.01; done'

    async def main() -> None:
        running = asyncio.ensure_future(SPAWN.command(shell(script, witness.path, grace=0.3)))
        loop = asyncio.get_running_loop()
        for line in ("up", "told"):
            await loop.run_in_executor(None, witness.hear, line)
            running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(main())
    assert not witness.is_held()


def test_a_cancel_at_any_moment_of_the_start_leaves_nothing(witness: Witness) -> None:
    async def main() -> None:
        for turns in range(40):
            running = asyncio.ensure_future(SPAWN.command(shell('exec 9>"$0"; echo up >&9; sleep 1000', witness.path)))
            for _ in range(turns):
                await asyncio.tasks.sleep(0)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
        await SPAWN.command(shell('exec 9>"$0"; echo last >&9', witness.path))

    asyncio.run(main())
    witness.hear("last")
    assert not witness.is_held()


def test_when_its_minder_is_killed_the_program_is_too(witness: Witness) -> None:
    script = 'exec 9>"$0"; echo up >&9; echo $PPID >&9; exec sleep 1000'

    async def main() -> None:
        running = asyncio.ensure_future(SPAWN.command(shell(script, witness.path)))
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, witness.hear, "up")
        while len(witness.heard) < 2:
            await loop.run_in_executor(None, witness.is_held)
        os.kill(int(witness.heard[1]), signal.SIGKILL)
        with pytest.raises(MinderDied, match="killed by SIGKILL"):
            await running

    asyncio.run(main())
    witness.wait_gone()


def test_a_minder_lets_nobody_else_tell_it_to_end(witness: Witness) -> None:
    script = "kill -TERM $PPID; kill -INT $PPID; kill -HUP $PPID; echo still here"
    assert printed(shell(script)) == "still here\n"


PARENT = """
import asyncio, os, sys
from headrace.system.machine import SystemSpawn
from headrace.system.spawn import Order

what = Order(["sh", "-c", sys.argv[1], sys.argv[2]], "/", ".", {"PATH": os.environ["PATH"]}, 1000.0, 1000)
asyncio.run(SystemSpawn().%s(what)%s)
"""


@pytest.mark.parametrize(
    ("method", "then"),
    [("command", ""), ("companion", ")\nimport time; time.sleep(1000")],
    ids=["command", "companion"],
)
def test_when_we_are_killed_the_whole_family_is(witness: Witness, method: str, then: str) -> None:
    script = f"{STUBBORN}\nwhile :; do sleep 1000; done"
    parent = subprocess.Popen([sys.executable, "-c", PARENT % (method, then), script, witness.path])
    try:
        hear_all(witness)
        assert witness.is_held()
    finally:
        parent.kill()
        parent.wait()
    witness.wait_gone()


# --- what is not started ----------------------------------------------------------------------------------------------


def refused(what: Order) -> tuple[str, str]:
    with pytest.raises(ProgramNotStarted) as caught:
        run(what)
    return caught.value.step, type(caught.value.error).__name__


def test_a_program_that_can_not_be_run(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("hello")
    assert refused(order("there-is-no-such-program")) == ("program", "FileNotFoundError")
    assert refused(order("/there/is/none")) == ("program", "FileNotFoundError")
    assert refused(order(str(plain))) == ("program", "PermissionError")
    assert refused(order(str(tmp_path))) == ("program", "PermissionError")
    plain.chmod(0o755)
    assert refused(order(str(plain))) == ("program", "OSError"), "neither a binary nor a script"


def test_more_than_the_kernel_takes() -> None:
    with pytest.raises(ProgramNotStarted) as caught:
        run(order("true", "x" * 3_000_000))
    assert caught.value.error.strerror == "Argument list too long"


def test_a_program_is_looked_up_in_the_path_that_it_gets(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\necho found\n")
    tool.chmod(0o755)
    assert printed(order("tool", environment={"PATH": str(tmp_path)})) == "found\n"
    assert printed(order("./tool", root=str(tmp_path), environment={})) == "found\n"
    assert refused(order("tool")) == ("program", "FileNotFoundError")


def test_it_starts_inside_the_root_once_symlinks_are_resolved(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "a" / "b").mkdir(parents=True)
    (tmp_path / "root2").mkdir()
    outside.mkdir()
    (root / "in").symlink_to(root / "a")
    (root / "out").symlink_to(outside)
    (root / "up").symlink_to("..")
    (root / "a" / "back").symlink_to(outside)
    (outside / "in").symlink_to(root / "a" / "b")
    (tmp_path / "alias").symlink_to(root)
    (root / "file").write_text("")

    def here(cwd: str, base: Path = root) -> str:
        return printed(order("pwd", "-P", root=str(base), cwd=cwd)).strip()

    assert here(".") == str(root)
    assert here("a/b") == here("in/b") == here(str(root / "a" / "b")) == str(root / "a" / "b")
    assert here("out/in") == str(root / "a" / "b"), "where it leads counts, not the way there"
    assert here("a", tmp_path / "alias") == str(root / "a")
    assert here(str(outside), Path("/")) == str(outside)
    for cwd in ("out", "a/back", "up", "up/root2", "..", "in/../..", "/", str(outside), str(tmp_path / "root2")):
        assert refused(order("pwd", root=str(root), cwd=cwd)) == ("outside", "OSError"), cwd
    assert refused(order("pwd", root=str(root), cwd="missing")) == ("cwd", "FileNotFoundError")
    assert refused(order("pwd", root=str(root), cwd="file")) == ("cwd", "NotADirectoryError")
    assert refused(order("pwd", root=str(tmp_path / "missing"), cwd=".")) == ("root", "FileNotFoundError")


# --- programs that stay -----------------------------------------------------------------------------------------------


def test_a_companion_answers_line_by_line_and_ends_when_told() -> None:
    async def main() -> None:
        companion = await SPAWN.companion(shell('while read -r line; do echo "<$line>"; done; echo bye >&2'))
        assert companion.is_alive
        assert [await companion.ask(b"one"), await companion.ask(b"two")] == [b"<one>\n", b"<two>\n"]
        ended = await companion.end()
        assert ended.code == -signal.SIGTERM
        assert not companion.is_alive

    asyncio.run(main())


def test_a_companion_that_closes_its_output_gives_no_answer() -> None:
    async def main() -> Ended:
        companion = await SPAWN.companion(shell("read line; echo words >&2; exit 3"))
        with pytest.raises(Unanswered, match="closed its output"):
            await companion.ask(b"one")
        return await companion.end()

    ended = asyncio.run(main())
    assert (ended.code, ended.stderr.kept) == (3, b"words\n")


def test_a_companion_whose_line_does_not_end_is_not_read_for_ever() -> None:
    async def main() -> Ended:
        companion = await SPAWN.companion(shell("read line; exec cat /dev/zero"))
        with pytest.raises(Unanswered, match="a line of more than 2,097,152 bytes"):
            await companion.ask(b"one")
        return await companion.end()

    assert asyncio.run(main()).code == -signal.SIGTERM


def test_a_companion_that_is_no_program_says_so_at_its_end() -> None:
    async def main() -> None:
        companion = await SPAWN.companion(order("there-is-no-such-program"))
        with pytest.raises(Unanswered):
            await companion.ask(b"one")
        with pytest.raises(ProgramNotStarted):
            await companion.end()

    asyncio.run(main())
