"""The private names of other packages that the fast transport relies on."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import aiobreakglass
from aiobreakglass._dynamodb.passage import METHODS

MODULES = ("wire", "transport", "passage", "learning", "client", "loading", "borrowing")


def test_private_names() -> None:
    """All that is used of other packages' insides, so that an upgrade knows where to look."""
    folder = Path(aiobreakglass.__file__).parent / "_dynamodb"
    found = set()
    for path in (folder / f"{name}.py" for name in MODULES):
        tree = ast.parse(path.read_text(encoding="utf-8"))
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
        "_retry",  # a file of botocore's, by its name
    }
