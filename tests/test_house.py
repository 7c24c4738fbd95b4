"""The house: which module may know which, what is public, and what stays cheap."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from inspect import iscoroutinefunction
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import aiobreakglass
from aiobreakglass._contract.lists import Lists

ROOT = Path(aiobreakglass.__file__).parent
REPOSITORY = Path(__file__).parents[1]

# Each module may import what stands in the lines above its own, and nothing of its own line.
LAYERS = [
    ["_domain", "_contract", "_memory", "_workers", "_aws", "_aws.fast", "_dynamodb.parts"],
    ["_back_off", "_randomness", "_shielding"],
    ["_domain.errors", "_domain.fields", "_domain.timestamps"],
    ["_domain.event"],
    ["_domain.change"],
    ["_domain.rules"],
    ["_contract.store"],
    ["_contract.arguments"],
    ["_contract.cursor"],
    ["_contract.lists"],
    ["_memory.store", "_workers.expiry"],
    [
        "_aws.answers",
        "_aws.borrowing",
        "_aws.failures",
        "_aws.fast.passage",
        "_aws.fast.signing",
        "_aws.fast.wire",
        "_aws.transaction",
    ],
    ["_aws.loading", "_aws.outcomes"],
    ["_aws.hooks"],
    ["_aws.calls"],
    ["_aws.fast.transport"],
    ["_aws.fast.learning"],
    ["_aws.client"],
    ["_dynamodb.holders", "_dynamodb.layout"],
    ["_dynamodb.canonical"],
    ["_dynamodb.codec"],
    ["_dynamodb.cursor", "_dynamodb.requests", "_dynamodb.row"],
    [
        "_dynamodb.opening",
        "_dynamodb.parts.contributor",
        "_dynamodb.parts.expressions",
        "_dynamodb.recent",
        "_dynamodb.table",
    ],
    ["_dynamodb.parts.event", "_dynamodb.parts.guard", "_dynamodb.queries", "_dynamodb.reads"],
    ["_dynamodb.checks", "_dynamodb.commit"],
    ["_dynamodb.store"],
    ["_dynamodb"],
    ["__init__"],
]
PLACES = {module: place for place, layer in enumerate(LAYERS) for module in layer}
ARROWS: dict[str, tuple[str, ...]] = {
    "_domain": (),
    "_contract": ("_domain",),
    "_memory": ("_contract", "_domain"),
    "_workers": ("_contract", "_domain"),
    "_aws": ("_domain.errors",),
    "_dynamodb": ("_aws", "_contract", "_domain"),
}
"""Which packages, or modules of one, each package may know besides itself."""
FOR_EVERYBODY = ["_back_off", "_randomness", "_shielding"]
"""What knows nothing of ours, and no database, so that all may know it."""
RANDOM = {"random", "secrets"}
"""Modules that nobody but `_randomness` may import."""
FOR_TESTS = ("testing", "pytest_plugin")
"""What users' tests import: it may know all the rest, which knows nothing of it."""


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return "__init__" if parts == ("__init__",) else ".".join(parts).removesuffix(".__init__")


TREES = {
    module_of(path): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(ROOT.rglob("*.py"))
}
LIBRARY = [module for module in TREES if not module.startswith(FOR_TESTS)]


def statements(node: ast.AST, *, for_types: bool) -> Iterator[ast.AST]:
    """Yield what is below a node; what only type checkers see, on demand."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            children = [*child.body, *child.orelse] if for_types else child.orelse
            for statement in children:
                yield statement
                yield from statements(statement, for_types=for_types)
        else:
            yield child
            yield from statements(child, for_types=for_types)


def imports(module: str, *, for_types: bool = False) -> set[str]:
    """Return the modules of ours that a module imports, be it inside a function."""
    found = set()
    for node in statements(TREES[module], for_types=for_types):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports by a relative name"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                is_module = submodule.removeprefix("aiobreakglass.") in TREES
                found.add(submodule if is_module else str(node.module))
    return {
        name.removeprefix("aiobreakglass.") if "." in name else "__init__"
        for name in found
        if name.split(".")[0] == "aiobreakglass"
    }


class TestImports:
    @pytest.mark.parametrize("module", LIBRARY)
    def test_go_one_way(self, module: str) -> None:
        """A module knows only what comes before it in the house, so that there is no circle."""
        assert module in PLACES, "give the module its place in LAYERS"
        for imported in imports(module):
            assert PLACES[imported] < PLACES[module]

    @pytest.mark.parametrize(
        ("module", "known"),
        [
            *((name, set()) for name in FOR_EVERYBODY),
            ("_domain.errors", set()),
            ("_domain.timestamps", set()),
            ("_domain.fields", set()),
            ("_domain.event", {"_domain.errors", "_domain.fields", "_randomness"}),
            ("_contract.store", {"_domain.event"}),
        ],
    )
    def test_of_the_ground_floor(self, module: str, known: set[str]) -> None:
        """The values and the contract know no more than they need, and least of all a store."""
        assert imports(module) <= known

    @pytest.mark.parametrize("module", [name for name in LIBRARY if "." in name])
    def test_between_the_packages(self, module: str) -> None:
        """A package knows only those that its arrows lead to, not even others by their types."""
        home = module.split(".")[0]
        known = (home, *ARROWS[home], *FOR_EVERYBODY)
        for imported in imports(module, for_types=True):
            assert imported in known or imported.startswith(tuple(f"{name}." for name in known))

    @pytest.mark.parametrize("module", LIBRARY)
    def test_of_what_is_for_tests(self, module: str) -> None:
        """Nothing that runs in production imports what is there for tests."""
        assert not [name for name in imports(module) if name.startswith(FOR_TESTS)]


def requirements(*groups: list[str]) -> set[str]:
    """Return the names of what a project asks for, as modules are spelt."""
    names = (re.match(r"[\w-]+", requirement) for group in groups for requirement in group)
    return {name[0].replace("-", "_") for name in names if name}


def imported_packages(modules: list[str], *, for_types: bool) -> set[str]:
    """Return what modules import that is neither ours nor Python's."""
    names = {
        name.partition(".")[0]
        for module in modules
        for node in statements(TREES[module], for_types=for_types)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    return names - sys.stdlib_module_names - {"aiobreakglass"}


class TestRequirements:
    """What is imported is asked for by name, not found there because others need it."""

    PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    EXTRAS = PROJECT["optional-dependencies"]

    def test_of_the_library(self) -> None:
        """They are all that it imports, and nothing else; orjson it can do without."""
        imported = imported_packages(LIBRARY, for_types=True)
        # Stubs, which a type checker takes for Any if they are not there.
        imported -= {"types_aiobotocore_dynamodb"}
        assert imported == requirements(self.PROJECT["dependencies"], self.EXTRAS["fast"])

    def test_of_what_is_for_tests(self) -> None:
        """The extra for tests brings the rest of what users' tests import."""
        modules = [module for module in TREES if module.startswith(FOR_TESTS)]
        imported = imported_packages(modules, for_types=True)
        extra = requirements(self.EXTRAS["testing"])
        assert extra <= imported
        assert imported <= extra | requirements(self.PROJECT["dependencies"])

    def test_that_can_be_installed_side_by_side(self) -> None:
        """Each range admits what is installed, which aiobotocore and pydantic have chosen."""
        for requirement in map(Requirement, self.PROJECT["dependencies"]):
            assert requirement.specifier.contains(version(requirement.name)), requirement


class TestPublicNames:
    def test_are_what_the_package_imports(self) -> None:
        """All that the package brings together is public, and is there to be imported."""
        brought_together = {
            alias.name
            for node in statements(TREES["__init__"], for_types=True)
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("aiobreakglass")
            for alias in node.names
        }
        assert brought_together == set(aiobreakglass.__all__)

    @pytest.mark.parametrize("name", aiobreakglass.__all__)
    def test_can_be_imported(self, name: str) -> None:
        """Each public name is there, also those that are imported when first needed."""
        assert getattr(aiobreakglass, name) is not None

    def test_are_shown(self) -> None:
        """`dir` tells of all that is public, so that a shell can complete each name."""
        assert set(aiobreakglass.__all__) <= set(dir(aiobreakglass))

    def test_with_every_exception(self) -> None:
        """Whatever can be raised can be caught by its name."""
        exceptions = {
            node.name
            for node in ast.walk(TREES["_domain.errors"])
            if isinstance(node, ast.ClassDef)
        }
        assert "StoreUnavailableError" in exceptions
        assert exceptions <= set(aiobreakglass.__all__)

    def test_that_do_not_exist(self) -> None:
        """A name that is not public is none, in Python's usual words."""
        with pytest.raises(AttributeError, match="'aiobreakglass' has no attribute 'nonsense'"):
            _ = aiobreakglass.nonsense


@pytest.mark.slow
class TestCost:
    HEAVY = (
        "aiobotocore",
        "aiohttp",
        "asyncio",
        "botocore",
        "hypothesis",
        "moto",
        "pydantic",
        "pytest",
    )

    @pytest.mark.parametrize(
        ("statement", "loaded"),
        [
            pytest.param("import aiobreakglass", set(), id="the package"),
            pytest.param(
                "from aiobreakglass import BreakGlassStore, iterate, TableError",
                set(),
                id="the contract",
            ),
            pytest.param(
                "from aiobreakglass import BreakGlassEvent", {"pydantic"}, id="the model"
            ),
            pytest.param(
                "from aiobreakglass import InMemoryStore", {"asyncio", "pydantic"}, id="a store"
            ),
            pytest.param(
                "from aiobreakglass import AsyncDynamoDBStore, create_table",
                {"asyncio", "botocore", "pydantic"},
                id="the DynamoDB store",
            ),
        ],
    )
    def test_of_importing(self, statement: str, loaded: set[str]) -> None:
        """What costs much to import is imported where it is first needed."""
        program = f"{statement}\nimport sys\nprint(*({set(self.HEAVY)!r} & set(sys.modules)))"
        answer = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        assert set(answer.stdout.split()) == loaded


@pytest.mark.parametrize("store", [aiobreakglass.InMemoryStore, aiobreakglass.AsyncDynamoDBStore])
def test_who_checks_what_lists_are_asked(store: type) -> None:
    """No store checks on its own, so that all refuse the same arguments."""
    assert issubclass(store, Lists)
    checked = {name for name, value in vars(Lists).items() if iscoroutinefunction(value)}
    checked -= Lists.__abstractmethods__
    assert {"list_by_status", "count_by_profile_since"} < checked
    assert checked.isdisjoint(vars(store))


def test_who_asks_for_the_time() -> None:
    """Time is an argument: one function of all asks the machine's clock."""
    asking = [
        (module, function.name)
        for module, tree in TREES.items()
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute)
        and ast.unparse(node)
        in ("datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time")
    ]
    assert asking == [("_domain.event", "utc_now")]


def test_who_draws_at_random() -> None:
    """Randomness has one source, so that a simulation repeats itself by a seed."""
    drawing = {
        module
        for module in LIBRARY
        for node in ast.walk(TREES[module])
        if (isinstance(node, ast.Import) and {name.name for name in node.names} & RANDOM)
        or (isinstance(node, ast.ImportFrom) and node.module in RANDOM)
        or (isinstance(node, ast.Name) and node.id in ("uuid1", "uuid4"))
        or (isinstance(node, ast.Attribute) and node.attr in ("urandom", "uuid1", "uuid4"))
    }
    assert drawing == {"_randomness"}


def test_who_asks_whether_something_is_a_store() -> None:
    """A wrapper with `__getattr__` is a store, and `isinstance` denies it from Python 3.12 on."""
    folders = ("src", "tests", "examples", "docs", "benchmarks")
    question = re.compile(r"is(instance|subclass)\([^)]*\bBreakGlassStore\b")
    asking = [
        str(path)
        for folder in folders
        for path in (REPOSITORY / folder).rglob("*")
        if path.suffix in (".py", ".md") and question.search(path.read_text(encoding="utf-8"))
    ]
    assert asking == []
