"""``python -m chainrule.benchmarks.surrogates``: every method, problem and seed, in turns."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from chainrule import storage
from chainrule.benchmarks import machine
from chainrule.benchmarks.surrogates import report, speed
from chainrule.benchmarks.surrogates.measuring import Curve
from chainrule.benchmarks.surrogates.methods import METHODS, missing
from chainrule.benchmarks.surrogates.problems import PROBLEMS
from chainrule.errors import require_choice

_CHILD = (sys.executable, "-P", "-m", "chainrule.benchmarks.surrogates.measuring")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="a folder for the curves and their picture")
    parser.add_argument("--seconds", type=float, default=20, help="of each training")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--problems", default=",".join(PROBLEMS))
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--only", choices=("iterations", "curves"), help="else both")
    chosen = parser.parse_args(arguments)
    problems, methods = chosen.problems.split(","), chosen.methods.split(",")
    for name in problems:
        require_choice("--problems", name, PROBLEMS)
    for name in methods:
        require_choice("--methods", name, METHODS)
    if chosen.only != "curves":
        print("\n".join(speed.report()), flush=True)
    if chosen.only != "iterations":
        absent = {method: package for method in methods if (package := missing(method))}
        for method, package in absent.items():
            print(f"left out: {method}, as {package} is not installed")
        present = [method for method in methods if method not in absent]
        curves = _measure(problems, present, range(chosen.seeds), chosen.seconds)
        for table in (report.errors, report.to_a_thousandth, report.times):
            print("\n" + "\n".join(table(curves)), flush=True)
        if chosen.output:
            chosen.output.mkdir(parents=True, exist_ok=True)
            record = {
                "machine": machine.description(),
                "seconds": chosen.seconds,
                "curves": [asdict(curve) for curve in curves],
            }
            path = chosen.output / "surrogates.json"
            storage.write_atomically(path, json.dumps(record).encode())
            report.draw(curves, chosen.output / "surrogates.png")


def _measure(
    problems: Sequence[str], methods: Sequence[str], seeds: Sequence[int], seconds: float
) -> list[Curve]:
    """Take turns, each in a process of its own on all cores."""
    environment = machine.environment(len(machine.available_cores()))
    curves = []
    for problem in problems:
        for seed in seeds:
            for method in methods:
                done = subprocess.run(
                    [*_CHILD, problem, method, str(seed), str(seconds)],
                    capture_output=True, text=True, env=environment,
                )  # fmt: skip
                if done.returncode:
                    reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                    print(f"{method} on {problem}, seed {seed}, failed: {reason}", flush=True)
                    continue
                curve = Curve(**json.loads(done.stdout.strip().splitlines()[-1]))
                curves.append(curve)
                print(
                    f"{problem}, seed {seed}, {method}: RMSE {curve.test[-1]:.2e} after "
                    f"{curve.seconds[-1]:.3g} s, {curve.iterations:,} iterations",
                    flush=True,
                )
    return curves


if __name__ == "__main__":
    main()
