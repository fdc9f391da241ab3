"""A task's signature, compiled once: arguments to stored text and back."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec.structs import astuple

from headrace.model import wire
from headrace.model.containers import NATIVE
from headrace.model.errors import InvalidArguments, PayloadUnreadable
from headrace.model.outline import outline
from headrace.model.parameters import Parameters
from headrace.model.refusal import Refused, told
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
        self._binds_itself = parameters.plain_binding
        self._by_position = parameters.plain_call
        self._names = parameters.record.__struct_fields__
        self._roots = (*self._names, "")
        rules = {parameter.name: rule for parameter, rule in zip(parameters.all, parameters.rules, strict=True)}
        self._checks = tuple(rules[name].check for name in self._names)
        self._usual = tuple(_usual(rules[name]) for name in self._names)
        self._verified = any(annotation.verified for annotation in parameters.annotations)
        customs = any(annotation.customs for annotation in parameters.annotations)
        self._decoder: msgspec.json.Decoder[msgspec.Struct] = wire.decoder(parameters.record, customs)

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
        rule = self._parameters.annotations[0].rule
        return rule.check is NATIVE.check or bytes in rule.plain

    def encode(self, args: tuple[object, ...], kwargs: Mapping[str, object], limit: int = MAX_PAYLOAD) -> str:
        """The arguments as the text of one JSON object, a member a parameter, or the refusal of what can't be kept."""
        try:
            record = self._record(*args, **kwargs) if self._binds_itself else self._bind(args, kwargs)
        except TypeError:
            raise self._misfit(args, kwargs) from None
        usual, index = self._usual, 0
        budget = [limit, limit]
        try:
            for value in astuple(record):
                if type(value) is not usual[index]:
                    self._checks[index](value, 1, budget)
                index += 1  # enumerate costs a quarter more
            text = wire.text(record, limit)
        except Refused as refused:
            raise refused.public(self._roots[index]) from None
        if self._verified:
            self._verify(record, text)
        return text

    def encode_named(self, arguments: Mapping[str, object], limit: int = MAX_PAYLOAD) -> str:
        """As ``encode``, from one object: each member as its annotation says, or as the JSON of such a value."""
        record = self._bind_named(arguments)
        budget = [limit, limit]
        translated = False
        for name, check, value in zip(self._names, self._checks, astuple(record), strict=True):
            try:
                check(value, 1, budget)
            except Refused as refused:
                _check_json(name, value, limit, refused)
                translated = True
        try:
            text = wire.text(record, limit)
        except Refused as refused:
            raise refused.public() from None
        if translated:
            self._restored(record, text)
        elif self._verified:
            self._verify(record, text)
        return text

    def decode(self, payload: str) -> Call:
        """The arguments in their annotated types, or PayloadUnreadable."""
        try:
            record = self._decoder.decode(payload)
        except Exception as error:
            raise PayloadUnreadable(self._task, told(error)) from None
        if self._by_position:
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

    def _bind_named(self, arguments: Mapping[str, object]) -> msgspec.Struct:
        if not isinstance(arguments, Mapping):
            raise InvalidArguments(self._task, f"they must be one object, not {type(arguments).__name__}")
        given = dict(arguments)
        for name in given:
            if name not in self._names:
                raise InvalidArguments(self._task, f"got an unexpected argument {outline(name)}")
        try:
            return self._record(**given)
        except TypeError as error:
            raise InvalidArguments(self._task, told(error)) from None

    def _verify(self, record: msgspec.Struct, text: str) -> None:
        restored = self._restored(record, text)
        for name in self._names:
            before, after = getattr(record, name), getattr(restored, name)
            if before is not msgspec.UNSET and not wire.same(before, after):
                raise Refused(before, "its class makes something else of it when decoding").public(name)

    def _restored(self, record: msgspec.Struct, text: str) -> msgspec.Struct:
        """Decode what was just encoded: a worker would fail on it otherwise."""
        try:
            return self._decoder.decode(text)
        except Exception as error:
            why, _, place = told(error).partition(" - at `$.")
            path = place.rstrip("`") or "the arguments"
            value = getattr(record, path.partition(".")[0].partition("[")[0], record)
            raise Refused(value, why).public(path) from None

    def _call(self, record: msgspec.Struct) -> Call:
        args: list[object] = []
        kwargs: dict[str, object] = {}
        by_position = True
        for parameter in self._parameters.all:
            value = getattr(record, parameter.name)
            if value is msgspec.UNSET:
                # What follows an argument left out can only be passed by its name.
                by_position = False
            elif parameter.kind is parameter.VAR_POSITIONAL:
                args.extend(value)
            elif parameter.kind is parameter.VAR_KEYWORD:
                kwargs.update(value)
            elif parameter.kind is parameter.KEYWORD_ONLY or not by_position:
                kwargs[parameter.name] = value
            else:
                args.append(value)
        return Call(tuple(args), kwargs)


class CheckedSignature(Signature):
    """A signature whose arguments must please a function of the same parameters, beside fitting their types."""

    def __init__(self, function: Callable[..., object], task: str, check: Callable[..., object]) -> None:
        super().__init__(function, task)
        self._check = check

    def encode(self, args: tuple[object, ...], kwargs: Mapping[str, object], limit: int = MAX_PAYLOAD) -> str:
        """See ``Signature.encode``; or what the check raised."""
        return self._checked(super().encode(args, kwargs, limit))

    def encode_named(self, arguments: Mapping[str, object], limit: int = MAX_PAYLOAD) -> str:
        """See ``Signature.encode_named``; or what the check raised."""
        return self._checked(super().encode_named(arguments, limit))

    def _checked(self, text: str) -> str:
        call = self.decode(text)
        self._check(*call.args, **call.kwargs)
        return text


def _check_json(name: str, value: object, limit: int, typed: Refused) -> None:
    """A member that isn't of the annotated type may still be the JSON of one."""
    try:
        NATIVE.check(value, 1, [limit, limit])
    except Refused:
        raise typed.public(name) from None


def _usual(rule: Rule) -> type | None:
    """The one class for which the hot path skips the check: the first in this order that the rule accepts as it is."""
    return next((kind for kind in (str, int, bool, *rule.plain) if kind in rule.plain), None)
