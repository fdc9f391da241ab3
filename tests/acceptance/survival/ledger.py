"""Append-only records outside the store under test: what was asked for, what was acknowledged, what handlers did."""

import json
import os
from pathlib import Path
from typing import Any

LONGEST = 4096
"""Bytes that one record may take: one write, so that records of many processes don't mix."""


class Ledger:
    """The writing end. Any number of processes and threads may hold one on the same file."""

    def __init__(self, path: str | Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def write(self, kind: str, **fields: Any) -> None:
        # It begins a line of its own: what a kill tore off before it spoils no other record.
        line = b"\n" + json.dumps({"kind": kind, **fields}, separators=(",", ":")).encode() + b"\n"
        if len(line) > LONGEST:
            raise ValueError(f"a record of {len(line)} bytes")
        os.write(self._descriptor, line)


Record = dict[str, Any]


def read(path: Path) -> list[Record]:
    """All whole records in order. A torn one was being written by a process that was killed: it is no record."""
    if not path.exists():
        return []
    records: list[Record] = []
    for line in path.read_bytes().split(b"\n"):
        try:
            found = json.loads(line) if line else None
        except ValueError:
            continue
        if isinstance(found, dict):
            records.append(found)
    return records
