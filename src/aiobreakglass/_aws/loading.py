"""Load botocore's data on AWS faster than botocore does, because each cold start waits for it.

botocore lists the folders of all services before it loads the data of one, and it parses each file
into nested `OrderedDict`. This loader looks at one service and parses into plain dicts.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from botocore.exceptions import DataNotFoundError
from botocore.loaders import JSONFileLoader, Loader

from aiobreakglass._aws.answers import loads


class FileLoader(JSONFileLoader):
    """Reads the files that botocore's own file loader reads."""

    def load_file(self, file_path: str) -> Any:
        """Return the content of a file, or None if there is no file.

        Args:
            file_path: The file's path without its ending.
        """
        plain, packed = Path(f"{file_path}.json"), Path(f"{file_path}.json.gz")
        if plain.is_file():
            return loads(plain.read_bytes())
        if packed.is_file():
            return loads(gzip.decompress(packed.read_bytes()))
        return None


class DataLoader(Loader):
    """Finds the data that botocore's own loader finds, in the same order of folders."""

    FILE_LOADER_CLASS = FileLoader

    def list_available_services(self, type_name: str) -> Any:
        """Return the services that have data of a type, as a lazy collection."""
        return _Services(self, type_name)


class _Services:
    """The names of services; botocore looks up one, and lists all only in an error message."""

    def __init__(self, loader: DataLoader, type_name: str) -> None:
        self._loader = loader
        self._type_name = type_name

    def __contains__(self, service_name: str) -> bool:
        try:
            self._loader.list_api_versions(service_name, self._type_name)
        except DataNotFoundError:
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(Loader.list_available_services(self._loader, self._type_name))


@cache
def data_loader() -> DataLoader:
    """Return the loader that all stores of this process share, with its data loaded."""
    # The data never changes while a process lives.
    loader = DataLoader()
    for kind in ("service-2", "endpoint-rule-set-1"):
        loader.load_service_model("dynamodb", kind)
    for name in ("endpoints", "partitions", "sdk-default-configuration", "_retry"):
        loader.load_data(name)
    return loader
