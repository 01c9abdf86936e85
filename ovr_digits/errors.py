"""The one exception whose text is written for the person at the keyboard."""


class DigitsError(Exception):
    """Bad input or a failed step, told in one line: what is wrong, where, and what to do.

    The command line prints the text and exits with status 1; nothing else
    about it is shown. Library code raises it where the cause lies outside the
    program (a file, a download, a picture); programming errors stay
    ``ValueError`` and ``TypeError``.

    Examples
    --------
    >>> try:
    ...     predict("absent.png")
    ... except DigitsError as error:
    ...     print(error)
    absent.png: no such file
    """


class BlankPictureError(DigitsError):
    """A picture without any ink."""


class NoPageError(DigitsError):
    """A page that a file does not have."""


#: What is said of Ctrl-C, by whichever part of the command line it meets.
INTERRUPTED = "interrupted; nothing that was there before has been changed"
