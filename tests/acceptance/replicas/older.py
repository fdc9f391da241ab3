"""The package as it was before its newest migration: what runs beside the newest one during an upgrade."""

import subprocess
from pathlib import Path

from headrace.storage.postgres.schema import LATEST

ROOT = Path(__file__).resolve().parents[3]
MIGRATIONS = "src/headrace/storage/postgres/migrations"


def older_package(folder: Path) -> Path | None:
    """Where it is now, made in this folder. None while there is one migration only: then this very package is it."""
    return package_before(LATEST, folder) if LATEST > 1 else None


def package_before(migration: int, folder: Path) -> Path:
    """As it was before this migration was added; as it was committed last, where that is not committed yet."""
    added = _git("log", "--diff-filter=A", "--format=%H", "--", f"{MIGRATIONS}/{migration:04}.pre.sql").split()
    archive = folder / "older.tar"
    _git("archive", "--output", str(archive), f"{added[-1].decode()}~1" if added else "HEAD", "src")
    subprocess.run(["tar", "-xf", archive, "-C", folder], check=True)
    return folder / "src"


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", "-C", ROOT, *arguments], check=True, stdout=subprocess.PIPE).stdout
