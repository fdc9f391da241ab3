"""URLs of stores that one process writes to: what they name, and how wrong ones are refused."""

import builtins
import sys
from collections.abc import Callable
from typing import Any

import pytest

from headrace.model.errors import DriverMissing, InvalidURL
from headrace.storage.journal.storage import JournaledStorage
from headrace.storage.opening import open_url
from headrace.system.clock import SystemClock


def opened(url: str) -> JournaledStorage:
    storage = open_url(url, clock=SystemClock())
    assert isinstance(storage, JournaledStorage)
    return storage


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("hybrid:///a?interval=0", "interval=0.0 can't be used: it must be"),
        ("hybrid:///a?interval=abc", "interval='abc' can't be used: it must be"),
        ("hybrid:///a?interval=-1s", "interval='-1s' can't be used"),
        ("hybrid:///a?interval=", "interval='' can't be used"),
        ("hybrid:///a?interval=2h", "interval='2h' can't be used"),
        ("hybrid:///a?lease=0", "lease=0.0 can't be used: it must be"),
        ("s3://a/b?aws_secret_access_key=pa55word", "aws_secret_access_key= is no option of this storage"),
        ("s3://key:pa55/word@bucket/jobs", "write s3://bucket/prefix; keys and endpoint come from the environment"),
        ("s3://key:pa55word@bucket/jobs?takeover=2", "write s3://bucket/prefix; keys and endpoint come from the env"),
        ("file:///a?lease=1d", "lease='1d' can't be used"),
        ("file:///a?interval=1s", "interval= is no option of this storage; known: "),
        ("s3://a/b?region=here", "region= is no option of this storage; known: "),
        ("hybrid:///a?durability=full", "durability= is no option of this storage; known: interval"),
        ("hybrid:///a?takeover=yes", "takeover=yes must be one of 0, 1"),
        ("s3://a/b?takeover=", "takeover= must be one of 0, 1"),
        ("hybrid://host/a", "write hybrid:///jobs.db for a file in the current folder, hybrid:////data/jobs.db else"),
        ("hybrid:///", "write hybrid:///jobs.db"),
        ("hybrid:///:memory:", "it names no file; for jobs in memory use memory:"),
        ("file://host/a", "write file:///folder/of/its/own, the path from the root of the disk"),
        ("file:///", "write file:///folder/of/its/own"),
        ("file:///a/../b", "its path has parts that no object can have"),
        ("s3://bucket", "name a prefix of its own: s3://bucket/jobs"),
        ("s3://bucket/", "name a prefix of its own: s3://bucket/jobs"),
        ("gs://bucket", "name a prefix of its own: gs://bucket/jobs"),
        ("s3:///jobs", "write s3://bucket/prefix; keys and endpoint come from the environment"),
        ("s3://key:pa55word@bucket/jobs", "write s3://bucket/prefix; keys and endpoint come from the environment"),
        ("s3://bucket:9000/jobs", "write s3://bucket/prefix; keys and endpoint come from the environment"),
        ("az://a/..", "its path has parts that no object can have"),
    ],
)
def test_a_wrong_one_is_refused_with_the_way_out(url: str, why: str) -> None:
    with pytest.raises(InvalidURL) as told:
        open_url(url, clock=SystemClock())
    assert why in str(told.value)
    assert "word" not in str(told.value)
    assert "word" not in told.value.url


def test_options_become_settings() -> None:
    settings = opened("hybrid:///a?interval=250ms&lease=2m&takeover=1")._settings
    assert (settings.interval, settings.lease, settings.takeover) == (0.25, 120.0, True)
    assert opened("hybrid:///a?interval=2")._settings.interval == 2.0
    settings = opened("hybrid:///a")._settings
    assert (settings.interval, settings.lease, settings.takeover) == (1.0, 30.0, False)
    settings = opened("s3://bucket/jobs?lease=5s")._settings
    assert (settings.interval, settings.lease, settings.takeover) == (None, 5.0, False)


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("s3://bucket/jobs", "s3://bucket/jobs"),
        ("s3://bucket//jobs/", "s3://bucket/jobs"),
        ("s3://bucket/a/b%20c?lease=5s", "s3://bucket/a/b c"),
        ("file:///nowhere/a/", "file:///nowhere/a"),
        ("hybrid:////nowhere/a%3Fb", "/nowhere/a?b"),
    ],
)
def test_two_spellings_of_one_place_are_one_store(url: str, where: str) -> None:
    assert opened(url).where == where


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., Any] = builtins.__import__

    def without(name: str, *arguments: Any, **more: Any) -> Any:
        if name.partition(".")[0] == "slatedb":
            raise ModuleNotFoundError("No module named 'slatedb'", name="slatedb")
        return real(name, *arguments, **more)

    for name in [name for name in sys.modules if name.startswith("headrace.storage.objectstore")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DriverMissing, match=r"needs the package slatedb, .*: pip install 'headrace\[objectstore\]'"):
        open_url("s3://bucket/jobs", clock=SystemClock())
    open_url("hybrid:///a", clock=SystemClock())
