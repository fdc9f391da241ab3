"""The conformance suite as authors of backends run it: by name, on a storage of their own."""

import re
from pathlib import Path

import pytest

import headrace.testing.conformance.everything as suite

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/how-to/write-a-storage.md"

CONFTEST = """
import pytest
from mine import MyStorage

@pytest.fixture
def storage_factory():
    return lambda clock: MyStorage(clock=clock)
"""

GOOD = """
from headrace.storage.memory import MemoryStorage

class MyStorage(MemoryStorage):
    async def open(self):
        await super().open()
"""

GREEDY = """
    async def claim(self, worker, demands):
        from headrace.storage.contract import Demand
        return await super().claim(worker, [Demand(demand.queue, demand.limit + 1) for demand in demands])
"""


def run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    """``pytest --pyargs headrace.testing.conformance`` in the author's folder."""
    return pytester.runpytest_subprocess(
        *("-q", "--pyargs", "headrace.testing.conformance", "-p", "no:cacheprovider"),
        *("-p", "no:hypothesispytest", "-W", "error", *options),
    )


def test_a_storage_of_ones_own_passes(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(mine=GOOD, conftest=CONFTEST)
    outcomes = run(pytester).parseoutcomes()
    assert set(outcomes) == {"passed"}
    assert outcomes["passed"] > 500


def test_the_factory_may_come_from_a_plugin(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(mine=GOOD, my_plugin=CONFTEST)
    pytester.syspathinsert()
    assert set(run(pytester, "-p", "my_plugin", "-k", "TestClaim").parseoutcomes()) == {"passed", "deselected"}


def test_a_storage_that_breaks_its_promise_fails(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(mine=GOOD + GREEDY, conftest=CONFTEST)
    result = run(pytester, "-k", "TestClaim")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["FAILED *test_claim.py::TestClaim::test_at_most_the_limit*"])


def test_without_a_factory_it_says_once_what_to_write(pytester: pytest.Pytester) -> None:
    result = run(pytester)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stdout.str() + result.stderr.str()
    assert text.count("the conformance suite needs a fixture `storage_factory`, and found none") == 1
    assert "return lambda clock: MyStorage(" in text
    assert "ERROR" not in text


def test_a_factory_that_lacks_something_itself_is_told_as_always(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST.replace("storage_factory()", "storage_factory(no_such)").replace("from mine", "#"))
    result = run(pytester, "-k", "test_at_most_the_limit")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*fixture 'no_such' not found"])


def test_every_class_of_tests_is_in_everything() -> None:
    folder = ROOT / "src/headrace/testing/conformance"
    found = {
        name
        for file in folder.glob("test_*.py")
        for name in re.findall(r"^class (Test\w+)\(", file.read_text("utf-8"), re.M)
    }
    assert found == set(suite.__all__)


def test_the_storage_of_the_how_to_page_passes(pytester: pytest.Pytester) -> None:
    for name, text in re.findall(
        r"^```python(?: no-run)?\n# (\w+\.py)\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S
    ):
        (pytester.path / name).write_text(text, encoding="utf-8")
    assert set(run(pytester, "-k", "TestClaim or TestInsert").parseoutcomes()) == {"passed", "deselected"}
