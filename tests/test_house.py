"""The house: which module may import which, what is public, and what stays cheap."""

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

# A module may import modules from the lines above its own, and none from its own line.
LAYERS = [
    [
        "_domain",
        "_contract",
        "_memory",
        "_workers",
        "_aws",
        "_aws.fast",
        "_dynamodb.parts",
        "_evidence",
        "_table",
    ],
    ["_back_off", "_randomness", "_shielding"],
    ["_domain.errors", "_domain.fields", "_domain.timestamps"],
    ["_domain.finding", "_domain.labels"],
    ["_domain.event"],
    ["_domain.change"],
    ["_domain.history", "_domain.limits"],
    ["_domain.rules", "_domain.slots"],
    ["_domain.oversight"],
    ["_domain.moves"],
    ["_domain.chain"],
    ["_domain.verification"],
    ["_contract.store"],
    ["_contract.arguments", "_contract.governed", "_contract.iteration"],
    ["_contract.cursor"],
    ["_contract.lists"],
    ["_memory.store", "_workers.loop"],
    ["_workers.expiry", "_workers.reminders"],
    [
        "_aws.answers",
        "_aws.borrowing",
        "_aws.failures",
        "_aws.fast.passage",
        "_aws.fast.signing",
        "_aws.fast.wire",
        "_aws.transaction",
    ],
    ["_aws.loading", "_aws.outcomes", "_aws.transport"],
    ["_aws.hooks"],
    ["_aws.calls"],
    ["_aws.fast.transport"],
    ["_aws.fast.learning"],
    ["_aws.client"],
    ["_dynamodb.holders", "_dynamodb.layout"],
    ["_dynamodb.canonical", "_dynamodb.record", "_dynamodb.retention"],
    ["_dynamodb.codec"],
    ["_dynamodb.cursor", "_dynamodb.requests", "_dynamodb.row", "_dynamodb.scan"],
    [
        "_dynamodb.opening",
        "_dynamodb.parts.contributor",
        "_dynamodb.parts.expressions",
        "_dynamodb.recent",
    ],
    [
        "_dynamodb.parts.event",
        "_dynamodb.parts.guard",
        "_dynamodb.parts.history",
        "_dynamodb.parts.slot",
        "_dynamodb.queries",
        "_dynamodb.reads",
    ],
    ["_dynamodb.checks", "_dynamodb.histories", "_dynamodb.limiting"],
    ["_dynamodb.commit"],
    ["_dynamodb.holds"],
    ["_dynamodb.adoption", "_dynamodb.store"],
    ["_dynamodb"],
    [
        "_evidence.access",
        "_evidence.anchor",
        "_evidence.files",
        "_evidence.formats",
        "_evidence.progress",
        "_evidence.records",
    ],
    ["_evidence.holding", "_evidence.plan", "_evidence.unfinished"],
    ["_evidence.judgments"],
    [
        "_evidence.added",
        "_evidence.audit",
        "_evidence.comparison",
        "_evidence.single",
        "_evidence.writing",
    ],
    ["_evidence.export"],
    ["_evidence.verify"],
    ["_table.definition", "_table.policies", "_table.problem"],
    ["_table.alarms", "_table.cloudformation", "_table.steps", "_table.structure"],
    ["_table.judgments", "_table.terraform"],
    ["_table.create", "_table.harden", "_table.verify"],
    ["__init__"],
    ["cli.durations", "cli.files", "cli.statuses", "cli.tables", "cli.texts", "cli.verbs"],
    ["cli.checkpoint", "cli.people", "cli.settings", "cli.times"],
    ["cli.events"],
    ["cli.output", "cli.timeline"],
    ["cli.invocation"],
    ["cli.declaring"],
    ["cli.verbs.access", "cli.verbs.demo", "cli.verbs.upkeep"],
    ["cli.verbs.lists", "cli.verbs.oversight"],
    ["cli.verbs.evidence", "cli.verbs.templates"],
    ["cli.verbs.table"],
    ["cli.app"],
    ["cli"],
    ["__main__", "_telemetry", "_telemetry.observer"],
    ["_telemetry.store"],
    ["telemetry"],
]
PLACES = {module: place for place, layer in enumerate(LAYERS) for module in layer}
ARROWS: dict[str, tuple[str, ...]] = {
    "_domain": (),
    "_contract": ("_domain",),
    "_memory": ("_contract", "_domain"),
    "_workers": ("_contract", "_domain"),
    "_aws": ("_domain.errors",),
    "_dynamodb": ("_aws", "_contract", "_domain"),
    "_evidence": ("_aws", "_contract", "_domain", "_dynamodb"),
    "_table": ("_aws", "_contract", "_domain", "_dynamodb"),
    "cli": (
        *("__init__", "_aws.client", "_domain", "_dynamodb.layout"),
        *("_evidence.files", "_evidence.progress", "_evidence.single", "_evidence.unfinished"),
        *("_table.definition", "_table.verify"),
    ),
    "_telemetry": ("__init__", "_contract.arguments", "_contract.store"),
}
"""The packages, or single modules, that each package may import besides itself."""
FOR_EVERYBODY = ["_back_off", "_randomness", "_shielding"]
"""Modules that import nothing of ours and no database, so that every module may import them."""
RANDOM = {"random", "secrets"}
"""Modules that only `_randomness` may import."""
FOR_TESTS = ("testing", "pytest_plugin")
"""Modules for users' tests: they may import the library, which must not import them."""
DEMONSTRATION = {"cli.verbs.demo": {"testing"}}
"""The one exception: the demonstration runs on moto, and says what to install without it."""


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return "__init__" if parts == ("__init__",) else ".".join(parts).removesuffix(".__init__")


TREES = {
    module_of(path): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(ROOT.rglob("*.py"))
}
LIBRARY = [module for module in TREES if not module.startswith(FOR_TESTS)]


def statements(node: ast.AST, *, for_types: bool) -> Iterator[ast.AST]:
    """Yield all nodes below a node; with `for_types`, also those that only type checkers see."""
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
    """Return our modules that a module imports, also inside functions."""
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
    } - DEMONSTRATION.get(module, set())


class TestImports:
    @pytest.mark.parametrize("module", LIBRARY)
    def test_module_imports_only_earlier_layers(self, module: str) -> None:
        """A module imports only modules of earlier layers, so imports are never circular."""
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
            ("_domain.labels", {"_domain.fields"}),
            (
                "_domain.event",
                {"_domain.errors", "_domain.fields", "_domain.labels", "_randomness"},
            ),
            ("_contract.store", {"_domain.event"}),
        ],
    )
    def test_values_and_contract_import_only_what_they_need(
        self, module: str, known: set[str]
    ) -> None:
        """The values and the contract import only what they need, and no store."""
        assert imports(module) <= known

    @pytest.mark.parametrize("module", [name for name in LIBRARY if "." in name])
    def test_package_imports_only_along_its_arrows(self, module: str) -> None:
        """A package imports only the packages that its arrows allow, even for types."""
        home = module.split(".")[0]
        known = (home, *ARROWS[home], *FOR_EVERYBODY)
        for imported in imports(module, for_types=True):
            assert imported in known or imported.startswith(tuple(f"{name}." for name in known))

    @pytest.mark.parametrize("module", LIBRARY)
    def test_library_imports_nothing_that_is_for_tests(self, module: str) -> None:
        """No production module imports a module that is for tests."""
        assert not [name for name in imports(module) if name.startswith(FOR_TESTS)]


def requirements(*groups: list[str]) -> set[str]:
    """Return the names of the required distributions, spelt as modules."""
    names = (re.match(r"[\w-]+", requirement) for group in groups for requirement in group)
    modules = {name[0].replace("-", "_") for name in names if name}
    # The only distribution whose module has another name.
    return {"opentelemetry" if name == "opentelemetry_api" else name for name in modules}


def imported_packages(modules: list[str], *, for_types: bool) -> set[str]:
    """Return the third-party packages that modules import."""
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
    """Every imported package is a declared requirement, even if others require it too."""

    PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    EXTRAS = PROJECT["optional-dependencies"]

    def test_library_declares_exactly_what_it_imports(self) -> None:
        """The requirements are exactly what the library imports, some of them in extras."""
        imported = imported_packages(LIBRARY, for_types=True)
        # A type checker treats these stubs as Any if they are not installed.
        imported -= {"types_aiobotocore_dynamodb"}
        assert imported == requirements(
            self.PROJECT["dependencies"], *map(self.EXTRAS.__getitem__, ("cli", "fast", "otel"))
        )

    def test_testing_extra_declares_the_other_imports(self) -> None:
        """The `testing` extra declares the other packages that the modules for tests import."""
        modules = [module for module in TREES if module.startswith(FOR_TESTS)]
        imported = imported_packages(modules, for_types=True)
        extra = requirements(self.EXTRAS["testing"])
        assert extra <= imported
        assert imported <= extra | requirements(self.PROJECT["dependencies"])

    def test_required_ranges_admit_installed_versions(self) -> None:
        """Each range admits the installed version, which aiobotocore and pydantic constrain."""
        for requirement in map(Requirement, self.PROJECT["dependencies"]):
            assert requirement.specifier.contains(version(requirement.name)), requirement


class TestPublicNames:
    def test_public_names_are_what_the_package_imports(self) -> None:
        """Every name that the package imports from its modules is public."""
        brought_together = {
            alias.name
            for node in statements(TREES["__init__"], for_types=True)
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("aiobreakglass")
            for alias in node.names
        }
        assert brought_together == set(aiobreakglass.__all__)

    @pytest.mark.parametrize("name", aiobreakglass.__all__)
    def test_public_name_can_be_imported(self, name: str) -> None:
        """Each public name can be imported, even if it is loaded only when it is first needed."""
        assert getattr(aiobreakglass, name) is not None

    def test_dir_lists_public_names(self) -> None:
        """`dir` lists every public name, so that a shell can complete it."""
        assert set(aiobreakglass.__all__) <= set(dir(aiobreakglass))

    def test_every_exception_is_public(self) -> None:
        """Every exception that can be raised can be caught by its name."""
        exceptions = {
            node.name
            for node in ast.walk(TREES["_domain.errors"])
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        }
        assert "StoreUnavailableError" in exceptions
        assert exceptions <= set(aiobreakglass.__all__)

    def test_unknown_name_raises_attribute_error(self) -> None:
        """An unknown name raises Python's usual `AttributeError`."""
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
        "opentelemetry",
        "pydantic",
        "pytest",
        "rich",
        "typer",
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
    def test_import_loads_only_what_it_needs(self, statement: str, loaded: set[str]) -> None:
        """Modules that are slow to import are imported when they are first needed."""
        program = f"{statement}\nimport sys\nprint(*({set(self.HEAVY)!r} & set(sys.modules)))"
        answer = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        assert set(answer.stdout.split()) == loaded


@pytest.mark.parametrize("store", [aiobreakglass.InMemoryStore, aiobreakglass.AsyncDynamoDBStore])
def test_stores_leave_argument_checks_to_lists(store: type) -> None:
    """`Lists` checks the arguments for every store, so that all refuse the same ones."""
    assert issubclass(store, Lists)
    checked = {name for name, value in vars(Lists).items() if iscoroutinefunction(value)}
    checked -= Lists.__abstractmethods__
    assert {"list_by_status", "count_by_profile_since"} < checked
    assert checked.isdisjoint(vars(store))


def test_only_utc_now_reads_the_clock() -> None:
    """Time is an argument; only one function reads the machine's clock."""
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


def test_only_one_module_draws_random_numbers() -> None:
    """Randomness has one source, so that a seed repeats a simulation."""
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


def test_nothing_asks_isinstance_for_a_store() -> None:
    """A wrapper with `__getattr__` is a store, but `isinstance` denies it from Python 3.12 on."""
    folders = ("src", "tests", "examples", "docs", "benchmarks")
    question = re.compile(r"is(instance|subclass)\([^)]*\bBreakGlassStore\b")
    asking = [
        str(path)
        for folder in folders
        for path in (REPOSITORY / folder).rglob("*")
        if path.suffix in (".py", ".md") and question.search(path.read_text(encoding="utf-8"))
    ]
    assert asking == []
