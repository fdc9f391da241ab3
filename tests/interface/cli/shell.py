"""A folder with an app and a store, and the command line called in this process."""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from headrace import Headrace
from headrace.interface.cli.main import main

APP = """
from headrace import Headrace, RetryPolicy, current

app = Headrace("sqlite:///jobs.db")
memory = Headrace("memory:")

@app.task(name="send", queue="email")
def send(to: str, times: int = 1) -> None: ...

@app.task(name="fail", retry=RetryPolicy.none())
def fail(text: str) -> None:
    raise ValueError(text)

@app.task(name="tell", retry=RetryPolicy.fixed(3, "1h"))
def tell(text: str) -> None:
    current().progress(42.5, text)
    current().log.warning("line: %s\\nnext", text)
    if current().attempt < 2:
        raise ValueError("again")

@app.task(name="pin", sensitive=True)
def pin(code: str) -> str:
    return code

planned = Headrace("sqlite:///jobs.db")

@planned.cron("0 9 * * 1-5", tz="Europe/Paris", name="nine")
@planned.task(name="digest", queue="slow")
def digest(day: int = 1) -> None: ...

planned.schedule("often", every="10s", overlap=False, job=digest.using(queue="other").call(2))

class Nested:
    inner = app
"""


class Ran:
    """What a command did."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Shell:
    """Runs commands in a folder of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._monkeypatch, self._capsys = folder, monkeypatch, capsys

    def __call__(self, *arguments: str) -> Ran:
        self._monkeypatch.setattr(sys, "argv", ["headrace", *arguments])
        self.forget()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = self._capsys.readouterr()
        return Ran(int(ended.value.code or 0), out, err)

    def work(self) -> None:
        """Run all that is due."""
        self.forget()
        with importlib.import_module("shop").app as app:
            app.run(until_idle=True)
        self._capsys.readouterr()

    def store(self) -> Headrace:
        return Headrace(f"sqlite:///{self.folder}/jobs.db")

    def forget(self) -> None:
        """An app that was closed stays so: each command imports it anew, as each process does."""
        sys.modules.pop("shop", None)
