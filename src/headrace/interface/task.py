"""A task: a function that can be called as always, or enqueued."""

from __future__ import annotations

from functools import update_wrapper
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar, Unpack

import msgspec

from headrace.interface.enlisting import aenqueue_within, enqueue_within
from headrace.interface.template import Template, Using, refine, template_for
from headrace.model.errors import InvalidOption
from headrace.model.job import Encoding, NewJob

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.interface.core import Core
    from headrace.runtime.registry import Handler
    from headrace.storage.contract import Receipt

P = ParamSpec("P")
R = TypeVar("R")
V = TypeVar("V")


class Call(msgspec.Struct, Generic[R], frozen=True, gc=False):
    """A call of a task, checked and encoded, not yet enqueued. Give it to ``enqueue_many``, ``current().then`` or
    ``ack``."""

    template: Template
    payload: str
    encoding: Encoding = Encoding.JSON

    def make(self, job_id: str) -> NewJob:
        """The new job that enqueueing it inserts."""
        if self.template.session is not None:
            allowed = "it is for enqueue and enqueue_many alone: this job comes with something that has its own commit"
            raise InvalidOption("session", self.template.session, allowed)
        return self.make_within(job_id)

    def make_within(self, job_id: str) -> NewJob:
        """The same for who sees to its session."""
        if self.template.strict:
            allowed = "it is for enqueue alone: what is done together with others can't be refused alone"
            raise InvalidOption("strict", True, allowed)
        return self.template.make(job_id, self.payload, self.encoding)


class Bound(Generic[P, R]):
    """A task with options for the jobs that are enqueued through it."""

    def __init__(self, client: Core, handler: Handler, template: Template) -> None:
        self._client, self.handler, self.template = client, handler, template

    def call(self, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """Check and encode the arguments for ``enqueue_many``."""
        limit = self._client.settings.max_payload
        return Call(self.template, self.handler.signature.encode(args, kwargs, limit))

    async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> Receipt[R]:
        """Enqueue; returns when the job is as durable as the storage promises."""
        client, template = self._client, self.template
        payload = self.handler.signature.encode(args, kwargs, client.settings.max_payload)
        new = template.make(client.ids.new(), payload)
        if template.session is not None:
            return await aenqueue_within(client.handles, new, template)
        return await client.send(new, template.strict)

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Receipt[R]:
        """The sync twin of ``aenqueue``. With a ``session`` it is done right here, also where a loop is running."""
        client, template = self._client, self.template
        if template.session is None:
            return client.block("aenqueue", self.aenqueue, *args, **kwargs)
        payload = self.handler.signature.encode(args, kwargs, client.settings.max_payload)
        return enqueue_within(client.handles, template.make(client.ids.new(), payload), template)


class Task(Bound[P, R], Generic[P, R, V]):
    """What ``@app.task`` makes of a function. Calling it runs the function, as always."""

    def __init__(self, client: Core, function: Callable[P, V], handler: Handler) -> None:
        super().__init__(client, handler, template_for(handler))
        self._function = function
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> V:
        return self._function(*args, **kwargs)

    @property
    def name(self) -> str:
        """The name under which its jobs are stored."""
        return self.handler.name

    def using(self, **options: Unpack[Using]) -> Bound[P, R]:
        """The same task with options for what is enqueued: ``task.using(delay="10m").enqueue(...)``."""
        return Bound(self._client, self.handler, refine(self.template, options, self._client.clock.wall()))

    def __repr__(self) -> str:
        return f"<Task {self.name!r} on queue {self.handler.queue!r}>"
