"""Schedules against values worked out by hand and against torch.optim.lr_scheduler."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch

import chainrule as cr
from chainrule import schedules
from chainrule.schedules import Schedule

HALF = math.sqrt(0.5)


@pytest.mark.parametrize(
    ("schedule", "epochs", "expected"),
    [
        (schedules.constant(), 10, {0: 1, 3.7: 1, 10: 1}),
        (schedules.step(), 30, {0: 1, 9.99: 1, 10: 0.1, 19.5: 0.1, 20: 0.01, 29.9: 0.01}),
        (schedules.step(every=2, gamma=0.5), 6, {1.9: 1, 2: 0.5, 3.9: 0.5, 4: 0.25}),
        (schedules.exponential(), 5, {0: 1, 0.99: 1, 1: 0.95, 2.5: 0.9025, 3: 0.857375}),
        (schedules.exponential(gamma=0.5), 5, {1: 0.5, 4.9: 0.0625}),
        (
            schedules.cosine(),
            8,
            {0: 1, 2: (1 + HALF) / 2, 4: 0.5, 6: (1 - HALF) / 2, 8: 0, 9: 0},
        ),
        (schedules.cosine(final=0.2), 8, {0: 1, 4: 0.6, 8: 0.2}),
        (
            schedules.one_cycle(),
            10,
            {0: 0.04, 1.5: 0.52, 3: 1, 6.5: (1 + 4e-6) / 2, 10: 4e-6, 11: 4e-6},
        ),
        (
            schedules.one_cycle(warm=0.5, initial=0.1, final=0.0),
            8,
            {0: 0.1, 2: 0.55, 4: 1, 6: 0.5, 8: 0},
        ),
        (schedules.warmup(), 20, {0: 0.01, 0.5: 0.1, 2.5: 0.5, 5: 1, 17: 1}),
        (schedules.warmup(epochs=0.5), 20, {0: 0.01, 0.25: 0.5, 0.5: 1}),
        (schedules.plateau(), 20, {0: 1, 19: 1}),
    ],
    ids=repr,
)
def test_factors_worked_out_by_hand(
    schedule: Schedule, epochs: int, expected: dict[float, float]
) -> None:
    found = [schedule.factor(progress, epochs) for progress in expected]
    assert found == pytest.approx(list(expected.values()), rel=1e-12, abs=1e-15)


def torch_rates(make: Any, steps: int) -> list[float]:
    """Return the learning rates of a torch scheduler, the first one at its start."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()  # type: ignore[no-untyped-call, unused-ignore]
        scheduler.step()
    return rates


EPOCHS = 20
# torch counts the last step as total_steps - 1, and its warm part from there too.
TORCH = {
    "step": (
        schedules.step(every=3, gamma=0.5),
        lambda o: torch.optim.lr_scheduler.StepLR(o, 3, 0.5),
    ),
    "exponential": (
        schedules.exponential(0.8),
        lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.8),
    ),
    "cosine": (
        schedules.cosine(),
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, EPOCHS),
    ),
    "cosine to a floor": (
        schedules.cosine(final=0.1),
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, EPOCHS, eta_min=0.1),
    ),
    "one_cycle": (
        schedules.one_cycle(),
        lambda o: torch.optim.lr_scheduler.OneCycleLR(
            o, 1.0, total_steps=EPOCHS + 1, pct_start=(0.3 * EPOCHS + 1) / (EPOCHS + 1)
        ),
    ),
}


@pytest.mark.parametrize("name", TORCH)
def test_factors_are_torchs_where_the_definitions_coincide(name: str) -> None:
    schedule, make = TORCH[name]
    found = [schedule.factor(progress, EPOCHS) for progress in range(EPOCHS)]
    assert found == pytest.approx(torch_rates(make, EPOCHS), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("patience", "min_delta"), [(0, 0.0), (2, 0.0), (3, 0.05)])
def test_plateau_is_torchs(patience: int, min_delta: float) -> None:
    losses = np.round(np.random.default_rng(0).uniform(0, 1, 60), 1)
    ours = schedules.plateau(patience=patience, gamma=0.5, min_delta=min_delta, smallest=1e-3)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer,
        factor=0.5,
        patience=patience,
        threshold=min_delta,
        threshold_mode="abs",
        min_lr=1e-3,
        eps=0,
    )
    for loss in losses:
        ours.observe(float(loss))
        theirs.step(float(loss))
        assert ours.factor(0, 1) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
    assert ours.factor(0, 1) < 1


def test_plateau_reduces_after_patience_epochs_without_improvement() -> None:
    plateau, factors = schedules.plateau(patience=2, gamma=0.1, smallest=0.05), []
    for loss in (1.0, 0.9, 0.9, 0.95, 0.91, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8):
        plateau.observe(loss)
        factors.append(plateau.factor(0, 1))
    assert factors == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05])


def test_plateau_goes_on_from_its_state() -> None:
    losses = [1.0, 0.9, 0.95, 0.95, 0.95, 0.95, 0.95, 0.95]
    whole = schedules.plateau(patience=1)
    first, second = schedules.plateau(patience=1), schedules.plateau(patience=1)
    for loss in losses:
        whole.observe(loss)
    for loss in losses[:3]:
        first.observe(loss)
    second.restore(first.state())
    for loss in losses[3:]:
        second.observe(loss)
    assert second.state() == whole.state()
    assert second.factor(0, 1) == whole.factor(0, 1) < 1


@pytest.mark.parametrize("name", schedules.NAMED)
def test_factors_lie_between_nothing_and_the_given_rate(name: str) -> None:
    schedule = schedules.get(name)
    factors = [schedule.factor(progress, 12) for progress in np.linspace(0, 12, 500)]
    assert min(factors) >= 0
    assert max(factors) <= 1


@pytest.mark.parametrize("name", ["cosine", "one_cycle", "warmup"])
def test_smooth_schedules_have_no_jumps(name: str) -> None:
    schedule = schedules.get(name)
    factors = [schedule.factor(progress, 12) for progress in np.linspace(0, 12, 2000)]
    assert max(abs(a - b) for a, b in itertools.pairwise(factors)) < 0.01


def test_names_and_instances() -> None:
    assert {name: type(schedules.get(name)) for name in schedules.NAMED} == schedules.NAMED
    assert type(schedules.get(None)) is schedules.constant
    kind: Any = schedules.step
    assert schedules.get(kind) == schedules.step()
    mine = schedules.step(every=3)
    assert schedules.get(mine) is mine


def test_unknown_schedules_are_refused() -> None:
    with pytest.raises(cr.InputError, match="did you mean 'cosine'"):
        schedules.get("cosin")
    function: Any = lambda progress: 1.0  # noqa: E731
    with pytest.raises(cr.InputError, match=r"subclass of chainrule\.schedules\.Schedule"):
        schedules.get(function)


def test_fit_multiplies_the_learning_rate() -> None:
    """Two steps of gradient descent an epoch, repeated by hand with the factors."""
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(8, 2)), rng.normal(size=(8, 1))
    fitted, by_hand = (cr.Network([2, 1], dtype="float64") for _ in range(2))
    fitted.fit(X, Y, "sgd", 0.1, epochs=3, batch_size=4, schedule="cosine", shuffle=False)
    for step in range(6):
        rows = slice(4 * (step % 2), 4 * (step % 2) + 4)
        g = by_hand.gradients(X[rows], Y[rows])
        rate = 0.1 * (1 + math.cos(math.pi * step / 6)) / 2
        by_hand.weights[0] = by_hand.weights[0] - rate * g.weights[0]
        by_hand.biases[0] = np.asarray(by_hand.biases[0]) - rate * np.asarray(g.biases[0])
    np.testing.assert_allclose(fitted.parameters, by_hand.parameters, rtol=1e-12)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("step", {"every": 0}),
        ("exponential", {"gamma": float("nan")}),
        ("cosine", {"final": -1}),
        ("one_cycle", {"warm": 2}),
        ("warmup", {"epochs": 0}),
        ("plateau", {"patience": -1}),
    ],
)
def test_parameters_out_of_range_are_refused(kind: str, options: dict[str, float]) -> None:
    with pytest.raises(cr.InputError, match=f"{next(iter(options))} of the schedule {kind}"):
        schedules.NAMED[kind](**options)
