"""Models of tables with columns of every kind, trained in a moment."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import polars as pl

import chainrule as cr
from chainrule import tables
from chainrule.network import Network
from chainrule.tables import Preprocessing

DATE, QUOTED = "sold", 'odd\n"name" */'
COLOURS = ("red", 'gr"??/een', "bl\u00fce")


def frame(kind: str, n: int = 200) -> pl.DataFrame:
    """Return a table with gaps and odd names; `kind` says what its target, y, is."""
    rng = np.random.default_rng(0)
    size = rng.normal(size=n)
    score = size + np.arange(n) % 2
    targets = {
        "number": 1e4 + 2000 * score,
        "two classes": np.where(score > 0.5, "yes", "no"),
        "three classes": np.digitize(score, [0, 1]),
    }
    days = [dt.datetime(2020, 1, 1) + dt.timedelta(days=i % 50, hours=i % 7) for i in range(n)]
    return pl.DataFrame(
        {
            "size": [None if i % 11 == 0 else float(x) for i, x in enumerate(size)],
            "int": rng.integers(0, 5, n),
            QUOTED: [None if i % 13 == 0 else COLOURS[i % 3] for i in range(n)],
            "street": [f"street {i % 50}" for i in range(n)],
            DATE: [None if i % 17 == 0 else day for i, day in enumerate(days)],
            "label": [bool(i % 2) for i in range(n)],
            "income": 1000 * np.exp(rng.normal(size=n)),
            "y": targets[kind],
        }
    )  # fmt: skip


def trained(kind: str) -> tuple[Network, Preprocessing]:
    """Return a network trained for a moment on such a table, with its preprocessing."""
    prepared = tables.prepare(frame(kind), "y")
    settings: dict[str, Any] = {
        "n_estimators": 1, "max_iter": 4, "random_state": 0, "hidden_layer_sizes": (16, 16)
    }  # fmt: skip
    if kind == "number":
        model: Any = cr.TableRegressor(target_transform="scale", **settings)
    else:
        model = cr.TableClassifier(**settings)
    model.fit(*prepared.train)
    network = model.pipeline_["network"]
    net = getattr(network, "regressor_", network).network_
    net.feature_names = tuple((described := prepared.described(model.pipeline_)).inputs)
    return net, described
