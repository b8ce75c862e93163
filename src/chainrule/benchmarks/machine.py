"""The machine: which cores there are, and what there is to say of it beside its figures."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

from chainrule import __version__
from chainrule.errors import InputError

# What changes a library's threads or kernels from outside. A forced kernel type, say, would not
# be the peer at its best.
_FOREIGN = ("BLIS_", "DNNL_", "GOTO_", "JAX_", "KMP_", "MKL_", "NVPL_", "OMP_", "ONEDNN_",
            "OPENBLAS_", "TORCH_", "XLA_")  # fmt: skip
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_ONE_CORE_XLA = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"


def available_cores() -> list[int]:
    """Return the numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def cores(n: int) -> list[int]:
    """Return `n` cores.

    Raises
    ------
    InputError
        If there are fewer.
    """
    found = available_cores()
    if n > len(found):
        raise InputError(f"--threads {n} needs {n} cores, but this process may use {len(found)}")
    return found[:n]


def dropped_variables() -> list[str]:
    """Return the names of the environment variables that the peers do not get to see."""
    return sorted(name for name in os.environ if name.startswith(_FOREIGN))


def environment(n_threads: int) -> dict[str, str]:
    """Return the environment in which every peer runs, whatever the caller's is."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    kept |= dict.fromkeys(_THREADS, str(n_threads))
    kept["JAX_PLATFORMS"] = "cpu"
    if n_threads == 1:
        kept["XLA_FLAGS"] = _ONE_CORE_XLA
    return kept


def description() -> dict[str, object]:
    """Return what a reader of the figures needs to know, for the record."""
    packages = ("numpy", "jax", "jaxlib", "torch", "scikit-learn", "onnxruntime")
    return {
        "processor": _processor(),
        "cores": len(available_cores()),
        "system": platform.platform(),
        "python": platform.python_version(),
        "chainrule": __version__,
        "packages": {name: version for name in packages if (version := _version(name))},
        "dropped_variables": dropped_variables(),
        "load": load(),
    }


def load() -> float:
    """Return how many programs ran or waited in the last minute; 0 where that is not known."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
