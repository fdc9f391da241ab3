"""A Google Cloud Storage of one's own, in the parts that a store needs: moto's S3 under Google's names for headers.

It stands in for a server that could not be had. Of those that can be installed, fake-gcs-server answers a PUT of the
XML API, which is how the crate object_store writes, with 400, and heeds no condition elsewhere; gcp-storage-emulator
takes the PUT, heeds no condition, and lists nothing. So this shows that a store finds its way with the requests that
are made of Google, and not that Google answers so.

SlateDB's ``ObjectStore.resolve("gs://bucket")`` finds it by GOOGLE_SERVICE_ACCOUNT, the path of a file; one with a
``gcs_base_url`` and ``disable_oauth`` leads it elsewhere than to Google, by http too. Without such a file it looks for
the metadata server of a cloud.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from headrace.testing.servers.s3 import S3Server


class GoogleServer(S3Server):
    """One store on loopback, to which all buckets belong.

    ``with GoogleServer.start() as server``. It ends when its owner does, even by SIGKILL.
    """

    program = Path(__file__).with_name("gcs_program.py")

    def environment(self, port: int | None = None) -> Mapping[str, str]:
        """What a client has to find in its environment; with the port of a proxy, to go through that."""
        port = self.port if port is None else port
        key = self.folder / f"key-{port}.json"
        nobody = dict.fromkeys(("client_email", "private_key", "private_key_id"), "")
        key.write_text(json.dumps({"gcs_base_url": f"http://127.0.0.1:{port}", "disable_oauth": True, **nobody}))
        return {"GOOGLE_SERVICE_ACCOUNT": str(key)}
