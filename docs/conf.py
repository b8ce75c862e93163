"""Configuration of the documentation."""

from typing import Any

import chainrule

project = "chainrule"
author = "The chainrule developers"
version = release = chainrule.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
myst_enable_extensions = ["dollarmath", "amsmath"]
html_theme = "furo"
html_title = "chainrule"
napoleon_google_docstring = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings give types with their shapes
exclude_patterns = ["_build"]


def _skip_fields(*arguments: Any) -> bool | None:
    """Leave out what a NamedTuple generates for its fields."""
    _app, _what, _name, obj, *_ = arguments
    return True if (getattr(obj, "__doc__", "") or "").startswith("Alias for field") else None


def setup(app: Any) -> None:
    """Connect to autodoc."""
    app.connect("autodoc-skip-member", _skip_fields)
