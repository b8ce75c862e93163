"""Files: what is written loads here and elsewhere, and a bad file says what is wrong."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

import chainrule as cr
from chainrule import storage


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "net.safetensors"
    cr.Network([4, 3, 2], output_activation="softmax", loss="cross_entropy").save(path)
    return path


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_network_comes_back_as_it_was(tmp_path: Path, dtype: str, bias: bool) -> None:
    net = cr.Network(
        [3, 5, 4, 2],
        activation=["tanh", "leaky_relu(0.2)"],
        loss="huber(2)",
        bias=bias,
        dtype=dtype,
        seed=7,
    )
    net.save(tmp_path / "net.safetensors")
    back = cr.load(tmp_path / "net.safetensors")
    assert back.architecture == net.architecture
    assert back.seed == 7
    assert np.array_equal(back.parameters, net.parameters)
    X = np.random.default_rng(0).normal(size=(9, 3))
    assert np.array_equal(back.predict(X), net.predict(X))


def test_the_same_network_gives_the_same_bytes(saved: Path) -> None:
    first = saved.read_bytes()
    cr.load(saved).save(saved)
    assert saved.read_bytes() == first


def test_torch_loads_the_keys_into_a_sequential(saved: Path) -> None:
    import torch
    from safetensors.torch import load_file as torch_load

    module = torch.nn.Sequential(
        torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2), torch.nn.Softmax(dim=1)
    )
    module.load_state_dict(torch_load(saved))
    X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    theirs = module(torch.from_numpy(X)).detach().numpy()
    np.testing.assert_allclose(cr.load(saved).predict(X), theirs, atol=1e-6)


def test_own_functions_must_be_passed_again(tmp_path: Path) -> None:
    square = cr.Activation("square", lambda x: x * x, lambda x: 2 * x)
    path = tmp_path / "own.safetensors"
    net = cr.Network([2, 3, 1], activation=square)
    net.save(path)
    with pytest.raises(cr.InputError, match=r"square.*own="):
        cr.load(path)
    X = np.ones((1, 2))
    assert np.array_equal(cr.load(path, own=[square]).predict(X), net.predict(X))


def test_what_else_a_file_holds_survives_loading_and_saving(tmp_path: Path) -> None:
    from chainrule import files

    path = tmp_path / "net.safetensors"
    net = cr.Network([2, 1])
    files.save(path, net.architecture, net.parameters, {"table": {"target": "price"}})
    cr.load(path).copy().save(path)
    assert files.load(path)[2]["table"] == {"target": "price"}


def test_an_activation_and_a_loss_of_the_same_name(tmp_path: Path) -> None:
    mine = cr.Activation("mine", lambda x: x * x, lambda x: 2 * x)
    loss = cr.Loss("mine", lambda p, y: (p - y) ** 4, lambda p, y: 4 * (p - y) ** 3)
    cr.Network([2, 3, 1], mine, loss=loss).save(tmp_path / "net.safetensors")
    both: list[Any] = [mine, loss]
    for own in (both, both[::-1]):
        assert cr.load(tmp_path / "net.safetensors", own=own).architecture.loss is loss
    with pytest.raises(cr.InputError, match="own has no Loss of the name 'mine'"):
        cr.load(tmp_path / "net.safetensors", own=[mine])


def test_column_names_are_kept(tmp_path: Path) -> None:
    import polars as pl

    frame = pl.DataFrame({"age": [1.0, 2.0], "height": [3.0, 1.0]})
    net = cr.Network([2, 1])
    net.fit(frame, [1.0, 2.0], epochs=1)
    net.save(tmp_path / "net.safetensors")
    assert cr.load(tmp_path / "net.safetensors").feature_names == ("age", "height")


@pytest.mark.parametrize("length", [0, 4, 8, 100, -1])
def test_a_truncated_file(saved: Path, length: int) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[:length])
    with pytest.raises(cr.FileFormatError, match="not a whole safetensors file"):
        cr.load(saved)


def test_a_file_of_another_format(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(cr.FileFormatError, match="not a whole safetensors file"):
        cr.load(path)


def test_a_safetensors_file_of_somebody_else(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"w": np.zeros(3)}, path)
    with pytest.raises(cr.FileFormatError, match="not written by chainrule"):
        cr.load(path)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(cr.InputError, match="there is no file"):
        cr.load(tmp_path / "none.safetensors")
    with pytest.raises(cr.InputError, match="is a folder"):
        cr.load(tmp_path)


def rewrite(path: Path, **changes: Any) -> None:
    """Change entries of the description, leaving the arrays."""
    arrays, description = storage.read(path, "network")
    text = json.dumps({**description, **changes})
    save_file(arrays, path, {"chainrule": text})


def test_a_newer_version(saved: Path) -> None:
    rewrite(saved, format_version=2)
    with pytest.raises(cr.FileFormatError, match=r"newer chainrule \(format 2.*upgrade"):
        cr.load(saved)


def test_a_checkpoint_is_not_a_network(tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    cr.Network([1, 1]).fit([[1.0]], [1.0], epochs=1, checkpoint=path)
    with pytest.raises(cr.FileFormatError, match="holds a checkpoint, not a network"):
        cr.load(path)


def test_other_shapes_than_the_architecture_says(saved: Path) -> None:
    arrays = load_file(saved)
    _, description = storage.read(saved, "network")
    arrays["0.weight"] = np.zeros((3, 5), np.float32)
    save_file(arrays, saved, {"chainrule": json.dumps(description)})
    with pytest.raises(cr.FileFormatError, match=r"0\.weight should be float32 of shape \(3, 4\)"):
        cr.load(saved)


@pytest.mark.parametrize(
    "architecture", [None, {}, {"layer_sizes": [4, "three", 2]}, {"layer_sizes": 5}]
)
def test_a_damaged_architecture(saved: Path, architecture: Any) -> None:
    good = cr.load(saved).architecture.to_json()
    rewrite(saved, architecture=architecture and {**good, **architecture})
    with pytest.raises(cr.ChainruleError, match=r"net\.safetensors"):
        cr.load(saved)


@pytest.mark.parametrize("extra", [{"seed": "x"}, {"feature_names": 5}])
def test_a_damaged_description(saved: Path, extra: dict[str, Any]) -> None:
    rewrite(saved, extra=extra)
    with pytest.raises(cr.FileFormatError, match="damaged description"):
        cr.load(saved)


@settings(max_examples=200)
@given(data=st.data())
def test_no_damage_to_the_bytes_does_worse_than_a_clear_error(data: st.DataObject) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.safetensors"
        cr.Network([4, 3, 2]).save(path)
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(content)
        try:
            net = cr.load(path)
        except cr.ChainruleError:
            return
        assert net.layer_sizes[0] >= 1  # only numbers, or names that mean the same, were changed


def test_a_header_that_claims_to_be_huge(tmp_path: Path) -> None:
    path = tmp_path / "huge.safetensors"
    path.write_bytes(struct.pack("<Q", 2**62) + b"{}")
    with pytest.raises(cr.FileFormatError):
        cr.load(path)


def test_a_path_that_cannot_be_written(tmp_path: Path) -> None:
    net = cr.Network([1, 1])
    with pytest.raises(cr.InputError, match=r"folder .* does not exist"):
        net.save(tmp_path / "none" / "net.safetensors")
    with pytest.raises(cr.InputError, match="is a folder"):
        net.save(tmp_path)


def test_a_failed_write_leaves_the_old_file(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(cr.InputError, match="No space left on device"):
        cr.Network([9, 9]).save(saved)
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == [saved.name]


def test_a_link_stays_a_link_and_permissions_stay(saved: Path) -> None:
    link = saved.with_name("link.safetensors")
    link.symlink_to(saved)
    for mode in (0o600, 0o664):
        saved.chmod(mode)
        cr.Network([1, 2, 1]).save(link)
        assert saved.stat().st_mode & 0o777 == mode
    assert link.is_symlink()
    assert cr.load(saved).layer_sizes == (1, 2, 1)


def test_a_pipe_is_written_to_not_replaced(tmp_path: Path) -> None:
    import threading

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    cr.Network([1, 1]).save(pipe)
    reader.join()
    assert pipe.is_fifo()
    (tmp_path / "copy").write_bytes(received[0])
    assert cr.load(tmp_path / "copy").layer_sizes == (1, 1)


def test_an_empty_name() -> None:
    with pytest.raises(cr.InputError, match="empty: name a file"):
        cr.Network([1, 1]).save("")
