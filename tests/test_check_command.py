"""`chainrule check`: the table, the proof, the exit code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import chainrule as cr
from chainrule import activations, equations
from tests.test_cli import Run, iris, one_sentence, run

__all__ = ["iris", "run"]  # fixtures


def test_a_new_network_passes(run: Run) -> None:
    code, out, err = run("check")
    assert (code, err) == (0, "")
    assert "gradients against complex step, in float64" in out
    rows = [line.split()[0] for line in out.splitlines()[4:-1]]
    assert rows == ["W^1", "B^1", "W^2", "B^2", "phi^0"]
    assert out.endswith("passed: tolerance 1e-08 relative\n")


@pytest.mark.parametrize("reference", ["complex", "central", "torch"])
def test_a_model_of_a_table_passes_on_its_rows(run: Run, iris: str, reference: str) -> None:
    run("train", iris, "--target", "species", "-o", "m.safetensors", "--epochs", "2")
    arguments = ("--data", iris, "--row", "0,60,120", "--reference", reference)
    code, out, err = run("check", "m.safetensors", *arguments, "--max-entries", "20")
    assert (code, err) == (0, "")
    assert "rows 0, 60, 120 of iris.csv" in out
    assert out.splitlines()[2].startswith("gradients against ")


@pytest.mark.parametrize("model", ["784-128-10", "2-3-3-3-3-3-1"])
def test_other_networks_pass(run: Run, model: str) -> None:
    assert run("check", model, "--max-entries", "5")[0] == 0


def test_a_wrong_derivative_is_exit_code_1_and_named(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    tanh = replace(activations.NAMED["tanh"], prime_from_output=lambda y: 1 + y * y)
    monkeypatch.setitem(activations.NAMED, "tanh", tanh)
    code, out, _ = run("check", "2-3-3-1", "--engine", "numpy")
    assert code == 1
    assert out.count("WRONG") == 5
    assert "layer 1, activation 'tanh': sigma_prime is not the derivative of sigma" in out
    assert "layer 2, activation 'tanh'" in out
    assert out.endswith("FAILED: tolerance 1e-08 relative\n")


@pytest.mark.parametrize(
    ("model", "network"), [("3-1", "2-2"), ("5-7-3", "2-2-2"), ("2-3-4-5-1", "1-1-1-1-1")]
)
def test_the_proof_is_of_a_small_network_as_deep(run: Run, model: str, network: str) -> None:
    code, out, err = run("check", model, "--symbolic", "--max-entries", "5")
    assert (code, err) == (0, "")
    assert f"network {network}, sigma unknown in every layer" in out
    assert "proven: so it is for each" in out


def test_the_proof_is_a_derivation_from_the_last_layer_back(run: Run) -> None:
    out = run("check", "2-3-1", "--symbolic")[1]
    blocks = out.split("sigma unknown in every layer\n")[1].split("\n\n")
    assert blocks[0] == "C = (phi^2_1 - y_11)**2/2 + (phi^2_2 - y_12)**2/2"
    assert blocks[1] == (
        "dC/dW^2_11 = phi^1_1*(phi^2_1 - y_11)*sigma_2'(rho^2_1)\n"
        "    less what equations.py gives, by the paths: 0, by A3: 0, by B3: 0"
    )
    assert blocks[3].splitlines()[:2] == [
        "dC/dW^1_11 = W^2_11*x_11*(phi^2_1 - y_11)*sigma_1'(rho^1_1)*sigma_2'(rho^2_1)",
        "           + W^2_21*x_11*(phi^2_2 - y_12)*sigma_1'(rho^1_1)*sigma_2'(rho^2_2)",
    ]
    names = [block.split(" ")[0] for block in blocks[1:-2]]
    assert names == ["dC/dW^2_11", "dC/dB^2_1", "dC/dW^1_11", "dC/dB^1_1", "dC/dx_11"]


def test_the_proof_goes_forwards_too_and_on_to_derivatives(run: Run) -> None:
    *_, forwards, verdict = run("check", "2-1", "--symbolic")[1].split("\n\n")
    assert forwards.splitlines() == [
        "along a direction, in which everything moves at once:",
        "dphi^1_11 = W^1_11*dx_11*sigma_1'(rho^1_1)",
        "          + W^1_12*dx_21*sigma_1'(rho^1_1)",
        "          + dB^1_1*sigma_1'(rho^1_1)",
        "          + dW^1_11*x_11*sigma_1'(rho^1_1)",
        "          + dW^1_12*x_21*sigma_1'(rho^1_1)",
        "    less what tangents.py gives, by F1, F2 and F3: 0",
        "dC, less what tangents.py gives: 0",
        "<u, J v> - <J.T u, v> = 0",
    ]
    assert verdict == (
        "proven: so it is for each of the 8 weights, biases and inputs, and forwards for each "
        "output\nand for D = 1/(2n) sum |dphi^l/dx - dY|^2, by D1, D2 and D3\n"
    )


def test_a_proof_that_fails_is_exit_code_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(q: equations.Quantities, *rest: object) -> equations.Quantities:
        right = equations.lambda_form(q, *rest)  # type: ignore[arg-type]
        right.grad_W[1] = -right.grad_W[1]
        return right

    monkeypatch.setitem(equations.BACKWARD, "lambda", wrong)
    code, out, _ = run("check", "2-1", "--symbolic")
    assert code == 1
    assert "passed: tolerance" in out
    assert out.endswith("NOT PROVEN\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["2-3-1", "--reference", "tf"], "reference 'tf' is not known"),
        (["2-3-1", "--engine", "cuda"], "engine"),
        (["none.safetensors"], "there is no file none.safetensors"),
        (["2-3-1", "--x", "1,2"], "there is no target"),
        (["2-3-1", "--max-entries", "0"], "max-entries"),
    ],
)
def test_mistakes_are_one_sentence(run: Run, arguments: list[str], message: str) -> None:
    code, _, err = run("check", *arguments)
    assert code == 2
    assert message in one_sentence(err)


def test_a_network_with_functions_of_your_own_says_what_to_do(run: Run) -> None:
    own = cr.Activation("cube", lambda x: x**3, lambda x: 3 * x**2)
    cr.Network([2, 3, 1], own).save("own.safetensors")
    code, _, err = run("check", "own.safetensors")
    assert code == 2
    assert "cube, which you defined yourself" in one_sentence(err)
    assert Path("own.safetensors").exists()
