"""What tests of journals share."""

import pytest
from shelves import Vault


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def vault() -> Vault:
    return Vault()
