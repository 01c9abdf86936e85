"""The picture in the body of a request: the body itself, or the one file of a form."""

from __future__ import annotations

from typing import Any

from ovr_digits.errors import DigitsError

_LONGEST_NAME = 255
_ONE_FILE = "the form is to hold one file, in a field of any name"


def picture_in(content_type: str, body: bytes) -> tuple[str, bytes]:
    """The file name that was given, else "-", and the picture.

    What a form holds beside its file is passed over.

    Raises
    ------
    DigitsError
        Where a form is not as it should be.
    """
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import FormParser, parse_options_header

    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        return "-", body
    if not options.get(b"boundary"):
        raise DigitsError("the form has no boundary in its Content-Type")
    files: list[tuple[bytes | None, bytes]] = []

    def take(file: Any) -> None:
        if files:
            raise DigitsError(_ONE_FILE)
        file.file_object.seek(0)
        files.append((file.file_name, file.file_object.read()))

    try:
        # All of it is in memory already: it is not to go to disk on the way.
        parser = FormParser(
            "multipart/form-data",
            None,
            take,
            boundary=options[b"boundary"],
            config={"MAX_MEMORY_FILE_SIZE": len(body) + 1},
        )
        parser.write(body)
        parser.finalize()
    except FormParserError:
        raise DigitsError("the form is damaged; send it again") from None
    if not files:
        raise DigitsError(_ONE_FILE)
    [(name, picture)] = files
    text = (name or b"").decode(errors="replace")
    if len(text) > _LONGEST_NAME:
        raise DigitsError(f"the file name is over {_LONGEST_NAME} characters")
    return text or "-", picture
