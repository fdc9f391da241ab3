"""Into a transaction of the caller's own: where a storage can write there, and where it can't."""

from headrace.model.errors import InvalidOption, UseAsync
from headrace.storage.contract import AsyncEnlisted, Enlisted, Enlisting, Storage


def enlist(storage: Storage, session: object) -> Enlisted | AsyncEnlisted:
    """What writes there; InvalidOption where this storage, or this session, has no transaction to share."""
    if not isinstance(storage, Enlisting):
        name = storage.capabilities.name
        raise InvalidOption("session", session, f"storage {name} has no transactions that others could take part in")
    return storage.within(session)


def enlist_here(storage: Storage, session: object, twin: str) -> Enlisted:
    """The same for a sync call; UseAsync, which names its async ``twin``, where the session is async."""
    enlisted = enlist(storage, session)
    if isinstance(enlisted, AsyncEnlisted):
        raise UseAsync(twin, "its session is async")
    return enlisted
