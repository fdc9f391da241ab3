"""Examples run as programs, each in a folder of its own."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from programs import EXAMPLES, Program, Start, environment_of

from headrace import Headrace


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Where the examples of this test keep their jobs."""
    return f"sqlite:///{tmp_path / 'jobs.db'}"


@pytest.fixture
def app(url: str) -> Iterator[Headrace]:
    """The test's own view of that store."""
    with Headrace(url) as app:
        yield app


@pytest.fixture
def start_python(tmp_path: Path, url: str) -> Iterator[Start]:
    """``start_python(*arguments, **environment)`` runs Python with these."""
    started: list[Program] = []

    def start(*arguments: str, **environment: str) -> Program:
        started.append(Program(tmp_path, {**environment_of(url), **environment}, *arguments))
        return started[-1]

    yield start
    for program in started:
        program.close()


@pytest.fixture
def start(start_python: Start) -> Start:
    """``start(example, *arguments, **environment)`` runs one of the examples."""

    def start(example: str, *arguments: str, **environment: str) -> Program:
        return start_python(str(EXAMPLES / example), *arguments, **environment)

    return start


@pytest.fixture
def need(missing: Callable[[str, str], None]) -> Callable[..., None]:
    """``need("flask")``: this test is about a package that headrace itself doesn't need."""

    def need(*packages: str) -> None:
        for package in packages:
            if find_spec(package) is None:
                missing(package, 'pip install -c constraints.txt -e ".[dev]"')

    return need
