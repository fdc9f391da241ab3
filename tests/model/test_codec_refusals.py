"""What the strict pass refuses: with the path of the value, and never later than at the caller."""

import dataclasses
import enum
import math
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, Self, TypedDict
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pydantic
import pytest

from headrace.model.codec import MAX_DEPTH, Signature, encode_untyped
from headrace.model.errors import NotSerializable, PayloadTooDeep, PayloadTooLarge

SURROGATE = "\ud800"
LONG = 10**4300


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 1


class Renamed(enum.StrEnum):
    OTHER = "text"

    def __new__(cls, text: str) -> Self:
        member = str.__new__(cls, text)
        member._value_ = "something else"
        return member


@dataclasses.dataclass
class Item:
    name: str
    price: float = 0.0
    inner: "Item | None" = None


@dataclasses.dataclass
class Special(Item):
    extra: int = 0


class Counted(msgspec.Struct):
    count: Annotated[int, msgspec.Meta(ge=0)]


class Person(TypedDict):
    name: str


class Pair(NamedTuple):
    left: int
    right: int


class Model(pydantic.BaseModel):
    size: float
    secret: pydantic.SecretStr = pydantic.SecretStr("")


class Doubling(msgspec.Struct):
    size: int

    def __post_init__(self) -> None:
        self.size *= 2


def signature(annotation: object) -> Signature:
    def handler(items): ...

    handler.__annotations__["items"] = annotation
    return Signature(handler, "test")


REFUSED: list[tuple[str, object, object, str, str]] = [
    # name, annotation, value, path, part of the message
    ("NaN", float, math.nan, "items", "NaN"),
    ("infinity unannotated", Any, {"a": [1.0, math.inf]}, "items.a[1]", "NaN"),
    ("NaN in list[float]", list[float], [0.5, math.nan], "items[1]", "NaN"),
    ("bool for int", int, True, "items", "says int, this is bool"),
    ("int for bool", bool, 1, "items", "says bool, this is int"),
    ("bool for float", float, True, "items", "says float"),
    ("bool in list[int]", list[int], [1, True], "items[1]", "says int"),
    ("bool for int or None", int | None, True, "items", "int or None"),
    ("int for str", str, 1, "items", "says str, this is int"),
    ("str for int", int, "1", "items", "says int, this is str"),
    ("float for int", int, 1.0, "items", "says int, this is float"),
    ("int that no float holds", float, 2**53 + 1, "items", "no float holds"),
    ("int beyond all floats", float, 10**400, "items", "no float holds"),
    ("None for str", str, None, "items", "this is None"),
    ("set for list", list[int], {1, 2}, "items", "says list, this is set"),
    ("tuple for list", list[int], (1, 2), "items", "says list, this is tuple"),
    ("list for tuple", tuple[int, ...], [1], "items", "says tuple"),
    ("set for frozenset", frozenset[int], {1}, "items", "says frozenset"),
    ("tuple unannotated", Any, {"a": (1, 2)}, "items.a", "no annotation names the type tuple"),
    ("set unannotated", dict[str, Any], {"a": {1}}, "items.a", "no annotation names the type set"),
    ("set as object", dict[str, object], {"a": {1}}, "items.a", "no annotation names the type set"),
    ("set in a bare list", list, [{1}], "items[0]", "no annotation names the type set"),
    ("tuple of another length", tuple[int, str], (1,), "items", "says 2 items, this has 1"),
    ("tuple's item", tuple[int, str], (1, 2), "items[1]", "says str"),
    ("datetime for str", str, datetime(2026, 1, 1, tzinfo=UTC), "items", "this is datetime"),
    ("datetime unannotated", Any, [datetime(2026, 1, 1, tzinfo=UTC)], "items[0]", "datetime"),
    ("datetime for date", date, datetime(2026, 1, 1, tzinfo=UTC), "items", "says date"),
    ("date for datetime", datetime, date(2026, 1, 1), "items", "says datetime"),
    ("bytes for str", str, b"x", "items", "this is bytes"),
    ("str for bytes", bytes, "x", "items", "says bytes"),
    ("bytes unannotated", Any, {"a": b"x"}, "items.a", "bytes"),
    ("Decimal unannotated", Any, Decimal("1.5"), "items", "Decimal"),
    ("Decimal for float", float, Decimal("1.5"), "items", "says float"),
    ("Decimal NaN", Decimal, Decimal("NaN"), "items", "finite"),
    ("UUID unannotated", Any, [UUID(int=1)], "items[0]", "UUID"),
    ("Enum unannotated", Any, Colour.RED, "items", "Colour"),
    ("IntEnum unannotated", Any, [Level.HIGH], "items[0]", "Level"),
    ("an Enum's value for the Enum", Colour, "red", "items", "says Colour"),
    ("an Enum whose value is another text", str, Renamed.OTHER, "items", "value is not this str"),
    ("dataclass unannotated", Any, Item("x"), "items", "Item"),
    ("subclass of a dataclass", Item, Special("x"), "items", "says Item, this is Special"),
    ("dict for a dataclass", Item, {"name": "x"}, "items", "says Item"),
    ("a field", Item, Item(3), "items.name", "says str"),  # type: ignore[arg-type]
    ("a nested field", list[Item], [Item("x"), Item("y", inner=Item("z", math.inf))], "items[1].inner.price", "NaN"),
    ("TypedDict with a foreign key", Person, {"name": "x", "age": 1}, "items", "'age'"),
    ("TypedDict without its key", Person, {}, "items", "'name' is missing"),
    ("TypedDict's value", Person, {"name": 1}, "items.name", "says str"),
    ("NamedTuple's field", Pair, Pair(1, "x"), "items.right", "says int"),  # type: ignore[arg-type]
    ("tuple for a NamedTuple", Pair, (1, 2), "items", "says Pair"),
    ("Literal", Literal["a", "b"], "c", "items", "allows only"),
    ("Literal of another type", Literal[1], True, "items", "allows only"),
    ("constraint", Annotated[int, msgspec.Meta(ge=0)], -1, "items", ">= 0"),
    ("constraint of a field", list[Counted], [Counted(1), Counted(-1)], "items[1].count", ">= 0"),
    ("__post_init__ that changes", Doubling, Doubling(2), "items", "something else"),
    ("pydantic's NaN", Model, Model(size=math.nan), "items.size", "NaN"),
    ("pydantic's secret", Model, Model(size=1, secret="x"), "items", "different model"),
    ("dict for a pydantic model", Model, {"size": 1}, "items", "says Model"),
    ("int key", dict[str, int], {1: 1}, "items[1]", "as a key"),
    ("int key unannotated", Any, {"a": {1: 1}}, "items.a[1]", "as a key"),
    ("int key in a bare dict", dict, {1: 1}, "items[1]", "as a key"),
    ("None key", dict[str, int], {None: 1}, "items[None]", "as a key"),
    ("str key for int", dict[int, int], {"1": 1}, "items['1']", "as a key"),
    ("bool key for int", dict[int, int], {True: 1}, "items[True]", "as a key"),
    ("NaN key", dict[float, int], {math.nan: 1}, "items[nan]", "as a key"),
    ("lone surrogate", str, SURROGATE, "items", "lone surrogate"),
    ("lone surrogate deep", Any, {"a": ["x", SURROGATE]}, "items.a[1]", "lone surrogate"),
    ("lone surrogate in a key", Any, {"a": {SURROGATE: 1}}, "items.a['\\ud800']", "lone surrogate"),
    ("lone surrogate in a field", Item, Item(SURROGATE), "items.name", "lone surrogate"),
    ("4301 digits", int, LONG, "items", "4,300 digits"),
    ("4300 digits and a sign", int, -(10**4299), "items", "4,300 digits"),
    ("4301 digits deep", Any, [[LONG]], "items[0][0]", "4,300 digits"),
    ("offset with seconds", datetime, datetime(1850, 1, 1, tzinfo=timezone(timedelta(seconds=561))), "items", "offset"),
    ("time without an offset", time, time(1, tzinfo=ZoneInfo("Europe/Paris")), "items", "no offset"),
    ("a class", Any, {"a": object}, "items.a", "type"),
    ("a function", Any, [len], "items[0]", "builtin_function"),
    ("a key that is no identifier", Any, {"two words": {"x.y": {1}}}, "items['two words']['x.y']", "set"),
]


@pytest.mark.parametrize(
    ("annotation", "value", "path", "part"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refused_with_its_path(annotation: object, value: object, path: str, part: str) -> None:
    with pytest.raises(NotSerializable) as caught:
        signature(annotation).encode((value,), {})
    assert caught.value.path == path
    assert part in str(caught.value)
    assert str(caught.value).startswith(f"{path} = ")


class Raising:
    """Everything that a message or an encoder might call."""

    def _raise(self, *_: object) -> Any:
        raise RuntimeError("called")

    __iter__ = __str__ = __repr__ = __len__ = __getitem__ = __eq__ = __hash__ = __getattr__ = _raise


class RaisingList(list):
    __iter__ = __repr__ = __len__ = Raising._raise


class RaisingDict(dict):
    __iter__ = __repr__ = items = keys = __len__ = Raising._raise


class RaisingText(str):
    __slots__ = ()
    __str__ = __repr__ = __len__ = Raising._raise


def looping() -> Any:
    while True:
        yield 1


@pytest.mark.parametrize("annotation", [Any, str, list[int], dict[str, int], Item, Model, int | None, Literal["a"]])
@pytest.mark.parametrize("make", [Raising, looping, lambda: [Raising()], lambda: {"a": Raising()}])
def test_hostile_objects_are_refused_without_running_their_code(annotation: object, make: Callable[[], Any]) -> None:
    with pytest.raises(NotSerializable):
        signature(annotation).encode((make(),), {})


def test_builtins_subclassed_with_hostile_methods_are_stored_as_the_builtins_they_are() -> None:
    compiled = signature(Any)
    value = RaisingDict(a=RaisingList([1, RaisingText("x")]))
    assert compiled.decode(compiled.encode((value,), {})).args == ({"a": [1, "x"]},)


def test_str_subclass_with_an_equality_of_its_own_is_no_key() -> None:
    class Odd(str):
        __slots__ = ()

        def __hash__(self) -> int:
            return 1

        def __eq__(self, other: object) -> bool:
            return self is other

    with pytest.raises(NotSerializable, match="equality of its own"):
        signature(dict[str, int]).encode(({"a": 1, Odd("a"): 2},), {})


@pytest.mark.parametrize("annotation", [Any, list, list[Any], Any | None])
def test_a_list_that_holds_itself_is_too_deep(annotation: object) -> None:
    endless: list[object] = []
    endless.extend([endless, endless])
    with pytest.raises(PayloadTooDeep) as caught:
        signature(annotation).encode((endless,), {})
    assert caught.value.path == "items" + "[0]" * MAX_DEPTH
    assert caught.value.limit == MAX_DEPTH


def test_a_dict_a_dataclass_and_a_typed_dict_that_hold_themselves_are_too_deep() -> None:
    endless: dict[str, object] = {}
    endless["a"] = endless
    item = Item("x")
    item.inner = item
    with pytest.raises(PayloadTooDeep):
        encode_untyped(endless)
    with pytest.raises(PayloadTooDeep, match=r"items\.inner\.inner"):
        signature(Item).encode((item,), {})


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("levels", [65, 1000, 100_000])
def test_deeper_than_the_limit_is_refused(levels: int) -> None:
    value = nested(levels)
    with pytest.raises(PayloadTooDeep):
        signature(Any).encode((value,), {})
    with pytest.raises(PayloadTooDeep):
        encode_untyped({"a": value})


def test_as_deep_as_the_limit_is_stored() -> None:
    compiled = signature(Any)
    assert compiled.decode(compiled.encode((nested(64),), {})).args == (nested(64),)
    assert encode_untyped({"items": nested(64)}) == compiled.encode((nested(64),), {})


@pytest.mark.parametrize("leaf", [[], {}, "x"])
def test_shared_parts_that_multiply_end_at_the_limit(leaf: object) -> None:
    value = leaf
    for _ in range(60):
        value = [value, value]
    with pytest.raises(PayloadTooLarge) as caught:
        signature(Any).encode((value,), {})
    assert caught.value.size > caught.value.limit


def test_the_limit_counts_bytes_of_utf8() -> None:
    compiled = signature(str)
    size = len(compiled.encode(("é" * 100,), {}).encode())
    assert compiled.encode(("é" * 100,), {}, limit=size)
    with pytest.raises(PayloadTooLarge) as caught:
        compiled.encode(("é" * 100,), {}, limit=size - 1)
    assert (caught.value.size, caught.value.limit) == (size, size - 1)


def test_a_raised_digit_limit_of_python_stores_nothing_that_workers_cannot_read() -> None:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        with pytest.raises(NotSerializable, match="4,300 digits"):
            signature(Any).encode(({"a": LONG},), {})
        assert signature(Any).encode(({"a": "x" * 5000, "b": 10**4299},), {})
    finally:
        sys.set_int_max_str_digits(before)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({1}, "{1}"),
        ((1, "x", None), "(1, 'x', None)"),
        ((), "()"),
        ((10**5000, object()), "(<int>, <object object>)"),
        (({1: 2},), "<tuple of 1 items>"),
        (tuple(range(9)), "<tuple of 9 items>"),
        (b"x" * 100, repr(b"x" * 60) + "…"),
        (Colour.RED, "Colour.RED"),
        (UUID(int=1), "UUID('00000000-0000-0000-0000-000000000001')"),
        (Raising(), "<Raising object>"),
        ((RaisingList(), RaisingText("x"), Raising), "(<RaisingList object>, 'x', <type object>)"),
    ],
    ids=range(11),
)
def test_the_message_shows_the_value_and_the_error_has_it(value: object, shown: str) -> None:
    with pytest.raises(NotSerializable) as caught:
        signature(Any).encode(([value],), {})
    assert str(caught.value).startswith(f"items[0] = {shown} can't be stored unchanged: ")
    assert caught.value.value is value


def test_the_search_for_what_stopped_the_encoder_runs_no_foreign_code() -> None:
    with pytest.raises(NotSerializable) as caught:
        signature(Any).encode((RaisingDict(a=RaisingList([RaisingText("x"), SURROGATE])),), {})
    assert caught.value.path == "items.a[1]"


def test_the_message_stays_short_whatever_the_value() -> None:
    with pytest.raises(NotSerializable) as caught:
        signature(Any).encode(({"k" * 10_000: {"x" * 10_000_000, b"y" * 10_000_000}},), {})
    assert len(str(caught.value)) < 1000
