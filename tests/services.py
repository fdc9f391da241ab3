"""Real services for tests, each started when a test first asks for it. A plugin: conftest.py names it.

Where a service is not installed, these call ``missing``: skipped on a laptop, failed on CI. ``make setup`` installs
them where it may. With xdist each process of tests has services of its own.

- ``postgres_url``: a database that the tests of a session share.
- ``fresh_postgres``: a new database for one test; it takes a tenth of a second.
- ``postgres_server``: the server of both. Other tests need it: don't stop it.
- ``own_postgres``: a server for one module, which may stop it, crash it and start it again.
- ``s3_server``: an S3, whose buckets are in memory. Other tests need it: don't stop it.
- ``fresh_s3``: the URL of an empty place in a new bucket of it for one test, whose environment leads clients there.
- ``own_s3``: an S3 for one module, which may stop it and start it again; it is empty then.
- ``azure_server``: an Azure Blob Storage, whose blobs are in memory. Other tests need it: don't stop it.
- ``fresh_azure``: as ``fresh_s3``, in a new container of it.
- ``gcs_server``: what stands in for a Google Cloud Storage. Other tests need it: don't stop it.
- ``fresh_gcs``: as ``fresh_s3``, in a new bucket of it.
- ``pgbouncer``: in front of ``postgres_server``; its ``url(name)`` leads to a database through it.
"""

import os
from collections.abc import Callable, Iterator

import pytest

from headrace.testing.servers.azure import AzureServer
from headrace.testing.servers.databases import Postgres
from headrace.testing.servers.gcs import GoogleServer
from headrace.testing.servers.pgbouncer import PgBouncer
from headrace.testing.servers.postgres import PostgresServer
from headrace.testing.servers.s3 import S3Server

ELSEWHERE = "HEADRACE_TEST_POSTGRES"
"""Names the URL of a server, with its superuser, to be used instead of one of our own."""


@pytest.fixture(scope="session")
def postgres_server(missing: Callable[[str, str], None]) -> Iterator[Postgres]:
    """A server, of which tests may use all but its life."""
    elsewhere = os.environ.get(ELSEWHERE)
    if elsewhere:
        yield Postgres(elsewhere)
        return
    if PostgresServer.find() is None:
        missing("Postgres", f"apt-get install postgresql, or name a server in {ELSEWHERE}")
    with PostgresServer.start() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres_server: Postgres) -> Iterator[str]:
    """A database that the tests of a session share."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
def fresh_postgres(postgres_server: Postgres) -> Iterator[str]:
    """A new database for one test."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(scope="module")
def own_postgres(missing: Callable[[str, str], None]) -> Iterator[PostgresServer]:
    """A server that the tests of a module may stop, crash and start again."""
    if PostgresServer.find() is None:
        missing("Postgres", "apt-get install postgresql")
    with PostgresServer.start() as server:
        yield server


@pytest.fixture(scope="session")
def pgbouncer(postgres_server: Postgres, missing: Callable[[str, str], None]) -> Iterator[PgBouncer]:
    """A pool in transaction mode before the server."""
    if PgBouncer.find() is None:
        missing("PgBouncer", "apt-get install pgbouncer")
    with PgBouncer.start(postgres_server) as pool:
        yield pool


@pytest.fixture(scope="session")
def s3_server(missing: Callable[[str, str], None]) -> Iterator[S3Server]:
    """An S3, of which tests may use all but its life."""
    if S3Server.find() is None:
        missing("moto", "pip install 'moto[server]'")
    with S3Server.start() as server:
        yield server


@pytest.fixture
def fresh_s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty place in a new bucket, as a URL; processes that the test starts find it too."""
    bucket = s3_server.create_bucket()
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    yield f"s3://{bucket}/jobs"
    s3_server.drop_bucket(bucket)


@pytest.fixture(scope="module")
def own_s3(missing: Callable[[str, str], None]) -> Iterator[S3Server]:
    """An S3 that the tests of a module may stop and start again."""
    if S3Server.find() is None:
        missing("moto", "pip install 'moto[server]'")
    with S3Server.start() as server:
        yield server


@pytest.fixture(scope="session")
def azure_server(missing: Callable[[str, str], None]) -> Iterator[AzureServer]:
    """An Azure Blob Storage, of which tests may use all but its life."""
    if AzureServer.find() is None:
        missing("Azurite", "sh scripts/azurite.sh")
    with AzureServer.start() as server:
        yield server


@pytest.fixture
def fresh_azure(azure_server: AzureServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty place in a new container, as a URL; processes that the test starts find it too."""
    container = azure_server.create_container()
    for name, value in azure_server.environment().items():
        monkeypatch.setenv(name, value)
    yield f"az://{container}/jobs"
    azure_server.drop_container(container)


@pytest.fixture(scope="session")
def gcs_server(missing: Callable[[str, str], None]) -> Iterator[GoogleServer]:
    """What stands in for a Google Cloud Storage; tests may use all but its life."""
    if GoogleServer.find() is None:
        missing("moto", "pip install 'moto[server]'")
    with GoogleServer.start() as server:
        yield server


@pytest.fixture
def fresh_gcs(gcs_server: GoogleServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty place in a new bucket, as a URL; processes that the test starts find it too."""
    bucket = gcs_server.create_bucket()
    for name, value in gcs_server.environment().items():
        monkeypatch.setenv(name, value)
    yield f"gs://{bucket}/jobs"
    gcs_server.drop_bucket(bucket)
