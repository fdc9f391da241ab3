"""The rules of the test suite itself, which stand in its conftest.py."""

from collections.abc import Callable
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture
def house(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A test suite of its own under our conftest.py, on CI, with little patience for threads."""
    monkeypatch.setenv("CI", "true")
    ours = Path(__file__).with_name("conftest.py").read_text(encoding="utf-8")
    assert "ENDING = 5.0" in ours
    pytester.makeconftest(ours.replace("ENDING = 5.0", "ENDING = 0.05"))
    pytester.makeini("[pytest]\naddopts = -p no:cacheprovider --strict-markers\nmarkers = leaves_threads(why): stays")
    return pytester


def test_a_missing_service_skips_with_its_reason_on_a_laptop(
    missing: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="Postgres is missing: no server on port 5432"):
        missing("Postgres", "no server on port 5432")


def test_a_missing_service_fails_on_ci(missing: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="Postgres is missing: no server on port 5432"):
        missing("Postgres", "no server on port 5432")


SKIPPED = "import pytest\n\ndef test_nothing():\n    pytest.skip('not today')\n"


def test_on_ci_a_run_in_which_nothing_passed_fails(house: pytest.Pytester) -> None:
    house.makepyfile(SKIPPED)
    assert house.runpytest().ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_on_ci_one_passed_test_is_enough(house: pytest.Pytester) -> None:
    house.makepyfile(f"{SKIPPED}\ndef test_something():\n    pass\n")
    assert house.runpytest().ret == pytest.ExitCode.OK


LEAKING = """
import threading

import pytest

done = threading.Event()

{mark}
def test_leaves_a_thread():
    threading.Thread(target=done.wait, args=(60,), name="the-leak", daemon=True).start()

def teardown_module():
    done.set()
"""


def test_a_thread_left_running_is_an_error_that_names_it(house: pytest.Pytester) -> None:
    house.makepyfile(LEAKING.format(mark=""))
    result = house.runpytest()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*threads left running by this test: the-leak*"])


def test_a_test_may_say_that_it_leaves_threads(house: pytest.Pytester) -> None:
    house.makepyfile(LEAKING.format(mark='@pytest.mark.leaves_threads("it must")'))
    house.runpytest().assert_outcomes(passed=1)
