"""The parameters of a handler: its hints resolved, its arguments a record that msgspec builds, writes and reads."""

import functools
import inspect
import types
import typing
from collections.abc import Awaitable, Callable, Coroutine
from inspect import Parameter
from typing import Any

import msgspec

from headrace.model.annotation import Annotation, Unsupported
from headrace.model.errors import InvalidOption
from headrace.model.refusal import told
from headrace.model.strictness import optional

_NAMED = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


class Parameters:
    """What a handler takes, compiled."""

    def __init__(self, function: Callable[..., object], task: str) -> None:
        self._task = task
        self._names = _globals(function)
        try:
            self.signature = inspect.signature(function)
        except (TypeError, ValueError, NameError) as error:
            raise InvalidOption(f"function of task {task!r}", function, f"it has no signature: {told(error)}") from None
        self.all = tuple(self.signature.parameters.values())
        self.annotations = [self._annotation(parameter) for parameter in self.all]
        pairs = zip(self.all, self.annotations, strict=True)
        self.rules = tuple(optional(each.rule) if _optional(parameter) else each.rule for parameter, each in pairs)
        try:
            self.record = self._record_type()
        except Exception as error:
            raise InvalidOption(f"parameters of task {task!r}", self.signature, told(error)) from None
        self.returns = self._returns()

    @property
    def plain_call(self) -> bool:
        """Every parameter is required and can be passed by position."""
        return all(parameter.kind in _NAMED[:2] and parameter.default is Parameter.empty for parameter in self.all)

    @property
    def plain_binding(self) -> bool:
        """The record's own constructor binds exactly as the function does."""
        return all(parameter.kind in _NAMED[1:] for parameter in self.all)

    def _annotation(self, parameter: Parameter) -> Annotation:
        try:
            return Annotation(self._hint(parameter))
        except Unsupported as error:
            raise self._refusal(parameter, str(error)) from None
        except RecursionError:
            raise self._refusal(parameter, "it refers to itself without end") from None

    def _hint(self, parameter: Parameter) -> object:
        if parameter.annotation is Parameter.empty:
            hint: Any = Any
        else:
            try:
                hint = resolve(parameter.annotation, self._names)
            except Exception as error:
                why = f"it can't be resolved ({told(error)}); import its names at module level, outside TYPE_CHECKING"
                raise self._refusal(parameter, why) from None
        if parameter.kind is Parameter.VAR_POSITIONAL:
            return _unpacked(hint) or tuple[hint, ...]
        if parameter.kind is Parameter.VAR_KEYWORD:
            return _unpacked(hint) or dict[str, hint]
        return hint

    def _refusal(self, parameter: Parameter, why: str) -> InvalidOption:
        option = f"annotation of parameter {parameter.name!r} of task {self._task!r}"
        return InvalidOption(option, parameter.annotation, why)

    def _record_type(self) -> type[msgspec.Struct]:
        by_name = [parameter for parameter in self.all if parameter.kind is Parameter.KEYWORD_ONLY]
        others = [parameter for parameter in self.all if parameter.kind is not Parameter.KEYWORD_ONLY]
        keyword_only = msgspec.defstruct("KeywordArguments", self._fields(by_name), kw_only=True)
        return msgspec.defstruct(
            "Arguments",
            self._fields(others),
            bases=(keyword_only,),
            omit_defaults=True,
            forbid_unknown_fields=True,
            gc=False,
        )

    def _fields(self, chosen: list[Parameter]) -> list[tuple[str, Any] | tuple[str, Any, Any]]:
        return [
            (parameter.name, self._hint(parameter), msgspec.UNSET)
            if _optional(parameter)
            else (parameter.name, self._hint(parameter))
            for parameter in chosen
        ]

    def _returns(self) -> object:
        """The annotated type of the value, Any where there is none or it can't be resolved."""
        hint: object = self.signature.return_annotation
        if hint is inspect.Signature.empty:
            return Any
        try:
            hint = resolve(hint, self._names)
        except Exception:
            return Any
        if typing.get_origin(hint) in (Awaitable, Coroutine):
            return typing.get_args(hint)[-1]
        return hint


def resolve(annotation: object, names: dict[str, Any]) -> Any:
    """An annotation, or the text of one, as a type."""

    def carrier() -> None: ...

    carrier.__annotations__ = {"hint": annotation}
    return typing.get_type_hints(carrier, globalns=names, include_extras=True)["hint"]


def _unpacked(hint: Any) -> Any:
    """What ``Unpack[...]`` or ``*tuple[...]`` unpacks, None for any other hint."""
    if typing.get_origin(hint) is typing.Unpack:
        return typing.get_args(hint)[0]
    if getattr(hint, "__unpacked__", False):
        return types.GenericAlias(tuple, typing.get_args(hint))
    return None


def _optional(parameter: Parameter) -> bool:
    return parameter.default is not Parameter.empty or parameter.kind not in _NAMED


def _globals(function: Callable[..., object]) -> dict[str, Any]:
    inner: Any = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    inner = inspect.unwrap(inner)
    if not hasattr(inner, "__globals__"):
        inner = type(inner).__call__
    names: dict[str, Any] = getattr(inner, "__globals__", {})
    return names
