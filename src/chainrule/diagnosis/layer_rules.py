"""What one forward and one backward pass show, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.diagnosis.evidence import FLAT, Evidence, lambda_norms
from chainrule.diagnosis.report import Finding
from chainrule.numerics import Array
from chainrule.tracing import trace

# "As much as 40% of your network can be dead": Karpathy, CS231n notes on activation functions;
# how it comes about: Lu et al. 2019, "Dying ReLU and Initialization", arXiv:1903.06733.
_DEAD, _DEAD_OF_FEW, _DEAD_THOUGH_IT_FITS = 0.4, 0.6, 0.9
_FEW_UNITS = 10  # of which half may be dead by chance
_DEAD_SLOPE = 0.005
# Untrained networks have up to a third of their units on flat parts, and trained ones that fit up
# to nearly all, though not of such weights. Glorot and Bengio 2010 (AISTATS, section 3) show what
# saturation does to training.
_SATURATED, _SATURATED_BY_WEIGHTS, _SATURATED_THOUGH_IT_FITS = 0.4, 0.3, 0.85
# From the last layer to the first. Glorot's and He's weights keep it at about 1 (Glorot and Bengio
# 2010, section 4.2; He et al. 2015, arXiv:1502.01852); Nielsen 2015 ("Neural Networks and Deep
# Learning", chapter 5) has a sigmoid network that fails at about a hundredth.
_VANISHED, _VANISHED_IN_FEW_LAYERS, _EXPLODED = 5e-3, 1e-3, 30.0
_WEIGHTS_SMALL, _WEIGHTS_LARGE, _WEIGHTS_HUGE = 0.2, 3.0, 12.0


def finite(e: Evidence) -> Iterator[Finding]:
    """Find parameters that are NaN or infinite."""
    bad = ~np.isfinite(e.net.parameters)
    if not bad.any():
        return
    weights, biases = e.architecture.views(bad)
    L = next(
        L
        for L, (w, b) in enumerate(zip(weights, biases, strict=True), 1)
        if w.any() or (b is not None and b.any())
    )
    yield Finding(
        "weights not finite",
        f"{bad.sum():,} of {bad.size:,} parameters are NaN or infinite, so every output is",
        "make the network anew, and train it with a smaller learning_rate or gradient_clip=1.0",
        L,
    )


def symmetry(e: Evidence) -> Iterator[Finding]:
    """Find hidden layers whose units are all alike, which gradient descent cannot tell apart."""
    for L, (W, B) in enumerate(zip(e.net.weights[:-1], e.net.biases[:-1], strict=True), 1):
        rows = np.asarray(W if B is None else np.column_stack([W, B]), np.float64)
        n = len(rows)
        if n < 2 or not (most := _alike(rows)) > n / 2:
            continue
        what = "0" if not rows.any() else "the same"
        yield Finding(
            "symmetric weights",
            f"the weights of {most} of {n} units are {what}, so that these units compute the same "
            "and get the same gradient for ever",
            "start from random weights (weight_init='auto')",
            L,
        )


def _alike(rows: Array) -> int:
    """Return how many rows are as good as equal to the most typical one."""
    scale = np.median(np.sqrt((rows**2).mean(axis=1)))
    typical = np.median(rows, axis=0)
    nearest = rows[np.argmin(np.abs(rows - typical).max(axis=1))]
    return int((np.abs(rows - nearest).max(axis=1) <= 1e-3 * scale).sum())


def dead(e: Evidence) -> Iterator[Finding]:
    """Find layers many of whose units have no slope for any sample, such as relus at 0."""
    for L in range(1, e.architecture.n_layers):
        shares = e.slopes[L - 1]
        if shares is None or e.saturates(L):
            continue
        gone = np.all(shares < _DEAD_SLOPE, axis=1)
        limit = _DEAD_OF_FEW if len(gone) <= _FEW_UNITS else _DEAD
        if gone.mean() <= (_DEAD_THOUGH_IT_FITS if e.fits else limit):
            continue
        name = e.architecture.activations[L - 1].name
        highest = float(e.trace.rho[L][gone].max())
        yield Finding(
            "dead relus" if name == "relu" else "dead units",
            f"{gone.sum()} of {len(gone)} {name} units have the slope 0 for all {e.n:,} samples "
            f"(their largest pre-activation is {highest:.3g}), so that no gradient passes them",
            "start again with weight_init='he', biases of 0 and a smaller learning_rate, or use "
            "activation='leaky_relu'",
            L,
            "severe" if gone.mean() > 0.6 else "moderate",
        )
    yield from _dead_output(e)


def _dead_output(e: Evidence) -> Iterator[Finding]:
    """Find an output layer of relus that say 0 whatever comes in."""
    L, shares = e.architecture.n_layers, e.slopes[-1]
    if shares is None or e.saturates(L) or e.output.name in e.loss.folded:
        return
    gone = np.all(shares < _DEAD_SLOPE, axis=1)
    if gone.any() and not e.fits and not e.loss.own:
        yield Finding(
            "dead relus" if e.output.name == "relu" else "dead units",
            f"{gone.sum()} of {len(gone)} outputs have the slope 0 for all {e.n:,} samples: they "
            "cannot learn",
            "use output_activation='identity', or 'softplus' for positive numbers",
            L,
        )


def saturated(e: Evidence) -> Iterator[Finding]:
    """Find layers of sigmoids and their like on the flat parts."""
    for L in range(1, e.architecture.n_layers + 1):
        activation, shares = e.architecture.activations[L - 1], e.slopes[L - 1]
        if shares is None or not e.saturates(L):
            continue
        last = L == e.architecture.n_layers
        if last and (activation.name in e.loss.folded or e.fits):
            continue
        flat = float((shares < FLAT).mean())
        large = e.weight_scales[L - 1] > _WEIGHTS_LARGE
        limit = _SATURATED_BY_WEIGHTS if large else _SATURATED
        if e.fits or last:
            limit = _SATURATED_THOUGH_IT_FITS
        if e.fits and e.weight_scales[L - 1] < _WEIGHTS_HUGE:
            continue
        if flat <= limit:
            continue
        size = float(np.abs(np.asarray(e.trace.rho[L], np.float64)).mean())
        yield Finding(
            "saturated units",
            f"{flat:.0%} of the {activation.name} outputs are where the slope is below 5% of its "
            f"largest (|rho| is {size:.3g} on average), so that hardly any gradient passes",
            ("start from smaller weights (weight_init='auto'; these are "
             f"{e.weight_scales[L - 1]:.2g} times as large)" if large else "start from biases of 0")
            + ", and scale the inputs",
            L,
        )  # fmt: skip


def lambdas(e: Evidence) -> Iterator[Finding]:
    """Find gradients that vanish or explode on their way from the last layer to the first."""
    if e.architecture.n_layers < 2 or e.fits:
        return
    scale = float(np.exp(np.mean(np.log(np.maximum(e.weight_scales, 1e-12)))))
    if found := _vanishing(e, e.lambda_norms, scale):
        yield found
        return
    norms = e.lambda_norms
    total = norms[0] / norms[-1] if norms[-1] > 0 else 1.0
    size, wanted = (float(np.sqrt((v**2).mean())) for v in (e.trace.rho[-1].astype(float), e.Y))
    if not total < _EXPLODED:
        yield Finding(
            "exploding lambda",
            f"{_path(norms)}: the gradient explodes, and a step that suits one layer is wrong for "
            "the others",
            f"start from smaller weights (weight_init='auto'; these are {scale:.2g} times as "
            "large), and train with gradient_clip=1.0",
        )
    elif max(e.weight_scales) > _WEIGHTS_LARGE and not size < 20 * max(wanted, 0.5):
        yield Finding(
            "exploding lambda",
            f"the weights are up to {max(e.weight_scales):.2g} times as large as fresh ones, and "
            f"the last pre-activations about {size:.2g} for targets of about {wanted:.2g}: signal "
            "and gradient explode",
            "start from smaller weights (weight_init='auto'), and train with gradient_clip=1.0",
        )
    elif e.trained and e.loss_share > 0.5:
        # training may have mended the factor by now, after most of the epochs were spent on it
        fresh = lambda_norms(trace(e.fresh(), e.X, e.Y))
        if found := _vanishing(e, fresh, 1.0, "from fresh weights, "):
            yield found


def _path(norms: list[float]) -> str:
    """Return how lambda changes from the last layer to the first, in words."""
    with np.errstate(over="ignore", divide="ignore"):
        factor = (np.float64(norms[0]) / norms[-1]) ** (1 / (len(norms) - 1))
    return (
        f"|lambda| is {norms[-1]:.2g} in layer {len(norms)} and {norms[0]:.2g} in layer 1, a "
        f"factor of {factor:.2g} per layer"
    )


def _vanishing(e: Evidence, norms: list[float], scale: float, when: str = "") -> Finding | None:
    """Return the finding that lambda vanishes, if it does, for weights of this scale."""
    deep = len(norms) > 4 or scale < 0.5
    if not norms[0] < norms[-1] * (_VANISHED if deep else _VANISHED_IN_FEW_LAYERS):
        return None
    names = {activation.name for activation in e.architecture.activations[:-1]}
    squashing = names & {"sigmoid", "gaussian", "softsign"}
    return Finding(
        "vanishing lambda",
        f"{when}{_path(norms)}: the gradient vanishes, and the first layers hardly learn",
        f"start from larger weights (weight_init='auto'; these are {scale:.2g} times as large)"
        if scale < 0.5
        else "use activation='relu' or 'tanh' instead of "
        f"{' and '.join(sorted(squashing or names))}, or fewer layers",
    )


def small_weights(e: Evidence) -> Iterator[Finding]:
    """Find hidden layers whose weights let hardly anything through."""
    hidden = e.least_weight_scales[:-1]
    if not hidden or e.loss_share < 0.5 or not 0 < min(hidden) < _WEIGHTS_SMALL:
        return
    L = int(np.argmin(hidden)) + 1
    yield Finding(
        "weights too small",
        f"they are {hidden[L - 1]:.2g} times as large as fresh ones, so that the layer passes on "
        f"{e.trace.phi[L].std():.2g} of variation and its gradient vanishes",
        "start from weight_init='auto', and take a smaller l2 and l1",
        L,
    )
