"""The JSON of the service, for its description at /docs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Digit = Annotated[int, Field(ge=0, le=9)]
Share = Annotated[float, Field(ge=0, le=1)]
Verdict = Literal["sure", "conflict", "none"]
Box = Annotated[list[int], Field(min_length=4, max_length=4, description="x, y, width, height")]


class Problem(BaseModel):
    """What is wrong and what to do, in one line."""

    error: str


class _Place(BaseModel):
    """Which picture it is."""

    path: str = Field(description="The name of the file in a form, else -.")
    page: int | None = Field(None, ge=1, description="Which was read, of a file with several.")
    pages: int | None = Field(
        None, ge=2, description="How many that file has, as far as they can be counted."
    )


class Answer(_Place):
    """What ten detectors say of a picture."""

    digit: Digit
    confidence: Share
    verdict: Verdict
    fired: list[Digit] = Field(description="Digits whose detector said yes.")
    votes: list[Share] = Field(min_length=10, max_length=10)
    scores: list[float] = Field(min_length=10, max_length=10, description="In log-odds.")


class AnswerWithMore(Answer):
    """With what ``form`` and ``contributions`` ask for."""

    n_digits: int | None = Field(None, description="How many the picture seems to hold (form).")
    box: Box | None = Field(None, description="About the ink, in pixels of the picture (form).")
    image: list[list[int]] | None = Field(
        None, description="28 rows of 28 grey levels, ink is 255 (form)."
    )
    contributions: list[list[float]] | None = Field(
        None,
        description="28 rows of 28 log-odds: how much the ink there speaks for the digit that was "
        "asked about, else for the answer.",
    )


class FoundDigit(BaseModel):
    """One digit of a number."""

    box: Box
    digit: Digit
    confidence: Share
    verdict: Verdict
    votes: list[Share] = Field(min_length=10, max_length=10)
    scores: list[float] | None = Field(None, description="In log-odds (form).")
    image: list[list[int]] | None = Field(
        None, description="28 rows of 28 grey levels, ink is 255 (form)."
    )


class FoundSign(BaseModel):
    """A sign beside digits."""

    box: Box
    sign: Literal[".", ",", "-", "/", ":"]
    confidence: Share


class LeftOut(BaseModel):
    """What might be taken for a digit and is not read."""

    box: Box
    reason: str


class NumberField(BaseModel):
    """Digits and signs of a line that no wide space parts."""

    line: Annotated[int, Field(ge=0)]
    column: Annotated[int, Field(ge=0, description="Shared by fields under one another.")]
    text: str
    box: Box
    confidence: Share
    verdict: Verdict
    digits: list[int] = Field(description="Which of the number's digits, from 0.")


class Number(_Place):
    """All digits on a picture, in reading order."""

    text: str = Field(description="A line for each line, a space between fields.")
    lines: list[str]
    confidence: Share = Field(description="How likely all of it is right.")
    verdict: Verdict = Field(
        description="The worst of any field: none where it is not credibly what was asked for."
    )
    digits: list[FoundDigit]
    fields: list[NumberField]
    signs: list[FoundSign]
    turn: int | None = Field(
        None, description="By how many degrees it was turned, counter-clockwise, to be read."
    )
    left_out: list[LeftOut]
    missing_lines: int | None = Field(
        None, ge=1, description="How many of the lines asked for were not found."
    )


class Portrait(BaseModel):
    """What a detector looks for."""

    digit: Digit
    effects: list[list[float]] = Field(
        description="28 rows of 28 log-odds: what ink there does to its score, on a real digit."
    )


class Address(BaseModel):
    """Where other machines find the page."""

    url: str | None = Field(description="Nothing where it is served to this machine alone.")
    qr: list[str] | None = Field(description="Its QR code in rows; 1 is dark.")


class Kept(BaseModel):
    """A picture that was kept."""

    file: str


class Service(BaseModel):
    """What the service is, and what it takes."""

    version: str
    keeps: bool = Field(description="Whether POST /api/keep is there for use.")
    max_bytes: int
    max_pixels: int
    max_seconds: float


class Models(BaseModel):
    """Where the models come from."""

    model_config = ConfigDict(extra="allow")

    version: str


class Health(BaseModel):
    """That the service answers."""

    status: Literal["ok"]
