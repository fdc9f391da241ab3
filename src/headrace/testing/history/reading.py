"""Histories as files: one record in each line of JSON, one file for each process."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from headrace.testing.history.records import AnyRecord, decode


def read_history(paths: Iterable[Path]) -> Sequence[AnyRecord]:
    """The records of all these files in the order of their instants; those of one instant in the order of the files,
    and of the lines. A last line that was cut short, as a killed writer leaves it, is left out; any other that is no
    record is a ValueError that names file and line."""
    records = [record for path in paths for record in _read(path)]
    records.sort(key=lambda record: record.at)
    return records


def _read(path: Path) -> list[AnyRecord]:
    data = path.read_bytes()
    whole, _, rest = data.rpartition(b"\n")
    lines = whole.split(b"\n") if whole else []
    records = [_decoded(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if rest.strip():
        try:
            records.append(decode.decode(rest))
        except msgspec.DecodeError:
            pass
    return records


def _decoded(path: Path, number: int, line: bytes) -> AnyRecord:
    try:
        return decode.decode(line)
    except msgspec.DecodeError as error:
        raise ValueError(f"{path}, line {number}: {error}") from None
