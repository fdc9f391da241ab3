"""``--reload``: notices that Python files under a folder have changed."""

import os
from collections.abc import Callable, Iterator, Mapping

from headrace.system.clock import Clock

_LOOK = 1.0
_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages"})


async def watch_code(folder: str, clock: Clock, changed: Callable[[], None]) -> None:
    """Call ``changed`` after each look that found a difference. Never returns."""
    before = snapshot(folder)
    while True:
        await clock.sleep(_LOOK)
        now = snapshot(folder)
        if now != before:
            changed()
        before = now


def snapshot(folder: str) -> Mapping[str, int]:
    """When each file was last changed."""
    return dict(_files(folder))


def _files(folder: str) -> Iterator[tuple[str, int]]:
    for path, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if _is_code(path, name)]
        for name in files:
            if name.endswith(".py"):
                try:
                    yield os.path.join(path, name), os.stat(os.path.join(path, name)).st_mtime_ns
                except OSError:
                    continue  # an editor's way of saving: it is back at the next look


def _is_code(path: str, name: str) -> bool:
    return not (name.startswith(".") or name in _SKIPPED or os.path.exists(os.path.join(path, name, "pyvenv.cfg")))
