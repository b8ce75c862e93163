"""What a training run shows, and short trials: learning rate, regularization, size, overfitting."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.diagnosis import experiments
from chainrule.diagnosis.evidence import Evidence
from chainrule.diagnosis.report import Finding
from chainrule.history import History

# Of the length of a step relative to that of the weights: "should be somewhere around 1e-3"
# (Karpathy, CS231n notes on babysitting the learning process); a tenth of it is slow, and half
# of the weights in a step leaves nothing of them.
_SLOW, _VIOLENT = 1e-4, 0.5
# Bengio 2012 ("Practical recommendations", arXiv:1206.5533, section 3.1.1): the optimal rate is
# usually within a factor of 2 of the largest that does not make the loss rise.
_FACTORS = (10.0, 100.0, 1e3, 1e4, 1e5)
# What a better network must be at most, relative to this one, on samples that neither has seen.
_BETTER = 0.75
# A training that is tried again for so many times as long, if it was not long already.
_TIMES, _MOST_STEPS = 20, 100
# Above this many units in every hidden layer, other causes are the likelier ones.
_FEW_UNITS = 4
_OPTIMUM = "take the largest rate with which the loss still falls from epoch to epoch"


def too_high(e: Evidence) -> Iterator[Finding]:
    """Find a learning rate at which a fresh network does worse than at a fraction of it."""
    rate, history = e.settings.learning_rate, e.history
    if rate is None or not experiments.can_train(e):
        return
    diverged = history is not None and history.stop_reason == "diverged"
    if history is not None and not diverged:
        last = e.share(history.loss[-1]) if history.loss else np.inf
        if last < 0.05:
            return
    steps = experiments.steps_to_try(e)
    here = e.share(experiments.trained_loss(e, rate, steps))
    ratio = float(np.median(experiments.update_ratios(e, rate, e.fresh())))
    violent = here > 0.9 or not ratio < _VIOLENT
    for factor in _FACTORS:
        lower = e.share(experiments.trained_loss(e, rate / factor, steps))
        if (here > 0.1 or violent) and lower < here * (0.7 if violent else 0.33):
            break
    else:
        if diverged:
            yield Finding("learning rate too high", _story(history), _remedy(rate / 10))
        return
    lowest = e.share(experiments.trained_loss(e, rate / factor / 10, steps))
    if lowest < lower:
        factor, lower = 10 * factor, lowest
    seen = f"{_story(history)}; " if e.trained or diverged else ""
    ending = (
        "diverges" if np.isinf(here) else f"is at {_percent(here)} of that of a constant prediction"
    )
    yield Finding(
        "learning rate too high",
        f"{seen}after {steps} steps at {rate:g}, of which the first changes the weights by "
        f"{ratio:.2g} of their length, the loss of a fresh network {ending}, at "
        f"{rate / factor:g} it is at {_percent(lower)}",
        _remedy(rate / factor),
    )


def _remedy(rate: float) -> str:
    return f"pass learning_rate={rate:g}, and {_OPTIMUM}"


def _percent(share: float) -> str:
    return f"{share:.3g} times" if share >= 10 else f"{share:.0%}"


def _story(history: History | None) -> str:
    assert history is not None
    if history.stop_reason == "diverged":
        return f"training diverged in epoch {history.epochs + 1}"
    text = f"training ended at a loss of {history.loss[-1]:.4g}"
    if (up := rises(history)) > 0.25:
        text += f", which had risen in {up:.0%} of the epochs"
    return text


def rises(history: History) -> float:
    """Return the share of epochs in which the loss rose by more than a twentieth.

    >>> rises(History(loss=[1.0, 0.5, 0.9, 0.4, 0.8]))
    0.5
    """
    loss = np.array(history.loss)
    if len(loss) < 5:
        return 0.0
    return float((np.diff(loss) > 0.05 * np.abs(loss[:-1])).mean())


def too_low(e: Evidence) -> Iterator[Finding]:
    """Find a learning rate at which next to nothing happens, and a multiple of it trains."""
    rate, history = e.settings.learning_rate, e.history
    if rate is None or not experiments.can_train(e):
        return
    if history is not None:
        learned = history.epochs and history.loss[-1] < 0.8 * history.loss[0]
        if history.epochs < 2 or e.loss_share < (0.7 if learned else 0.3):
            return
        fell = 1 - history.loss[-1] / history.loss[0]
        seen = f"in {history.epochs} epochs the loss fell by {max(fell, 0):.2%}"
    ratios = [r for r in experiments.update_ratios(e, rate) if np.isfinite(r)]
    # of momentum, which adds up steps of the same direction
    lasting = max(1 - getattr(e.settings.optimizer, "momentum", 0.0), 0.01)
    if not ratios or np.median(ratios) / lasting > _SLOW:
        return
    steps = experiments.steps_to_try(e)
    before = e.fresh().loss_value(e.X, e.Y)
    here = experiments.trained_loss(e, rate, steps)
    if history is None:
        fell = 1 - here / before
        if fell > 0.1:
            return
        seen = f"in {steps} steps the loss falls by {max(fell, 0):.2%}"
    for factor in _FACTORS:
        higher = experiments.trained_loss(e, rate * factor, steps)
        if e.share(higher) < 0.6 * e.share(here):
            break
    else:
        return
    yield Finding(
        "learning rate too low",
        f"{seen}, and a step changes the weights by {np.median(ratios):.1e} of their length; at "
        f"{rate * factor:g} instead of {rate:g} the loss of a fresh network falls from "
        f"{before:.4g} to {higher:.4g} in {steps} steps",
        f"pass learning_rate={rate * factor:g}, and {_OPTIMUM}",
    )


def too_short(e: Evidence) -> Iterator[Finding]:
    """Find training that ended while the loss was still falling."""
    history = e.history
    if history is None or not history.loss or e.loss_share < 0.7 or not experiments.can_train(e):
        return
    made = history.epochs * -(-e.n_rows // e.settings.batch_size)
    if history.stop_reason not in ("", "epochs", "interrupted") or made > _MOST_STEPS:
        return
    steps = max(made * e.n // e.n_rows, 1)
    options = {"l2": history.l2, "l1": history.l1, "dropout": history.dropout}
    here, later = (e.share(v) for v in experiments.longer(e, steps, _TIMES, **options))
    if later < 0.7 * here and here > 0.6 * e.loss_share:  # else it is not time that is lacking
        s = "s" if history.epochs > 1 else ""
        yield Finding(
            "too few epochs",
            f"training ended after {history.epochs} epoch{s} of "
            f"{made // history.epochs} steps; a fresh network gets to {_percent(here)} of the loss "
            f"of a constant prediction on held-out samples in that time, and to {_percent(later)} "
            f"in {_TIMES} times as long",
            f"pass epochs={_TIMES * history.epochs} or more, with early_stopping=True",
            severity="moderate",
        )


def regularization(e: Evidence) -> Iterator[Finding]:
    """Find penalties or dropout that leave the network nothing to say."""
    history = e.history
    if history is None or not history.loss:
        return
    if (history.l2 or history.l1) and e.loss_share > 0.5 and experiments.can_train(e):
        rate, steps = e.settings.learning_rate or 1e-3, experiments.steps_to_try(e)
        penalties = {"l2": history.l2, "l1": history.l1}
        with_them, without = (
            e.share(experiments.trained_loss(e, rate, steps, **options))
            for options in (penalties, {})
        )
        if without < 0.6 * with_them:
            yield Finding(
                "regularization too strong",
                f"with l2={history.l2:g} and l1={history.l1:g} a fresh network gets to "
                f"{_percent(with_them)} of the loss of a constant prediction in {steps} steps, "
                f"and without them to {_percent(without)}",
                "divide l2 and l1 by 10 until the validation loss no longer falls",
            )
    if history.dropout >= 0.7 and e.share(history.loss[-1]) > 0.3:
        yield Finding(
            "dropout too high",
            f"with dropout={history.dropout:g} the loss in training is {history.loss[-1]:.3g} and "
            f"without it {e.trace.loss:.3g} for the same weights",
            "take dropout=0.2 to 0.5 (Srivastava et al. 2014, JMLR 15, 1929-1958)",
            severity="moderate",
        )


def overfitting(e: Evidence) -> Iterator[Finding]:
    """Find a validation loss that rises while the training loss falls."""
    history = e.history
    if history is None or len(history.val_loss) < 5 or history.stop_reason == "early stopping":
        return
    val, loss = history.val_loss, history.loss
    best = int(np.argmin(val))
    rising = val[-1] > 1.3 * val[best] and loss[-1] < 0.7 * loss[best] and val[best] > 0
    apart = loss[-1] < 0.1 * val[-1] and e.share(val[-1]) > 0.5
    if (rising or apart) and e.share(val[-1]) > 0.3:
        yield Finding(
            "overfitting",
            f"the validation loss is {val[-1]:.4g} at the end and was {val[best]:.4g} in epoch "
            f"{best + 1}, while the training loss fell to {loss[-1]:.4g}",
            "pass early_stopping=True, or dropout=0.2 or l2=1e-3, or take fewer units or more "
            "samples",
            severity="moderate",
        )


def capacity(e: Evidence) -> Iterator[Finding]:
    """Find a trained network that is too small, or without a nonlinearity, for its data."""
    history = e.history
    if history is None or e.loss_share < 0.2 or e.n < 40 or not _flat(history):
        return
    if not experiments.can_train(e) and e.settings.optimizer.name not in ("lbfgs", "lm"):
        return
    hidden = e.architecture.activations[:-1]
    linear = all(a.name == "identity" for a in hidden)
    if not linear and min(e.architecture.layer_sizes[1:-1]) > _FEW_UNITS:
        return
    held = experiments.wider(e)
    own, wide = min(held.present, held.anew), held.wide
    if own < 0.2 or not wide < _BETTER * own:
        return
    what = (
        "without hidden layers" if not hidden else
        "whose hidden layers have the activation identity and are no more than one layer"
        if linear else f"with hidden layers of {list(e.architecture.layer_sizes[1:-1])} units"
    )  # fmt: skip
    yield Finding(
        "too few units" if hidden and not linear else "no nonlinearity",
        f"this network, {what}, no longer improves at {_percent(own)} of the loss of a constant "
        f"prediction, while a wide nonlinear one gets to {_percent(wide)} on samples that it was "
        "not trained on",
        "take more units or another layer" if hidden and not linear
        else "take hidden layers with activation='relu' or 'tanh'",
    )  # fmt: skip


def unrelated(e: Evidence) -> Iterator[Finding]:
    """Find targets that nothing can be learnt of from these inputs."""
    # of fewer samples, a wide network may learn nothing though there is something
    enough = max(200, 20 * e.architecture.n_inputs)
    # what is learnt by heart fits, too
    if not e.trained or e.fits or e.n < enough or not experiments.can_train(e):
        return
    strongest, chance = _correlation(e)
    if strongest > chance:
        return
    held = experiments.wider(e)
    if min(held.anew, held.wide) > 0.98:
        yield Finding(
            "targets unrelated to the inputs",
            f"trained anew on half of the samples, this network gets to {_percent(held.anew)} of "
            f"the loss of a constant prediction on the others, and a wide one to "
            f"{_percent(held.wide)}; no column correlates with the targets by more than "
            f"{strongest:.2g}, as chance has it",
            "look whether the rows of X and Y belong together (was one of them sorted or "
            "shuffled?), and whether X holds what Y depends on",
        )


def _correlation(e: Evidence) -> tuple[float, float]:
    """Return the strongest correlation of a column with a target, and what chance may give.

    Of the inputs and of their distances from the mean; chance gives more in one of a hundred data
    sets (the normal approximation, by Bonferroni).
    """
    columns = np.column_stack([e.X, np.abs(e.X - e.X.mean(axis=0))])
    (a, b) = (v - v.mean(axis=0) for v in (columns, e.Y))
    scale = np.outer(np.linalg.norm(a, axis=0), np.linalg.norm(b, axis=0))
    strongest = (np.abs(a.T @ b) / np.where(scale > 0, scale, np.inf)).max()
    return float(strongest), float(np.sqrt(2 * np.log(200 * scale.size) / e.n))


def _flat(history: History) -> bool:
    """Whether the last fifth of the epochs lowered the loss by less than a tenth."""
    loss = history.loss
    before = loss[-max(2, len(loss) // 5)] if len(loss) >= 5 else np.inf
    return bool(history.stop_reason == "converged" or (loss and loss[-1] > 0.9 * before))


def missing_bias(e: Evidence) -> Iterator[Finding]:
    """Find a network without biases whose targets are far from 0."""
    if e.architecture.bias or e.fits or np.isfinite(e.output.range).any():
        return
    mean, deviation = np.abs(e.Y.mean(axis=0)), e.Y.std(axis=0)
    k = int(np.argmax(mean - deviation))
    if mean[k] > deviation[k]:
        yield Finding(
            "missing bias",
            f"the targets are {e.Y[:, k].mean():.3g} ± {deviation[k]:.2g}, and the network has "
            "no biases to start from there",
            "pass bias=True, or subtract the mean of Y",
            severity="moderate",
        )
