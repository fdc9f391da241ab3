"""A task's signature, compiled once: arguments to stored text and back."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec.structs import astuple

from headrace.model import wire
from headrace.model.containers import NATIVE
from headrace.model.errors import InvalidArguments, NotSerializable, PayloadUnreadable
from headrace.model.parameters import Parameters
from headrace.model.refusal import Outline, Refused, outline, told
from headrace.model.strictness import Rule

MAX_PAYLOAD = 1_048_576
"""Bytes."""


class Call(msgspec.Struct, frozen=True):
    """Decoded arguments, ready for ``function(*call.args, **call.kwargs)``."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Signature:
    """What a task takes."""

    def __init__(self, function: Callable[..., object], task: str) -> None:
        """Compile the signature, or refuse it by InvalidOption naming task, parameter and type."""
        self._task = task
        self._parameters = parameters = Parameters(function, task)
        self._record = parameters.record
        self._by_constructor = parameters.plain_binding
        self._plain_call = parameters.plain_call
        order = {parameter.name: rule for parameter, rule in zip(parameters.all, parameters.rules, strict=True)}
        self._names = parameters.record.__struct_fields__
        self._rules = tuple(order[name] for name in self._names)
        self._fields = tuple((rule.plain, rule.check, name) for rule, name in zip(self._rules, self._names, strict=True))
        customs = any(annotation.customs for annotation in parameters.annotations)
        self._verified = any(annotation.verified for annotation in parameters.annotations)
        self._decoder = wire.decoder(parameters.record, customs)

    @property
    def returns(self) -> object:
        """The annotated type of the result; Any where nothing is annotated."""
        return self._parameters.returns

    def accepts_bytes(self) -> bool:
        """Whether ``function(data)`` with bytes fits: for payloads of ``Encoding.BYTES``."""
        try:
            self._parameters.signature.bind(b"")
        except TypeError:
            return False
        rule = self._parameters.rules[0]
        return rule.check is NATIVE.check or bytes in rule.plain

    def encode(self, args: tuple[object, ...], kwargs: Mapping[str, object], limit: int = MAX_PAYLOAD) -> str:
        """The arguments as the text of one JSON object, a member a parameter, or the refusal of what can't be kept."""
        try:
            record = self._record(*args, **kwargs) if self._by_constructor else self._bind(args, kwargs)
        except TypeError:
            raise self._misfit(args, kwargs) from None
        expected, index = self._expected, 0
        budget = [limit, limit]
        try:
            for value in astuple(record):
                if type(value) is not expected[index]:
                    self._checks[index](value, 1, budget)
                index += 1  # noqa: SIM113 (enumerate costs a quarter more)
            encoded = _write(record)
        except Refused as refused:
            raise refused.public(self._names[index]) from None
        return self._write(record, limit)

    def encode_named(self, arguments: Mapping[str, object], limit: int = MAX_PAYLOAD) -> str:
        """As ``encode``, from one object: each member as its annotation says, or as the JSON of such a value."""
        given = self._named(arguments)
        budget = [limit, limit]
        native = False
        for name, value in given.items():
            rule = self._rules[self._names.index(name)]
            try:
                rule.check(value, 1, budget)
            except Refused as refused:
                native |= self._check_json(name, value, budget, refused)
        record = self._record(**given)
        text = self._write(record, limit, verify=not native)
        if native:
            self._decoded(text, record)
        return text

    def decode(self, payload: str) -> Call:
        """The arguments in their annotated types, or PayloadUnreadable."""
        try:
            record = self._decoder.decode(payload)
        except Exception as error:
            raise PayloadUnreadable(self._task, told(error)) from None
        if self._plain_call:
            return Call(astuple(record), {})
        return self._call(record)

    def _bind(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> msgspec.Struct:
        return self._record(**self._parameters.signature.bind(*args, **kwargs).arguments)

    def _misfit(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> InvalidArguments:
        try:
            self._parameters.signature.bind(*args, **kwargs)
        except TypeError as error:
            return InvalidArguments(self._task, told(error))
        return InvalidArguments(self._task, "they can't be bound")

    def _write(self, record: msgspec.Struct, limit: int, *, verify: bool = True) -> str:
        try:
            text = wire.encode(record, limit).decode()
        except Refused as refused:
            raise refused.public() from None
        if self._verified and verify and not wire.same(record, restored := self._decoded(text, record)):
            self._report_change(record, restored)
        return text

    def _decoded(self, text: str, record: msgspec.Struct) -> msgspec.Struct:
        """Decode once what was just encoded: the worker would fail on it otherwise."""
        try:
            return self._decoder.decode(text)
        except Exception as error:
            why, _, place = told(error).partition(" - at `$.")
            path = place.rstrip("`") or "the arguments"
            name = path.split(".")[0].split("[")[0]
            raise NotSerializable(path, Outline(getattr(record, name, None)), why) from None

    def _report_change(self, record: msgspec.Struct, restored: msgspec.Struct) -> None:
        for name in self._names:
            value, back = getattr(record, name), getattr(restored, name)
            if value is not msgspec.UNSET and not wire.same([value], [back]):
                raise NotSerializable(
                    name, Outline(value), f"it would come back as {outline(back)} with other contents"
                )

    def _named(self, arguments: Mapping[str, object]) -> dict[str, object]:
        try:
            given = dict(arguments)
            self._record(**given)
        except Exception as error:
            raise InvalidArguments(self._task, self._unknown(arguments) or told(error)) from None
        return given

    def _unknown(self, arguments: object) -> str:
        if not isinstance(arguments, Mapping):
            return f"they must be one object, not {type(arguments).__name__}"
        for name in arguments:
            if name not in self._names:
                return f"got an unexpected argument {outline(name)}"
        missing = [
            name
            for name, plain in zip(self._names, self._plains, strict=True)
            if name not in arguments and msgspec.UnsetType not in plain
        ]
        return f"missing a required argument: {missing[0]!r}" if missing else ""

    def _check_json(self, name: str, value: object, budget: list[int], typed: Refused) -> bool:
        """A member that isn't of the annotated type may still be the JSON of one."""
        try:
            NATIVE.check(value, 1, budget)
        except Refused:
            raise typed.public(name) from None
        return True

    def _call(self, record: msgspec.Struct) -> Call:
        args: list[object] = []
        kwargs: dict[str, object] = {}
        by_position = True
        for parameter in self._parameters.all:
            value = getattr(record, parameter.name)
            if parameter.kind is parameter.VAR_POSITIONAL:
                args.extend(() if value is msgspec.UNSET else value)
            elif parameter.kind is parameter.VAR_KEYWORD:
                kwargs.update({} if value is msgspec.UNSET else value)
            elif value is msgspec.UNSET:
                by_position = False
            elif parameter.kind is parameter.KEYWORD_ONLY or not by_position:
                kwargs[parameter.name] = value
            else:
                args.append(value)
        return Call(tuple(args), kwargs)
