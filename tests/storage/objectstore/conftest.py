"""What tests of object storage share."""

from collections.abc import AsyncIterator

import pytest
from lines import Line

from headrace.testing.proxy import FaultProxy
from headrace.testing.proxy.http import HttpFaults
from headrace.testing.servers.s3 import S3Server


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def line(s3_server: S3Server, fresh_s3: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Line]:
    """An empty place in a bucket, behind a proxy."""
    faults = HttpFaults(seed=7)
    async with FaultProxy("127.0.0.1", s3_server.port, speaks=faults.dialogue) as proxy:
        for name, value in s3_server.environment(proxy.port).items():
            monkeypatch.setenv(name, value)
        yield Line(s3_server, fresh_s3, proxy, faults)
