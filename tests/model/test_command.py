"""What a command may ask for, and what its end means."""

import errno
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.model.codec import MAX_RESULT, decode_result, encode_result
from headrace.model.command import (
    Bounds,
    Command,
    CommandResult,
    check_argv,
    check_bounds,
    check_command,
    end_text,
    environment_of,
    exit_text,
    result_of,
    start_text,
)
from headrace.model.errors import InvalidOption

BOUNDS = Bounds("/srv/jobs", ("PATH", "LANG"), 1000)


# --- declarations -----------------------------------------------------------------------------------------------------


def test_bounds_are_kept_as_given_but_for_the_roots_spelling() -> None:
    assert check_bounds("/srv//jobs/./", ["PATH"], 10) == Bounds("/srv/jobs", ("PATH",), 10)
    assert check_bounds("/", (), 1) == Bounds("/", (), 1)


@pytest.mark.parametrize("root", ["", "srv", "./srv", "/srv/../etc", "/srv\0", b"/srv", None, 3])
def test_a_root_that_is_no_plain_absolute_path_is_refused(root: Any) -> None:
    with pytest.raises(InvalidOption, match=r"root=.*absolute path"):
        check_bounds(root, (), 1)


@pytest.mark.parametrize("names", ["PATH", b"PATH", None, {"PATH": "x"}, [""], ["A=B"], ["A\0"], [3], [None]])
def test_names_of_variables_that_are_none_are_refused(names: Any) -> None:
    with pytest.raises(InvalidOption, match="environment="):
        check_bounds("/", names, 1)


@pytest.mark.parametrize("output", [0, -1, 1_048_577, 1.0, True, "256KiB", None])
def test_an_output_that_is_no_number_of_bytes_is_refused(output: Any) -> None:
    with pytest.raises(InvalidOption, match=r"output=.*from 1 to 1,048,576"):
        check_bounds("/", (), output)


# --- what a job asks for ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("argv", [[], [""], ["", "x"], None, "ls -l", b"ls", {"ls": 1}, 3])
def test_argv_is_a_list_that_begins_with_a_program(argv: Any) -> None:
    with pytest.raises(InvalidOption, match=r"argv=.*the program, then what it is told"):
        check_argv(argv)


@pytest.mark.parametrize("argv", [["ls", 3], ["ls", None], ["ls", b"-l"], ["ls", "a\0b"], ["l\0s"], ["ls", ["-l"]]])
def test_the_words_of_a_command_are_text_without_nul(argv: Any) -> None:
    with pytest.raises(InvalidOption, match=r"argv=.*text without NUL"):
        check_argv(argv)


def test_the_words_of_a_command_may_be_anything_else() -> None:
    assert check_argv(["ls", "", "-l; rm *", "$HOME", "ä\n"]) == ["ls", "", "-l; rm *", "$HOME", "ä\n"]


@pytest.mark.parametrize("cwd", [None, ".", "a", "a/b/../c", "/srv/jobs", "/srv/jobs/a", "a/..", "..a", "./a//b"])
def test_a_folder_inside_the_root_passes(cwd: str | None) -> None:
    check_command(BOUNDS, Command(["ls"], cwd))


@pytest.mark.parametrize(
    "cwd", ["..", "a/../..", "/", "/srv", "/srv/jobs2", "/srv/jobs/../x", "/etc", "../jobs2", "//"]
)
def test_a_folder_outside_of_the_root_is_refused(cwd: str) -> None:
    with pytest.raises(InvalidOption, match=r"cwd=.*inside root=/srv/jobs"):
        check_command(BOUNDS, Command(["ls"], cwd))


@pytest.mark.parametrize("cwd", ["", "a\0b"])
def test_a_folder_that_is_no_path_is_refused(cwd: str) -> None:
    with pytest.raises(InvalidOption, match="cwd="):
        check_command(BOUNDS, Command(["ls"], cwd))


def test_any_folder_is_inside_the_root_of_all() -> None:
    check_command(Bounds("/", (), 1), Command(["ls"], "/etc"))
    check_command(Bounds("/", (), 1), Command(["ls"], "../.."))


@pytest.mark.parametrize("env", [{"HOME": "/"}, {"PATH": "/bin", "LD_PRELOAD": "x"}, {"": "x"}, {"path": "x"}])
def test_variables_that_are_not_allowed_are_refused(env: Mapping[str, str]) -> None:
    with pytest.raises(InvalidOption, match=r"env=.*only these may be set: PATH, LANG"):
        check_command(BOUNDS, Command(["ls"], env=env))
    with pytest.raises(InvalidOption, match="only these may be set: none"):
        check_command(Bounds("/", (), 1), Command(["ls"], env=env))


def test_the_value_of_a_refused_variable_is_not_told() -> None:
    with pytest.raises(InvalidOption) as caught:
        check_command(BOUNDS, Command(["ls"], env={"API_KEY": "s3cret"}))
    assert "s3cret" not in str(caught.value)


def test_a_variable_has_no_nul() -> None:
    with pytest.raises(InvalidOption, match="its value has a NUL"):
        check_command(BOUNDS, Command(["ls"], env={"PATH": "/bin\0"}))


def test_a_command_has_the_allowed_variables_of_its_worker_and_its_job_wins() -> None:
    workers = {"PATH": "/bin", "LANG": "C", "SECRET": "x"}
    assert environment_of(BOUNDS, Command(["ls"]), workers) == {"PATH": "/bin", "LANG": "C"}
    assert environment_of(BOUNDS, Command(["ls"], env={"LANG": "de"}), workers) == {"PATH": "/bin", "LANG": "de"}
    assert environment_of(BOUNDS, Command(["ls"]), {}) == {}


# --- how it ended -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "text"),
    [(0, "exit code 0"), (127, "exit code 127"), (-9, "killed by SIGKILL"), (-40, "killed by signal 40")],
)
def test_codes_are_told_apart_from_signals(code: int, text: str) -> None:
    assert exit_text(code) == text


def test_a_failure_quotes_stderr_and_without_any_stdout() -> None:
    assert end_text(3, b"out\n", b"err\n") == "exit code 3: err"
    assert end_text(3, b"out\n", b" \n") == "exit code 3: out"
    assert end_text(-11, b"", b"") == "killed by SIGSEGV"


def test_a_failure_quotes_the_last_256_bytes_in_whole_characters() -> None:
    assert end_text(1, b"", b"a" * 300 + b"b" * 256) == f"exit code 1: {'b' * 256}"
    assert end_text(1, b"", b"x" + "ä".encode() * 300) == f"exit code 1: {'ä' * 128}"
    assert end_text(1, b"", b"xx" + "ä".encode() * 300 + b"y") == f"exit code 1: {'ä' * 127}y"
    assert end_text(1, b"", b"\xff\xfe") == "exit code 1: ��"


@pytest.mark.parametrize(
    ("step", "number", "text", "final"),
    [
        ("root", errno.ENOENT, "root=/r can't be entered: because", False),
        ("cwd", errno.ENOENT, "cwd=c can't be entered: because", False),
        ("outside", 0, "cwd=c leads out of root=/r", True),
        ("program", errno.ENOENT, "program 'ls' can't be run: because", False),
        ("program", errno.E2BIG, "program 'ls' can't be told so much: because", True),
        ("start", errno.EAGAIN, "program 'ls' can't be run: because", False),
    ],
)
def test_only_what_stays_true_is_final(step: str, number: int, text: str, final: bool) -> None:
    assert start_text(step, number, "because", ["ls"], "/r", "c") == (text, final)


def test_a_result_tells_what_was_kept_and_how_much_there_was() -> None:
    result = result_of(0, b"tail", 9, b"", 0)
    assert result == CommandResult(0, "tail", "", 9, 0)
    text, error = encode_result(result, CommandResult)
    assert error is None
    assert decode_result(text.decode(), CommandResult) == result  # type: ignore[union-attr]


def test_a_tail_begins_with_a_whole_character() -> None:
    assert result_of(0, "äb".encode()[1:], 100, b"\xa4", 1).stdout == "b"
    assert result_of(0, b"", 0, b"\xa4", 1).stderr == "�", "it was not cut: that is what was printed"


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_what_fits_is_kept_as_it_is(stdout: bytes, stderr: bytes) -> None:
    result = result_of(0, stdout, len(stdout), stderr, len(stderr))
    assert (result.stdout, result.stderr) == (stdout.decode("utf-8", "replace"), stderr.decode("utf-8", "replace"))


@pytest.mark.parametrize("byte", [b"\x01", b"\xff", b"a", b"\\"])
def test_a_result_is_never_too_large_to_be_kept(byte: bytes) -> None:
    data = byte * 1_048_576
    result = result_of(0, data, len(data), data, len(data))
    size = len(msgspec.json.encode(result))
    assert MAX_RESULT / 4 < size <= MAX_RESULT
    assert data.decode("utf-8", "replace").endswith(result.stdout)
    assert result.stdout_size == 1_048_576
