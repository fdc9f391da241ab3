"""The demo's input: the source files of this Python's standard library and of the packages beside it."""

import os
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

_PACKAGES = frozenset({"site-packages", "dist-packages"})


def find_sources() -> Sequence[str]:
    """Absolute paths, each file once; the standard library first."""
    folders = dict.fromkeys(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib"))
    return list(dict.fromkeys(source for folder in folders for source in _walk(folder)))


def _walk(folder: Path) -> Iterator[str]:
    for path, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _PACKAGES)
        for name in sorted(files):
            source = os.path.join(path, name)
            if name.endswith(".py") and source.isprintable():
                yield source
