"""Annotations, compiled once: each becomes the rule of the strict pass for its values."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from enum import Enum, Flag
from types import NoneType
from typing import Any, cast, get_origin
from uuid import UUID

import msgspec
from msgspec import inspect

from headrace.model import strictness
from headrace.model.containers import NATIVE, check_fields, check_items, check_mapping, check_record, check_row, union
from headrace.model.errors import PayloadRefused
from headrace.model.refusal import Refused, told
from headrace.model.strictness import Budget, Rule, optional
from headrace.model.wire import encode, is_pydantic, jsonable, restore

_CONSTRAINTS = ("gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length", "pattern", "tz")
_KEYS = (
    inspect.AnyType,
    inspect.StrType,
    inspect.IntType,
    inspect.FloatType,
    inspect.EnumType,
    inspect.UUIDType,
    inspect.DateType,
    inspect.DateTimeType,
    inspect.TimeType,
    inspect.TimeDeltaType,
    inspect.DecimalType,
    inspect.BytesType,
)


class Unsupported(Exception):
    """An annotation that JSON can't carry."""


class Annotation:
    """The rule for one annotation, and how far to trust it."""

    def __init__(self, hint: object) -> None:
        self.customs = False
        """Models stand in it that msgspec leaves to pydantic."""
        self.verified = False
        """Only decoding tells whether a value is accepted: constraints, or a class with code of its own."""
        self._seen: dict[int, Rule] = {}
        self._kept: list[inspect.Type] = []
        try:
            node = inspect.type_info(hint)
            msgspec.json.Decoder(hint)
        except Exception as error:
            raise Unsupported(told(error)) from None
        self.rule = self._rule(node)

    def _rule(self, node: inspect.Type) -> Rule:
        while isinstance(node, inspect.Metadata):
            node = node.type
        if id(node) in self._seen:
            return self._seen[id(node)]
        self._kept.append(node)  # so that no other node takes its id
        if any(getattr(node, name, None) is not None for name in _CONSTRAINTS):
            self.verified = True
        compile_node = _COMPILERS.get(type(node))
        if compile_node is None:
            raise Unsupported(f"{type(node).__name__.removesuffix('Type')} values have no JSON form here")
        return compile_node(self, node)

    def _items(self, node: Any, kind: type) -> Rule:
        return Rule(check_items(kind, self._rule(node.item_type)), (kind,))

    def _row(self, node: Any) -> Rule:
        return Rule(check_row([self._rule(item) for item in node.item_types]), (tuple,))

    def _mapping(self, node: Any) -> Rule:
        return Rule(check_mapping(self._key(node.key_type), self._rule(node.value_type)), (dict,))

    def _key(self, node: inspect.Type) -> Rule:
        while isinstance(node, inspect.Metadata):
            node = node.type
        if isinstance(node, inspect.AnyType) or (isinstance(node, inspect.CustomType) and node.cls is object):
            return strictness.TEXT
        if isinstance(node, inspect.LiteralType) and len({type(value) for value in node.values}) == 1:
            return self._rule(node)
        if not isinstance(node, _KEYS):
            raise Unsupported("the keys of a dict must be of one type that JSON has as text, such as str or int")
        return self._rule(node)

    def _enum(self, node: Any) -> Rule:
        kind = cast("type[Enum]", node.cls)
        flags = issubclass(kind, Flag)
        self.verified |= flags
        return Rule(strictness.check_enum(kind), (kind,), () if flags else (kind,))

    def _literal(self, node: Any) -> Rule:
        return Rule(strictness.check_literal(node.values), {type(value) for value in node.values})

    def _union(self, node: Any) -> Rule:
        rules = [self._rule(branch) for branch in node.types]
        if any(rule is NATIVE for rule in rules):
            return NATIVE
        return union(rules)

    def _fields(self, node: Any) -> Rule:
        kind = get_origin(node.cls) or node.cls
        rules: dict[str, Rule] = {}
        rule = self._seen[id(node)] = Rule(check_fields(kind, rules), (kind,))
        for name in ("__post_init__", "__attrs_post_init__", "__attrs_attrs__"):
            self.verified |= hasattr(kind, name)
        for field in node.fields:
            inner = self._rule(field.type)
            rules[field.name] = optional(inner) if field.default is msgspec.UNSET else inner
        return rule

    def _record(self, node: Any) -> Rule:
        rules: dict[str, Rule] = {}
        required = tuple(field.name for field in node.fields if field.required)
        rule = self._seen[id(node)] = Rule(check_record(rules, required), (dict,))
        for field in node.fields:
            rules[field.encode_name] = self._rule(field.type)
        return rule

    def _custom(self, node: Any) -> Rule:
        if node.cls is object:
            return NATIVE
        if not is_pydantic(node.cls):
            raise Unsupported(f"headrace has no JSON form for {getattr(node.cls, '__name__', node.cls)}")
        self.customs = True
        return Rule(_check_model(node.cls), (node.cls,))


def _check_model(kind: type) -> strictness.Check:
    """A pydantic model: dumped, checked and validated by pydantic, it must be equal to what it was."""

    def check(value: object, depth: int, budget: Budget) -> None:
        if type(value) is not kind:
            raise strictness.mismatch(value, kind.__name__)
        try:
            dumped = jsonable(value)
            NATIVE.check(dumped, depth, budget)
            restored = restore(kind, msgspec.json.decode(encode(dumped, budget[1])))
            equal = bool(restored == value)
        except (Refused, PayloadRefused):
            raise
        except Exception as error:
            raise Refused(value, f"pydantic can't carry it through JSON: {told(error)}") from None
        if not equal:
            raise Refused(value, "pydantic's own dump and validation make a different model of it")

    return check


def _exactly(kind: type) -> Callable[[Annotation, Any], Rule]:
    return _always(strictness.exact(kind))


def _always(rule: Rule) -> Callable[[Annotation, Any], Rule]:
    return lambda _annotation, _node: rule


def _each(kind: type) -> Callable[[Annotation, Any], Rule]:
    return lambda annotation, node: annotation._items(node, kind)


_COMPILERS: dict[type, Callable[[Annotation, Any], Rule]] = {
    inspect.AnyType: _always(NATIVE),
    inspect.NoneType: _exactly(NoneType),
    inspect.BoolType: _exactly(bool),
    inspect.IntType: _always(strictness.INTEGER),
    inspect.FloatType: _always(strictness.FLOAT),
    inspect.StrType: _always(strictness.TEXT),
    inspect.BytesType: _exactly(bytes),
    inspect.ByteArrayType: _exactly(bytearray),
    inspect.DateType: _exactly(date),
    inspect.TimeDeltaType: _exactly(timedelta),
    inspect.UUIDType: _exactly(UUID),
    inspect.DecimalType: _always(strictness.DECIMAL),
    inspect.DateTimeType: _always(Rule(strictness.check_moment(datetime), (datetime,))),
    inspect.TimeType: _always(Rule(strictness.check_moment(time), (time,))),
    inspect.ListType: _each(list),
    inspect.SetType: _each(set),
    inspect.FrozenSetType: _each(frozenset),
    inspect.VarTupleType: _each(tuple),
    inspect.TupleType: Annotation._row,
    inspect.DictType: Annotation._mapping,
    inspect.EnumType: Annotation._enum,
    inspect.LiteralType: Annotation._literal,
    inspect.UnionType: Annotation._union,
    inspect.StructType: Annotation._fields,
    inspect.DataclassType: Annotation._fields,
    inspect.NamedTupleType: Annotation._fields,
    inspect.TypedDictType: Annotation._record,
    inspect.CustomType: Annotation._custom,
}
