"""ONNX Runtime on the file that `Network.to_onnx` writes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import onnxruntime

from chainrule.benchmarks.peers import ours
from chainrule.benchmarks.workloads import Workload
from chainrule.numerics import Array


def predictor(workload: Workload) -> Callable[[Array], Array]:
    """Return the run of a session."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    options.inter_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        ours.network(workload).to_onnx(path)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda X: session.run(None, {"X": X})[0]
