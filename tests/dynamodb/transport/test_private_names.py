"""The undocumented names of other packages that this library uses."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import aiobreakglass
from aiobreakglass._aws.fast.passage import METHODS

ROOT = Path(aiobreakglass.__file__).parent
MODULES = (
    "_aws.fast.wire",
    "_aws.fast.transport",
    "_aws.fast.passage",
    "_aws.fast.learning",
    "_aws.client",
    "_aws.loading",
    "_aws.borrowing",
)

PACKAGES = ("aiobotocore", "aiohttp", "botocore", "multidict", "pydantic", "pydantic_core", "yarl")
DOCUMENTED = {
    "aiobotocore.config",
    "aiobotocore.session",
    "aiohttp",
    "botocore.exceptions",
    "botocore.loaders",
    "multidict",
    "pydantic",
    "pydantic_core",
    "yarl",
}
"""The modules whose names the packages' own documentation describes."""

NOT_IMPORTED = (
    ("botocore.hooks", "HierarchicalEmitter"),
    ("botocore.hooks", "_PrefixTrie"),
    ("botocore.model", "ServiceModel"),
)
"""Undocumented classes of objects that a client returns."""


@cache
def trees() -> dict[str, ast.Module]:
    """Return the library's modules, parsed, by their names."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): ast.parse(
            path.read_text(encoding="utf-8")
        )
        for path in ROOT.rglob("*.py")
    }


def used_attributes(tree: ast.AST) -> set[str]:
    """Return the attributes that a module uses of objects other than its own."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
    }


def undocumented_imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module not in DOCUMENTED:
            module = str(node.module)
            if module.partition(".")[0] in PACKAGES:
                yield from ((module, alias.name) for alias in node.names)


def of_class(module: str, name: str, attributes: set[str]) -> set[str]:
    """Return which of these attributes a class has, without those with an underscore."""
    owner = getattr(import_module(module), name)
    if not isinstance(owner, type):
        return set()
    return {each for each in attributes & {*dir(owner)} if not each.startswith("_")}


def test_private_names_in_use_are_listed() -> None:
    """The list shows a maintainer what to check after an upgrade of a dependency."""
    found = set()
    for tree in (trees()[name] for name in MODULES):
        ours = {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in ("self", "cls")
        }
        overridden = {
            node.func.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and ast.unparse(node.func.value) == "super()"
        }
        private = re.compile(r"_[a-z]\w*")
        found |= {
            name
            for node in ast.walk(tree)
            for name in [
                node.attr if isinstance(node, ast.Attribute) else getattr(node, "value", None)
            ]
            if isinstance(name, str) and private.fullmatch(name) and name not in ours - overridden
        }
    assert found == {
        "_get_session",
        "_get_ssl_context",
        "_setup_proxy_ssl_context",
        "_endpoint",
        "_request_signer",
        *(name for names in METHODS.values() for name in names if name.startswith("_")),
        "_emitter",
        "_emit",
        "_sessions",
        "_handlers",
        "_retry",  # the name of one of botocore's files
    }


def test_undocumented_imports_are_listed() -> None:
    """Some names have no underscore, but no documentation either."""
    found = {
        f"{module}.{name}"
        for tree in trees().values()
        for module, name in undocumented_imports(tree)
    }
    assert found == {
        "aiobotocore.client.AioBaseClient",
        "aiobotocore.credentials.AioCredentials",
        "aiobotocore.endpoint.AioEndpoint",
        "aiobotocore.httpsession.AIOHTTPSession",
        "aiobotocore.signers.AioRequestSigner",
        "aiohttp.client_proto.ResponseHandler",
        "aiohttp.connector.Connection",
        "aiohttp.hdrs.CONTENT_LENGTH",
        "aiohttp.hdrs.LOCATION",
        "aiohttp.hdrs.URI",
        "aiohttp.http.RawResponseMessage",
        "aiohttp.http_exceptions.HttpProcessingError",
        "botocore.client.ClientMeta",
        "botocore.hooks.EventAliaser",
        "botocore.hooks.HierarchicalEmitter",
        "botocore.parsers.ResponseParserError",
        "botocore.xform_name",
    }


def test_undocumented_attributes_are_listed() -> None:
    """Some attributes of undocumented classes have no underscore either.

    The test finds them by name, so a few belong to another object that the same module uses.
    """
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name, tree in trees().items():
        given = NOT_IMPORTED if name in (*MODULES, "_aws.calls", "_aws.hooks") else ()
        for module, owner in {*undocumented_imports(tree), *given}:
            found[owner] |= of_class(module, owner, used_attributes(tree))
    assert {owner: names for owner, names in found.items() if names} == {
        "AioCredentials": {"get_frozen_credentials"},
        "ClientMeta": {"endpoint_url"},
        "Connection": {"close", "closed", "protocol", "release", "transport"},
        "HierarchicalEmitter": {"emit", "register", "register_first"},
        "HttpProcessingError": {"code", "headers", "message"},
        "RawResponseMessage": {"code", "headers", "raw_headers", "should_close"},
        "ResponseHandler": {
            "close",
            "closed",
            "force_close",
            "read",
            "set_response_params",
            "should_close",
            "start_timeout",
            "transport",
        },
        "ServiceModel": {"operation_model", "operation_names", "protocol"},
        "_PrefixTrie": {"prefix_search"},
    }
