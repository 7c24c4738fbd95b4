"""The performance targets of the library, and whether a run reaches them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

OURS = "aiobreakglass"
STOCK = "stock aiobotocore + models"
PLAIN_STOCK = "stock aiobotocore, plain rows"
PLAIN_AIODYNAMO = "aiodynamo, plain rows"
AIODYNAMO = "aiodynamo + models"
FLOOR = "the floor"

ALIKE = 0.05
"""Two contestants that differ by less than this count as equal."""

Medians = dict[str, float]


@dataclass(frozen=True)
class Target:
    """A target, the figure of this run, and whether the figure reaches the target."""

    words: str
    figure: str
    reached: bool


def at_least(words: str, ratio: float, least: float) -> Target:
    # Compare the rounded figure, here and below, so that it never contradicts its verdict.
    figure = round(ratio, 2)
    return Target(f"{words}: at least {least} times as fast", f"{figure:.2f}", figure >= least)


def ahead(words: str, ratio: float) -> Target:
    figure = round(ratio, 2)
    return Target(f"{words}: ahead", f"{figure:.2f}", figure > 1)


def at_most(words: str, ratio: float, most: float) -> Target:
    figure = round(ratio, 2)
    return Target(f"{words}: at most {most} times", f"{figure:.2f}", figure <= most)


def of_calls(kind: str, medians: Medians) -> Iterator[Target]:
    """Yield the targets of one kind of call."""
    ratios = {name: median / medians[OURS] for name, median in medians.items()}
    match kind:
        case "find_active":
            yield at_least(f"{kind}, {STOCK}", ratios[STOCK], 7)
            yield ahead(f"{kind}, {PLAIN_AIODYNAMO}", ratios[PLAIN_AIODYNAMO])
            yield at_most(f"{kind}, {FLOOR}", 1 / ratios[FLOOR], 0.6)
        case "find_active_of_50":
            yield at_least(f"{kind}, {STOCK}", ratios[STOCK], 15)
        case "list_by_invoker":
            yield at_least(f"{kind}, {STOCK}", ratios[STOCK], 6.5)
            yield at_least(f"{kind}, {AIODYNAMO}", ratios[AIODYNAMO], 1.5)
        case "create":
            yield at_least(f"{kind}, {STOCK}", ratios[STOCK], 3)
            yield at_least(f"{kind}, {PLAIN_STOCK}", ratios[PLAIN_STOCK], 3)
            yield ahead(f"{kind}, {AIODYNAMO}", ratios[AIODYNAMO])
            yield ahead(f"{kind}, {PLAIN_AIODYNAMO}", ratios[PLAIN_AIODYNAMO])
        case "create_with_limits":
            yield at_least(f"{kind}, {STOCK}", ratios[STOCK], 2)


def of_throughput(medians: Medians, rates: Medians) -> Target:
    """Return whether contestants that need less CPU time also answer more calls a second."""
    swapped = [
        f"{one} and {other}"
        for one, other in combinations(rates, 2)
        if (medians[one] < medians[other]) != (rates[one] > rates[other])
        and abs(medians[one] / medians[other] - 1) > ALIKE
        and abs(rates[one] / rates[other] - 1) > ALIKE
    ]
    return Target(
        "find_active, 32 tasks: the order of operations a second is that of CPU time",
        "; ".join(swapped) or "the same",
        not swapped,
    )


def of_latencies(failed: int, ratio: float) -> Iterator[Target]:
    yield Target("find_active, 256 tasks: no error", str(failed), failed == 0)
    yield Target("find_active, 256 tasks: p99 under 5 times p50", f"{ratio:.2f}", ratio < 5)


def of_imports(medians: Medians, early: set[str], later: set[str]) -> Iterator[Target]:
    pydantic, package, names = medians.values()
    ratio = package / pydantic
    # The library imports names when they are first needed, so this figure alone says little.
    beside = f"{ratio:.2f}; with all public names {names / pydantic:.2f}"
    yield Target(
        "import aiobreakglass: under 1.3 times pydantic with one model", beside, ratio < 1.3
    )
    yield Target(
        "import aiobreakglass: neither aiobotocore nor botocore", _listed(early), not early
    )
    yield Target(
        "all public names: no aiobotocore before a store is opened",
        _listed(later),
        "aiobotocore" not in later,
    )


def of_cold_starts(scheme: str, times: Medians, cpu: Medians) -> Iterator[Target]:
    """Yield the targets of a cold start, up to the first answered check."""
    words = f"cold start over {scheme}, {STOCK}"
    yield at_most(words, times[OURS] / times[STOCK], 1.0)
    yield at_most(f"{words}, CPU time", cpu[OURS] / cpu[STOCK], 1.0)


def _listed(modules: set[str]) -> str:
    return ", ".join(sorted(modules)) or "none"


def tell(targets: list[Target]) -> None:
    """Print the targets. A ratio is this library's figure by the other's, or the inverse."""
    print("\n| target | this run | |\n| --- | ---: | --- |")
    for target in targets:
        verdict = "reached" if target.reached else "not reached"
        print(f"| {target.words} | {target.figure} | {verdict} |")
