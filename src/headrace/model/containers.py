"""The strict pass over containers: every item by the rule of its annotation, every failure with its path."""

from collections.abc import Callable, Collection, ItemsView, Iterable, Mapping, Sequence
from enum import Enum
from types import NoneType
from typing import cast

from headrace.model.outline import outline
from headrace.model.refusal import MAX_DEPTH, Refused, member, named
from headrace.model.strictness import TEXT, Budget, Check, Rule, beyond, charge, check_float, mismatch

_ITEM = 2
"""The fewest bytes of an item of an array: a digit and a comma."""
_MEMBER = 5
"""The fewest bytes of a member of an object: an empty key, a colon, a digit and a comma."""


def check_items(kind: type, item_rule: Rule) -> Check:
    """A list, tuple, set or frozenset of equal items."""
    # The methods of the builtin class: msgspec reads the storage too, whatever a subclass overrides.
    each = cast("Callable[[object], Iterable[object]]", kind.__iter__)  # type: ignore[attr-defined]
    size = cast("Callable[[object], int]", kind.__len__)  # type: ignore[attr-defined]
    plain, item_check = item_rule.plain, item_rule.check

    def check(value: object, depth: int, budget: Budget) -> None:
        if type(value) is not kind and not issubclass(type(value), kind):
            raise mismatch(value, kind.__name__)
        budget[0] -= _ITEM * size(value)
        if depth > MAX_DEPTH or budget[0] < 0:
            raise beyond(depth, budget)
        item: object = None
        try:
            for item in each(value):
                if type(item) not in plain:
                    item_check(item, depth + 1, budget)
        except Refused as refused:
            refused.at(_position(each(value), item))
            raise

    return check


def check_row(rules: Sequence[Rule]) -> Check:
    """A tuple of fixed length, an item a rule."""

    def check(value: object, depth: int, budget: Budget) -> None:
        if not issubclass(type(value), tuple):
            raise mismatch(value, "tuple")
        row = tuple.__getitem__(cast("tuple[object, ...]", value), slice(None))
        if len(row) != len(rules):
            raise Refused(value, f"the annotation says {len(rules)} items, this has {len(row)}")
        charge(len(row), _ITEM, depth, budget)
        for index, (item, rule) in enumerate(zip(row, rules, strict=True)):
            if type(item) not in rule.plain:
                _descend(rule, item, depth, budget, f"[{index}]")

    return check


def check_mapping(keys: Rule, values: Rule) -> Check:
    """A dict whose keys the annotation names, or has as text."""
    plain_keys, plain, value_check = keys.plain, values.plain, values.check

    def check(value: object, depth: int, budget: Budget) -> None:
        members = value.items() if type(value) is dict else _members(value)
        budget[0] -= _MEMBER * len(members)
        if depth > MAX_DEPTH or budget[0] < 0:
            raise beyond(depth, budget)
        key: object = None
        try:
            for key, item in members:
                if type(key) not in plain_keys:
                    _check_key(key, keys, depth, budget)
                if type(item) not in plain:
                    value_check(item, depth + 1, budget)
        except Refused as refused:
            refused.at(member(key))
            raise

    return check


def check_fields(kind: type, rules: Mapping[str, Rule]) -> Check:
    """An instance of just this class, an attribute a rule."""

    def check(value: object, depth: int, budget: Budget) -> None:
        if type(value) is not kind:
            raise mismatch(value, kind.__name__)
        charge(1, _ITEM, depth, budget)
        for name, rule in rules.items():
            try:
                item = getattr(value, name)
            except Exception as error:
                raise Refused(value, f"its field {name!r} can't be read: {type(error).__name__}") from None
            if type(item) not in rule.plain:
                _descend(rule, item, depth, budget, f".{name}")

    return check


def check_record(rules: Mapping[str, Rule], required: Collection[str]) -> Check:
    """A TypedDict: its keys and no others."""

    def check(value: object, depth: int, budget: Budget) -> None:
        members = _members(value)
        charge(len(members), _MEMBER, depth, budget)
        for name in required:
            if not dict.__contains__(cast("dict[str, object]", value), name):
                raise Refused(value, f"its key {name!r} is missing")
        for key, item in members:
            rule = rules.get(key) if type(key) is str else None
            if rule is None:
                raise Refused(value, f"the annotation doesn't name its key {outline(key)}")
            if type(item) not in rule.plain:
                _descend(rule, item, depth, budget, member(key))

    return check


def check_native(value: object, depth: int, budget: Budget) -> None:
    """A value where no annotation names a type: only what JSON itself has."""
    kind = type(value)
    if kind in _NATIVE:
        return
    check = _NATIVE_CHECKS.get(kind)
    if check is None:
        base = next((base for base in (dict, list, float) if issubclass(kind, base)), None)
        check = _NATIVE_CHECKS[base] if base else _check_derived
    check(value, depth, budget)


def union(rules: Sequence[Rule]) -> Rule:
    """One of several rules, chosen by the class of the value."""
    by_kind = {kind: rule for rule in reversed(rules) for kind in rule.kinds}
    plain = frozenset[type]().union(*(rule.plain for rule in rules))
    expected = " or ".join(dict.fromkeys(named(kind) for rule in rules for kind in rule.kinds))

    def check(value: object, depth: int, budget: Budget) -> None:
        kind = type(value)
        if kind in plain:
            return
        chosen = by_kind.get(kind)
        if chosen is None:
            chosen = next((rule for rule in rules if issubclass(kind, rule.kinds)), None)
        if chosen is None or (kind is bool and bool not in by_kind):
            raise mismatch(value, expected)
        chosen.check(value, depth, budget)

    return Rule(check, by_kind, plain)


def _members(value: object) -> ItemsView[object, object]:
    if not issubclass(type(value), dict):
        raise mismatch(value, "dict")
    return dict.items(cast("dict[object, object]", value))


def _check_key(key: object, keys: Rule, depth: int, budget: Budget) -> None:
    try:
        keys.check(key, depth + 1, budget)
    except Refused as refused:
        refused.why = f"as a key of a dict, {refused.why}"
        raise
    kind = type(key)
    if keys is TEXT and (kind.__eq__ is not str.__eq__ or kind.__hash__ is not str.__hash__):
        raise Refused(key, "as a key of a dict, it must be plain text: its class has an equality of its own")


def _descend(rule: Rule, item: object, depth: int, budget: Budget, part: str) -> None:
    try:
        rule.check(item, depth + 1, budget)
    except Refused as refused:
        refused.at(part)
        raise


def _check_derived(value: object, depth: int, budget: Budget) -> None:  # noqa: ARG001
    kind = type(value)
    if issubclass(kind, Enum) or not issubclass(kind, str | int):
        raise Refused(value, f"no annotation names the type {named(kind)} here, and JSON has no such type")


def _position(items: Iterable[object], item: object) -> str:
    index = next((index for index, other in enumerate(items) if other is item), 0)
    return f"[{index}]"


_NATIVE: frozenset[type] = frozenset({str, int, bool, NoneType})
NATIVE = Rule(check_native, (object,), _NATIVE)
_NATIVE_CHECKS: dict[type, Check] = {
    dict: check_mapping(TEXT, NATIVE),
    list: check_items(list, NATIVE),
    float: check_float,
}
