"""From a saved network and the files of a table to predictions, in memory that does not grow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue

import numpy as np
import polars as pl

from chainrule.engines import threads
from chainrule.errors import InputError, closest, listing
from chainrule.network import Network
from chainrule.numerics import Array
from chainrule.tables.inputs import Inputs
from chainrule.tables.preparing import Preprocessing
from chainrule.tables.reading import Table, looks_like_values
from chainrule.tables.surprises import Surprises

_INPUTS_AT_ONCE = 1 << 20
PREDICTION, DEVIATION = "prediction", "standard_deviation"


@dataclass(frozen=True)
class Predictor:
    """A model with how its predictions are to be written.

    Parameters
    ----------
    net : Network
        The network.
    preprocessing : Preprocessing or None
        What makes its inputs of a table; None for a network that was saved without one, which takes
        numeric columns.
    probabilities : bool, optional
        Whether there is a column for each class; by default where classes are predicted.
    """

    net: Network
    preprocessing: Preprocessing | None
    probabilities: bool | None = None

    def frames(
        self, table: Table, keep: Sequence[str] = (), tell: Callable[[str], None] = print
    ) -> Iterator[pl.DataFrame]:
        """Yield the predictions for a table's rows, in order, a block at a time.

        Parameters
        ----------
        table : Table
            With the columns of training, in any order; of others, only those to keep are read.
        keep : sequence of str, optional
            Columns to hand on, before the predictions.
        tell : callable
            Is given sentences that the user should know, when all rows have been predicted.

        Raises
        ------
        InputError
            If columns are missing, or hold something else than in training; the row is named.
        FileFormatError
            If a file is damaged, or changes meanwhile.
        """
        self._require_possible(table, keep)
        if self.preprocessing is None:
            yield from self._plain(table, keep, tell)
            return
        preprocessing = self.preprocessing
        kinds = {column.name: column.kind for column in preprocessing.columns}
        surprises = Surprises()
        n_inputs = len(preprocessing.inputs)
        step = max(1, _INPUTS_AT_ONCE // n_inputs)
        n_threads = threads.available()
        rooms: SimpleQueue[Array] = SimpleQueue()
        for _ in range(n_threads):
            rooms.put(np.empty((step, n_inputs), np.float32))

        def outputs(inputs: Inputs, start: int) -> Array:
            room = rooms.get()
            try:
                return self.net.predict(inputs.write(slice(start, start + step), room))
            finally:
                rooms.put(room)

        # each thread with rows of its own: no one waits for another but at the end of a block
        with ThreadPoolExecutor(n_threads, initializer=threads.work_alone) as pool:
            for frame, kept in table.batches(kinds, preprocessing.wishes, keep, tell):
                inputs = Inputs(preprocessing.columns, frame, surprises)
                found = pool.map(partial(outputs, inputs), range(0, len(inputs), step))
                yield _beside(kept, self.decode(np.concatenate(list(found))))
        for note in surprises.notes:
            tell(note)

    def decode(self, outputs: Array) -> pl.DataFrame:
        """Return the predictions for the network's outputs of shape (n, n_outputs)."""
        if self.preprocessing is None:
            return _plain_predictions(self.net, outputs, self.probabilities is not False)
        target = self.preprocessing.target
        frame = target.decode(outputs)
        if self.probabilities is False:
            frame = frame.select(PREDICTION)
        if self._has_deviation:
            deviation = np.exp(outputs[:, 1].astype(np.float64) / 2) * target.scale
            frame = frame.with_columns(pl.Series(DEVIATION, deviation))
        return frame

    @property
    def _has_deviation(self) -> bool:
        """Whether the network predicts how far off it is: the logarithm of a variance."""
        return self.net.architecture.loss.outputs_per_target == 2

    def _require_possible(self, table: Table, keep: Sequence[str]) -> None:
        classes = self._has_classes
        if self.probabilities and not classes:
            raise InputError(
                "the model predicts numbers, which have no probabilities: drop --proba"
            )
        for name in keep:
            if name not in table.names:
                raise InputError(
                    f"--keep {name}: there is no such column{closest(name, table.names)} (columns: "
                    f"{listing(table.names, most=12)})"
                )
        if self.preprocessing is not None:
            self.preprocessing.require_columns(table.names)
        names = self.decode(np.zeros((0, self.net.layer_sizes[-1]))).columns
        if twice := [name for name in keep if name in names]:
            raise InputError(
                f"--keep {twice[0]}: a column of the predictions has this name; rename the table's"
            )

    @property
    def _has_classes(self) -> bool:
        if self.preprocessing is None:
            return self.net.architecture.activations[-1].name == "softmax"
        return self.preprocessing.target.is_classification

    def _plain(
        self, table: Table, keep: Sequence[str], tell: Callable[[str], None]
    ) -> Iterator[pl.DataFrame]:
        def numeric() -> list[str]:
            first, _ = next(table.batches(dict.fromkeys(table.names, "number")))
            return numeric_columns(first)

        names = plain_inputs(self.net, table.names, numeric, tell)
        n_rows = 0
        for frame, kept in table.batches(dict.fromkeys(names, "number"), keep=keep):
            for series in frame.iter_columns():
                if series.dtype == pl.String or series.null_count():
                    raise InputError(_no_number(series, n_rows))
            n_rows += frame.height
            yield _beside(kept, self.decode(self.net.predict(frame.to_numpy())))


def _beside(kept: pl.DataFrame, predicted: pl.DataFrame) -> pl.DataFrame:
    return kept.hstack(predicted) if kept.width else predicted


def plain_inputs(
    net: Network,
    names: Sequence[str],
    numeric: Callable[[], Sequence[str]],
    tell: Callable[[str], None],
) -> list[str]:
    """Return the columns that a network takes that was saved without a table.

    Parameters
    ----------
    net : Network
        Those of its feature names, if the table has them.
    names : sequence of str
        All columns of the table.
    numeric : callable
        Returns those that hold numbers, which it takes otherwise.
    tell : callable
        Is told what is not used.

    Raises
    ------
    InputError
        If they are not as many as the network takes.
    """
    names = list(names)
    if looks_like_values(names) and names != [str(i) for i in range(len(names))]:
        raise InputError(
            f"the first line of the table is numbers ({listing(names)}), but column names are "
            "needed: add a line with names above it"
        )
    known = net.feature_names or ()
    chosen = list(known) if known and set(known) <= set(names) else list(numeric())
    if len(chosen) != net.layer_sizes[0]:
        raise InputError(
            f"the network takes {net.layer_sizes[0]} numbers, but the table has {len(chosen)} "
            f"numeric columns ({listing(chosen)}): keep those of its training, in order"
        )
    if ignored := [name for name in names if name not in chosen]:
        tell(f"not used: {listing(ignored)}")
    return chosen


def numeric_columns(frame: pl.DataFrame) -> list[str]:
    """Return the columns that hold numbers or booleans."""
    return frame.select(pl.selectors.numeric() | pl.selectors.boolean()).columns


def _no_number(series: pl.Series, n_rows_before: int) -> str:
    wrong = series.is_null()
    if series.dtype == pl.String:
        wrong |= series.cast(pl.Float64, strict=False).is_null()
    row = wrong.arg_true()[0]
    value = "nothing" if series[row] is None else repr(series[row])
    return (
        f"column {series.name!r} must hold numbers, but row {n_rows_before + row + 1} has {value}: "
        "correct it"
    )


def _plain_predictions(net: Network, outputs: Array, probabilities: bool) -> pl.DataFrame:
    columns: dict[str, Array] = {}
    if net.architecture.activations[-1].name == "softmax":
        columns[PREDICTION] = outputs.argmax(axis=1)
        if probabilities:
            columns |= {f"probability_{i}": outputs[:, i] for i in range(outputs.shape[1])}
    elif outputs.shape[1] == 1:
        columns[PREDICTION] = outputs[:, 0]
    else:
        columns = {f"{PREDICTION}_{i}": outputs[:, i] for i in range(outputs.shape[1])}
    return pl.DataFrame(columns)
