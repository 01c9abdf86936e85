"""The call that puts a paper to draw on into a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ovr_digits.api import Models, loaded

if TYPE_CHECKING:
    from ovr_digits.web.cell import DigitWidget


def widget(models: Models | None = None) -> DigitWidget:
    """Make a paper to draw a digit on, in a cell of a notebook.

    It shows the answer, and has it as ``answer``: a DigitAnswer, or None while the paper is empty.
    ``observe(function, "answer")`` calls a function on each change. What is drawn is read where
    Python runs. It needs the extra notebook, and works where anywidget does, as in Jupyter,
    VS Code and Colab.

    Parameters
    ----------
    models : path or DetectorArrays, optional
        See ``predict``.

    Returns
    -------
    DigitWidget

    Raises
    ------
    DigitsError
        Where the models cannot be read, or the extra is missing.
    TypeError
        Where ``models`` is neither.

    Examples
    --------
    >>> paper = widget()
    >>> print(paper.answer)  # nothing is drawn yet
    None
    """
    from ovr_digits.web.cell import DigitWidget

    return DigitWidget(loaded(models))
