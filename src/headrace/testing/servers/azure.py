"""An Azure Blob Storage of one's own: Azurite, which keeps blobs in its memory. A kill of the server loses all.

SlateDB's ``ObjectStore.resolve("az://container")`` finds it by the variables of ``environment``. The crate
object_store inside reads AZURE_STORAGE_ENDPOINT or AZURE_ENDPOINT, with the account as its path; AZURE_ALLOW_HTTP,
without which it refuses http, and for which AZURE_STORAGE_ALLOW_HTTP does not do; AZURE_STORAGE_ACCOUNT_NAME, without
which it asks nobody; and AZURE_STORAGE_ACCOUNT_KEY, without which it looks for the metadata server of a cloud.
AZURE_STORAGE_USE_EMULATOR and AZURITE_BLOB_STORAGE_URL do for all of them, where the account is Azurite's own.

Azurite looks at every signature, conditions included. Of eight clients that raced for a name one won, 400 times.
"""

import base64
import hashlib
import hmac
import shutil
import signal
import sys
import uuid
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from http.client import HTTPConnection
from pathlib import Path
from typing import Self
from urllib.parse import urlencode
from xml.etree import ElementTree

from headrace.testing.servers.daemon import Daemon, ServerFailed
from headrace.testing.servers.owned import OwnedServer

_READY_WITHIN = 60.0
_READY = "successfully listens on"
_PROGRAM = Path("node_modules", "azurite", "dist", "src", "blob", "main.js")
_ACCOUNT, _KEY = "headrace", base64.b64encode(b"headrace-secret").decode()
_VERSION = "2021-08-06"
"""Of the protocol."""
_PATIENCE = 60.0
_MISSING = "Azurite is not installed: sh scripts/azurite.sh"


class AzureServer(OwnedServer):
    """One account on loopback, to which all containers belong.

    ``with AzureServer.start() as server``. It ends when its owner does, even by SIGKILL.
    """

    def __init__(self, folder: Path | None) -> None:
        super().__init__(Daemon(folder, "azure", signal.SIGKILL, refuses_root=False))

    @staticmethod
    def find() -> Sequence[Path] | None:
        """Node and the program it runs, beside the packages of this Python; None where one of them is missing."""
        node, program = shutil.which("node"), Path(sys.prefix) / "azurite" / _PROGRAM
        return (Path(node), program) if node and program.is_file() else None

    @classmethod
    def start(cls, folder: Path | None = None) -> Self:
        """A new server that answers. Its folder, with its log, is removed with it: a new one, or ``folder``, which must
        be empty."""
        if cls.find() is None:
            raise ServerFailed(_MISSING)
        server = cls(folder)
        try:
            server._find_port()
        except BaseException:
            server.close()
            raise
        return server

    @property
    def endpoint(self) -> str:
        """Its URL, without the account."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self, port: int | None = None) -> Mapping[str, str]:
        """What a client has to find in its environment; with the port of a proxy, to go through that."""
        endpoint = self.endpoint if port is None else f"http://127.0.0.1:{port}"
        return {
            "AZURE_STORAGE_ENDPOINT": f"{endpoint}/{_ACCOUNT}",
            "AZURE_ALLOW_HTTP": "true",
            "AZURE_STORAGE_ACCOUNT_NAME": _ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": _KEY,
        }

    def stop(self) -> None:
        """Kills it, and with it all containers: there is no other way to stop it."""
        self._daemon.kill()

    def resume(self) -> None:
        """Starts it again where it was stopped: empty, at the same port."""
        found = self.find()
        if found is None:
            raise ServerFailed(_MISSING)
        account = f"AZURITE_ACCOUNTS={_ACCOUNT}:{_KEY}"
        options = ["--blobHost", "127.0.0.1", "--blobPort", str(self.port), "--inMemoryPersistence"]
        # a newer crate may speak a newer version
        options += ["--skipApiVersionCheck", "--disableTelemetry"]
        command: list[str | Path] = ["env", account, *found, *options]
        self._daemon.start(command, lambda: _READY in self.log, _READY_WITHIN)

    def create_container(self, name: str | None = None) -> str:
        """The name of a new and empty container: 3 characters or more; one that nobody else has where none is given."""
        name = name or f"headrace-{uuid.uuid4().hex[:12]}"
        self._ask("PUT", f"/{name}", restype="container")
        return name

    def drop_container(self, name: str) -> None:
        """Removes a container with all that is in it."""
        self._ask("DELETE", f"/{name}", restype="container")

    def blobs(self, container: str, prefix: str = "") -> Sequence[str]:
        """Names of what is in a container, of those that begin so, in their order: 5,000 at most."""
        answer = self._ask("GET", f"/{container}", comp="list", prefix=prefix, restype="container")
        return [name.text or "" for name in ElementTree.fromstring(answer).iterfind("Blobs/Blob/Name")]

    def read(self, container: str, blob: str) -> bytes:
        """All of a blob."""
        return self._ask("GET", f"/{container}/{blob}")

    def write(self, container: str, blob: str, data: bytes) -> None:
        """Puts this there, whatever was there before. Its metadata is lost."""
        self._ask("PUT", f"/{container}/{blob}", data, {"x-ms-blob-type": "BlockBlob"})

    def _ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None, **query: str
    ) -> bytes:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        try:
            asked = _signed(method, path, len(body), headers or {}, query)
            connection.request(method, f"/{_ACCOUNT}{path}?{urlencode(query)}", body or None, asked)
            answer = connection.getresponse()
            text = answer.read()
        except OSError as error:
            raise ServerFailed(f"the Azure server did not answer {method} {path}: {error}") from error
        finally:
            connection.close()
        if answer.status >= 300:
            raise ServerFailed(
                f"the Azure server refused {method} {path}: {answer.status} {text.decode(errors='replace')}"
            )
        return text


def _signed(
    method: str, path: str, length: int, headers: Mapping[str, str], query: Mapping[str, str]
) -> Mapping[str, str]:
    """Headers of a request, with the proof that the account's key was known to who made them."""
    given = {**headers, "x-ms-date": formatdate(usegmt=True), "x-ms-version": _VERSION}
    named = "".join(f"{name}:{given[name]}\n" for name in sorted(given))
    resource = f"/{_ACCOUNT}/{_ACCOUNT}{path}" + "".join(f"\n{name}:{query[name]}" for name in sorted(query))
    text = f"{method}\n\n\n{length or ''}{chr(10) * 9}{named}{resource}"
    proof = hmac.new(base64.b64decode(_KEY), text.encode(), hashlib.sha256).digest()
    return {**given, "Authorization": f"SharedKey {_ACCOUNT}:{base64.b64encode(proof).decode()}"}
