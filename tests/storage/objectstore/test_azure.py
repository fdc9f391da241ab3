"""Jobs in Azure Blob Storage, as Azurite keeps it: its conditions, its signatures, its refusals."""

import pytest
from lines import insert
from owning import TestOwners, at, refused

from headrace.model.errors import CorruptStore, NotPermitted, StoreUnreachable
from headrace.testing.servers.azure import AzureServer

__all__ = ["TestOwners"]
SECRET = "c2VjcmV0LXNlY3JldA"


@pytest.fixture
def server(azure_server: AzureServer) -> AzureServer:
    return azure_server


@pytest.fixture
def place(fresh_azure: str) -> str:
    return fresh_azure


@pytest.mark.anyio
async def test_a_container_that_is_not_there(place: str, azure_server: AzureServer) -> None:
    key = azure_server.environment()["AZURE_STORAGE_ACCOUNT_KEY"]
    await refused(
        at("az://no-such/jobs"),
        StoreUnreachable,
        "it answered 404 Not Found, ContainerNotFound; there is no such container; create it first",
        secret=key,
    )


@pytest.mark.anyio
async def test_a_wrong_key(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", f"{SECRET}==")
    said = "it answered 403 Forbidden, AuthorizationFailure; keys come from the environment, as AZURE_STORAGE_ACCOUNT_"
    await refused(at(place), NotPermitted, said, secret=SECRET)


@pytest.mark.anyio
async def test_a_key_that_is_none(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", f"{SECRET}!")
    await refused(at(place), NotPermitted, "Invalid Access Key", "AZURE_STORAGE_ACCOUNT_KEY", secret=SECRET)


@pytest.mark.anyio
async def test_a_token_that_is_refused(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a part of every URL that is asked for."""
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_KEY")
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", f"sv=2021-08-06&ss=b&sig={SECRET}")
    await refused(at(place), NotPermitted, "it answered 403 Forbidden, AuthorizationFailure", secret=SECRET)
    monkeypatch.delenv("AZURE_ALLOW_HTTP")
    await refused(at(place), StoreUnreachable, "set AZURE_ALLOW_HTTP=true", secret=SECRET)


@pytest.mark.anyio
async def test_no_key_at_all(place: str, azure_server: AzureServer, monkeypatch: pytest.MonkeyPatch) -> None:
    key = azure_server.environment()["AZURE_STORAGE_ACCOUNT_KEY"]
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_KEY")
    monkeypatch.setenv("AZURE_MSI_ENDPOINT", f"{azure_server.endpoint}/metadata/identity/oauth2/token")
    said = "there are no keys in the environment, as AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY"
    await refused(at(place), NotPermitted, said, secret=key)
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME")
    await refused(at(place), NotPermitted, said, "Account must be specified", secret=key)


@pytest.mark.anyio
async def test_http_where_it_was_not_allowed(
    place: str, azure_server: AzureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AZURE_ALLOW_HTTP")
    key = azure_server.environment()["AZURE_STORAGE_ACCOUNT_KEY"]
    said = "where the endpoint is no https, set AZURE_ALLOW_HTTP=true"
    await refused(at(place), StoreUnreachable, said, secret=key)


@pytest.mark.anyio
@pytest.mark.parametrize("length", [0, 60])
async def test_a_blob_that_was_cut(place: str, azure_server: AzureServer, length: int) -> None:
    storage = at(place)
    await storage.open()
    for _ in range(3):
        await insert(storage)
    await storage.close()
    container, _, prefix = place.removeprefix("az://").partition("/")
    newest = azure_server.blobs(container, f"{prefix}/compacted")[-1]
    azure_server.write(container, newest, azure_server.read(container, newest)[:length])
    key = azure_server.environment()["AZURE_STORAGE_ACCOUNT_KEY"]
    await refused(at(place, 5.0), CorruptStore, place, "it was left as it is", secret=key)
    assert len(azure_server.read(container, newest)) == length


@pytest.mark.anyio
async def test_nobody_at_the_endpoint_of_the_account(
    place: str, azure_server: AzureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in azure_server.environment(1).items():
        monkeypatch.setenv(name, value)
    said = "look at the endpoint in AZURE_STORAGE_ENDPOINT, and at the network"
    # ten tries are made, at random distances: mostly 2 s, once more than 20
    key = azure_server.environment()["AZURE_STORAGE_ACCOUNT_KEY"]
    await refused(at(place, 90.0), StoreUnreachable, said, secret=key)
