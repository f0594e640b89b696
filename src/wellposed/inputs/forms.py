"""What the rows of a table are: rows of features, texts in one column, or steps of sequences."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from wellposed.checks import nearest, refusal
from wellposed.errors import BadInput
from wellposed.inputs.dataset import Features, Texts
from wellposed.inputs.steps import as_sequences, targets_of

SEQUENCE, STEP = "sequence_id", "step"
"""Names of columns that are taken for what they say without being asked for."""
NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Form:
    """How a table is read.

    Attributes:
        kind: What its rows are.
        column: Name of the column of texts, or of that which says which sequence a row belongs to.
        step: Name of the column that orders the rows of a sequence; empty where they stand in order.
        infinite_is_missing: Take infinities as missing instead of refusing them.
    """

    kind: Literal["table", "text", "sequence"] = "table"
    column: str = ""
    step: str = ""
    infinite_is_missing: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that are no target unless they are asked for."""
        return tuple(name for name in (self.column, self.step) if name)

    @property
    def flags(self) -> tuple[str, ...]:
        """The same as words of a command."""
        if self.kind == "text":
            return "--text", self.column
        if self.kind == "sequence":
            return ("--sequence", self.column, *(("--step", self.step) if self.step else ()))
        return ()

    def read(
        self, frame: pd.DataFrame, target: pd.Series, *, where: str
    ) -> tuple[Features, pd.Series, tuple[str, ...]]:
        """Features and targets, one for each row, text or sequence; and notes.

        Args:
            frame: The columns but the target.
            target: Of each row of the frame.
            where: What a message calls the table.
        """
        if self.kind == "table":
            return frame, target, ()
        if self.kind == "text":
            others = [repr(str(name)) for name in frame.columns if name != self.column]
            listed = ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
            note = f"Only the texts in {self.column!r} are learnt from; not used: {listed}."
            return as_texts(frame[self.column]), target, (note,) if others else ()
        sequences, codes, notes = as_sequences(
            frame, column=self.column, step=self.step, where=where, infinite_is_missing=self.infinite_is_missing
        )
        return sequences, targets_of(target, codes, sequences.ids, where=where, column=self.column), notes


def find_form(
    frame: pd.DataFrame,
    *,
    text: str | None,
    sequence: str | None,
    step: str | None,
    target: str | None,
    infinite_is_missing: bool,
    where: str,
) -> tuple[Form, tuple[str, ...]]:
    """How a table is to be read, by what is asked for and by the names of its columns; and notes.

    A column `sequence_id` in which a name occurs twice makes a table one of sequences, ordered by `step` if there is
    such a column; `sequence="none"` does not look for it.

    >>> frame = pd.DataFrame({"sequence_id": [1, 1, 2], "a": [1, 2, 3], "y": [0, 0, 1]})
    >>> asked = dict(text=None, step=None, target=None, infinite_is_missing=False, where="a.csv")
    >>> find_form(frame, sequence=None, **asked)[0].flags, find_form(frame, sequence="none", **asked)[0].kind
    (('--sequence', 'sequence_id'), 'table')
    """
    names = [str(name) for name in frame.columns]
    if text is not None:
        if sequence not in (None, NONE) or step is not None:
            raise refusal("--text", "go without --sequence and --step", text)
        check_column("--text", text, names, target, where)
        texts = as_texts(frame[text]).values
        written = texts[texts != ""]
        if not len(written) or not pd.isna(pd.to_numeric(pd.Series(written), errors="coerce")).any():
            got = f"{written[0]!r} in the first row that has one" if len(written) else "empty cells alone"
            raise BadInput(f"{where}, column {text!r}: --text must name a column of texts. Got {got}.")
        return Form(kind="text", column=text), ()
    notes = []
    if sequence is None:
        found = SEQUENCE in names and target != SEQUENCE and frame[SEQUENCE].duplicated().any()
        if not found and step is not None:
            raise refusal("--step", "go with --sequence, the column that says which sequence a row belongs to", step)
        if not found:
            return Form(infinite_is_missing=infinite_is_missing), ()
        sequence = SEQUENCE
        do = f"--sequence {NONE} takes the rows for a table"
        notes.append(f"The column {SEQUENCE!r} was taken to say which sequence a row belongs to; {do}.")
    elif sequence == NONE and NONE not in names:
        if step is not None:
            raise refusal("--step", "go with sequences", step)
        return Form(infinite_is_missing=infinite_is_missing), ()
    check_column("--sequence", sequence, names, target, where)
    if step is None and STEP in names and STEP not in (sequence, target):
        step = STEP
        notes.append(f"The column {STEP!r} was taken to order the rows of a sequence.")
    elif step is not None:
        check_column("--step", step, names, target, where)
    if step == sequence:
        raise refusal("--step", "be another column than --sequence", step)
    form = Form(kind="sequence", column=sequence, step=step or "", infinite_is_missing=infinite_is_missing)
    return form, tuple(notes)


def check_column(flag: str, column: str, names: list[str], target: str | None, where: str) -> None:
    """Refuse what is no column, or the target."""
    if column not in names:
        raise refusal(flag, f"name a column of {where}", column, nearest(column, names))
    if column == target:
        raise refusal(flag, "be another column than --target", column)


def as_texts(column: pd.Series) -> Texts:
    """A column as texts, the missing ones empty.

    >>> as_texts(pd.Series(["a", None, 3], name="said")).values.tolist()
    ['a', '', '3']
    """
    written = column.astype(object)
    cells = ["" if gone else str(cell) for cell, gone in zip(written, written.isna(), strict=True)]
    return Texts(np.array(cells, dtype=object), str(column.name))
