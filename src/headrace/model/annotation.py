"""Annotations, compiled once: each becomes the rule of the strict pass for its values."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from enum import Flag
from types import NoneType
from typing import Any, get_origin
from uuid import UUID

import msgspec
from msgspec import inspect

from headrace.model import strictness
from headrace.model.containers import NATIVE, check_fields, check_items, check_mapping, check_record, check_row, union
from headrace.model.errors import PayloadRefused
from headrace.model.refusal import Refused, told
from headrace.model.strictness import Budget, Rule, optional
from headrace.model.wire import is_pydantic, jsonable, restore, text

_CONSTRAINTS = ("gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length", "pattern", "tz")
_OWN_CODE = ("__post_init__", "__attrs_post_init__", "__attrs_attrs__")
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


Compiler = Callable[["Annotation", Any], Rule]


class Annotation:
    """The rule for one annotation, and how far to trust it."""

    def __init__(self, hint: object) -> None:
        self.customs = False
        """Models stand in it that msgspec leaves to pydantic."""
        self.verified = False
        """Only decoding tells whether a value is accepted: constraints, or a class with code of its own."""
        self.seen: dict[int, Rule] = {}
        """By the identity of the node of a class, which the tree keeps alive."""
        try:
            node = inspect.type_info(hint)
            msgspec.json.Decoder(hint)
        except Exception as error:
            raise Unsupported(told(error)) from None
        self.rule = self.rule_of(node)

    def rule_of(self, node: inspect.Type) -> Rule:
        """The rule for one node of the type's tree; a class that refers to itself gets one rule."""
        node = _bare(node)
        if id(node) in self.seen:
            return self.seen[id(node)]
        if any(getattr(node, name, None) is not None for name in _CONSTRAINTS):
            self.verified = True
        compile_node = _COMPILERS.get(type(node))
        if compile_node is None:
            raise Unsupported(f"{type(node).__name__.removesuffix('Type')} values have no JSON form here")
        return compile_node(self, node)


def _bare(node: inspect.Type) -> inspect.Type:
    while isinstance(node, inspect.Metadata):
        node = node.type
    return node


def _items(kind: type) -> Compiler:
    return lambda annotation, node: Rule(check_items(kind, annotation.rule_of(node.item_type)), (kind,))


def _row(annotation: Annotation, node: Any) -> Rule:
    return Rule(check_row([annotation.rule_of(item) for item in node.item_types]), (tuple,))


def _mapping(annotation: Annotation, node: Any) -> Rule:
    return Rule(check_mapping(_key(annotation, node.key_type), annotation.rule_of(node.value_type)), (dict,))


def _key(annotation: Annotation, node: inspect.Type) -> Rule:
    node = _bare(node)
    if isinstance(node, inspect.AnyType) or (isinstance(node, inspect.CustomType) and node.cls is object):
        return strictness.TEXT
    uniform = isinstance(node, inspect.LiteralType) and len({type(value) for value in node.values}) == 1
    if not uniform and not isinstance(node, _KEYS):
        raise Unsupported("the keys of a dict must be of one type that JSON can have as text, such as str or int")
    return annotation.rule_of(node)


def _enum(annotation: Annotation, node: Any) -> Rule:
    flags = issubclass(node.cls, Flag)
    annotation.verified |= flags
    return Rule(strictness.check_enum(node.cls), (node.cls,), () if flags else (node.cls,))


def _literal(_annotation: Annotation, node: Any) -> Rule:
    return Rule(strictness.check_literal(node.values), {type(value) for value in node.values})


def _union(annotation: Annotation, node: Any) -> Rule:
    rules = [annotation.rule_of(branch) for branch in node.types]
    return NATIVE if NATIVE in rules else union(rules)


def _fields(annotation: Annotation, node: Any) -> Rule:
    kind = get_origin(node.cls) or node.cls
    rules: dict[str, Rule] = {}
    rule = annotation.seen[id(node)] = Rule(check_fields(kind, rules), (kind,))
    annotation.verified |= any(hasattr(kind, name) for name in _OWN_CODE)
    for field in node.fields:
        inner = annotation.rule_of(field.type)
        rules[field.name] = optional(inner) if _may_be_unset(field) else inner
    return rule


def _may_be_unset(field: inspect.Field) -> bool:
    """msgspec shows no default where it is UNSET."""
    return not field.required and field.default is field.default_factory is msgspec.NODEFAULT


def _record(annotation: Annotation, node: Any) -> Rule:
    rules: dict[str, Rule] = {}
    required = tuple(field.name for field in node.fields if field.required)
    rule = annotation.seen[id(node)] = Rule(check_record(rules, required), (dict,))
    for field in node.fields:
        rules[field.name] = annotation.rule_of(field.type)
    return rule


def _custom(annotation: Annotation, node: Any) -> Rule:
    if node.cls is object:
        return NATIVE
    if not is_pydantic(node.cls):
        raise Unsupported(f"JSON has no form for {getattr(node.cls, '__name__', node.cls)}; pass its text or its parts")
    annotation.customs = True
    return Rule(_check_model(node.cls), (node.cls,))


def _check_model(kind: type) -> strictness.Check:
    """A pydantic model: dumped, checked and validated by pydantic, it must be equal to what it was."""

    def check(value: object, depth: int, budget: Budget) -> None:
        if type(value) is not kind:
            raise strictness.mismatch(value, kind.__name__)
        try:
            dumped = jsonable(value)
            NATIVE.check(dumped, depth, budget)
            restored = restore(kind, msgspec.json.decode(text(dumped, budget[1])))
            equal = bool(restored == value)
        except (Refused, PayloadRefused):
            raise
        except Exception as error:
            raise Refused(value, f"pydantic can't carry it through JSON: {told(error)}") from None
        if not equal:
            raise Refused(value, "pydantic's own dump and validation make a different model of it")

    return check


def _always(rule: Rule) -> Compiler:
    return lambda _annotation, _node: rule


_COMPILERS: dict[type, Compiler] = {
    inspect.AnyType: _always(NATIVE),
    inspect.NoneType: _always(strictness.exact(NoneType)),
    inspect.BoolType: _always(strictness.exact(bool)),
    inspect.IntType: _always(strictness.INTEGER),
    inspect.FloatType: _always(strictness.FLOAT),
    inspect.StrType: _always(strictness.TEXT),
    inspect.BytesType: _always(strictness.exact(bytes)),
    inspect.ByteArrayType: _always(strictness.exact(bytearray)),
    inspect.DateType: _always(strictness.exact(date)),
    inspect.TimeDeltaType: _always(strictness.exact(timedelta)),
    inspect.UUIDType: _always(strictness.exact(UUID)),
    inspect.DecimalType: _always(strictness.DECIMAL),
    inspect.DateTimeType: _always(Rule(strictness.check_moment(datetime), (datetime,))),
    inspect.TimeType: _always(Rule(strictness.check_moment(time), (time,))),
    inspect.ListType: _items(list),
    inspect.SetType: _items(set),
    inspect.FrozenSetType: _items(frozenset),
    inspect.VarTupleType: _items(tuple),
    inspect.TupleType: _row,
    inspect.DictType: _mapping,
    inspect.EnumType: _enum,
    inspect.LiteralType: _literal,
    inspect.UnionType: _union,
    inspect.StructType: _fields,
    inspect.DataclassType: _fields,
    inspect.NamedTupleType: _fields,
    inspect.TypedDictType: _record,
    inspect.CustomType: _custom,
}
