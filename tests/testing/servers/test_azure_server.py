"""An Azure Blob Storage of one's own: it forgets all, knows who signed, and leaves nothing behind."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from headrace.testing.servers import azure, owned
from headrace.testing.servers.azure import AzureServer
from headrace.testing.servers.daemon import ServerFailed

SOON = 20.0


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + SOON
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds()


def test_blobs_are_written_listed_and_read(azure_server: AzureServer) -> None:
    container = azure_server.create_container()
    assert azure_server.blobs(container) == []
    azure_server.write(container, "b/one", b"12345")
    azure_server.write(container, "a/two", b"")
    assert azure_server.blobs(container) == ["a/two", "b/one"]
    assert azure_server.blobs(container, "b/") == ["b/one"]
    azure_server.write(container, "b/one", b"other")
    assert azure_server.read(container, "b/one") == b"other"
    with pytest.raises(ServerFailed, match=r"(?s)refused GET /.*/b/none: 404 .*BlobNotFound"):
        azure_server.read(container, "b/none")
    azure_server.drop_container(container)
    with pytest.raises(ServerFailed, match=r"(?s)404 .*ContainerNotFound"):
        azure_server.blobs(container)


def test_another_key_is_refused(azure_server: AzureServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azure, "_KEY", "b3RoZXI=")
    with pytest.raises(ServerFailed, match=r"(?s)refused PUT /.*: 403 .*AuthorizationFailure"):
        azure_server.create_container()


def test_stopped_it_forgets_its_containers_and_keeps_its_port(azure_server: AzureServer) -> None:
    with AzureServer.start() as server:
        container, port, pid = server.create_container(), server.port, server.pid
        server.stop()
        assert server.pid is None
        with pytest.raises(ServerFailed, match="did not answer GET"):
            server.blobs(container)
        server.resume()
        assert (server.port, server.pid != pid) == (port, True)
        with pytest.raises(ServerFailed, match="ContainerNotFound"):
            server.blobs(container)
        folder, pid = server.folder, server.pid
    assert not folder.exists()
    assert not Path(f"/proc/{pid}").exists()
    server.close()


def test_a_port_that_another_has_is_not_insisted_on(azure_server: AzureServer, monkeypatch: pytest.MonkeyPatch) -> None:
    real, ports = owned.free_port, [azure_server.port]
    monkeypatch.setattr(owned, "free_port", lambda: ports.pop() if ports else real())
    with AzureServer.start() as server:
        assert server.port != azure_server.port


def test_where_it_is_not_installed_it_is_not_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert AzureServer.find() is None
    with pytest.raises(ServerFailed, match="Azurite is not installed"):
        AzureServer.start()


OWNER = """
from headrace.testing.servers.azure import AzureServer

server = AzureServer.start()
print(server.pid, server.folder, flush=True)
input()
"""


def test_it_ends_with_a_process_that_is_killed(azure_server: AzureServer) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        pid, folder = owner.stdout.readline().decode().split()
        assert Path(f"/proc/{pid}").exists()
        owner.kill()
    assert eventually(lambda: not Path(f"/proc/{pid}").exists())
    assert eventually(lambda: not Path(folder).exists())
