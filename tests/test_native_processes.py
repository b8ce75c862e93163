"""The native engine in processes of other kinds: environments, signals, forks, little memory."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")
HAS_AFFINITY = hasattr(os, "sched_getaffinity")
# Trains a network, and has a hash of the parameters' bits and of its outputs.
TRAINED = """
import hashlib, json, sys
import numpy as np
import chainrule as cr

def data(n=301):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 20)), rng.normal(size=(n, 5))

def trained(dtype, **options):
    X, Y = data()
    net = cr.Network([20, 70, 33, 5], activation=["gelu", "tanh"], dtype=dtype)
    net.fit(X, Y, epochs=3, dropout=0.1, engine="native", **options)
    return net

def bits(net):
    outputs = net.predict(data()[0])
    return hashlib.sha256(net.parameters.tobytes() + outputs.tobytes()).hexdigest()
"""


def start(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a new process whose environment sets no number of threads."""
    kept = {name: value for name, value in os.environ.items() if name not in LIMITS}
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={**kept, **environment},
        timeout=120,
    )  # fmt: skip


def run(script: str, **environment: str) -> Any:
    """Return what a script printed last, from JSON."""
    done = start(script, **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@functools.cache
def here() -> dict[str, Any]:
    scope: dict[str, Any] = {}
    exec(TRAINED, scope)
    return scope


def test_another_process_computes_the_same_bits() -> None:
    expected = [here()["bits"](here()["trained"](dtype)) for dtype in ("float32", "float64")]
    script = TRAINED + "print(json.dumps([bits(trained(d)) for d in ('float32', 'float64')]))"
    assert run(script) == expected
    assert run(script, PYTHONHASHSEED="1", OMP_NUM_THREADS="1") == expected


def instruction_sets() -> list[str]:
    """Return those of this machine, the best first."""
    done = start("import chainrule._core as c; c.instruction_set()", CHAINRULE_INSTRUCTION_SET="?")
    found = re.search(r"this machine has kernels for ([\w, ]+)", done.stderr)
    assert found, done.stderr
    return found[1].split(", ")


def test_every_instruction_set_computes_the_same_up_to_rounding() -> None:
    script = TRAINED + (
        "nets = [trained(d, learning_rate=1e-3) for d in ('float32', 'float64')]\n"
        "from chainrule import _core\n"
        "found = [net.parameters.tolist() + net.predict(data()[0]).ravel().tolist()"
        " + net.predict(data()[0][:3]).ravel().tolist() for net in nets]\n"
        "print(json.dumps([_core.instruction_set(), *found]))"
    )
    names = instruction_sets()
    assert names[-1] == "portable"
    default = run(script)
    assert default[0] == names[0]
    for name in names[1:]:
        found = run(script, CHAINRULE_INSTRUCTION_SET=name)
        assert found[0] == name
        np.testing.assert_allclose(found[2], default[2], rtol=0, atol=1e-11)
        # 30 steps, whose sums have up to 160 terms
        tolerance = 30 * 160 * float(np.finfo(np.float32).eps)
        np.testing.assert_allclose(found[1], default[1], rtol=0, atol=tolerance)
    assert run(script, CHAINRULE_INSTRUCTION_SET="")[0] == names[0]


def test_an_instruction_set_that_there_is_not() -> None:
    sentence = re.compile(
        r"CHAINRULE_INSTRUCTION_SET is 'sse9', but this machine has kernels for .*portable: name"
    )
    script = (
        "import chainrule as cr\n"
        "try: cr.Network([1, 1]).predict([[1.0]])\n"
        "except cr.InputError as error: print('refused:', error)"
    )
    done = start(script, CHAINRULE_INSTRUCTION_SET="sse9")
    assert done.stdout.startswith("refused: "), done.stderr
    assert sentence.search(done.stdout)
    command = "from chainrule.cli import main; raise SystemExit(main(['info']))"
    done = start(command, CHAINRULE_INSTRUCTION_SET="sse9")
    assert done.returncode == 2
    assert sentence.search(" ".join(done.stderr.split()))
    assert "Traceback" not in done.stderr


LONG_EPOCH = """
import json, os, signal, sys, threading, time, warnings
import numpy as np
import chainrule as cr

net = cr.Network([1, 256, 256, 1])
start = net.parameters.copy()
X = np.broadcast_to(np.float32(1), (1_000_000, 1))  # an epoch of a minute and more

class Interrupt(cr.Callback):
    def on_train_begin(self, progress):
        signal.setitimer(signal.ITIMER_REAL, 0.2)

signal.signal(signal.SIGALRM, signal.default_int_handler)
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    history = net.fit(
        X, X, "sgd", learning_rate=1e-6, batch_size=1, epochs=9, shuffle=False, engine="native",
        callbacks=[Interrupt()], n_threads=N_THREADS,
    )
print(json.dumps({
    "warnings": [str(w.message) for w in told], "file": told[0].filename,
    "stop_reason": history.stop_reason, "epochs": history.epochs,
    "finite": bool(np.isfinite(net.parameters).all()),
    "moved": not np.array_equal(net.parameters, start),
    "usable": bool(np.isfinite(net.predict(X[:9])).all()) and net.fit(X[:9], X[:9]).epochs,
}))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no timers that interrupt")
def test_ctrl_c_ends_an_epoch_at_once_and_keeps_the_network() -> None:
    found = run(LONG_EPOCH.replace("N_THREADS", "2"))
    assert found == {
        "warnings": [
            "training was interrupted after 0 of 9 epochs; the network has the weights of its "
            "last step"
        ],
        "file": "<string>",
        "stop_reason": "interrupted",
        "epochs": 0,
        "finite": True,
        "moved": True,
        "usable": 10,
    }


def test_ctrl_c_after_some_epochs_keeps_the_best_weights() -> None:
    script = TRAINED + (
        "import signal, warnings\n"
        "X, Y = data(2000)\n"
        "net = cr.Network([20, 70, 5])\n"
        "def interrupt(progress):\n"
        "    if progress.epoch == 3: signal.setitimer(signal.ITIMER_REAL, 0.05)\n"
        "signal.signal(signal.SIGALRM, signal.default_int_handler)\n"
        "warnings.simplefilter('ignore')\n"
        "history = net.fit(X, Y, epochs=10**6, validation_data=(X[::3], Y[::3]),\n"
        "                  callbacks=[interrupt], engine='native')\n"
        # computed anew from the weights: the signal may come between any two lines of Python
        "loss = net.loss_value(X[::3], Y[::3])\n"
        "kept = loss in history.val_loss and loss <= history.val_loss[history.best_epoch - 1]\n"
        "print(json.dumps([history.stop_reason, kept, history.epochs >= 3]))"
    )
    assert run(script) == ["interrupted", True, True]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_can_use_it_too() -> None:
    script = TRAINED + (
        "import multiprocessing, warnings\n"
        "from chainrule.engines import threads\n"
        "warnings.simplefilter('ignore')  # Python's own, of forks beside threads\n"
        "threads.for_work = lambda *_: 2\n"
        "net = trained('float32')\n"
        "def child(_):\n"
        "    return bits(net), bits(trained('float32'))\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool:\n"
        "    children = pool.map(child, range(2))\n"
        "print(json.dumps([bits(net), *sum(children, ())]))"
    )
    assert set(run(script)) == {here()["bits"](here()["trained"]("float32"))}


AVAILABLE = """
import json, os
from threadpoolctl import threadpool_info, threadpool_limits
from chainrule.engines import threads

found = {"default": threads.available()}
found["libraries"] = [library["num_threads"] for library in threadpool_info()]
with threadpool_limits(1):
    found["threadpoolctl"] = threads.available()
    with threads.limited(3):
        found["n_threads within threadpoolctl"] = threads.available()
with threads.limited(3):
    found["n_threads"] = threads.available()
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    found["affinity"] = threads.available()
print(json.dumps(found))
"""


def test_threads_are_as_many_as_the_process_may_use() -> None:
    processors = (len(os.sched_getaffinity(0)) if HAS_AFFINITY else os.cpu_count()) or 1
    found = run(AVAILABLE)
    n = min(processors, *found.pop("libraries"), 1000)  # a library has its own limit, such as 64
    assert found.pop("affinity", 1) == 1
    asked = dict.fromkeys(("n_threads", "n_threads within threadpoolctl"), min(3, processors))
    assert found == {"default": n, "threadpoolctl": 1, **asked}
    found = run(AVAILABLE, OMP_NUM_THREADS="1")
    del found["libraries"]
    found.pop("affinity", None)
    assert found == {"default": 1, "threadpoolctl": 1, **asked}


def test_a_worker_of_joblib_takes_no_more_than_its_share() -> None:
    script = (
        "import json, joblib\n"
        "from chainrule.engines.threads import available\n"
        "with joblib.parallel_config('loky', n_jobs=2):\n"
        "    counts = joblib.Parallel()(joblib.delayed(available)() for _ in range(2))\n"
        "print(json.dumps([counts, max(1, joblib.cpu_count() // 2)]))"
    )
    counts, share = run(script)
    assert max(counts) <= share


@pytest.mark.skipif(not HAS_AFFINITY, reason="this system has no affinity")
def test_the_process_may_use_the_same_processors_afterwards() -> None:
    script = TRAINED + (
        "import os\n"
        "from chainrule.engines import threads\n"
        "threads.for_work = lambda *_: 2\n"
        "seen = [os.sched_getaffinity(0)]\n"
        "look = lambda *_: seen.append(os.sched_getaffinity(0))\n"
        "net = trained('float32', callbacks=[look])\n"
        "net.gradients(*data()); look()\n"
        "try: net.fit(*data(), 'sgd', learning_rate=1e30)\n"
        "except cr.DivergenceError: look()\n"
        "print(json.dumps([sorted(cpus) for cpus in seen]))"
    )
    found = run(script)
    assert len(found) == 6
    assert found == [found[0]] * 6


LITTLE_MEMORY = """
import resource
import numpy as np
import chainrule as cr

X, Y = np.ones((700, 3000), np.float32), np.ones((700, 3000), np.float32)
cr.Network([3, 2]).fit(X[:, :3], Y[:, :2], epochs=1)
net = cr.Network([3000, 3000, 3000], weight_init=lambda rng, shape: np.zeros(shape, np.float32))
with open("/proc/self/statm") as file:
    now = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + LEFT, now + LEFT))
try:
    CALL
except cr.InputError as error:
    print(error)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs the size of a process")
@pytest.mark.parametrize(
    ("left", "call"),
    [
        (20e6, "net.predict(X)"),
        (100e6, "net.gradients(X, Y)"),
        (100e6, "net.fit(X, Y, epochs=1)"),
        # enough for the parameters and Adam's averages, but then not for a step
        (350e6, "net.fit(X, Y, epochs=1, batch_size=700, gradient_clip=1.0)"),
    ],
)
def test_memory_that_does_not_suffice(left: float, call: str) -> None:
    done = start(LITTLE_MEMORY.replace("LEFT", str(int(left))).replace("CALL", call))
    assert re.search(
        r"not enough memory: the 18,006,000 parameters of layers \[3000, 3000, 3000\] take 0.07 "
        r"GiB.*: take smaller layers",
        done.stdout,
    ), done.stderr
