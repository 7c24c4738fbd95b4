"""Compare `import aiobreakglass` with pydantic and one model."""

import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

MODULES = {
    "pydantic, with one model": (
        "from pydantic import BaseModel\nclass Model(BaseModel):\n    name: str\n"
    ),
    "aiobreakglass": "import aiobreakglass\n",
    "aiobreakglass, all public names": "from aiobreakglass import *\n",
}

SDKS = ("aiobotocore", "botocore")


def import_times(number: int) -> dict[str, float]:
    """Return the median microseconds of each import, in processes that take turns.

    The figure is what `-X importtime` reports for a module with these lines. It leaves out
    Python's own start, which would make any two imports look alike. It includes what an import
    causes later: pydantic imports most of itself when it makes the first model.
    """
    figures: dict[str, list[float]] = {name: [] for name in MODULES}
    with tempfile.TemporaryDirectory() as folder:
        for index, lines in enumerate(MODULES.values()):
            (Path(folder) / f"measured_{index}.py").write_text(lines, encoding="utf-8")
        for turn in range(-1, number):
            for index, name in enumerate(MODULES):
                report = _run("-X", "importtime", "-c", f"import measured_{index}", path=folder)
                found = re.search(rf"\| +(\d+) \| measured_{index}$", report.stderr, re.MULTILINE)
                assert found is not None
                if turn >= 0:  # The round before the first one writes the bytecode.
                    figures[name].append(float(found[1]))
    return {name: statistics.median(values) for name, values in figures.items()}


def imported_sdks(statement: str) -> set[str]:
    """Return which packages of the SDK a statement imports."""
    report = _run("-c", f"{statement}\nimport sys\nprint(*sys.modules)")
    return set(SDKS).intersection(report.stdout.split())


def _run(*arguments: str, path: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - this interpreter, and the lines above
        [sys.executable, *arguments],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
