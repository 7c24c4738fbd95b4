"""The documentation as a site: `nox -s docs`.

The pages are those that people read in the repository, so its root is the source: a link between
them, or to a file, is the same in both places.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING, get_type_hints

from sphinx.addnodes import pending_xref

import aiobreakglass
import aiobreakglass.telemetry
import aiobreakglass.testing
from aiobreakglass import BreakGlassEvent

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

project = "aiobreakglass"
author = "the aiobreakglass maintainers"
release = importlib.metadata.version("aiobreakglass")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/index"
include_patterns = ["*.md", "docs/**.md", "benchmarks/README.md", "examples/**.md"]
# The README is the front page of the repository; the site has its own, the index. A run of the
# examples leaves a page of its own in its hidden folder.
exclude_patterns = ["README.md", "docs/_build", ".*", "**/.*", "dist"]
nitpicky = True

html_theme = "furo"
html_title = f"aiobreakglass {release}"
html_static_path = ["_static"]
html_css_files = ["code.css", "diagrams.css"]
html_copy_source = False
html_show_copyright = False
templates_path = ["_templates"]
# The site's address is its folder; the page that says so sends on to the first one.
html_additional_pages = {"index": "forward.html"}

myst_heading_anchors = 4

# Docstrings put names and code between single backticks, as Markdown does.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
# As a list in the class's own text; entries of their own would repeat its annotated attributes.
napoleon_use_ivar = True

# Others' names, which are documented elsewhere: nothing is fetched to build this site.
nitpick_ignore = [
    ("py:class", name)
    for name in (
        "AioConfig",
        "AioSession",
        "AbstractAsyncContextManager",
        "DynamoDBClient",
        "collections.abc.Awaitable",
        "collections.abc.Callable",
        "collections.abc.Collection",
        "collections.abc.Iterable",
        "collections.abc.Iterator",
        "collections.abc.Mapping",
        "collections.abc.Sequence",
        "datetime",
        "datetime.datetime",
        "datetime.timedelta",
        "opentelemetry.metrics.MeterProvider",
        "opentelemetry.trace.TracerProvider",
        "os.PathLike",
        "Path",
        "timedelta",
        # What `iterate` takes: any of a store's list methods, and its first argument.
        "aiobreakglass._contract.iteration.ListMethod",
        "aiobreakglass._contract.iteration.QueueMethod",
        "aiobreakglass._contract.iteration._Key",
        # What the text around them spells out.
        "Format",
        "LimitsFor",
        "OnProgress",
        "Transport",
        "OnCorrupt",
        "StoreOptions",
        "StreamView",
        "TransportName",
        "What",
    )
]

# A field's rules are told by its docstring; its annotation here is its type, and no more.
BreakGlassEvent.__annotations__ = get_type_hints(BreakGlassEvent)


def resolve_private(
    app: Sphinx, environment: BuildEnvironment, reference: pending_xref, text: nodes.Element
) -> nodes.Element | None:
    """Find what an annotation names by the module that defines it, under its public name."""
    name = reference.get("reftarget", "").rpartition(".")[2]
    for module in (aiobreakglass, aiobreakglass.telemetry, aiobreakglass.testing):
        if name in module.__all__:
            return environment.domains.python_domain.resolve_xref(
                environment,
                reference["refdoc"],
                app.builder,
                "obj",
                f"{module.__name__}.{name}",
                reference,
                text,
            )
    return None


def show_folders(app: Sphinx, doctree: nodes.document) -> None:
    """Leave of a link to a folder, for which the site has no page, its text."""
    for link in list(doctree.findall(pending_xref)):
        if link["reftype"] == "myst" and link["refdomain"] is None:
            folder = Path(app.srcdir, link["refdoc"]).parent / link["reftarget"]
            if folder.is_dir():
                link.replace_self(link.children)


def setup(app: Sphinx) -> None:
    """Connect what Sphinx does not do by itself."""
    app.connect("missing-reference", resolve_private)
    app.connect("doctree-read", show_folders)
