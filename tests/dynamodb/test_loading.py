"""botocore's data through the store's own loader: the same, and found in less time."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiobotocore.session import AioSession
from botocore.exceptions import DataNotFoundError, UnknownServiceError
from botocore.loaders import Loader

from aiobreakglass._aws import loading
from aiobreakglass._aws.answers import read_json
from aiobreakglass._aws.client import _new_session, open_client
from aiobreakglass._aws.loading import DataLoader
from tests.dynamodb.conftest import REGION

KINDS = ("service-2", "endpoint-rule-set-1")
FILES = ("endpoints", "partitions", "sdk-default-configuration", "_retry")


@pytest.fixture(params=[orjson.loads, read_json], ids=["orjson", "json"])
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> DataLoader:
    """The store's loader, with either parser."""
    monkeypatch.setattr(loading, "loads", request.param)
    return DataLoader()


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of services that a user adds to botocore's, empty so far."""
    monkeypatch.setattr(Loader, "CUSTOMER_DATA_PATH", str(tmp_path))
    return tmp_path


def add(services: Path, name: str, data: Any) -> None:
    (services / name).parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(data).encode()
    (services / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)


def assert_alike(ours: Any, theirs: Any) -> None:
    # As text, because the order of keys is a part of the data.
    assert json.dumps(ours) == json.dumps(theirs)


# The credential providers of web identities and of SSO make clients of the latter three.
@pytest.mark.parametrize("service", ["dynamodb", "sts", "sso", "sso-oidc"])
def test_data_of_a_service(loader: DataLoader, service: str) -> None:
    """It is what botocore's own loader returns."""
    for kind in KINDS:
        assert_alike(
            loader.load_service_model(service, kind), Loader().load_service_model(service, kind)
        )


def test_data_of_all_services(loader: DataLoader) -> None:
    """What belongs to no service is what botocore's own loader returns."""
    for name in FILES:
        assert_alike(loader.load_data(name), Loader().load_data(name))


def test_unknown_service(loader: DataLoader) -> None:
    """The error names all known services, as botocore's does."""
    messages = []
    for each in (loader, Loader()):
        with pytest.raises(UnknownServiceError) as caught:
            each.load_service_model("dynamo", "service-2")
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_unknown_file(loader: DataLoader) -> None:
    """Data that is not there raises botocore's error."""
    with pytest.raises(DataNotFoundError):
        loader.load_data("nothing")


@pytest.mark.parametrize("ending", ["json", "json.gz"])
def test_service_of_the_users_own(loader: DataLoader, services: Path, ending: str) -> None:
    """A model in the user's folder is found and completed, whether or not it is compressed."""
    folder = "mine/2024-01-01"
    add(services, f"{folder}/service-2.{ending}", {"metadata": {"apiVersion": "2024-01-01"}})
    add(services, f"{folder}/service-2.sdk-extras.{ending}", {"merge": {"metadata": {"more": 1}}})
    model = {"metadata": {"apiVersion": "2024-01-01", "more": 1}}
    for each in (DataLoader(), Loader()):
        assert each.load_service_model("mine", "service-2") == model


def test_model_of_the_users_own_for_dynamodb(loader: DataLoader, services: Path) -> None:
    """The user's folder goes before botocore's, and the newest version before older ones."""
    add(services, "dynamodb/2012-08-10/service-2.json", {"metadata": {}, "of": "the user"})
    for each in (DataLoader(), Loader()):
        assert each.load_service_model("dynamodb", "service-2")["of"] == "the user"
    add(services, "dynamodb/2099-01-01/service-2.json", {"metadata": {}, "of": "the future"})
    for each in (DataLoader(), Loader()):
        assert each.load_service_model("dynamodb", "service-2")["of"] == "the future"


def test_folders_of_other_services(loader: DataLoader, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not looked at, because a machine's first look at hundreds of folders takes long."""
    listed = []
    list_folder = os.listdir

    def listdir(folder: str) -> list[str]:
        listed.append(Path(folder).name)
        return list_folder(folder)

    monkeypatch.setattr(os, "listdir", listdir)
    for kind in KINDS:
        loader.load_service_model("dynamodb", kind)
    assert set(listed) == {"dynamodb"}


async def test_clients_of_other_services() -> None:
    """Credential providers make them in the same session."""
    session = _new_session()
    assert isinstance(session.get_component("data_loader"), DataLoader)
    for service in ("sts", "sso", "sso-oidc"):
        async with session.create_client(service, region_name=REGION) as client:
            assert client.meta.service_model.service_name == service


async def test_a_session_of_the_callers_own() -> None:
    """It keeps its loader, and with it whatever data the caller has given it."""
    session = AioSession()
    before = session.get_component("data_loader")
    async with open_client(REGION, None, session, None):
        assert session.get_component("data_loader") is before


def test_a_data_path_of_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With AWS_DATA_PATH the data is what botocore finds there."""
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    add(tmp_path, "dynamodb/2099-01-01/service-2.json", {"metadata": {}, "of": "the path"})
    loader = _new_session().get_component("data_loader")
    assert loader.load_service_model("dynamodb", "service-2")["of"] == "the path"
