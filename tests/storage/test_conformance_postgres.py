"""Postgres keeps the storage contract."""

import pytest
from postgres_on_a_clock import StorageOnAClock, empty_store, make_store, storage_on

from headrace.system.clock import ManualClock
from headrace.testing.conformance.everything import *  # noqa: F403 - the suite is these classes, and pytest collects them
from headrace.testing.conformance.family import StorageFactory


@pytest.fixture(scope="session")
def store(postgres_url: str) -> str:
    """The URL of a database with a store whose clock tests move."""
    make_store(postgres_url)
    return postgres_url


@pytest.fixture
def storage_factory(store: str) -> StorageFactory:
    empty_store(store)

    def make(clock: ManualClock) -> StorageOnAClock:
        return storage_on(store, clock)

    return make
