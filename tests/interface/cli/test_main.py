"""The command line and its worker process as programs."""

import os
import subprocess  # noqa: TID251 - what another process sees
import sys
from collections.abc import Mapping

import pytest

from headrace.interface.cli.child import main as child_main


def test_a_worker_process_brings_no_command_line_along() -> None:
    code = "import sys, headrace.interface.cli.child; print({'typer', 'click', 'rich'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


def test_the_library_brings_no_command_line_along() -> None:
    code = "import sys, headrace; print([name for name in sys.modules if 'cli' in name.split('.') or name == 'typer'])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


def test_a_worker_process_without_an_order_explains_itself(capsys: object) -> None:
    assert child_main([]) == 2
    assert child_main(["{}"]) == 2


BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
"""Most users' stdout is; what can't be written is then met late."""


def version(stdout: int, environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "headrace", "--version"]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, env=environment, text=True, check=False)


@pytest.mark.parametrize(
    "environment", [BUFFERED, BUFFERED | {"PYTHONUNBUFFERED": "1"}], ids=["buffered", "unbuffered"]
)
def test_a_full_disk_under_stdout_is_one_line(environment: Mapping[str, str]) -> None:
    with open("/dev/full", "w") as full:
        ran = version(full.fileno(), environment)
    assert (ran.returncode, ran.stderr) == (1, "headrace: [Errno 28] No space left on device\n")


@pytest.mark.parametrize(
    "environment", [BUFFERED, BUFFERED | {"PYTHONUNBUFFERED": "1"}], ids=["buffered", "unbuffered"]
)
def test_a_reader_that_leaves_is_told_nothing(environment: Mapping[str, str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ran = version(writing, environment)
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (1, "")
