"""Postgres keeps the storage contract, for a user who has no more rights than the shipped role of workers."""

from collections.abc import Iterator, Mapping

import pytest
from postgres_on_a_clock import SCHEMA, StorageOnAClock, empty_store, make_store, storage_on

from headrace.system.clock import ManualClock
from headrace.testing.conformance import everything
from headrace.testing.conformance.everything import *  # noqa: F403 - the suite is these classes, and pytest collects them
from headrace.testing.conformance.family import StorageFactory
from headrace.testing.servers.databases import Postgres
from postgres_roles import roles


@pytest.fixture(scope="session")
def store(postgres_url: str) -> str:
    """The URL of a database with a store whose clock tests move."""
    make_store(postgres_url)
    return postgres_url


@pytest.fixture(scope="session")
def urls(store: str, postgres_server: Postgres) -> Iterator[Mapping[str, str]]:
    """The same, as those reach it who have one of the roles."""
    with roles(postgres_server, store, SCHEMA) as found:
        yield found


@pytest.fixture
def storage_factory(store: str, urls: Mapping[str, str]) -> StorageFactory:
    return factory(store, urls["worker"])


def factory(store: str, url: str) -> StorageFactory:
    """Of handles on that store, once it is emptied."""
    empty_store(store)

    def make(clock: ManualClock) -> StorageOnAClock:
        return storage_on(url, clock)

    return make


class Moving:
    """Whoever moves a store must be its owner: a mark changes the schema."""

    @pytest.fixture
    def storage_factory(self, store: str, urls: Mapping[str, str]) -> StorageFactory:
        return factory(store, urls["admin"])


class TestLoad(Moving, everything.TestLoad):
    pass


class TestMark(Moving, everything.TestMark):
    pass
