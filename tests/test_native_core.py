"""The compiled core refuses what does not fit, whoever calls it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from chainrule import _core


def test_the_core_refuses_what_does_not_fit() -> None:
    layers = [(2, 3, "tanh", 1.0), (3, 1, "identity", 1.0)]
    net = _core.Network(layers, "squared_error", 1.0, True)
    theta, X, Y, n = np.zeros(13), np.zeros((6, 2)), np.zeros((6, 1)), np.zeros(6)
    assert _core.evaluate(net, theta, X, Y, n, outputs=np.empty((6, 1))) == 0
    refused: list[tuple[Any, ...]] = [
        (theta[:12], X, Y, n),
        (np.zeros(26)[::2], X, Y, n),
        (theta.astype(int), X, Y, n),
        (theta.astype(">f8"), X, Y, n),
        (theta, X[:, :1], Y, n),
        (theta, X[:5], Y, n),
        (theta, X, Y[:5], n),
        (theta, X, np.zeros((6, 2)), n),
        (theta, X, Y, n[:5]),
        (theta, X.astype(complex), Y, n),
        (theta, X.astype(">f4"), Y, n),
        (theta, X.astype(str), Y, n),
        (theta, X[None], Y, n),
        (theta, X[0, 0], Y, n),
        (theta, (X.ravel(), np.zeros(12, int), np.zeros(0, int), 2), Y, n),
        (theta, (X.ravel(), np.zeros(12, int), np.zeros(7, np.int32), 2), Y, n),
        (theta, (X.ravel(), np.zeros(12, int), np.zeros(7, int), 3), Y, n),
        (None, X, Y, n),
        (theta, None, Y, n),
        (theta, "samples", Y, n),
    ]
    for arguments in refused:
        with pytest.raises((ValueError, TypeError)):
            _core.evaluate(net, *arguments)
    for name in ("outputs", "by_parameters", "by_inputs", "jacobian"):
        read_only = np.zeros((6, 1))
        read_only.flags.writeable = False
        for answer in (np.empty(5), np.empty((6, 1), np.float32), read_only, "answer"):
            with pytest.raises((ValueError, TypeError, BufferError)):
                _core.evaluate(net, theta, X, Y, n, **{name: answer})  # type: ignore[arg-type]
    for names in (("softplus", "nothing"), ("squared", "squared_error")):
        with pytest.raises(ValueError, match="the core has no"):
            _core.Network([(2, 1, names[0], 1.0)], names[1], 1.0, True)
    with pytest.raises(ValueError, match="order"):
        _core.shuffle(np.zeros(4, np.int32), 0, 0)


# Each could reach beyond an array, or where there is none, and end the process.
BEYOND = """
_core.evaluate(net, theta, ())
_core.evaluate(net, theta, (X.ravel(), np.zeros(12, int)))
_core.evaluate(net, theta, (X.ravel(), np.zeros(12, np.int16), np.zeros(7, np.int16), 2))
_core.evaluate(net, theta, (X.ravel(), np.zeros(12), np.zeros(7), 2))
_core.evaluate(_core.Network([], "squared_error", 1.0, True), np.zeros(0), X)
_core.evaluate(_core.Network([(2, 3, "tanh", 1.0), (9, 1, "tanh", 1.0)], *cost), np.zeros(19), X)
_core.evaluate(_core.Network([(2, -1, "tanh", 1.0), (-1, 1, "tanh", 1.0)], *cost), theta[:2], X)
_core.shuffle(np.zeros(64, np.int64)[:32][::-1], 0, 0)
_core.shuffle(np.zeros(64, np.int64)[::2], 0, 0)
trainer.write_state(1, theta)
trainer.write_state(-1, theta)
trainer.read_state(7, theta)
_core.train([(trainer, 0, 0, 2, False, 0, None)], 1)
_core.train([(None, 0, 0, 2, False, 0, np.zeros((3, 4)))], 1)
_core.train([(trainer, 0, -1, 2, False, 0, np.zeros((3, 4)))], 1)
"""


@pytest.mark.parametrize("call", BEYOND.strip().splitlines())
def test_the_core_does_not_reach_beyond(call: str) -> None:
    script = f"""
import numpy as np
from chainrule import _core

cost = ("squared_error", 1.0, True)
net = _core.Network([(2, 3, "tanh", 1.0), (3, 1, "identity", 1.0)], *cost)
theta, X, Y = np.zeros(13), np.zeros((6, 2)), np.zeros((6, 1))
trainer = _core.Trainer(net, theta, "momentum", {{}}, 0, 0, 0, np.inf, False, X, Y, None)
try:
    {call}
except (ValueError, TypeError, IndexError):
    print("refused")
"""
    require_refused(script)


def require_refused(script: str) -> None:
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.stdout == "refused\n", f"code {run.returncode}: {run.stderr}"


@pytest.mark.parametrize("part", ["indices", "indptr"])
@pytest.mark.parametrize("value", [10**8, -(10**8)])
def test_a_damaged_sparse_matrix_is_refused(part: str, value: int) -> None:
    require_refused(f"""
import numpy as np
from scipy import sparse
import chainrule as cr

X = sparse.csr_matrix(np.eye(10))
X.{part}[-1] = {value}
try:
    cr.Network([10, 3]).predict(X)
except cr.InputError:
    print("refused")
""")
