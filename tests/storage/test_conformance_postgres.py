"""Postgres keeps the storage contract, for a user who has no more rights than the shipped role of workers."""

from collections.abc import Iterator

import pytest
from postgres_on_a_clock import SCHEMA, StorageOnAClock, empty_store, make_store, storage_on

from headrace.system.clock import ManualClock
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
def workers_url(store: str, postgres_server: Postgres) -> Iterator[str]:
    """The same, as a worker reaches it."""
    with roles(postgres_server, store, SCHEMA) as urls:
        yield urls["worker"]


@pytest.fixture
def storage_factory(store: str, workers_url: str) -> StorageFactory:
    empty_store(store)

    def make(clock: ManualClock) -> StorageOnAClock:
        return storage_on(workers_url, clock)

    return make
