"""PyTorch, eager, as its tutorials write it, with the fused Adam."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from chainrule.benchmarks.peers import batch_bounds
from chainrule.benchmarks.workloads import Workload
from chainrule.numerics import Array

WAYS: list[dict[str, Any]] = [{}]


def _model(workload: Workload) -> torch.nn.Sequential:
    activation = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}[workload.activation]
    layers: list[torch.nn.Module] = []
    for w, b in zip(*workload.initial_parameters(), strict=True):
        linear = torch.nn.Linear(w.shape[1], w.shape[0])
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(w))
            linear.bias.copy_(torch.from_numpy(b))
        layers += [linear, activation()]
    return torch.nn.Sequential(*layers[:-1])


class Trainer:
    """A model, an optimizer and a loop over batches."""

    def __init__(self, workload: Workload, X: Array, Y: Array, shuffle: bool = True) -> None:
        self.model = _model(workload)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3, fused=True)
        self.X, self.Y = torch.from_numpy(X), torch.from_numpy(Y)
        self.shuffle = shuffle
        self.bounds = list(batch_bounds(workload))

    def run(self, epochs: int) -> float:
        """Train for so many epochs; return the loss of the last."""
        return [self._epoch() for _ in range(epochs)][-1]

    def _epoch(self) -> float:
        n = len(self.X)
        order = torch.randperm(n) if self.shuffle else torch.arange(n)
        total = torch.zeros(())
        for start, end in self.bounds:
            rows = order[start:end]
            loss = ((self.model(self.X[rows]) - self.Y[rows]) ** 2).sum() / (2 * len(rows))
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.detach() * len(rows)
        return float(total) / n

    def parameters(self) -> tuple[list[Array], list[Array]]:
        """Return weights of shape (n_out, n_in) and biases."""
        found = [parameter.detach().numpy() for parameter in self.model.parameters()]
        return found[::2], found[1::2]

    def about(self) -> dict[str, str]:
        """There is one way only."""
        return {}


def predictor(workload: Workload) -> Callable[[Array], Array]:
    """Return the model in inference mode, between NumPy arrays."""
    model = _model(workload).eval()

    def predict(X: Array) -> Array:
        with torch.inference_mode():
            outputs: Array = model(torch.from_numpy(X)).numpy()
        return outputs

    return predict
