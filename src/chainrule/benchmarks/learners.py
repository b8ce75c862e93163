"""What learns from tables: ours and scikit-learn's, each with its defaults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from chainrule.tables.estimators import TableClassifier, TableRegressor

_MOST_BINS = 255
"""The most categories that scikit-learn's trees take."""


def _ours(_: Any, classification: bool, seed: int) -> Any:
    kind = TableClassifier if classification else TableRegressor
    return kind(random_state=seed, n_threads=1)


def _perceptron(X: Any, classification: bool, seed: int) -> Any:
    if classification:
        return make_pipeline(_dates(), _encoded(X), MLPClassifier(random_state=seed))
    # its default learning rate is not for targets of 100,000: scaled, it is a harder opponent
    model = TransformedTargetRegressor(
        MLPRegressor(random_state=seed), transformer=StandardScaler()
    )
    return make_pipeline(_dates(), _encoded(X), model)


def _linear(X: Any, classification: bool, _: int) -> Any:
    model = LogisticRegression(max_iter=1000) if classification else Ridge()
    return make_pipeline(_dates(), _encoded(X), model)


def _boosting(X: Any, classification: bool, seed: int) -> Any:
    numbers, text = _kinds(X)
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    columns = ColumnTransformer([("codes", codes, text), ("numbers", "passthrough", numbers)])
    few = [X[name].nunique() < _MOST_BINS for name in text]
    kind = HistGradientBoostingClassifier if classification else HistGradientBoostingRegressor
    model = kind(categorical_features=[*few, *(False for _ in numbers)], random_state=seed)
    return make_pipeline(_dates(), columns, model)


def _kinds(X: Any) -> tuple[list[str], list[str]]:
    text = [name for name in X if X[name].dtype.kind not in "biufM"]
    return [name for name in X if name not in text], text


def _dates() -> FunctionTransformer:
    return FunctionTransformer(_days)


def _days(X: Any) -> Any:
    """Return a frame with numbers of days for dates, which scikit-learn does not take."""
    dates = [name for name in X if X[name].dtype.kind == "M"]
    return X.assign(**{name: X[name].astype("int64") / 86_400e9 for name in dates})


def _encoded(X: Any) -> ColumnTransformer:
    numbers, text = _kinds(X)
    scaled = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return ColumnTransformer([("scaled", scaled, numbers), ("one_hot", one_hot, text)])


LEARNERS: dict[str, Callable[[Any, bool, int], Any]] = {
    "chainrule": _ours,
    "MLP": _perceptron,
    "boosting": _boosting,
    "linear": _linear,
}
"""By name: from the columns of training, the task and a seed to an unfitted model."""
