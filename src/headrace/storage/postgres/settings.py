"""What a URL asks for."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

import msgspec

from headrace.model.errors import InvalidURL

DEFAULT_SCHEMA = "headrace"
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,47}")
_OWN = ("schema", "notify", "pool", "pooler")
_SERVERS = (
    "host",
    "port",
    "dbname",
    "user",
    "password",
    "passfile",
    "service",
    "sslmode",
    "sslcert",
    "sslkey",
    "sslrootcert",
    "sslcrl",
    "sslpassword",
    "application_name",
    "target_session_attrs",
    "krbsrvname",
    "gsslib",
)
"""Those of libpq that the driver understands."""
_MOST_CONNECTIONS = 100


class Settings(msgspec.Struct, frozen=True):
    """Where the store is, and how it is talked to."""

    dsn: str
    """For the driver, password and all: in no message, log or repr of ours."""
    where: str
    """The same for people."""
    schema: str = DEFAULT_SCHEMA
    notify: bool = True
    """Whether notices go through the server. Without them everything works by polling."""
    pool: int = 5
    """Most connections of a handle for calls; one that listens has one more."""
    database: str | None = None
    """Its name, where the URL says it and no pooler may give it another."""
    syncs: bool = False
    """Whether connections must ask for commits that wait for the disk, since the server says off."""
    pooler: bool = False
    """Whether a pooler stands between that gives each transaction another connection."""

    @property
    def quoted(self) -> str:
        """The schema as it stands in a statement."""
        return quote_name(self.schema)

    def __repr__(self) -> str:
        return f"Settings({self.where!r}, schema={self.schema!r})"


def quote_name(schema: str) -> str:
    """A checked name, which may be one of SQL's own words."""
    return f'"{schema}"'


def read_url(url: str, redacted: str) -> Settings:
    """From ``postgresql://user:password@host:port/database?schema=...``; or InvalidURL."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in options:
        if name not in (*_OWN, *_SERVERS):
            raise InvalidURL(redacted, f"{name}= is no option of this storage; known: {', '.join((*_OWN, *_SERVERS))}")
    schema = options.get("schema", DEFAULT_SCHEMA)
    if not _SCHEMA.fullmatch(schema) or schema.startswith("pg_"):
        raise InvalidURL(redacted, f"schema={schema} must be 1 to 48 of a-z, 0-9 and _, and not begin with pg_")
    pooler = _choice(redacted, options, "pooler", ("none", "transaction")) == "transaction"
    notify = _choice(redacted, options, "notify", ("on", "off")) == "on"
    servers = {name: value for name, value in options.items() if name in _SERVERS}
    scheme = "postgresql" if parts.scheme == "postgres" else parts.scheme
    dsn = urlunsplit(parts._replace(scheme=scheme, query=urlencode(servers, quote_via=quote)))
    where = redacted.partition("?")[0]
    database = None if pooler else options.get("dbname") or unquote(parts.path[1:]) or None
    return Settings(dsn, where, schema, notify, _pool(redacted, options), database, pooler=pooler)


def _pool(redacted: str, options: Mapping[str, str]) -> int:
    text = options.get("pool", "5")
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _MOST_CONNECTIONS):
        raise InvalidURL(redacted, f"pool={text} must be a number from 1 to {_MOST_CONNECTIONS}")
    return int(text)


def _choice(redacted: str, options: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    value = options.get(name, choices[0])
    if value not in choices:
        raise InvalidURL(redacted, f"{name}={value} must be one of {', '.join(choices)}")
    return value
