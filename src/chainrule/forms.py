"""What the three forms of the derivation cost: multiplications counted, seconds measured."""

from __future__ import annotations

import functools
import timeit
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chainrule import equations
from chainrule.cost import BatchCost
from chainrule.network import Network
from chainrule.tracing import trace


@dataclass(frozen=True)
class FormCost:
    """The cost of one backward pass of one network."""

    layer_sizes: tuple[int, ...]
    n_paths: int
    multiplications: dict[str, int | None]
    """By form; None for `paths` where there are too many of them."""
    seconds: dict[str, float | None]


def form_costs(
    depths: Sequence[int] = (1, 2, 3, 4),
    widths: Sequence[int] = (2, 4, 8),
    limit: int = 20_000,
) -> list[FormCost]:
    """Run the backward pass of every form on tanh networks of each depth and width.

    Parameters
    ----------
    depths : sequence of int, default (1, 2, 3, 4)
        Numbers of layers.
    widths : sequence of int, default (2, 4, 8)
        Units in each layer, inputs and outputs included.
    limit : int, default 20_000
        The number of paths above which the `paths` form is left out.

    Returns
    -------
    list of FormCost
        One sample each; sigma and C are not counted, only the equations.
    """
    costs = []
    for depth in depths:
        for width in widths:
            sizes = [width] * (depth + 1)
            net = Network(sizes, activation="tanh", output_activation="tanh", dtype="float64")
            W, B, sigma = net.architecture.for_equations(net.parameters)
            rng = np.random.default_rng(0)
            X, Y = rng.normal(size=(1, width)), rng.normal(size=(1, width))
            cost = BatchCost(net.architecture.loss, net.architecture.activations[-1], Y)
            n_paths = equations.count_paths(sizes)
            counts: dict[str, int | None] = {}
            seconds: dict[str, float | None] = {}
            for form, backward in equations.BACKWARD.items():
                if form == "paths" and n_paths > limit:
                    counts[form] = seconds[form] = None
                    continue
                q = equations.forward(W, B, sigma, X.T)
                run = functools.partial(backward, q, W, sigma, cost)
                if form == "paths":
                    run = functools.partial(run, limit=limit)
                # the first call of a process pays for what the later ones find ready
                seconds[form] = min(timeit.repeat(run, number=1, repeat=3))
                counts[form] = sum(
                    step.multiplications
                    for step in trace(net, X, Y, form, limit=limit).steps
                    if not step.forward
                )
            costs.append(FormCost(tuple(sizes), n_paths, counts, seconds))
    return costs


def as_table(costs: Sequence[FormCost]) -> str:
    """Return the costs as a table of text.

    Examples
    --------
    >>> print(as_table(form_costs([2], [2])).splitlines()[-1].split()[:5])
    ['2-2-2', '26', '62', '28', '20']
    """
    head = f"{'network':<14}{'paths':>12}"
    lines = [
        "multiplications and microseconds of one backward pass, one sample",
        head
        + "".join(f"{form:>13}" for form in equations.BACKWARD)
        + "   "
        + "".join(f"{form + ' us':>12}" for form in equations.BACKWARD),
    ]
    for cost in costs:
        counts = "".join(
            f"{'-' if count is None else format(count, ','):>13}"
            for count in cost.multiplications.values()
        )
        times = "".join(
            f"{'-' if second is None else format(second * 1e6, ',.0f'):>12}"
            for second in cost.seconds.values()
        )
        name = "-".join(map(str, cost.layer_sizes))
        lines.append(f"{name:<14}{cost.n_paths:>12,}{counts}   {times}")
    return "\n".join(lines)
