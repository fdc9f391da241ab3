"""Enqueueing inside a transaction of the caller's own: on the calling thread or loop, without a handle of ours.

Nobody is told of jobs that may never be: no event says that they are queued, and no worker is woken. Nothing that an
app declares is written there, nor are the limits that tasks name looked up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.model.errors import InvalidOption, PayloadDiffers
from headrace.runtime.enlisting import enlist, enlist_here
from headrace.storage.contract import AsyncEnlisted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.interface.handles import Handles
    from headrace.interface.task import Call
    from headrace.interface.template import Template
    from headrace.model.job import NewJob
    from headrace.storage.contract import Receipt

_ONE = "calls that are enqueued together go into one transaction: give session= to enqueue_many"


def insert_within(handles: Handles, jobs: Sequence[NewJob], session: object, twin: str) -> Sequence[Receipt[Any]]:
    """Right here, a running loop or not; UseAsync, which names the async ``twin``, for an async session."""
    return enlist_here(handles.unopened(), session, twin).insert(jobs)


async def ainsert_within(handles: Handles, jobs: Sequence[NewJob], session: object) -> Sequence[Receipt[Any]]:
    """The same with either kind of session; a sync one does it here and now."""
    enlisted = enlist(handles.unopened(), session)
    return await enlisted.insert(jobs) if isinstance(enlisted, AsyncEnlisted) else enlisted.insert(jobs)


def enqueue_within(handles: Handles, new: NewJob, template: Template) -> Receipt[Any]:
    """One job, in its template's session."""
    return checked(template, new, insert_within(handles, [new], template.session, "aenqueue")[0])


async def aenqueue_within(handles: Handles, new: NewJob, template: Template) -> Receipt[Any]:
    """The same with either kind of session."""
    return checked(template, new, (await ainsert_within(handles, [new], template.session))[0])


def checked(template: Template, new: NewJob, receipt: Receipt[Any]) -> Receipt[Any]:
    """PayloadDiffers where it is strict, and its key is held by a job with another task or payload."""
    if template.strict and receipt.payload_differs:
        raise PayloadDiffers(new.key or "", receipt.id)
    return receipt


def session_of(calls: Sequence[Call[Any]], session: object) -> object:
    """The one session for all of these calls, None without any; InvalidOption where some have another, or none."""
    named = [own for call in calls if (own := call.template.session) is not None]
    if not named:
        return session
    shared = named[0] if session is None else session
    others = [own for own in named if own is not shared]
    if others or (session is None and len(named) < len(calls)):
        raise InvalidOption("session", others[0] if others else None, _ONE)
    return shared
