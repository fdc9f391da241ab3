"""The numbered files of the schema. ``migrations`` tells how they are written."""

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

_APART = "-- statement by statement\n"
_MADE = re.compile(r"create\s+(?:unique\s+)?index\s+concurrently\s+(if\b|\w+)", re.IGNORECASE)
_DROP = "DROP INDEX CONCURRENTLY IF EXISTS {{schema}}.{}"


class Step(NamedTuple):
    """One file. In order."""

    number: int
    post: bool


def load_migrations(folder: Traversable | None = None) -> Mapping[Step, str]:
    """All files of the folder; without one, those of this version. ValueError where one could not be done again."""
    found: dict[Step, str] = {}
    for file in (folder or files("headrace.storage.postgres.migrations")).iterdir():
        number, _, rest = file.name.partition(".")
        if rest in ("pre.sql", "post.sql"):
            text = file.read_text("utf-8")
            if is_apart(text):
                _check_indexes(file.name, statements_of(text))
            found[Step(int(number), rest == "post.sql")] = text
    return dict(sorted(found.items()))


def is_apart(text: str) -> bool:
    """Whether its statements run one by one, outside a transaction."""
    return text.startswith(_APART)


def statements_of(text: str) -> Sequence[str]:
    """Those of a file that runs apart."""
    return [statement.strip() for statement in text.removeprefix(_APART).split("\n\n") if statement.strip()]


def _check_indexes(name: str, statements: Sequence[str]) -> None:
    """Before each index that is made, what an earlier try left of it is dropped."""
    for before, statement in zip(["", *statements], statements, strict=False):
        made = _MADE.search(statement)
        if made and before.removesuffix(";") != _DROP.format(made[1]):
            raise ValueError(f"{name}: {made[0]} must stand after {_DROP.format(made[1])}")


MIGRATIONS = load_migrations()
LATEST = max(step.number for step in MIGRATIONS)
"""The schema this version works with."""
