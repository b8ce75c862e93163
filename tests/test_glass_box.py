"""The glass box: the same numbers in the terminal, on the page, in LaTeX and in JSON."""

from __future__ import annotations

import base64
import itertools
import json
import re
import shutil
import subprocess
import unicodedata
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fontTools.ttLib import TTFont
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule import batches, counting, equations, notation
from chainrule.cost import BatchCost
from chainrule.tracing import (
    cells,
    derivation,
    follow,
    formulas,
    html,
    latex,
    record,
    spelling,
    statements,
    text,
)

FORMS = ["paths", "omega", "lambda"]
CASES = [
    ("identity", "squared_error"),
    ("softmax", "cross_entropy"),
    ("softmax", "squared_error"),
    ("sigmoid", "binary_cross_entropy"),
]


def network(output: str = "identity", loss: str = "squared_error", **more: Any) -> cr.Network:
    net = cr.Network([2, 3, 4, 2], "tanh", output, loss, **{"dtype": "float64", **more})
    net.parameters[:] = np.random.default_rng(1).normal(size=net.n_parameters)
    return net


def trace(output: str, loss: str, form: str = "lambda", n: int = 1) -> Any:
    rng = np.random.default_rng(0)
    return cr.trace(network(output, loss), rng.normal(size=(n, 2)), rng.dirichlet([1, 1], n), form)


class Page(HTMLParser):
    """The tables of a page by the id of their section, and whether its elements close."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.section = ""
        self.tables: dict[str, list[list[list[tuple[str, str]]]]] = {}
        self.title = ""
        self.data = ""
        self.feed(content)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if "id" in given:
            self.ids.append(given["id"] or "")
        if tag == "a":
            self.links.append(given["href"] or "")
        if tag == "meta":
            return
        self.open.append(tag)
        if tag == "section":
            self.section = given.get("id") or "path"
        if tag == "table" and "matrix" in (given.get("class") or ""):
            self.tables.setdefault(self.section, []).append([])
        elif tag == "tr" and self.tables.get(self.section):
            self.tables[self.section][-1].append([])
        self.title = given.get("title") or ""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "td" and self.tables.get(self.section):
            rows = self.tables[self.section][-1]
            if rows:
                rows[-1].append((data, self.title))
        if self.open and self.open[-1] == "script":
            self.data += data


def computed(output: str, loss: str, form: str, n: int) -> Any:
    """Run `equations.py` itself on plain arrays."""
    net = network(output, loss)
    rng = np.random.default_rng(0)
    given = batches.data(net.architecture, rng.normal(size=(n, 2)), rng.dirichlet([1, 1], n))
    W, B, sigma = net.architecture.for_equations(net.parameters)
    q = equations.forward(W, B, sigma, given.X.T)
    cost = BatchCost(net.architecture.loss, net.architecture.activations[-1], given.Y)
    return equations.BACKWARD[form](q, W, sigma, cost)


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("output", "loss"), CASES)
def test_all_forms_of_output_have_the_numbers_of_the_equations(
    output: str, loss: str, form: str, n: int
) -> None:
    t, q = trace(output, loss, form, n), computed(output, loss, form, n)
    written = json.loads(t.to_json())["steps"]
    page = Page(t.to_html())
    spelled = t.to_latex()
    printed = str(t)
    for step in written:
        if step["layer"] is None:
            continue
        value = np.asarray(getattr(q, step["symbol"])[step["layer"]])
        # JSON has every bit
        np.testing.assert_array_equal(np.array(step["value"]), value)
        # so have the titles on the page, whose text is what the terminal prints
        (*_, shown) = page.tables[f"{step['symbol']}-{step['layer']}"]
        titles = np.array([[float(title) for _, title in row] for row in shown])
        np.testing.assert_array_equal(titles, cells.as_matrix(value))
        for row, exact in zip(shown, cells.as_matrix(value), strict=True):
            numbers = [cells.number(entry) for entry in exact]
            assert [entry for entry, _ in row] == numbers
            assert re.search(r"\s+".join(map(re.escape, numbers)) + r"\s*[⎤⎥⎦\]]", printed)
            assert " & ".join(map(latex.number, numbers)) in spelled
    assert json.loads(page.data) == json.loads(t.to_json())


@pytest.mark.parametrize("form", FORMS)
def test_the_terminal_shows_every_step_in_order(form: str) -> None:
    t = trace("softmax", "cross_entropy", form)
    lines = str(t).splitlines()
    assert lines[0] == "2-3-4-2 (tanh, tanh, softmax), loss cross_entropy, 1 sample"
    assert lines[-1].startswith(f"{t.multiplications:,} multiplications: ")
    assert lines.index("Forward pass") < lines.index("Backward pass")
    numbers = [line.split(")")[0][1:] for line in lines if line.startswith("(")]
    assert numbers == [step.equation for step in t.steps if step.equation != "definition"]
    assert sum("the derivation's assumption ends" in line for line in lines) == 1
    assert [line.split()[0] for line in lines[3:6]] == [
        ">" if form == name else name for name in FORMS
    ]


def test_the_counts_of_the_forms_are_counted() -> None:
    counts = {form: trace("identity", "squared_error", form, 3) for form in FORMS}
    for form, t in counts.items():
        backward = [s.multiplications for s in t.steps if s.symbol not in ("rho", "phi", "C")]
        for other in counts.values():
            assert other.backward_multiplications[form] == sum(backward)
    wide = cr.Network([50, 50, 50])
    assert cr.trace(wide, np.zeros((1, 50)), np.zeros((1, 50))).backward_multiplications == {
        "paths": 50 + 2500 + 2500 * (2 + 50 * 3) + 125_000 * 3,
        "omega": 2 * 2 * 2500 + 3 * 100,
        "lambda": 2 * 2 * 2500 + 100,
    }


@pytest.mark.parametrize("letters", [spelling.UNICODE, spelling.ASCII])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("width", [50, 60, 80, 120])
def test_lines_keep_to_the_width(width: int, form: str, letters: spelling.Spelling) -> None:
    wide = [30, 20, 10] if form != "paths" else [9, 8, 10]
    rng = np.random.default_rng(0)
    printer = text.Printer(width, letters)
    for sizes in (wide, [1] * 12 + [2]):
        net = cr.Network(sizes, "tanh", "softmax", "cross_entropy")
        t = cr.trace(net, 1e-9 * rng.normal(size=(7, sizes[0])), rng.integers(2, size=7), form)
        printed = text.plain([*printer.trace(t), *printer.weight(follow(t, 1, 1, 1))])
        assert max(map(len, printed.splitlines())) <= width


def test_where_there_is_no_room_beside_it_the_result_stands_beneath() -> None:
    t = cr.trace(cr.Network([2, 2, 2], dtype="float64"), [[0.5, -1.0]], [[1.0, 2.0]])
    worked = {}
    for width in (60, 50):
        printed = text.plain(text.Printer(width).trace(t))
        (found,) = re.findall(r"ρ² = W² φ¹ \+ B².*?\n(.*?)\n\n", printed, re.S)
        worked[width] = found.splitlines()
    assert [line.count("=") for line in worked[60]] == [2, 0]
    assert [line.count("=") for line in worked[50]] == [1, 0, 1, 0]


def test_in_ascii_there_are_names_for_letters_and_pieces_for_brackets() -> None:
    t = trace("identity", "squared_error", "omega", 2)
    printed = text.plain(text.Printer(100, spelling.ASCII).trace(t))
    assert printed.isascii()
    assert "(A1)     omega^2 = (W^3)^T (omega^3 o sigma_v'(rho^3))" in printed
    assert "rho^1 = W^1 phi^0 + B^1" in printed
    # as in other letters, but for their names
    numbers, others = (
        re.findall(r"-?\d\.\d\S*\d", text.plain(text.Printer(300, letters).trace(t)))
        for letters in (spelling.ASCII, spelling.UNICODE)
    )
    assert numbers == others
    followed = text.plain(text.Printer(100, spelling.ASCII).weight(follow(t, 1, 3, 2)))
    assert followed.isascii()
    assert "dC/dphi^3_1 * dphi^3_1/drho^3_1 * drho^3_1/dphi^2_1" in followed


def test_indices_of_two_digits_are_told_apart() -> None:
    t = cr.trace(cr.Network([23, 12, 1]), np.ones((1, 23)), [[1.0]])
    names = [
        text.plain(text.Printer(width=100).weight(follow(t, 1, j, k))).split()[2]
        for j, k in ((12, 3), (1, 23), (1, 2))
    ]
    assert names == ["W¹₁₂,₃", "W¹₁,₂₃", "W¹₁₂"]


@pytest.mark.parametrize("output", ["tanh", "softmax"])
@given(sizes=st.lists(st.integers(1, 4), min_size=2, max_size=4))
def test_the_paths_that_are_too_many_to_run_would_cost_what_is_said(
    output: str, sizes: list[int]
) -> None:
    sizes = [*sizes, 2]
    loss = "cross_entropy" if output == "softmax" else "squared_error"
    net = cr.Network(sizes, "tanh", output, loss, dtype="float64")
    x, y = np.ones((3, sizes[0])), np.full((3, 2), 0.5)
    t = cr.trace(net, x, y, "paths")
    backward = [s.multiplications for s in t.steps if s.symbol not in ("rho", "phi", "C")]
    assert 3 * counting.paths_multiplications(sizes, output == "tanh") == sum(backward)


def test_large_matrices_are_abbreviated_with_their_shape() -> None:
    net = cr.Network([300, 200, 10])
    t = cr.trace(net, np.arange(300.0)[None, :], np.zeros((1, 10)))
    lines = str(t).splitlines()
    (shape,) = (line for line in lines if "∂C/∂W¹" in line)
    assert shape.endswith("200 x 300")
    place = lines.index(shape)
    assert len([line for line in lines[place : place + 9] if "⋯" in line]) == 6
    assert len(t.to_html()) < 100_000
    assert "application/json" not in t.to_html()


def test_what_is_not_finite_is_shown_and_is_null_in_json() -> None:
    net = cr.Network([1, 1], dtype="float32")
    net.weights[0] = [[1e30]]
    t = cr.trace(net, [[1e30]], [[0.0]])
    assert json.loads(t.to_json())["loss"] is None
    for shown in (str(t), t.to_html(), t.to_latex()):
        assert "inf" in shown


# The page.


@pytest.mark.parametrize("form", FORMS)
def test_the_page_needs_nothing_else(form: str) -> None:
    t = trace("softmax", "cross_entropy", form)
    content = html.page(t, follow(t, 1, 1, 1))
    for outside in ("http", "src=", "@import", "<link"):
        assert outside not in content
    assert all(place.startswith('"data:font/woff;base64,') for place in content.split("url(")[1:])
    page = Page(content)
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert {"A1", "A2", "A3", "B1", "B2", "B3", "paths", "weight"} <= set(page.ids)
    assert "script" not in t._repr_html_()
    assert "body" not in t._repr_html_()  # a notebook's own


def letters(node: formulas.Node) -> set[str]:
    match node:
        case formulas.Atom(token):
            return {token}
        case formulas.Row(parts):
            return set().union(*map(letters, parts))
        case formulas.Group(inside):
            return letters(inside) | {"(", ")"}
        case formulas.Fraction(above, below):
            return letters(above) | letters(below)
        case formulas.Script(base, above, below, prime):
            scripts = [letters(part) for part in (above, below) if part]
            return letters(base).union(*scripts, {"\N{PRIME}"} if prime else set())


def test_the_font_of_the_page_has_every_letter_of_its_formulas() -> None:
    """Browsers show single letters by those of mathematics, which most fonts lack."""
    written = {e.statement for part in derivation.PARTS for e in part.equations}
    for form, (output, loss) in itertools.product(FORMS, CASES):
        for n in (1, 3):
            t = trace(output, loss, form, n)
            written |= {s.latex for s in statements.statements(t)}
            written |= {f.latex for path in follow(t, 1, 1, 1).paths or () for f in path.factors}
    deep = cr.Network([1] * 12)
    t = cr.trace(deep, [[1.0]], [[1.0]], "paths", sample_weight=[1.0])
    written |= {s.latex for s in statements.statements(t)}
    shown = set().union(*(letters(formulas.parse(latex)) for latex in written))
    shown |= set(notation.UNICODE)  # the studio has a few more
    font = TTFont(BytesIO(base64.b64decode(html.styles().split("base64,")[1].split('"')[0])))
    for token in shown:
        for letter in notation.UNICODE.get(token, token):
            italic = letter
            if letter == "h":
                italic = "\N{PLANCK CONSTANT}"  # where Unicode has it
            elif letter.isalpha():
                name = unicodedata.name(letter).removeprefix("LATIN ").removeprefix("GREEK ")
                italic = unicodedata.lookup(f"MATHEMATICAL ITALIC {name.replace(' LETTER', '')}")
            assert ord(italic) in font.getBestCmap(), letter


def test_names_on_the_page_are_escaped() -> None:
    own = cr.Activation("<b>&", np.tanh, lambda x: 1 - np.tanh(x) ** 2)
    t = cr.trace(cr.Network([1, 1, 1], own), [[1.0]], [[0.0]])
    assert "<b>" not in t.to_html().replace('id="trace">', "")[: t.to_html().index("<script")]
    Page(t.to_html())


# LaTeX.


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("output", "loss"), CASES)
def test_latex_is_balanced_and_uses_amsmath_alone(output: str, loss: str, form: str) -> None:
    t = trace(output, loss, form, 2)
    content = latex.document(t, follow(t, 1, 1, 1))
    assert re.findall(r"\\usepackage(?:\[.*?\])?\{(\w+)\}", content) == ["amsmath"]
    opened: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+\*?)\}", content):
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert opened == []
    assert content.count("{") == content.count("}")
    assert content.count(r"\left") == content.count(r"\right")
    assert content.isascii()
    for matrix in re.findall(r"\\begin\{bmatrix\}(.*?)\\end\{bmatrix\}", content):
        assert len({row.count("&") for row in matrix.split(r"\\")}) == 1


def hard_for_latex() -> dict[str, str]:
    """Return documents with names, numbers and products that are hard to set."""
    rng = np.random.default_rng(0)
    found = {}
    for form in FORMS:
        net = cr.Network([2, 3, 4, 2], "tanh", "softmax", "cross_entropy", dtype="float64")
        t = cr.trace(net, 1e-7 * rng.normal(size=(5, 2)), rng.dirichlet([1, 1], 5), form)
        found[form] = latex.document(t, follow(t, 1, 2, 1), "rows 0, 1 of 50%_a.csv")
    name = 'λ~<b>#%$|é^_{}\\ok"'
    own = cr.Activation(name, np.tanh, lambda x: 1 - np.tanh(x) ** 2)
    found["name"] = cr.trace(cr.Network([1, 1, 1], own), [[1.0]], [[2.0]]).to_latex()
    t = cr.trace(cr.Network([1] * 12), [[1.0]], [[2.0]], "paths")
    found["deep"] = latex.document(t, follow(t, 1, 1, 1))
    big = cr.trace(cr.Network([2, 3, 1]), 1e38 * rng.normal(size=(8, 2)), np.ones((8, 1)))
    found["not finite"] = latex.document(big, follow(big, 1, 1, 1))
    digits = cr.Network([784, 128, 10], "relu", "softmax", "cross_entropy")
    t = cr.trace(digits, rng.normal(size=(30, 784)), rng.integers(10, size=30), "omega")
    found["large"] = latex.document(t, follow(t, 2, 1, 1))
    return found


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no LaTeX here")
def test_latex_compiles(tmp_path: Path) -> None:
    for name, content in hard_for_latex().items():
        (tmp_path / "a.tex").write_text(content)
        done = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"],
            cwd=tmp_path, capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (name, done.stdout[-2000:])
        assert b"Overfull" not in done.stdout, name


# One weight.


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("output", "loss"), CASES)
def test_the_paths_of_every_weight_sum_to_what_a3_and_b3_give(
    output: str, loss: str, form: str, n: int
) -> None:
    t = trace(output, loss, form, n)
    for L, gradient in enumerate(t.grad_W[1:], 1):
        for j, k in np.ndindex(gradient.shape):
            found = follow(t, L, j + 1, k + 1)
            assert found.paths is not None
            assert found.n_paths == len(found.paths) == [8, 2, 1][L - 1]
            assert found.total == pytest.approx(gradient[j, k], rel=1e-12)
            for value in found.gradients.values():
                assert value == pytest.approx(gradient[j, k], rel=1e-12)
            for path in found.paths:
                product = np.prod([np.broadcast_to(f.value, n) for f in path.factors], axis=0)
                np.testing.assert_allclose(path.product, product, rtol=1e-12)
                assert path.units[-1] == j + 1
            assert len({path.units for path in found.paths}) == found.n_paths


def test_each_factor_of_a_path_is_the_derivative_that_it_says() -> None:
    """From the cost down, each derivative is by what the next one is of."""
    t = trace("identity", "squared_error")
    (first, *_) = follow(t, 1, 3, 2).paths or ()
    chain = []
    for factor in first.factors:
        match = re.fullmatch(r"\\frac\{\\partial (.*)\}\{\\partial (.*)\}", factor.derivative)
        assert match
        chain.append(match.groups())
    assert chain[0][0] == "C"
    assert all(by == of for (_, by), (of, _) in itertools.pairwise(chain))
    assert chain[-1][1] == "W^{1}_{3,2}"


def test_a_sum_has_as_many_digits_as_the_network() -> None:
    for dtype, n in (("float32", 6), ("float64", 15)):
        t = cr.trace(network(dtype=dtype), [[0.3, -0.7]], [[1.0, 0.0]])
        found = follow(t, 1, 1, 1)
        assert found.total is not None
        digits = found.spelled(found.total).lstrip("-0.")
        assert n - 2 <= len(digits) <= n
        assert found.spelled(found.total) in text.plain(text.Printer().weight(found))


def test_too_many_paths_are_counted_and_not_listed() -> None:
    t = cr.trace(cr.Network([5, 40, 40, 10]), np.ones((1, 5)), np.zeros((1, 10)))
    assert follow(t, 1, 1, 1).n_paths == 400
    found = follow(t, 1, 1, 1, limit=399)
    assert (found.n_paths, found.paths, found.total) == (400, None, None)
    gradient = pytest.approx(t.grad_W[1][0, 0])
    assert found.gradients == {"A3": gradient, "B3": gradient}
    printed = text.plain(text.Printer().weight(found))
    assert "400 paths to the cost" in printed
    assert "too many to list" in printed
    assert json.loads(record.dumps(record.of(t, found)))["weight"]["paths"] is None


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ((0, 1, 1), "there is no layer 0: .* layers 1 to 3"),
        ((4, 1, 1), "there is no layer 4"),
        ((1, 4, 1), "no entry 4,1: it has 3 rows and 2 columns"),
        ((1, 1, 0), "no entry 1,0"),
    ],
)
def test_a_weight_that_is_not_there_is_refused(place: tuple[int, int, int], message: str) -> None:
    with pytest.raises(cr.InputError, match=message):
        follow(trace("identity", "squared_error"), *place)
