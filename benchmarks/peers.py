"""How each peer trains a workload: a function that runs one epoch, set up and warm.

Every one does the same work: gather of shuffled rows, forward, backward, Adam, running loss.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from benchmarks.workloads import Workload

Epoch = Callable[[], Any]


def chainrule_numpy(workload: Workload) -> Epoch:
    """chainrule's NumPy engine; every epoch is a whole `fit`, with its checks of X and Y."""
    import chainrule as cr

    X, Y = workload.data()
    net = cr.Network(workload.layer_sizes, activation=workload.activation)
    return lambda: net.fit(X, Y, epochs=1, batch_size=workload.batch_size, engine="numpy")


def scikit_learn(workload: Workload) -> Epoch:
    """scikit-learn's MLPRegressor."""
    from sklearn.neural_network import MLPRegressor

    X, Y = workload.data()
    model = MLPRegressor(
        hidden_layer_sizes=workload.layer_sizes[1:-1],
        activation=workload.activation,
        batch_size=workload.batch_size,
        alpha=0.0,
        max_iter=1,
        warm_start=True,
    )
    warnings.simplefilter("ignore")  # it warns that one epoch is not convergence
    return lambda: model.fit(X, Y)


def torch_eager(workload: Workload) -> Epoch:
    """PyTorch, eager."""
    import torch

    X, Y = (torch.from_numpy(array) for array in workload.data())
    activation = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}[workload.activation]
    layers: list[torch.nn.Module] = []
    for n_in, n_out in zip(workload.layer_sizes, workload.layer_sizes[1:], strict=False):
        layers += [torch.nn.Linear(n_in, n_out), activation()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(model.parameters())
    n, size = workload.n_samples, workload.batch_size

    def epoch() -> float:
        order = torch.randperm(n)
        total = torch.zeros(())
        for start in range(0, n, size):
            rows = order[start : start + size]
            loss = ((model(X[rows]) - Y[rows]) ** 2).sum() / (2 * len(rows))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(rows)
        return float(total) / n

    return epoch


PEERS: dict[str, Callable[[Workload], Epoch]] = {
    "chainrule": chainrule_numpy,
    "scikit-learn": scikit_learn,
    "torch": torch_eager,
}
