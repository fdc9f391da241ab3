"""Which bucket, and where in it."""

import os
from urllib.parse import unquote, urlsplit

import msgspec

from headrace.model.errors import ForeignStore, InvalidURL, StoreUnreachable
from headrace.storage.survival import Fate, Survival

_IN_A_BUCKET = Survival(
    acknowledged="in the bucket", machine=Fate.KEPT, provided="the bucket keeps what it has acknowledged"
)
_ON_DISK = Survival(
    acknowledged="with the operating system",
    power=Fate.LOST,
    but="SlateDB does not sync local files: a loss of power may damage the whole store.",
)
_OWN = frozenset({"manifest", "wal", "compacted", "compactions", "gc"})
"""What SlateDB makes in its folder."""


class Place(msgspec.Struct, frozen=True):
    """Of one store."""

    where: str
    """Its URL without options."""
    bucket: str
    """What SlateDB resolves."""
    path: str
    """The prefix inside it."""
    folder: str | None = None
    """On the local disk."""

    @property
    def suspicion(self) -> str:
        """What it may be when nothing answers: a table that was cut short is read again and again, without a word."""
        return "" if self.folder is None else "; on a disk that is often a file that was cut short"

    @property
    def survival(self) -> Survival:
        """What an acknowledged job survives."""
        return _IN_A_BUCKET if self.folder is None else _ON_DISK

    def check(self) -> None:
        """Refuses a folder that can't be a store, or holds something else."""
        if self.folder is None:
            return
        try:
            names = set(os.listdir(self.folder))
        except FileNotFoundError:
            parent = os.path.dirname(self.folder)
            if not os.path.isdir(parent):
                raise StoreUnreachable(self.where, f"the folder {parent} is not there; create it first") from None
            return
        except OSError as error:
            raise StoreUnreachable(self.where, error.strerror or str(error)) from None
        if names - _OWN:
            raise ForeignStore(self.where, f"the folder holds {min(names - _OWN)}, which is none of ours")

    def prepare(self) -> None:
        """Makes the folder, where it is one, for its owner only: SlateDB would make it for everybody to read."""
        if self.folder is None:
            return
        try:
            os.mkdir(self.folder, 0o700)
        except FileExistsError:
            pass
        except OSError as error:
            raise StoreUnreachable(self.where, error.strerror or str(error)) from None


def read_place(url: str, shown: str | None = None) -> Place:
    """The place that a URL names; InvalidURL, about ``shown``."""
    shown = url if shown is None else shown
    parts = urlsplit(url)
    path = unquote(parts.path).strip("/")
    if "\0" in path or ".." in path.split("/"):
        raise InvalidURL(shown, "its path has parts that no object can have")
    if parts.scheme == "file":
        if parts.netloc or not path:
            raise InvalidURL(shown, "write file:///folder/of/its/own, the path from the root of the disk")
        folder = os.path.realpath(f"/{path}")
        return Place(f"file://{folder}", "file:///", folder.strip("/"), folder)
    if not parts.netloc or "@" in parts.netloc or ":" in parts.netloc:
        raise InvalidURL(shown, f"write {parts.scheme}://bucket/prefix; keys and endpoint come from the environment")
    if not path:
        raise InvalidURL(shown, f"name a prefix of its own: {parts.scheme}://{parts.netloc}/jobs")
    return Place(f"{parts.scheme}://{parts.netloc}/{path}", f"{parts.scheme}://{parts.netloc}", path)
