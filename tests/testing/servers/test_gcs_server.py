"""What stands in for a Google Cloud Storage: it understands Google's names, and answers with them."""

from collections.abc import Mapping
from http.client import HTTPConnection

from headrace.testing.servers.gcs import GoogleServer


def ask(
    server: GoogleServer, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, Mapping[str, str]]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}


def test_generations_are_heeded_and_metadata_is_kept(gcs_server: GoogleServer) -> None:
    bucket = gcs_server.create_bucket()
    key = f"/{bucket.replace('-', '%2D')}/a%2Fkey"
    status, said = ask(gcs_server, "PUT", key, b"1", x_goog_if_generation_match="0", x_goog_meta_slatedbputid="mine")
    assert status == 200
    assert ask(gcs_server, "PUT", key, b"2", x_goog_if_generation_match="0")[0] == 412
    assert ask(gcs_server, "PUT", key, b"2", x_goog_if_generation_match="1")[0] == 412
    told = ask(gcs_server, "HEAD", key)[1]
    assert (told["x-goog-meta-slatedbputid"], told["x-goog-generation"]) == ("mine", said["x-goog-generation"])
    assert ask(gcs_server, "PUT", key, b"3", x_goog_if_generation_match=said["x-goog-generation"])[0] == 200
    assert gcs_server.read(bucket, "a/key") == b"3"
    gcs_server.drop_bucket(bucket)
