"""The ways to train, each told what to fit, from where, and how long it may take."""

from __future__ import annotations

import importlib.util
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.benchmarks.surrogates import plain
from chainrule.benchmarks.surrogates.problems import Problem, Sample
from chainrule.numerics import Array

_NO_END = 10_000_000
_GROWTH = 1.02


class Watch:
    """Keeps parameters with the time at which they were there, evenly on a scale of logarithms."""

    def __init__(self, seconds: float) -> None:
        self.points: list[tuple[float, Array]] = []
        self.iterations = 0
        self.seconds = seconds
        self.start = time.perf_counter()

    def __call__(self, theta: Array) -> bool:
        """Take note of an iteration; return whether the time is up."""
        elapsed = time.perf_counter() - self.start
        self.iterations += 1
        if not self.points or elapsed >= _GROWTH * self.points[-1][0]:
            self.points.append((elapsed, theta.copy()))
        return elapsed > self.seconds

    def end(self, theta: Array) -> None:
        """Take note of the last parameters."""
        self.points.append((time.perf_counter() - self.start, theta.copy()))


class _TimeIsUp(Exception):
    """Ends from within what knows no time limit."""


def network(problem: Problem, seed: int) -> cr.Network:
    """Return the network from which every method but pyrenn starts."""
    return cr.Network(problem.layers, activation="tanh", dtype="float64", seed=seed)


def _ours(optimizer: str, **options: Any) -> Callable[..., Watch]:
    def run(problem: Problem, sample: Sample, seed: int, seconds: float) -> Watch:
        net = network(problem, seed)
        watch = Watch(seconds)

        def look(progress: Any) -> None:
            if watch(progress.parameters):
                progress.stop("time")

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            net.fit(
                sample.X, sample.Y, optimizer=optimizer, epochs=_NO_END, callbacks=look, **options
            )
        watch.end(net.parameters)
        return watch

    return run


def _plain(problem: Problem, sample: Sample, seed: int, seconds: float) -> Watch:
    theta, watch = network(problem, seed).parameters.copy(), Watch(seconds)
    watch.end(plain.train(theta, problem.layers, sample.X, sample.Y, _NO_END, watch))
    return watch


def _least_squares(problem: Problem, sample: Sample, seed: int, seconds: float) -> Watch:
    """The trust region of scipy with the exact Jacobian, which costs it little beside the rest."""
    from scipy.optimize import least_squares

    theta, layers, watch = network(problem, seed).parameters.copy(), problem.layers, Watch(seconds)

    def residuals(at: Array) -> Array:
        residual: Array = (plain.outputs(at, layers, sample.X)[-1] - sample.Y).ravel()
        return residual

    def jacobian(at: Array) -> Array:
        if watch(at):
            raise _TimeIsUp
        return plain.outputs_and_jacobian(at, layers, sample.X)[1].reshape(-1, len(at))

    try:
        found = least_squares(
            residuals, theta, jacobian, x_scale="jac", ftol=None, xtol=1e-15, gtol=None,
            max_nfev=_NO_END,
        )  # fmt: skip
        watch.end(found.x)
    except _TimeIsUp:
        pass
    return watch


def _sklearn_lbfgs(problem: Problem, sample: Sample, seed: int, seconds: float) -> Watch:
    from sklearn.neural_network import MLPRegressor

    watch = Watch(seconds)

    class Watched(MLPRegressor):  # type: ignore[misc]  # scikit-learn has no types
        def _loss_grad_lbfgs(self, packed: Array, *arguments: Any) -> Any:
            found = super()._loss_grad_lbfgs(packed, *arguments)
            if watch(self._theta()):
                raise _TimeIsUp
            return found

        def _theta(self) -> Array:
            pairs = zip(self.coefs_, self.intercepts_, strict=True)
            return np.concatenate([part for W, b in pairs for part in (W.T.ravel(), b)])

    model = Watched(
        hidden_layer_sizes=problem.layers[1:-1], activation="tanh", solver="lbfgs", alpha=0, tol=0,
        max_iter=_NO_END, max_fun=_NO_END, random_state=seed,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model.fit(sample.X, sample.Y if sample.Y.shape[1] > 1 else sample.Y[:, 0])
            watch.end(model._theta())
        except _TimeIsUp:
            pass
    return watch


def _pyrenn(problem: Problem, sample: Sample, seed: int, seconds: float) -> Watch:
    import pyrenn

    np.random.seed(seed)  # noqa: NPY002 (pyrenn knows no other)
    net = pyrenn.CreateNN(list(problem.layers))
    watch, step = Watch(seconds), pyrenn.RTRL

    def theta_of(net: Any) -> Array:
        IW, LW, biases = pyrenn.w2Wb(net)
        W = [IW[1, 1, 0], *(LW[L, L - 1, 0] for L in range(2, len(problem.layers)))]
        b = [biases[L] for L in range(1, len(problem.layers))]
        W[0] = W[0] / np.array(net["normP"])  # it scales inputs and targets by their largest
        scale = np.array(net["normY"])
        W[-1], b[-1] = scale[:, None] * W[-1], scale * b[-1]
        return np.concatenate([part.ravel() for pair in zip(W, b, strict=True) for part in pair])

    def watched(net: Any, data: Any) -> Any:
        if watch(theta_of(net)):
            raise _TimeIsUp
        return step(net, data)

    pyrenn.RTRL = watched  # called once an iteration
    try:
        found = pyrenn.train_LM(sample.X.T, sample.Y.T, net, k_max=_NO_END, E_stop=0)
        watch.end(theta_of(found))
    except _TimeIsUp:
        pass
    return watch


def _jax_adam(problem: Problem, sample: Sample, seed: int, seconds: float) -> Watch:
    from chainrule.benchmarks.surrogates.jax_adam import run

    return run(network(problem, seed), sample, Watch, seconds)


METHODS: dict[str, Callable[[Problem, Sample, int, float], Watch]] = {
    "chainrule lm": _ours("lm"),
    "chainrule lbfgs": _ours("lbfgs"),
    "plain NumPy lm": _plain,
    "scipy least_squares": _least_squares,
    "pyrenn lm": _pyrenn,
    "sklearn lbfgs": _sklearn_lbfgs,
    "JAX adam": _jax_adam,
}

_NEEDS = {"pyrenn lm": "pyrenn", "JAX adam": "jax"}


def missing(method: str) -> str:
    """Return the package that the method needs and that is not installed, or nothing."""
    package = _NEEDS.get(method, "")
    return package if package and importlib.util.find_spec(package) is None else ""
