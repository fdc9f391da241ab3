"""What a commit waits for."""

import sqlite3
from pathlib import Path

import pytest

from headrace import Headrace
from headrace.storage.sqlite import writer

FULL, NORMAL = 2, 1
"""As SQLite numbers them. With FULL a commit waits until the disk has it; with NORMAL, in WAL mode, it does not."""


@pytest.mark.parametrize(("option", "level"), [("", FULL), ("?durability=full", FULL), ("?durability=normal", NORMAL)])
def test_a_commit_waits_for_the_disk_unless_the_url_says_otherwise(
    path: Path, monkeypatch: pytest.MonkeyPatch, option: str, level: int
) -> None:
    opened: list[sqlite3.Connection] = []
    connect = writer.connect_writer

    def watched(name: str, *, durable: bool) -> sqlite3.Connection:
        opened.append(connect(name, durable=durable))
        return opened[-1]

    monkeypatch.setattr(writer, "connect_writer", watched)
    with Headrace(f"sqlite:///{path}{option}") as app:
        app.enqueue("t")
        levels = [connection.execute("PRAGMA synchronous").fetchone()[0] for connection in opened]
        journals = [connection.execute("PRAGMA journal_mode").fetchone()[0] for connection in opened]
    assert (levels, journals) == ([level], ["wal"])
