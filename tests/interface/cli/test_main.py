"""The command line and its worker process as programs."""

import os
import subprocess  # noqa: TID251 - what another process sees
import sys

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


def test_a_full_disk_under_stdout_is_one_line() -> None:
    with open("/dev/full", "w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "headrace", "--version"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr


def test_a_reader_that_leaves_is_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ran = subprocess.run(
        [sys.executable, "-m", "headrace", "--version"], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert ran.returncode != 0
    assert "Traceback" not in ran.stderr
