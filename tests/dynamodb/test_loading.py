"""botocore's data through the library's own loader: the same data, in less time."""

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
    """The library's loader, with each JSON parser."""
    monkeypatch.setattr(loading, "loads", request.param)
    return DataLoader()


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty folder for the services that a user adds to botocore's."""
    monkeypatch.setattr(Loader, "CUSTOMER_DATA_PATH", str(tmp_path))
    return tmp_path


def add(services: Path, name: str, data: Any) -> None:
    (services / name).parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(data).encode()
    (services / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)


def assert_alike(ours: Any, theirs: Any) -> None:
    # As text, because the order of keys is part of the data.
    assert json.dumps(ours) == json.dumps(theirs)


# Credential providers for web identities and SSO create clients of the last three.
@pytest.mark.parametrize("service", ["dynamodb", "sts", "sso", "sso-oidc"])
def test_data_of_a_service_is_botocores(loader: DataLoader, service: str) -> None:
    """The loader returns the same data as botocore's own."""
    for kind in KINDS:
        assert_alike(
            loader.load_service_model(service, kind), Loader().load_service_model(service, kind)
        )


def test_data_of_no_service_is_botocores(loader: DataLoader) -> None:
    """The loader returns the same common data as botocore's own."""
    for name in FILES:
        assert_alike(loader.load_data(name), Loader().load_data(name))


def test_unknown_service_is_botocores_error(loader: DataLoader) -> None:
    """The error names all known services, as botocore's does."""
    messages = []
    for each in (loader, Loader()):
        with pytest.raises(UnknownServiceError) as caught:
            each.load_service_model("dynamo", "service-2")
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_unknown_data_is_botocores_error(loader: DataLoader) -> None:
    """Missing data raises botocore's error."""
    with pytest.raises(DataNotFoundError):
        loader.load_data("nothing")


@pytest.mark.parametrize("ending", ["json", "json.gz"])
def test_service_in_the_users_folder(loader: DataLoader, services: Path, ending: str) -> None:
    """The loader finds and completes a user's model, compressed or not."""
    folder = "mine/2024-01-01"
    add(services, f"{folder}/service-2.{ending}", {"metadata": {"apiVersion": "2024-01-01"}})
    add(services, f"{folder}/service-2.sdk-extras.{ending}", {"merge": {"metadata": {"more": 1}}})
    model = {"metadata": {"apiVersion": "2024-01-01", "more": 1}}
    for each in (DataLoader(), Loader()):
        assert each.load_service_model("mine", "service-2") == model


def test_users_model_of_dynamodb_comes_first(loader: DataLoader, services: Path) -> None:
    """The user's folder comes before botocore's, and the newest version before older ones."""
    add(services, "dynamodb/2012-08-10/service-2.json", {"metadata": {}, "of": "the user"})
    for each in (DataLoader(), Loader()):
        assert each.load_service_model("dynamodb", "service-2")["of"] == "the user"
    add(services, "dynamodb/2099-01-01/service-2.json", {"metadata": {}, "of": "the future"})
    for each in (DataLoader(), Loader()):
        assert each.load_service_model("dynamodb", "service-2")["of"] == "the future"


def test_folders_of_other_services_are_not_listed(
    loader: DataLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listing hundreds of folders takes long for the first time on a machine."""
    listed = []
    list_folder = os.listdir

    def listdir(folder: str) -> list[str]:
        listed.append(Path(folder).name)
        return list_folder(folder)

    monkeypatch.setattr(os, "listdir", listdir)
    for kind in KINDS:
        loader.load_service_model("dynamodb", kind)
    assert set(listed) == {"dynamodb"}


async def test_credential_providers_can_create_their_clients() -> None:
    """Credential providers create clients of other services in the same session."""
    session = _new_session()
    assert isinstance(session.get_component("data_loader"), DataLoader)
    for service in ("sts", "sso", "sso-oidc"):
        async with session.create_client(service, region_name=REGION) as client:
            assert client.meta.service_model.service_name == service


async def test_callers_session_keeps_its_loader() -> None:
    """A caller may have given the session other data."""
    session = AioSession()
    before = session.get_component("data_loader")
    async with open_client(REGION, None, session, None):
        assert session.get_component("data_loader") is before


def test_data_path_of_the_user_is_respected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With AWS_DATA_PATH the session uses the data that botocore finds there."""
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    add(tmp_path, "dynamodb/2099-01-01/service-2.json", {"metadata": {}, "of": "the path"})
    loader = _new_session().get_component("data_loader")
    assert loader.load_service_model("dynamodb", "service-2")["of"] == "the path"
