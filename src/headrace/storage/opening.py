"""URL -> storage. A backend is imported only when a URL asks for it."""

import re
from urllib.parse import parse_qsl, unquote, urlsplit

from headrace.model.duration import seconds
from headrace.model.errors import BackendNotAvailable, DriverMissing, InvalidOption, InvalidURL
from headrace.storage.contract import Storage
from headrace.system.clock import Clock

_PASSWORD = re.compile("^([^:@]*):.*@", re.DOTALL)
_SECRET_OPTION = re.compile("([?&][^=&]*(?:password|secret|token|access_?key)[^=&]*=)[^&]*", re.IGNORECASE)
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
AVAILABLE = (
    "memory:",
    "sqlite:///path",
    "hybrid:///path",
    "postgresql://user@host/database",
    "s3://bucket/prefix",
    "gs://bucket/prefix",
    "az://container/prefix",
    "file:///folder",
)
_OWNER_LEASE = "30s"
_SHORTEST, _LONGEST = 0.05, 3600.0
"""Seconds: bounds of intervals and leases in URLs."""


def open_url(url: str, *, clock: Clock, auto_migrate: bool | None = None, patience: float = 10.0) -> Storage:
    """The storage behind a URL, not opened yet; BackendNotAvailable or InvalidURL."""
    try:
        parts = urlsplit(url)
    except ValueError:  # whose text quotes the password
        raise InvalidURL(
            redact(url), "it is not well formed; in a password, special characters are written with %"
        ) from None
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    match parts.scheme:
        case "memory":
            _refuse_unknown(url, options, ())
            from headrace.storage.memory import MemoryStorage

            return MemoryStorage(clock=clock)
        case "sqlite":
            return _open_sqlite(url, options, clock, auto_migrate, patience)
        case "hybrid":
            return _open_hybrid(url, options, clock, patience)
        case "s3" | "gs" | "az" | "file":
            return _open_bucket(url, options, clock, patience)
        case "postgresql" | "postgres":
            return _open_postgres(url, clock, auto_migrate, patience)
        case _:
            raise BackendNotAvailable(redact(url), AVAILABLE)


def _open_sqlite(
    url: str, options: dict[str, str], clock: Clock, auto_migrate: bool | None, patience: float
) -> Storage:
    from headrace.storage.sqlite import SqliteStorage

    _refuse_unknown(url, options, ("durability", "filesystem", "tables"))
    return SqliteStorage(
        _file_path(url),
        clock=clock,
        durability=_choice(url, options, "durability", ("full", "normal")),
        auto_migrate=True if auto_migrate is None else auto_migrate,
        patience=patience,
        filesystem_checked=_choice(url, options, "filesystem", ("checked", "unchecked")) == "checked",
        adopts=_choice(url, options, "tables", ("own", "shared")) == "shared",
    )


def _open_hybrid(url: str, options: dict[str, str], clock: Clock, patience: float) -> Storage:
    from headrace.storage.hybrid import hybrid_storage

    _refuse_unknown(url, options, ("interval", "takeover", "lease", "filesystem"))
    return hybrid_storage(
        _file_path(url),
        interval=_duration(url, options, "interval", "1s"),
        lease=_duration(url, options, "lease", _OWNER_LEASE),
        takeover=_choice(url, options, "takeover", ("0", "1")) == "1",
        patience=patience,
        filesystem_checked=_choice(url, options, "filesystem", ("checked", "unchecked")) == "checked",
        clock=clock,
    )


def _open_bucket(url: str, options: dict[str, str], clock: Clock, patience: float) -> Storage:
    _refuse_unknown(url, options, ("takeover", "lease"))
    try:
        from headrace.storage.objectstore import object_storage
        from headrace.storage.objectstore.place import read_place
    except ModuleNotFoundError as error:
        if error.name != "slatedb":
            raise
        raise DriverMissing(redact(url), "slatedb", "objectstore") from None
    return object_storage(
        read_place(url, redact(url)),
        lease=_duration(url, options, "lease", _OWNER_LEASE),
        takeover=_choice(url, options, "takeover", ("0", "1")) == "1",
        patience=patience,
        clock=clock,
    )


def _open_postgres(url: str, clock: Clock, auto_migrate: bool | None, patience: float) -> Storage:
    if not _has_ports(url.partition("://")[2]):
        raise InvalidURL(redact(url), "its port is no number; in a password, / is written as %2F, ? as %3F, # as %23")
    try:
        from headrace.storage.postgres import PostgresStorage
        from headrace.storage.postgres.settings import read_url
    except ModuleNotFoundError as error:
        if error.name != "asyncpg":
            raise
        raise DriverMissing(redact(url), "asyncpg", "postgres") from None
    return PostgresStorage(
        read_url(url, redact(url)),
        clock=clock,
        auto_migrate=bool(auto_migrate),
        patience=patience,
    )


def redact(url: str) -> str:
    """The URL without its password: fit for messages, logs and listings. Also where the URL is not well formed, as it
    is with a password whose special characters were not written with ``%``: rather too much is hidden then."""
    scheme, separator, rest = url.partition("://")
    if not rest.startswith("/") and ("@" in rest.partition("?")[0] or not _has_ports(rest)):
        rest = _PASSWORD.sub(r"\1:***@", rest)
    return scheme + separator + _SECRET_OPTION.sub(r"\1***", rest)


def _has_ports(rest: str) -> bool:
    """Whether what stands behind the colons of the hosts can be ports."""
    hosts = re.split("[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    return all(port.isdigit() for port in re.findall(r":([^:,\]]*)(?:,|$)", hosts))


def _file_path(url: str) -> str:
    parts = urlsplit(url)
    host, path = parts.netloc, parts.path
    if host or not path.startswith("/") or path == "/":
        scheme = url.partition(":")[0]
        raise InvalidURL(
            redact(url), f"write {scheme}:///jobs.db for a file in the current folder, {scheme}:////data/jobs.db else"
        )
    name = unquote(path[1:])
    if "\0" in name or name == ":memory:":
        raise InvalidURL(redact(url), "it names no file; for jobs in memory use memory:")
    return name


def _refuse_unknown(url: str, options: dict[str, str], known: tuple[str, ...]) -> None:
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise InvalidURL(
            redact(url), f"{unknown[0]}= is no option of this storage; known: {', '.join(known) or 'none'}"
        )


def _duration(url: str, options: dict[str, str], name: str, default: str) -> float:
    try:
        text = options.get(name, default)
        return seconds(float(text) if _NUMBER.fullmatch(text) else text, name, least=_SHORTEST, most=_LONGEST)
    except InvalidOption as error:
        raise InvalidURL(redact(url), str(error)) from None


def _choice(url: str, options: dict[str, str], name: str, choices: tuple[str, ...]) -> str:
    value = options.get(name, choices[0])
    if value not in choices:
        raise InvalidURL(redact(url), f"{name}={value} must be one of {', '.join(choices)}")
    return value
