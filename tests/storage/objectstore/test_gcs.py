"""Jobs in Google Cloud Storage, as far as moto can stand in for it: what is asked of Google is understood, and
what is refused is told in its words."""

from pathlib import Path

import pytest
from owning import TestOwners, at, refused

from headrace.model.errors import NotPermitted, StoreUnreachable, UnsafeBucket
from headrace.testing.proxy import FaultProxy
from headrace.testing.proxy.http import HttpFaults, Refusal
from headrace.testing.servers.gcs import GoogleServer

__all__ = ["TestOwners"]
SECRET = "-----BEGIN PRIVATE KEY-----MIIC"


@pytest.fixture
def server(gcs_server: GoogleServer) -> GoogleServer:
    return gcs_server


@pytest.fixture
def place(fresh_gcs: str) -> str:
    return fresh_gcs


@pytest.mark.anyio
async def test_a_bucket_that_was_not_made(place: str) -> None:
    said = "it answered 404 Not Found, NoSuchBucket; there is no such bucket; create it first"
    await refused(at("gs://no-such-bucket/jobs"), StoreUnreachable, said, secret=SECRET)


@pytest.mark.anyio
async def test_a_store_that_heeds_no_generation(
    place: str, gcs_server: GoogleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the emulators of Google Cloud Storage do."""
    faults = HttpFaults()
    faults.take_out("x-goog-if-generation-match")
    async with FaultProxy("127.0.0.1", gcs_server.port, speaks=faults.dialogue) as proxy:
        for name, value in gcs_server.environment(proxy.port).items():
            monkeypatch.setenv(name, value)
        await refused(at(place), UnsafeBucket, place, "use a store with conditional writes", secret=SECRET)


@pytest.mark.anyio
async def test_an_account_that_may_not(place: str, gcs_server: GoogleServer, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = HttpFaults()
    faults.refuse(Refusal(403, "Forbidden", "AccessDenied", "no"), share=1.0)
    async with FaultProxy("127.0.0.1", gcs_server.port, speaks=faults.dialogue) as proxy:
        for name, value in gcs_server.environment(proxy.port).items():
            monkeypatch.setenv(name, value)
        said = "it answered 403 Forbidden, AccessDenied; keys come from the environment, as GOOGLE_SERVICE_ACCOUNT"
        await refused(at(place), NotPermitted, said, secret=SECRET)


@pytest.mark.anyio
async def test_no_account_at_all(place: str, gcs_server: GoogleServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_SERVICE_ACCOUNT")
    for name in ("GCE_METADATA_HOST", "GCE_METADATA_IP"):
        monkeypatch.setenv(name, f"127.0.0.1:{gcs_server.port}")
    said = "there are no keys in the environment, as GOOGLE_SERVICE_ACCOUNT"
    await refused(at(place), NotPermitted, said, secret=SECRET)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "Unable to open service account file from"),
        (SECRET, "Unable to decode service account file"),
        (f'{{"client_email": "a@b", "private_key_id": "1", "private_key": "{SECRET}"}}', "Error reading pem file"),
    ],
)
async def test_a_file_that_is_no_key(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, said: str
) -> None:
    key = tmp_path / "key.json"
    if content is not None:
        key.write_text(content)
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(key))
    await refused(at(place), NotPermitted, said, "as GOOGLE_SERVICE_ACCOUNT", secret=SECRET)


@pytest.mark.anyio
async def test_nobody_where_the_key_leads(
    place: str, gcs_server: GoogleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", gcs_server.environment(1)["GOOGLE_SERVICE_ACCOUNT"])
    said = "look at gcs_base_url in the file that GOOGLE_SERVICE_ACCOUNT names, and at the network"
    # ten tries are made, at random distances
    await refused(at(place, 90.0), StoreUnreachable, said, secret=SECRET)
