"""Plots: what is drawn, in whose axes, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

matplotlib.use("Agg")
from matplotlib import pyplot

import chainrule as cr
from tests.broken import case, train


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    pyplot.close("all")


def plane(n: int = 60) -> tuple[Any, Any]:
    X = np.random.default_rng(0).normal(size=(n, 2))
    return X, (X[:, 0] > 0).astype(int)


def classifier(act: str = "softmax", n_outputs: int = 2) -> cr.Network:
    loss = {"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy"}[act]
    return cr.Network([2, 8, n_outputs], output_activation=act, loss=loss)


Y_CLASSES = plane()[1]
DRAWN: dict[str, Callable[[Any], Any]] = {
    "loss": lambda ax: cr.plots.loss(cr.History(loss=[2.0, 1.0], val_loss=[2.0, 1.5]), ax=ax),
    "weights": lambda ax: cr.plots.weights(case(0)[0], ax=ax),
    "activations": lambda ax: cr.plots.activations(case(0)[0], case(0)[1], ax=ax),
    "lambdas": lambda ax: cr.plots.lambdas(*case(0)[:3], ax=ax),
    "decision_regions": lambda ax: cr.plots.decision_regions(classifier(), *plane(), ax=ax),
    "predicted_against_true": lambda ax: cr.plots.predicted_against_true(*case(1)[:3], ax=ax),
    "confusion": lambda ax: cr.plots.confusion(classifier(), *plane(), ax=ax),
    "calibration": lambda ax: cr.plots.calibration(classifier(), *plane(), ax=ax),
}


def test_every_plot_is_here() -> None:
    assert set(DRAWN) == set(cr.plots.__all__)


@pytest.mark.parametrize("name", DRAWN)
def test_axes_are_returned_new_or_those_given(name: str) -> None:
    ax = pyplot.subplots()[1]
    assert DRAWN[name](ax) is ax
    assert ax.get_xlabel()
    assert ax.get_ylabel()
    assert DRAWN[name](None) is not ax


def test_loss_curves() -> None:
    history = cr.History(loss=[2.0, 1.0], val_loss=[2.0, 1.5], best_epoch=2)
    lines = history.plot().get_lines()
    np.testing.assert_array_equal(lines[0].get_xydata(), [[1, 2.0], [2, 1.0]])
    np.testing.assert_array_equal(lines[1].get_ydata(), [2.0, 1.5])
    assert [line.get_label() for line in lines] == ["training", "validation", "best epoch"]
    assert cr.plots.loss(cr.History(loss=[1.0, 0.0])).get_yscale() == "linear"


def test_lambdas_are_powers_of_ten_and_zeros_are_left_out() -> None:
    net, X, Y, _ = case(1, [8, 8])
    net.biases[0] = np.full(8, -100)  # lambda^1 is 0
    ax = cr.plots.lambdas(net, X, Y)
    assert len(ax.collections[0].get_paths()) == 1
    assert [t.get_text() for t in ax.get_xticklabels()] == ["1", "2", "3"]
    t = cr.trace(net, X, Y)
    spread = np.concatenate([path.get_paths()[0].vertices[:, 1] for path in ax.collections[:2]])
    assert spread.min() == pytest.approx(np.log10(np.abs(t.lambda_[3][t.lambda_[3] != 0]).min()))


def test_weights_that_are_all_alike_are_drawn_too() -> None:
    ax = cr.plots.weights(cr.Network([2, 3, 1], weight_init=lambda _, shape: np.ones(shape)))
    assert [line.get_ydata()[0] for line in ax.get_lines()] == [1, 1]


def test_decision_regions_are_the_predictions() -> None:
    X, y = plane()
    net = classifier()
    net.fit(X, y, epochs=30, learning_rate=1e-2)
    mesh = cr.plots.decision_regions(net, X, y, resolution=20).collections[0]
    shown = np.asarray(mesh.get_array()).reshape(20, 20)
    assert set(np.unique(shown)) == {0, 1}
    assert shown[:, 0].max() == 0  # left of 0
    assert shown[:, -1].min() == 1


@pytest.mark.parametrize(
    "model",
    [
        classifier("sigmoid", 1),
        LogisticRegression().fit(*plane()),
        LogisticRegression().fit(plane()[0], np.array(["no", "yes"])[plane()[1]]),
        cr.MLPClassifier((4,), max_iter=2000, random_state=0).fit(*plane()),
        cr.Network([2, 4, 1], loss="hinge"),
        cr.Network([2, 4, 1]),
        LinearRegression().fit(*plane()),
    ],
    ids=lambda model: type(model).__name__,
)
def test_decision_regions_of_networks_and_estimators(model: Any) -> None:
    X, y = plane()
    y = model.classes_[y] if hasattr(model, "classes_") else y
    ax = cr.plots.decision_regions(model, X, y)
    assert len(ax.collections) == 2
    assert len(cr.plots.decision_regions(model, X).collections) == 1


def test_predictions_against_the_truth() -> None:
    net, X, Y, _ = case(1)
    ax = cr.plots.predicted_against_true(net, X, Y)
    points = ax.collections[0].get_offsets()
    np.testing.assert_allclose(points, np.column_stack([Y, net.predict(X)[:, 0]]))


def test_confusion_counts() -> None:
    X, y = plane()
    model = LogisticRegression().fit(X, np.array(["no", "yes"])[y])
    ax = cr.plots.confusion(model, X, model.predict(X))
    counts = [int(text.get_text()) for text in ax.texts]
    said = model.predict(X)
    assert counts == [(said == "no").sum(), 0, 0, (said == "yes").sum()]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["no", "yes"]


def test_one_column_for_each_class_will_do_as_truth() -> None:
    X, y = plane()
    numbers, columns = (
        [text.get_text() for text in cr.plots.confusion(classifier(), X, truth).texts]
        for truth in (y, np.eye(2)[y])
    )
    assert numbers == columns


def test_calibration_of_a_calibrated_model_is_the_diagonal() -> None:
    class Calibrated:
        classes_ = np.array([0, 1])

        def predict_proba(self, X: Any) -> Any:
            return np.column_stack([1 - X[:, 0], X[:, 0]])

    rng = np.random.default_rng(0)
    p = rng.uniform(size=(20_000, 1))
    right = (rng.uniform(size=20_000) < p[:, 0]).astype(int)
    curve = cr.plots.calibration(Calibrated(), p, right, bins=5).get_lines()[1]
    np.testing.assert_allclose(curve.get_xdata(), [0.1, 0.3, 0.5, 0.7, 0.9], atol=0.02)
    np.testing.assert_allclose(curve.get_ydata(), curve.get_xdata(), atol=0.03)


def test_calibration_of_several_classes_looks_at_the_highest() -> None:
    net, X, Y, _ = case(0)
    train(net, X, Y, epochs=5)
    ax = cr.plots.calibration(net, X, Y, bins=4)
    outputs = net.predict(X)
    ahead = np.sort(outputs.max(axis=1))[-len(X) // 4 :].mean()
    assert ax.get_lines()[1].get_xdata()[-1] == pytest.approx(ahead, abs=0.02)


def test_what_cannot_be_drawn_is_refused() -> None:
    net, X, Y, _ = case(1)
    with pytest.raises(cr.InputError, match=r"two inputs, but X has shape \(300, 12\)"):
        cr.plots.decision_regions(net, X)
    with pytest.raises(cr.InputError, match="predicts numbers: see predicted_against_true"):
        cr.plots.confusion(net, X, Y)
    with pytest.raises(cr.InputError, match="gives none: pass a classifier"):
        cr.plots.calibration(net, X, Y)
    with pytest.raises(cr.InputError, match=r"\(300, 1\), but y has \(300, 2\)"):
        cr.plots.predicted_against_true(net, X, np.column_stack([Y, Y]))
    with pytest.raises(cr.InputError, match="has 3 outputs that are no classes"):
        cr.plots.decision_regions(cr.Network([2, 3]), plane()[0])


def test_without_matplotlib_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "import chainrule as cr\n"
        "try: cr.History(loss=[1.0]).plot()\n"
        "except cr.MissingExtraError as error: print(error)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'chainrule[plot]'" in ran.stdout


@pytest.mark.parametrize("kind", ["numpy", "pandas", "polars", "list"])
def test_frames_and_lists_will_do_for_samples_and_targets(kind: str) -> None:
    import pandas as pd
    import polars as pl

    X, y = plane()
    given: dict[str, tuple[Any, Any]] = {
        "numpy": (X, y),
        "pandas": (pd.DataFrame(X, columns=["a", "b"]), pd.Series(y)),
        "polars": (pl.DataFrame(X, schema=["a", "b"]), pl.Series(y)),
        "list": (X.tolist(), y.tolist()),
    }
    net, numbers = classifier(), cr.Network([2, 4, 1])
    cr.plots.activations(net, given[kind][0])
    cr.plots.lambdas(net, *given[kind])
    cr.plots.decision_regions(net, *given[kind])
    cr.plots.calibration(net, *given[kind])
    cr.plots.predicted_against_true(numbers, *given[kind])
    counts = [t.get_text() for t in cr.plots.confusion(net, *given[kind]).texts]
    assert counts == [t.get_text() for t in cr.plots.confusion(net, X, y).texts]


def test_what_is_degenerate_is_drawn() -> None:
    one, zero = np.ones((1, 2)), np.zeros(1, int)
    for net in (classifier(), classifier("sigmoid", 1)):
        cr.plots.decision_regions(net, np.ones((5, 2)), np.zeros(5, int))
        for draw in (cr.plots.decision_regions, cr.plots.confusion, cr.plots.calibration):
            draw(net, one, zero).figure.canvas.draw()
    numbers = cr.Network([2, 4, 1])
    numbers.biases[0] = np.full(4, -100.0)  # nothing reaches the output
    cr.plots.predicted_against_true(numbers, one, zero).figure.canvas.draw()
    cr.plots.lambdas(numbers, one, zero).figure.canvas.draw()
    numbers.weights[0][0, 0] = np.nan
    cr.plots.weights(numbers).figure.canvas.draw()
    cr.plots.loss(cr.History(loss=[1.0, float("nan")])).figure.canvas.draw()


def test_classes_that_the_model_does_not_know_are_refused() -> None:
    X, y = plane()
    named = LogisticRegression().fit(X, np.array(["no", "yes"])[y])
    for draw in (cr.plots.confusion, cr.plots.calibration, cr.plots.decision_regions):
        with pytest.raises(cr.InputError, match=r"'maybe', which is none of the .* no, yes"):
            draw(named, X, np.array(["maybe", "yes"])[y])
        for wrong in (y - 1, np.array(["no", "yes"])[y], y + np.nan):
            with pytest.raises(cr.InputError, match="are numbers from 0"):
                draw(classifier(), X, wrong)


@pytest.mark.parametrize(
    "draw",
    [
        lambda X, y: cr.plots.decision_regions(classifier(), X, y),
        lambda X, y: cr.plots.confusion(classifier(), X, y),
        lambda X, y: cr.plots.calibration(classifier(), X, y),
        lambda X, y: cr.plots.predicted_against_true(cr.Network([2, 1]), X, y),
    ],
)
def test_a_target_for_each_sample_and_at_least_one_sample(draw: Callable[..., Any]) -> None:
    X, y = plane()
    with pytest.raises(cr.InputError, match="X has 60 samples, but y has 5"):
        draw(X, y[:5])
    with pytest.raises(cr.InputError, match="X has no rows"):
        draw(X[:0], y[:0])
    assert pyplot.get_fignums() == []  # nothing is left behind


def test_settings_and_the_current_figure_stay_as_they_are() -> None:
    figure, other = pyplot.figure(), pyplot.figure()
    before = dict(matplotlib.rcParams)
    for draw in DRAWN.values():
        draw(figure.add_subplot())
    assert pyplot.gcf() is other
    assert dict(matplotlib.rcParams) == before
    assert len(pyplot.get_fignums()) == 2
