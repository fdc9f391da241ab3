"""Finding the app or the store that a command is about."""

import asyncio
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from headrace.interface.app import Headrace
from headrace.interface.cli.exits import UsageError
from headrace.interface.config import DEFAULT_URL
from headrace.model.errors import StoreUnreachable
from headrace.storage.opening import open_url, redact

if TYPE_CHECKING:
    from headrace.storage.journal.storage import JournaledStorage


def load_app(reference: str, imports: Sequence[str] = ()) -> Headrace:
    """The app that ``module:attribute`` names, or UsageError. The current folder is importable."""
    module_name, separator, path = reference.partition(":")
    if not (separator and module_name and path):
        raise UsageError(f"{reference!r} names no app: write module:attribute, such as mail:app")
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    found: object = _import(module_name)
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise UsageError(f"module {module_name!r} has no {path!r}{_apps_of(module_name)}") from None
    if not isinstance(found, Headrace):
        raise UsageError(f"{reference} is of type {type(found).__name__}, not a Headrace{_apps_of(module_name)}")
    for name in imports:
        _import(name)
    return found


def _import(name: str) -> object:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise UsageError(f"there is no module {name!r}; looked in {os.getcwd()} and the installed ones") from None
        raise  # it is there; what it imports is not


def _apps_of(module_name: str) -> str:
    there = [name for name, value in vars(sys.modules[module_name]).items() if isinstance(value, Headrace)]
    return f"; try {', '.join(f'{module_name}:{name}' for name in there)}" if there else ""


def open_app(reference: str | None, storage: str | None, *, creates: bool = False) -> Headrace:
    """The app named, else one on the storage URL given, else on ``HEADRACE_URL``; nothing is opened yet.

    A store in this command's own memory is refused, and so is, unless the command ``creates`` one, a store that isn't
    there: a mistyped path should not look like an empty one.
    """
    if reference is not None and storage is not None:
        raise UsageError("give module:app or --storage, not both: an app knows its own storage")
    app = Headrace(storage) if reference is None else load_app(reference)
    refuse_memory(app)
    if not creates:
        path = file_of(app.config.url) or snapshot_of(app.config.url)
        if path is not None and not os.path.exists(path):
            raise StoreUnreachable(path, f"there is no such file{_hint(reference, storage)}")
        if is_bucket(app.config.url):
            _check_bucket(app)
        if is_postgres(app.config.url):
            _check_schema(app)
    return app


def _check_bucket(app: Headrace) -> None:
    store = journal_of(app)
    if not asyncio.run(store.is_there()):
        raise StoreUnreachable(store.where, "there is no store; the first enqueue or worker makes one")


def _check_schema(app: Headrace) -> None:
    from headrace.storage.postgres.examining import examine
    from headrace.storage.postgres.settings import read_url

    settings = read_url(app.config.url, url_of(app))
    if not asyncio.run(examine(settings, app.settings.patience)).is_there:
        raise StoreUnreachable(settings.where, f"it has no schema {settings.schema}; headrace migrate makes it")


def _hint(reference: str | None, storage: str | None) -> str:
    if reference is None and storage is None and not os.environ.get("HEADRACE_URL"):
        return f" (the default is {DEFAULT_URL}; name the store by module:app, --storage URL or HEADRACE_URL)"
    return ""


def refuse_memory(app: Headrace) -> None:
    """UsageError where jobs live in the memory of the program that enqueues them."""
    if urlsplit(app.config.url).scheme == "memory":
        raise UsageError(
            "memory: keeps jobs inside the process that enqueues them, where no other process can reach them; "
            "use a file, such as sqlite:///jobs.db, or run the worker inside that process, with app.background()"
        )


def file_of(url: str) -> str | None:
    """The file behind a URL, where it names one."""
    parts = urlsplit(url)
    return unquote(parts.path[1:]) if parts.scheme == "sqlite" else None


def snapshot_of(url: str) -> str | None:
    """The file of a hybrid store."""
    parts = urlsplit(url)
    return unquote(parts.path[1:]) if parts.scheme == "hybrid" else None


def is_bucket(url: str) -> bool:
    """Whether a URL leads to object storage."""
    return urlsplit(url).scheme in ("s3", "gs", "az", "file")


def journal_of(app: Headrace) -> "JournaledStorage":
    """A handle on a hybrid store or one in object storage, not opened."""
    from headrace.storage.journal.storage import JournaledStorage

    store = open_url(app.config.url, clock=app.clock, patience=app.settings.patience)
    assert isinstance(store, JournaledStorage)
    return store


def is_postgres(url: str) -> bool:
    """Whether a URL leads to a server of that kind."""
    return urlsplit(url).scheme in ("postgresql", "postgres")


def split_reference(words: Sequence[str]) -> tuple[str | None, Sequence[str]]:
    """``[module:app] rest...``: no id of a job has a colon."""
    if words and ":" in words[0]:
        return words[0], words[1:]
    return None, words


def url_of(app: Headrace) -> str:
    """The storage URL, without a password."""
    return redact(app.config.url)
