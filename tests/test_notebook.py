"""Notebooks: what networks and histories show there, safe, small and without a network."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import chainrule as cr
from chainrule.notebook import html
from chainrule.notebook.drawing import NEGATIVE, POSITIVE
from tests import broken


class _Balanced(HTMLParser):
    """Fails on a tag that is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def assert_well_formed(text: str) -> None:
    parser = _Balanced()
    parser.feed(text)
    parser.close()
    assert parser.open == []


def picture(text: str) -> ElementTree.Element:
    found = re.search(r"<svg.*</svg>", text, re.S)
    assert found
    return ElementTree.fromstring(found[0])


def history(n: int = 30, validation: bool = True) -> cr.History:
    loss = [1.0 / (k + 1) for k in range(n)]
    return cr.History(
        loss=loss,
        val_loss=[2 * value for value in loss] if validation else [],
        learning_rate=[0.1] * n,
        epoch_seconds=[0.5] * n,
        optimizer="Adam",
        engine="native",
        best_epoch=n,
        stop_reason="epochs",
    )


def gradients(*sizes: int) -> cr.network.Gradients:
    net = cr.Network(sizes)
    return net.gradients(np.ones((2, sizes[0])), np.ones((2, sizes[-1])))


WRONG = cr.Activation("<wrong>", np.tanh, lambda x: 1 + np.tanh(x) ** 2, check=False)
SHOWN: dict[str, Any] = {
    "network": cr.Network([3, 4, 2]),
    "wide": cr.Network([784, 512, 10], output_activation="softmax", loss="cross_entropy"),
    "deep": cr.Network([64, *[32] * 20, 10]),
    "linear": cr.Network([1, 1], bias=False),
    "history": history(),
    "long history": history(5000),
    "one epoch": history(1, validation=False),
    "empty history": cr.History(),
    "gradients": gradients(784, 512, 512, 10),
    "a gradient": gradients(1, 1),
    "check": cr.check_gradients(cr.Network([3, 4, 2]), np.ones((2, 3)), np.ones((2, 2))),
    "failed check": cr.check_gradients(cr.Network([2, 3, 1], WRONG), [[1.0, 2.0]], [[1.0]]),
    "proof": cr.prove([1, 1, 1]),
    "diagnosis": cr.diagnose(*broken.biases_below_zero(0)[:3]),
}


@pytest.mark.parametrize("shown", SHOWN.values(), ids=SHOWN)
def test_small_and_self_contained(shown: Any) -> None:
    text = shown._repr_html_()
    assert_well_formed(text)
    assert len(text) < 40_000
    assert not re.search(r"https?:|<script|<link|<img|@import|url\(", text)


def test_colours_are_those_of_the_page_but_for_what_means_something() -> None:
    for shown in SHOWN.values():
        colours = set(re.findall(r"#[0-9a-f]{6}", shown._repr_html_()))
        assert colours <= {POSITIVE, NEGATIVE, "#8a8f98"}


def test_names_are_escaped() -> None:
    evil = "<script>alert(1)</script>&\"'"
    net = cr.Network([2, 1], output_activation=cr.Activation(evil, lambda x: x, np.ones_like))
    net.feature_names = (evil, "b")
    record = history()
    record.stop_reason = record.optimizer = evil
    for text in (net._repr_html_(), record._repr_html_(), html.table([evil], [[evil]])):
        assert "<script" not in text
        assert_well_formed(text)


def test_units_and_edges() -> None:
    net = cr.Network([3, 4, 2])
    root = picture(net._repr_html_())
    assert len(root.findall("circle")) == 3 + 4 + 2
    assert sum(path.attrib["d"].count("M") for path in root.findall("path")) == 3 * 4 + 4 * 2
    labels = [text.text for text in root.findall("text")]
    assert labels == ["input", "3", "relu", "4", "identity", "2"]


def test_edges_have_the_colour_of_the_sign_and_the_width_of_the_size() -> None:
    net = cr.Network([3, 1])
    net.weights[0] = np.array([[1.0, -0.1, 0.0]])
    paths = picture(net._repr_html_()).findall("path")
    width = {path.attrib["stroke"]: float(path.attrib["stroke-width"]) for path in paths}
    assert set(width) == {POSITIVE, NEGATIVE}  # nothing for the 0
    assert width[POSITIVE] > 5 * width[NEGATIVE]


def test_large_layers_and_deep_networks_are_abbreviated() -> None:
    root = picture(SHOWN["wide"]._repr_html_())
    assert len(root.findall("circle")) == 30
    assert "512" in [text.text for text in root.findall("text")]
    deep = [text.text for text in picture(SHOWN["deep"]._repr_html_()).findall("text")]
    assert "14 layers" in deep
    assert deep.count("relu") == 6  # of the eight layers drawn, all but the first and the last


def test_the_inputs_have_their_names() -> None:
    net = cr.Network([2, 1])
    net.feature_names = ("age", "a name that is too long")
    labels = [text.text for text in picture(net._repr_html_()).findall("text")]
    assert labels[-2:] == ["age", "a name that…"]


def test_weights_that_are_not_finite_are_no_obstacle() -> None:
    net = cr.Network([2, 2])
    net.weights[0] = np.array([[np.nan, np.inf], [-np.inf, 0.0]])
    assert len(picture(net._repr_html_()).findall("circle")) == 4


def test_a_network_shows_its_summary() -> None:
    net = cr.Network([3, 4, 2])
    assert net.summary() in net._repr_html_()


def cells(text: str) -> list[list[str]]:
    rows = re.findall(r"<tr>(.*?)</tr>", text)
    return [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in rows]


def test_gradients_are_a_table_of_shapes_and_sizes() -> None:
    found = gradients(2, 3, 1)
    text = found._repr_html_()
    assert f"loss {found.loss:.6g}" in text
    head, *rows = cells(text)
    assert head == ["", "shape", "root mean square", "largest"]
    assert [row[:2] for row in rows] == [
        ["weights of layer 1", "3 x 2"],
        ["biases of layer 1", "3"],
        ["weights of layer 2", "1 x 3"],
        ["biases of layer 2", "1"],
        ["inputs", "2 x 2"],
    ]
    w = found.weights[0].astype(float)
    assert rows[0][2:] == [f"{np.sqrt((w**2).mean()):.4g}", f"{np.abs(w).max():.4g}"]
    large = found._replace(weights=[np.array([[3e200, -4e200]])], biases=[np.array([np.nan])])
    assert cells(large._repr_html_())[1][2:] == ["3.536e+200", "4e+200"]
    assert cells(large._repr_html_())[2][2:] == ["nan", "nan"]


def test_a_check_shows_the_same_table_as_in_a_terminal() -> None:
    report = SHOWN["failed check"]
    text = report._repr_html_()
    printed = [line.split() for line in str(report).splitlines()]
    assert [[c for c in row if c] for row in cells(text)[1:]] == printed[2:7]
    assert "FAILED: tolerance 1e-05" in text
    assert "layer 1, activation &#x27;&lt;wrong&gt;&#x27;: sigma_prime is not" in text


def test_loss_curves_and_the_last_epochs() -> None:
    text = history(30)._repr_html_()
    lines = picture(text).findall("polyline")
    assert [line.attrib["stroke"] for line in lines] == [POSITIVE, NEGATIVE]
    heights = [float(pair.split(",")[1]) for pair in lines[0].attrib["points"].split()]
    assert len(heights) == 30
    assert heights == sorted(heights)  # it falls, and the y axis points down
    assert re.findall(r"<td[^>]*>(\d+)</td>", text) == ["26", "27", "28", "29", "30"]
    assert "30 epochs in 15.00 s, ended by: epochs, the best was 30; Adam" in text


def test_losses_below_zero_have_a_linear_axis() -> None:
    root = picture(cr.History(loss=[1.0, 0.0, -1.0])._repr_html_())
    heights = [
        float(pair.split(",")[1]) for pair in root.findall("polyline")[0].attrib["points"].split()
    ]
    assert heights[1] - heights[0] == pytest.approx(heights[2] - heights[1], abs=0.2)
