"""Users' own small records: written beside jobs (``kv=``), read and removed here."""

from headrace.interface.core import Core
from headrace.model.kv import decode_kv
from headrace.model.names import check_key
from headrace.model.record import KV, Put


class KeyValues(Core):
    """Operations on records that were written with ``kv=``."""

    async def akv_get(self, name: str) -> object:
        """What was last written under this name: a JSON value, or bytes. None where nothing is."""
        storage = (await self.here()).storage
        found = await storage.records(KV, names=[check_key(name, "name")])
        return decode_kv(found[0].value) if found else None

    async def akv_delete(self, name: str) -> bool:
        """Remove what is written under this name; False where nothing was."""
        check_key(name, "name")
        storage = (await self.here()).storage
        while found := await storage.records(KV, names=[name]):
            if (await storage.put([Put(KV, name, None, found[0].version)]))[0]:
                return True
        return False
