"""Flat settings as TOML, which the standard library only reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def dumps(settings: Mapping[str, Any]) -> str:
    r"""Return a line for each setting; None, which TOML has not, is left out.

    Parameters
    ----------
    settings : mapping
        Strings, numbers, booleans and lists of these.

    Examples
    --------
    >>> print(dumps({"target": "a\nb", "hidden": [64, 64], "seed": None, "baselines": True}))
    target = "a\nb"
    hidden = [64, 64]
    baselines = true
    """
    return "\n".join(
        f"{name} = {_spell(value)}" for name, value in settings.items() if value is not None
    )


def _spell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # a JSON string is a TOML string, but for one control character
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_spell, value))}]"
    return repr(value)  # of a float, its shortest form that reads back the same bits
