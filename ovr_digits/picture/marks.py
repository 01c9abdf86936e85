"""The marks in the lines of a page: what each is read as, and what else it may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import numpy as np

from ovr_digits.core.arrays import Float64
from ovr_digits.core.detectors import SIGN_CLASSES, DetectorArrays
from ovr_digits.picture.fields import FoundDigit, FoundSign, Item
from ovr_digits.picture.lines import Group
from ovr_digits.picture.photo import View
from ovr_digits.picture.pieces import Piece, marks_of
from ovr_digits.picture.refit import Candidate
from ovr_digits.picture.regions import Box, LeftOut, slices_of
from ovr_digits.picture.signs import (
    Line,
    LineMark,
    find_colons,
    judge_lines,
    sign_scores,
    small_marks,
)
from ovr_digits.picture.touching import Parts, Reading, read_marks
from ovr_digits.picture.turning import Turned

#: What is wider or higher than that many digits is no broken digit.
_WIDE, _HIGH = 1.1, 1.4
#: Why what is neither a digit nor a sign is left out.
_SYMBOL = "a letter or a symbol"
#: Share of a region's box from which on it is one of the piece's.
_WHOLE = 0.9
#: A score of detectors, in log-odds, that leaves no doubt.
_SURE = 20.0


@dataclass(frozen=True, eq=False)
class PageMarks:
    """The marks of a page in lines, and as they are read.

    Attributes
    ----------
    models : DetectorArrays
    turned : Turned
        The page.
    view : View
        Where it lies in the file.
    rows : sequence of sequences of Group
        Line by line, from left to right.
    small : sequence of LeftOut
        What signs may be among.
    marks : sequence of LineMark
        Those of all rows.
    readings : sequence of Reading
        Theirs.
    """

    models: DetectorArrays
    turned: Turned
    view: View
    rows: Sequence[Sequence[Group]]
    small: Sequence[LeftOut]
    marks: Sequence[LineMark]
    readings: Sequence[Reading]

    @classmethod
    def read(
        cls,
        models: DetectorArrays,
        turned: Turned,
        view: View,
        rows: Sequence[Sequence[Group]],
        small: Sequence[LeftOut],
        part_all: bool,
    ) -> PageMarks:
        """Read marks as digits; see ``read_marks``."""
        inks = [mark for row in rows for mark in marks_of(turned.ink, turned.regions, row)]
        groups = [(number, group) for number, row in enumerate(rows) for group in row]
        marks = [
            LineMark(group.box, mark.ink, number)
            for (number, group), mark in zip(groups, inks, strict=True)
        ]
        readings = list(read_marks(models, inks, part_all))
        return cls(models, turned, view, rows, small, marks, readings)

    def lines(self) -> tuple[list[list[tuple[Box, Item]]], list[LeftOut]]:
        """Digits and signs line by line, from left to right, and what is neither."""
        parts = self._apart()
        votes = [[vote for _, vote in part.digits] for part in parts]
        marks = [part.mark for part in parts]
        judged, signs, left_out = judge_lines(
            self.models.signs, marks, votes, [part.other for part in parts], self.small
        )
        bars = self.turned.regions.are_bars()
        lines: list[list[tuple[Box, Item]]] = [[] for _ in self.rows]
        for mark, sign in signs:
            found = FoundSign(self._place(mark.box), sign.sign, sign.confidence)
            lines[mark.line].append((mark.box, found))
        for part, sign_or_none in zip(parts, judged, strict=True):
            mark, group = part.mark, part.group
            # What does not look like its neighbours is a digit only where a detector says so.
            doubt = group.doubt or ("a line" if bars[group.regions - 1].all() else "")
            if sign_or_none is not None and sign_or_none.sign:
                found = FoundSign(self._place(mark.box), sign_or_none.sign, sign_or_none.confidence)
                lines[mark.line].append((mark.box, found))
            elif sign_or_none is not None:
                left_out.append(LeftOut(mark.box, _SYMBOL))
            elif doubt and any(vote.verdict != "sure" for _, vote in part.digits):
                left_out.append(LeftOut(mark.box, doubt))
            else:
                left_out += [LeftOut(piece.box, _SYMBOL) for piece in part.symbols]
                lines[mark.line] += self._placed(part.digits, part.lead)
        for line in lines:
            if all(isinstance(item, FoundSign) for _, item in line):
                left_out += [LeftOut(box, "a sign beside no digit") for box, _ in line]
                line.clear()
            line.sort(key=lambda found: found[0][1] + found[0][3])
        return lines, left_out

    def _apart(self) -> list[_Part]:
        """The marks as they are read, those that no ink joins apart."""
        parts = []
        groups = [group for row in self.rows for group in row]
        for group, mark, reading in zip(groups, self.marks, self.readings, strict=True):
            pieces = reading.pieces
            lead = reading.lead(reading.n_digits)
            own = self._groups_of(group, [piece for piece, _ in pieces])
            if not own:
                digits, symbols = reading.likeliest, reading.symbols
                parts.append(_Part(group, mark, digits, symbols, lead, reading.other))
                continue
            told = iter(reading.likeliest)
            inks = marks_of(self.turned.ink, self.turned.regions, own)
            for (piece, _), one, ink, other in zip(pieces, own, inks, reading.others, strict=True):
                digits = [] if piece.is_symbol else [next(told)]
                symbols = [piece] if piece.is_symbol else []
                alone = LineMark(one.box, ink.ink, mark.line)
                parts.append(_Part(one, alone, digits, symbols, lead, other))
        return parts

    def _groups_of(self, group: Group, pieces: Sequence[Piece]) -> list[Group]:
        """The regions of a group that make each of several pieces; none where one is part of a
        region."""
        if min(len(pieces), len(group.regions)) < 2:
            return []
        regions = self.turned.regions.boxes[group.regions - 1]
        boxes = np.array([piece.box for piece in pieces])
        near = np.maximum(regions[:, None, :2], boxes[:, :2])
        far = np.minimum(regions[:, None, 2:], boxes[:, 2:])
        shared = (
            np.maximum(far - near, 0).prod(axis=2)
            / (regions[:, 2:] - regions[:, :2]).prod(axis=1)[:, None]
        )
        most = shared.argmax(axis=1)
        own = [group.regions[most == k] for k in range(len(pieces))]
        if not ((shared.max(axis=1) > _WHOLE).all() and all(map(len, own))):
            return []
        return [Group(some, self.turned.regions.box_of(some), group.doubt) for some in own]

    def candidates(self) -> list[list[Candidate]]:
        """Line by line, all that its marks may be: alone, as a colon's dots, as a broken digit."""
        found: list[list[Candidate]] = [[] for _ in self.rows]
        if not self.marks:
            return found
        lines = [Line.through(list(row)) for _, row in groupby(self.marks, key=lambda m: m.line)]
        small = small_marks(lines, self.small)
        readings = dict(zip(map(id, self.marks), self.readings, strict=True))
        alone = sorted([*self.marks, *small.values()], key=lambda mark: (mark.line, mark.x))
        spans = [(mark, k, k + 1) for k, mark in enumerate(alone)]
        places = {id(mark): k for k, mark in enumerate(alone)}
        for colon, dots in find_colons(lines, small):
            start, last = sorted(places[id(small[dot])] for dot in dots)
            if last == start + 1:
                spans.append((colon, start, last + 1))
        for mark, (one, other), reading in self._broken(lines):
            start = places[id(one)]
            if places[id(other)] == start + 1:
                spans.append((mark, start, start + 2))
                readings[id(mark)] = replace(reading, ways={1: reading.ways[1]}, n_digits=1)
        scores = self._sign_scores(lines, [mark for mark, *_ in spans])
        starts = {mark.line: k for mark, k, _ in reversed(spans[: len(alone)])}
        for (mark, start, end), row in zip(spans, scores, strict=True):
            own = readings.get(id(mark))
            ways = {}
            if own:
                ways = {
                    n: (w, self._placed(own.digits(n), own.lead(n)))
                    for n, (w, _) in own.ways.items()
                }
            first, place = starts[mark.line], self._place(mark.box)
            candidate = Candidate(start - first, end - first, mark.box, place, ways, row)
            found[mark.line].append(candidate)
        return found

    def _broken(
        self, lines: Sequence[Line]
    ) -> list[tuple[LineMark, tuple[LineMark, LineMark], Reading]]:
        """Two marks side by side that are no larger than one digit, read as one."""
        groups = [group for row in self.rows for group in row]
        pairs = []
        for (one, first), (other, second) in pairwise(zip(self.marks, groups, strict=True)):
            regions = np.concatenate([first.regions, second.regions])
            top, left, bottom, right = box = self.turned.regions.box_of(regions)
            height = lines[one.line].height
            is_small = right - left < _WIDE * height and bottom - top < _HIGH * height
            if one.line == other.line and is_small:
                pairs.append(((one, other), Group(regions, box, "")))
        if not pairs:
            return []
        inks = marks_of(self.turned.ink, self.turned.regions, [group for _, group in pairs])
        readings = read_marks(self.models, inks)
        return [
            (LineMark(group.box, ink.ink, pair[0].line), pair, reading)
            for (pair, group), ink, reading in zip(pairs, inks, readings, strict=True)
        ]

    def _sign_scores(self, lines: Sequence[Line], marks: Sequence[LineMark]) -> Float64:
        """What the detectors of signs say; without them all are digits."""
        if self.models.signs is None:
            is_digit = np.array(SIGN_CLASSES) == "digit"
            return np.tile(np.where(is_digit, _SURE, -_SURE), (len(marks), 1))
        return sign_scores(self.models.signs, lines, marks)

    def _place(self, box: Box) -> tuple[int, int, int, int]:
        return self.view.box_in_file(slices_of(self.turned.box_before(box)))

    def _placed(self, digits: Parts, lead: float) -> list[tuple[Box, Item]]:
        return [
            (piece.box, FoundDigit(self._place(piece.box), piece.image, vote, lead))
            for piece, vote in digits
        ]


@dataclass(frozen=True, eq=False)
class _Part:
    """A mark, or what stands alone in one: as it is read, how far that leads, and how much more it
    looks like a symbol."""

    group: Group
    mark: LineMark
    digits: Parts
    symbols: Sequence[Piece]
    lead: float
    other: float
