"""The benchmarks measure what they say; how fast anything is, is no matter here."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from chainrule.benchmarks import estimating, machine, peers, same_work, suite
from chainrule.benchmarks import memory as memory_of_a_process
from chainrule.benchmarks.experiments import (
    EXPERIMENTS,
    curves,
    ensemble,
    estimators,
    memory,
    prediction,
    startup,
    steps,
    variants,
)
from chainrule.benchmarks.harness import Comparison, PeerError, compare, once, wall_seconds
from chainrule.benchmarks.job import Job
from chainrule.benchmarks.peers import ours
from chainrule.benchmarks.plan import Plan
from chainrule.benchmarks.report import Table
from chainrule.benchmarks.same_work import SMALL
from chainrule.benchmarks.workloads import WORKLOADS, Workload
from chainrule.errors import InputError

TINY = Workload((3, 4, 2), "relu", 8, 20)
ONE_CORE = machine.cores(1)
needs_jax = pytest.mark.skipif(
    not importlib.util.find_spec("jax"), reason="needs jax: pip install 'chainrule[bench]'"
)


def silent(text: str) -> None:
    """Take a note of progress."""


def plan(**options: Any) -> Plan:
    settings: dict[str, Any] = {
        "workloads": ("w1", "w5"),
        "threads": (1,),
        "rounds": 2,
        "quick": True,
        "trainers": ("chainrule", "jax", "torch"),
    }
    return Plan(**{**settings, **options})


@pytest.mark.parametrize("workload", SMALL, ids=str)
@pytest.mark.parametrize("peer", ["chainrule", "chainrule-numpy", "torch", "sklearn"])
def test_peers_do_the_same_work(peer: str, workload: Workload) -> None:
    deviation = same_work.deviation(peer, workload)
    assert deviation.accepted, str(deviation)


# In a process of its own, as when it is measured: its threads outlive what started them.
@needs_jax
def test_jax_does_the_same_work() -> None:
    deviation = same_work.Deviation(**once(Job("check", "jax", SMALL[0]), ONE_CORE))
    assert deviation.accepted, str(deviation)


@pytest.mark.parametrize(
    "other", [{"learning_rate": 1.01e-3}, {"optimizer": "nadam"}, {"l2": 1e-2}, {"batch_size": 33}]
)
def test_other_work_is_noticed(other: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def trainer(workload: Workload, X: Any, Y: Any, shuffle: bool) -> ours.Trainer:
        return ours.Trainer(workload, X, Y, shuffle, fit_options=other)

    monkeypatch.setattr(peers, "load", lambda name: SimpleNamespace(WAYS=[{}], Trainer=trainer))
    assert not same_work.deviation("chainrule", SMALL[0]).accepted


@pytest.mark.parametrize("peer", ["chainrule", "torch", "sklearn", "onnxruntime"])
def test_predictors_give_the_same_outputs(peer: str) -> None:
    workload = SMALL[1]
    predict, (X, _) = peers.load(peer).predictor(workload), workload.data()
    peers.require_same_outputs(workload, predict, X[:5])
    with pytest.raises(ValueError, match="wrong by"):
        peers.require_same_outputs(workload, lambda X: predict(X) + 1, X[:5])


@needs_jax
def test_an_ensemble_of_jax_trains_each_network() -> None:
    job = Job("ensemble", "jax", TINY, {"n_networks": 3}, seconds=1e-3)
    found = compare({"jax": job}, ONE_CORE, 1, silent, "ensemble")
    assert found.seconds["jax"][0] > 0


def test_peers_take_turns_and_a_failure_stops_nobody_else() -> None:
    def job(task: str, peer: str, workload: Workload = TINY, **options: Any) -> Job:
        return Job(task, peer, workload, options, seconds=1e-3)

    jobs = {
        "train": job("train", "chainrule"),
        "wrong": job("train", "chainrule", Workload((3, 2, 2), "no such", 8, 20)),
        "predict": job("predict", "numpy"),
        "limit": job("limit", "numpy", n=8),
        "loop": job("ensemble", "loop", n_networks=2),
    }
    notes: list[str] = []
    found = compare(jobs, ONE_CORE, 3, notes.append, "tiny")
    assert set(found.seconds) == {"train", "predict", "limit", "loop"}
    for seconds in found.seconds.values():
        assert len(seconds) == 3
        assert min(seconds) > 0
    assert found.about["train"]["engine"] in ("native", "numpy")
    assert "no such" in found.failures["wrong"]
    assert notes[-1] == "tiny: round 3 of 3"
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()


def test_a_process_that_fails_says_so() -> None:
    assert wall_seconds(["-c", "pass"], ONE_CORE) > 0
    with pytest.raises(PeerError, match="code 3"):
        wall_seconds(["-c", "raise SystemExit(3)"], ONE_CORE)


@pytest.mark.skipif(not memory_of_a_process.is_known(), reason="needs Linux's /proc")
def test_memory_is_that_of_training_and_not_of_the_data() -> None:
    wide = Workload((1_000, 2_000), "relu", 1, 2)  # 8 MB of parameters
    found = once(Job("memory", "chainrule", wide), ONE_CORE)
    # parameters and two moments at least, and no more than a few copies
    assert 3 * 8e6 < found["bytes"] < 20 * 8e6


def test_peers_do_not_see_what_would_slow_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("XLA_FLAGS", "--no_such_flag")
    one, two = machine.environment(1), machine.environment(2)
    assert "OPENBLAS_CORETYPE" not in one
    assert (one["OMP_NUM_THREADS"], two["OMP_NUM_THREADS"]) == ("1", "2")
    assert "eigen=false" in one["XLA_FLAGS"]
    assert "XLA_FLAGS" not in two
    assert "OPENBLAS_CORETYPE" in machine.dropped_variables()


def test_jobs_arrive_as_they_were_sent() -> None:
    job = Job("train", "chainrule", WORKLOADS["w1"], {"fit_options": {"dropout": 0.1}}, 0.5)
    assert Job.from_json(job.to_json()) == job


def test_steps_and_operations_are_counted() -> None:
    assert TINY.n_steps == 3
    assert TINY.n_parameters == 4 * 4 + 5 * 2
    # forward 12 + 8, gradient 12 + 8, backward 8 multiplications and as many additions
    assert TINY.flops == 8 * 2 * (20 + 20 + 8)
    X, Y = TINY.data()
    assert (X.shape, Y.shape) == ((20, 3), (20, 2))
    assert X.dtype == Y.dtype == np.float32


@pytest.mark.parametrize("name", ["dropout 0.1", "sample weights", "softmax, cross_entropy"])
def test_variants_train(name: str) -> None:
    trainer = ours.Trainer(TINY, *TINY.data(), **variants.VARIANTS[name])
    assert np.isfinite(trainer.run(2))


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that everything has been measured: each peer takes twice the time of the last."""

    def compared(jobs: dict[str, Job], _: Sequence[int], rounds: int, *__: Any) -> Comparison:
        seconds = {name: [1e-5 * 2**i] * rounds for i, name in enumerate(jobs)}
        said = {"engine": "numpy", "loss": "0.5", "outside": "1e-3"}
        about = {name: {} if "jax" in name else said for name in jobs}
        return Comparison(seconds, about, {"sklearn": "is ill"})

    def estimated(job: Job, _: Sequence[int]) -> dict[str, Any]:
        ours = job.peer == "chainrule"
        if job.task == "search":
            return {"seconds": 1.0 if ours else 8.0, "score": 0.97, "best": {"alpha": 1.0}}
        return {"scores": [0.9, 0.8, 0.7] if ours else [0.8, 0.8, 0.8]}

    for module in (steps, variants, ensemble, prediction, curves, estimators):
        monkeypatch.setattr(module, "compare", compared)
    monkeypatch.setattr(startup, "wall_seconds", lambda *_: 0.5)
    monkeypatch.setattr(memory, "once", lambda *_: {"bytes": 2**20, "about": {}})
    monkeypatch.setattr(estimators, "once", estimated)
    monkeypatch.setattr(memory_of_a_process, "is_known", lambda: True)


@pytest.mark.usefixtures("pretended")
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_makes_tables(name: str) -> None:
    tables = list(EXPERIMENTS[name](plan()))
    assert tables
    for table in tables:
        assert table.rows
        assert all(len(row) == len(table.header) + 1 for row in table.rows)
        json.dumps(table.to_dict())


@pytest.mark.usefixtures("pretended")
def test_a_table_of_steps() -> None:
    table = next(EXPERIMENTS["steps"](plan()))
    flops = WORKLOADS["w1"].flops
    assert table.rows[1] == [
        "JAX", "40.0", f"{flops / 40e-6 / 1e9:.1f}", f"{flops / 40e-6 / (2 * 1024**3 / 1e-5):.0%}",
        "2.00 (2.00 to 2.00)",
    ]  # fmt: skip
    assert table.rows[0][0] == "chainrule (numpy)"
    assert table.notes == ["scikit-learn: is ill"]


@pytest.mark.usefixtures("pretended")
def test_tables_of_estimators() -> None:
    training, small, search, scores = EXPERIMENTS["estimators"](plan())
    assert [row[0].partition(":")[0] for row in training.rows] == ["w1", "w5"]
    assert training.rows[0][1:] == ["10.0", "20.0", "2.00 (2.00 to 2.00)", "0.5000", "+0.0%"]
    # fits of 1 and of 51 epochs take 10 and 20 steps of 1e-5 s by chainrule, 40 and 80 by the other
    assert small.rows[1][3] == "4.00 (4.00 to 4.00)"
    assert small.notes[0] == "chainrule's fit less its history_.seconds: 1.00 ms"
    assert search.rows[1] == ["scikit-learn", "8.00 s", "8.00 (8.00 to 8.00)", "0.9700", "1.0"]
    assert scores.rows[0] == ["adam, iris", "0.8000 (0.0577)", "0.8000 (0.0000)", "0.0000 (0.0577)"]


@pytest.mark.parametrize("workload", [TINY, Workload((3, 4, 1), "tanh", 8, 20)], ids=str)
def test_estimators_do_the_same_work(workload: Workload) -> None:
    losses = []
    for peer in ("chainrule", "sklearn"):
        # a batch of all samples has no order
        whole = replace(workload, batch_size=workload.n_samples)
        task = estimating.fit(Job("fit", peer, whole, {"epochs": 3}))
        task.run(2)
        assert task.units == 3
        losses.append(float(task.about()["loss"]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize("dataset", ["iris", "diabetes"])
def test_estimators_are_scored_on_the_same_samples(dataset: str) -> None:
    options = {"dataset": dataset, "solver": "lbfgs", "seeds": 2}
    ours, theirs = (
        estimating.scores(Job("scores", peer, estimating.DATASETS[dataset], options))["scores"]
        for peer in ("chainrule", "sklearn")
    )
    assert ours == pytest.approx(theirs, abs=1e-6)
    assert ours[0] != ours[1]


def test_a_grid_is_searched() -> None:
    digits = Workload((64, 20, 10), "relu", 200, 300)
    found = estimating.search(Job("search", "chainrule", digits, {"n_jobs": 1, "quick": True}))
    assert set(found["best"]) == {"alpha", "learning_rate_init"}
    assert found["score"] > 0.8
    assert found["seconds"] > 0


def test_a_table_is_aligned() -> None:
    table = Table("title", ["us", "ratio"], [["a", "1.5", "1"], ["longer", "12.5", "2"]], ["note"])
    assert str(table).splitlines() == [
        "title",
        "          us  ratio",
        "a        1.5      1",
        "longer  12.5      2",
        "note",
    ]


@pytest.mark.usefixtures("pretended")
def test_the_record_is_written_with_a_picture(tmp_path: Path) -> None:
    chosen = plan()
    record = suite.Record(chosen, suite.Agreement(list(chosen.trainers), ["all agree"]))
    assert len(list(record.run(chosen, ["steps", "curves"]))) == 6
    figures, picture = record.write(tmp_path, picture=True)
    assert picture.read_bytes()[:4] == b"\x89PNG"
    found = json.loads(figures.read_text())
    assert set(found) == {"machine", "plan", "same_work", "tables"}
    assert found["tables"]["curves"][0]["figures"]["axis"] == "width"
    assert record.write(tmp_path, picture=False) == [figures]


def test_peers_that_are_not_installed_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "missing_packages", lambda: ["jax", "onnx"])
    assert peers.installed("train") == ["chainrule", "chainrule-numpy", "torch", "sklearn"]
    assert "onnxruntime" not in peers.installed("predict")


def test_a_peer_that_does_other_work_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {
        "chainrule": {"loss": 1e-7, "weights": 1e-6, "engine": "numpy"},
        "torch": {"loss": 1e-7, "weights": 0.5, "engine": ""},
    }

    def answer(job: Job, _: Sequence[int]) -> dict[str, Any]:
        if job.peer not in answers:
            raise PeerError("is ill")
        return answers[job.peer]

    monkeypatch.setattr(suite, "once", answer)
    monkeypatch.setattr(peers, "missing_packages", lambda: ["jax"])
    found = suite.agreement(silent)
    assert found.trainers == ["chainrule"]
    assert [line.partition(":")[0] for line in found.lines] == [
        "chainrule (numpy)", "PyTorch eager", "scikit-learn",
    ]  # fmt: skip
    assert "its work is another" in found.lines[1]
    assert "is ill" in found.lines[2]


def test_a_plan_says_what_is_wrong() -> None:
    with pytest.raises(InputError, match="did you mean 'w1'"):
        suite.make_plan(["w11"], [], None, False, [], silent)
    with pytest.raises(InputError, match="needs 100000 cores"):
        suite.make_plan([], [100_000], None, False, [], silent)
    made = suite.make_plan([], [], None, False, [], silent)
    assert made.workloads == tuple(WORKLOADS)
    assert made.threads[0] == 1
