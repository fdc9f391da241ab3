"""What is accepted decodes to an equal value of the annotated type."""

import dataclasses
import enum
import json
import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.model.codec import Signature, decode_result, encode_result, encode_untyped
from headrace.model.errors import PayloadRefused


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Word(enum.StrEnum):
    ONE = "one"


@dataclasses.dataclass
class Item:
    name: str
    prices: list[float]
    inner: "Item | None" = None
    note: str = dataclasses.field(default="", init=False)


class Point(msgspec.Struct, omit_defaults=True, rename="camel"):
    left_most: int
    colour: Colour = Colour.RED
    maybe: int | msgspec.UnsetType = msgspec.UNSET


class Circle(msgspec.Struct, tag=True):
    radius: float


class Square(msgspec.Struct, tag=True):
    side: int


class Person(TypedDict):
    name: str
    age: NotRequired[int]


class Pair(NamedTuple):
    left: int
    right: str = "x"


class Model(pydantic.BaseModel):
    when: datetime
    tags: set[str] = set()


class Aliased(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    size: int = pydantic.Field(alias="theSize")
    day: date


texts = st.text(st.characters(exclude_categories=["Cs"]))
integers = st.integers() | st.integers(-(10**40), 10**40)
floats = st.floats(allow_nan=False, allow_infinity=False)
natives = st.recursive(
    st.none() | st.booleans() | integers | floats | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)
zones = st.builds(lambda minutes: timezone(timedelta(minutes=minutes)), st.integers(-1439, 1439))
moments = st.datetimes(timezones=st.none() | zones | st.just(UTC))
items: st.SearchStrategy[Item] = st.deferred(
    lambda: st.builds(Item, texts, st.lists(floats | st.integers(-(2**53), 2**53)), st.none() | items)
)

TYPED: list[tuple[object, st.SearchStrategy[Any]]] = [
    (str, texts),
    (int, integers),
    (float, floats),
    (bool, st.booleans()),
    (None, st.none()),
    (Any, natives),
    (object, natives),
    (bytes, st.binary()),
    (bytearray, st.binary().map(bytearray)),
    (datetime, moments),
    (date, st.dates()),
    (time, st.times(timezones=st.none() | zones)),
    (timedelta, st.timedeltas()),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (UUID, st.uuids()),
    (Colour, st.sampled_from(Colour)),
    (Level, st.sampled_from(Level)),
    (Access, st.sampled_from([Access.READ, Access.READ | Access.WRITE, Access(0)])),
    (Literal["a", 1] | None, st.sampled_from(["a", 1, None])),
    (list[int], st.lists(integers)),
    (list, st.lists(natives, max_size=4)),
    (set[date], st.sets(st.dates())),
    (frozenset[tuple[int, str]], st.frozensets(st.tuples(integers, texts))),
    (tuple[int, ...], st.lists(integers).map(tuple)),
    (tuple, st.lists(natives, max_size=4).map(tuple)),
    (tuple[str, float, None], st.tuples(texts, floats, st.none())),
    (dict[str, list[UUID]], st.dictionaries(texts, st.lists(st.uuids()))),
    (dict, st.dictionaries(texts, natives, max_size=4)),
    (dict[int, Decimal | None], st.dictionaries(integers, st.none() | st.decimals(-9, 9))),
    (dict[float, int], st.dictionaries(floats, integers)),
    (dict[Colour, int], st.dictionaries(st.sampled_from(Colour), integers)),
    (dict[UUID, bool], st.dictionaries(st.uuids(), st.booleans())),
    (dict[date, str], st.dictionaries(st.dates(), texts)),
    (dict[bytes, str], st.dictionaries(st.binary(), texts)),
    (dict[Literal["a", "b"], int], st.dictionaries(st.sampled_from(["a", "b"]), integers)),
    (int | str | None, st.none() | integers | texts),
    (int | float | None, st.none() | integers | floats),
    (list[int] | dict[str, float] | bool, st.lists(integers) | st.dictionaries(texts, floats) | st.booleans()),
    (Annotated[int, msgspec.Meta(ge=0)], st.integers(0)),
    (Annotated[str, "a remark"], texts),
    (Item, items),
    (list[Point], st.lists(st.builds(Point, integers, st.sampled_from(Colour), st.just(msgspec.UNSET) | integers))),
    (Circle | Square | None, st.none() | st.builds(Circle, floats) | st.builds(Square, integers)),
    (Person, st.fixed_dictionaries({"name": texts}, optional={"age": integers})),
    (dict[str, Pair], st.dictionaries(texts, st.builds(Pair, integers, texts))),
    (Model | None, st.none() | st.builds(Model, when=moments, tags=st.sets(texts))),
    (list[Aliased], st.lists(st.builds(Aliased, theSize=st.integers(-9, 9), day=st.dates()))),
]


def signature(annotation: object) -> Signature:
    def handler(value): ...

    handler.__annotations__["value"] = annotation
    return Signature(handler, "test")


@pytest.mark.parametrize(("annotation", "values"), TYPED, ids=[str(row[0]) for row in TYPED])
def test_arguments_come_back_equal_and_of_their_type(annotation: object, values: st.SearchStrategy[Any]) -> None:
    compiled = signature(annotation)

    @settings(max_examples=40)
    @given(values)
    def check(value: object) -> None:
        text = compiled.encode((value,), {})
        (back,) = compiled.decode(text).args
        assert back == value
        assert type(back) is type(value) or (annotation is not Any and type(value) is int and type(back) is float)
        assert compiled.encode_named({"value": value}) == text
        assert compiled.encode_named(json.loads(text, parse_float=float)) is not None

    check()


@pytest.mark.parametrize(("annotation", "values"), TYPED, ids=[str(row[0]) for row in TYPED])
def test_results_come_back_equal(annotation: object, values: st.SearchStrategy[Any]) -> None:
    @settings(max_examples=40)
    @given(values)
    def check(value: object) -> None:
        encoded, reason = encode_result(value, annotation)
        assert reason is None
        if value is None:
            assert encoded is None
        else:
            assert encoded is not None
            assert decode_result(encoded.decode(), annotation) == value

    check()


anything = st.recursive(
    st.none()
    | st.booleans()
    | integers
    | st.floats()
    | st.text()
    | st.binary()
    | moments
    | st.decimals()
    | st.uuids()
    | st.sampled_from([*Colour, *Level, *Access, *Word])
    | items
    | st.builds(Circle, st.floats()),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | integers | st.none(), inner, max_size=3)
        | st.sets(st.integers() | st.text(), max_size=3)
    ),
    max_leaves=8,
)


@given(anything, st.sampled_from([row[0] for row in TYPED]))
def test_any_value_for_any_annotation_is_refused_or_comes_back_equal(value: object, annotation: object) -> None:
    compiled = signature(annotation)
    try:
        text = compiled.encode((value,), {})
    except PayloadRefused:
        encoded, reason = encode_result(value, annotation)
        assert (encoded, bool(reason)) == (None, value is not None)
        return
    assert compiled.decode(text).args == (value,)


@given(st.dictionaries(texts, natives, max_size=4))
def test_untyped_arguments_are_stored_as_they_are(arguments: dict[str, object]) -> None:
    text = encode_untyped(arguments)
    assert msgspec.json.decode(text) == arguments
    assert json.loads(text) == arguments


def test_nul_round_trips_exactly() -> None:
    compiled = signature(str)
    assert compiled.decode(compiled.encode(("a\0b",), {})).args == ("a\0b",)
    assert "\0" not in compiled.encode(("a\0b",), {})


@pytest.mark.parametrize(
    "value", [2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**100, 10**4299, -(10**4298)], ids=int.bit_length
)
def test_large_ints_are_exact(value: int) -> None:
    for annotation in (int, Any, int | None, object):
        compiled = signature(annotation)
        assert compiled.decode(compiled.encode((value,), {})).args == (value,)


def test_subclasses_of_builtins_come_back_as_equal_builtins() -> None:
    class Text(str):
        __slots__ = ()

    class Number(int):
        pass

    class Share(float):
        pass

    compiled = signature(Any)
    value = [Text("x"), Number(3), Number(10**30), Share(0.5), {Text("k"): 1}]
    (back,) = compiled.decode(compiled.encode((value,), {})).args
    assert back == value
    assert [type(part) for part in back] == [str, int, int, float, dict]
    assert type(next(iter(back[4]))) is str


def test_members_of_text_and_int_enumerations_are_text_and_ints_where_these_are_annotated() -> None:
    assert signature(str).encode((Word.ONE,), {}) == '{"value":"one"}'
    assert signature(list[int]).encode(([Level.HIGH],), {}) == '{"value":[2]}'
    assert signature(dict[str, int]).encode(({Word.ONE: 1},), {}) == '{"value":{"one":1}}'


def test_a_whole_number_for_a_float_comes_back_as_a_float() -> None:
    compiled = signature(float)
    (back,) = compiled.decode(compiled.encode((2**60,), {})).args
    assert back == 2**60
    assert type(back) is float


def test_the_repeated_hour_of_a_zone_keeps_its_instant() -> None:
    compiled = signature(datetime)
    for fold in (0, 1):
        moment = datetime(2026, 10, 25, 2, 30, fold=fold, tzinfo=ZoneInfo("Europe/Paris"))
        (back,) = compiled.decode(compiled.encode((moment,), {})).args
        assert back.timestamp() == moment.timestamp()
        assert back.utcoffset() == moment.utcoffset()


def test_negative_zero_keeps_its_sign() -> None:
    compiled = signature(float)
    (back,) = compiled.decode(compiled.encode((-0.0,), {})).args
    assert math.copysign(1, back) == -1
