"""scikit-learn's own tests of its multilayer perceptrons, with the import swapped for ours."""

from __future__ import annotations

from pathlib import Path

import pytest
import sklearn
import sklearn.neural_network

EXCLUDED = {
    "test_fit": "sets weights and the optimizer's private arrays before there is a network; the "
    "same step is compared in test_estimators.py",
    "test_gradient": "calls the private _loss_grad_lbfgs; gradients are in test_gradients.py",
    "test_learning_rate_warmstart": "reads the private _optimizer.learning_rate; rates are in "
    "test_estimators.py",
    "test_adaptive_learning_rate": "reads the private _optimizer.learning_rate, too",
    "test_n_iter_no_change": "reads the private _no_improvement_count; when training stops is "
    "compared with scikit-learn in test_estimators.py",
    "test_n_iter_no_change_inf": "reads the private _no_improvement_count, too",
}
"""Tests that reach into scikit-learn's implementation, each with what stands in for it."""

_SHIPPED = Path(sklearn.neural_network.__file__).parent / "tests" / "test_mlp.py"
_IMPORT = "from sklearn.neural_network import MLPClassifier, MLPRegressor"

# Its tests mean warnings of any kind to pass where they do not ask for one.
pytestmark = [
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]


@pytest.fixture
def global_random_seed() -> int:
    return 42


_source = _SHIPPED.read_text()
assert _IMPORT in _source, f"scikit-learn {sklearn.__version__} imports its perceptrons otherwise"
exec(
    compile(_source.replace(_IMPORT, _IMPORT.replace("sklearn.neural_network", "chainrule")),
            str(_SHIPPED), "exec"),
    globals(),
)  # fmt: skip
_collected = [name for name in globals() if name.startswith("test_")]
for _name in EXCLUDED:
    del globals()[_name]


def test_that_these_tests_are_of_the_version_they_were_compared_with() -> None:
    assert sklearn.__version__.startswith("1.9."), "look through the exclusions again"
    assert len(_collected) >= 40
