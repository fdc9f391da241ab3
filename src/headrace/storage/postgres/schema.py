"""The numbered files of the schema."""

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple


class Step(NamedTuple):
    """One file. In order."""

    number: int
    post: bool


def load_migrations(folder: Traversable | None = None) -> Mapping[Step, str]:
    """All files of the folder; without one, those of this version."""
    found: dict[Step, str] = {}
    for file in (folder or files("headrace.storage.postgres.migrations")).iterdir():
        number, _, rest = file.name.partition(".")
        if rest in ("pre.sql", "post.sql"):
            found[Step(int(number), rest == "post.sql")] = file.read_text("utf-8")
    return dict(sorted(found.items(), key=lambda item: (item[0].number, item[0].post)))


MIGRATIONS = load_migrations()
LATEST = max(step.number for step in MIGRATIONS)
"""The schema this version works with."""
