"""Apps on memory and on SQLite, closed after each test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace import Headrace

Make = Callable[..., Headrace]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory:" if request.param == "memory" else f"sqlite:///{tmp_path / 'jobs.db'}"


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Headrace] = []

    def make(url: str = "memory:", **options: Any) -> Headrace:
        made.append(Headrace(url, **{"poll": 0.02, **options}))
        return made[-1]

    yield make
    for app in made:
        app.close()


@pytest.fixture
def app(url: str, make: Make) -> Headrace:
    return make(url)
