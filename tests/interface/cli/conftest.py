"""The fixture ``shell``."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from shell import APP, Shell


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("HEADRACE_URL", raising=False)
    (tmp_path / "shop.py").write_text(APP)
    shell = Shell(tmp_path, monkeypatch, capsys)
    yield shell
    shell.forget()
