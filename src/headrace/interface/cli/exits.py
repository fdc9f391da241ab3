"""Exit codes, and which error ends in which."""

from headrace.model.errors import (
    BackendNotAvailable,
    HeadraceError,
    InvalidArguments,
    InvalidCron,
    InvalidName,
    InvalidOption,
    InvalidURL,
    PayloadRefused,
    PutLost,
    RoutingFailed,
    SchemaTooNew,
    SchemaTooOld,
    StoreError,
)

OK = 0
FAILED = 1
USAGE = 2
SCHEMA = 3
STORE = 4
"""The store can't be used: out of reach, owned by another process, locked, damaged, full."""


class UsageError(Exception):
    """The command line asks for what can't be done. Its text is one line for the user."""


_BY_TYPE: tuple[tuple[type[Exception], int], ...] = (
    (UsageError, USAGE),
    (InvalidName, USAGE),
    (InvalidCron, USAGE),
    (InvalidOption, USAGE),
    (InvalidArguments, USAGE),
    (PayloadRefused, USAGE),
    (InvalidURL, USAGE),
    (RoutingFailed, USAGE),
    (BackendNotAvailable, USAGE),
    (SchemaTooOld, SCHEMA),
    (SchemaTooNew, SCHEMA),
    (PutLost, FAILED),
    (StoreError, STORE),
    (HeadraceError, FAILED),
)


def exit_code(error: Exception) -> int:
    """The exit code of a command that this error ended."""
    return next((code for kind, code in _BY_TYPE if isinstance(error, kind)), FAILED)
