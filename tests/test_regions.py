"""Functions of masks that are written by hand, since SciPy's are slower: they give the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from ovr_digits.picture.mnist_form import _distances
from ovr_digits.picture.regions import bounding_box, find_regions, without_crumbs

MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=16))
CORNERS_TOUCH = np.ones((3, 3))


def drawn(density: float, side: int = 90) -> np.ndarray:
    """Pixels at random, in clumps: regions of every size, with holes and arms."""
    noise = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((side, side)), 1.5)
    return noise > np.quantile(noise, 1 - density)


def assert_same_regions(mask: np.ndarray) -> None:
    regions = find_regions(mask)
    labels, count = ndimage.label(mask, CORNERS_TOUCH)
    assert regions.count == count
    np.testing.assert_array_equal(regions.labels > 0, mask)
    # The numbers may be others: each of ours is one of SciPy's, and the other way round.
    pairs = {(int(a), int(b)) for a, b in zip(regions.labels[mask], labels[mask], strict=True)}
    assert len(pairs) == count
    for ours, theirs in pairs:
        rows, columns = ndimage.find_objects(labels)[theirs - 1]
        box = [rows.start, columns.start, rows.stop, columns.stop]
        assert regions.boxes[ours - 1].tolist() == box
        assert regions.areas[ours - 1] == np.count_nonzero(labels == theirs)


@given(MASKS)
def test_connected_components_are_those_of_scipy(mask):
    assert_same_regions(mask)


@pytest.mark.parametrize("density", [0.1, 0.4, 0.5, 0.6, 0.9])
def test_connected_components_of_a_large_mask_are_those_of_scipy(density):
    assert_same_regions(drawn(density))


def assert_same_distances(mask: np.ndarray, reach: float) -> None:
    if mask.all():  # to the nearest of nothing
        mask = np.pad(mask, 1)
    expected = ndimage.distance_transform_edt(mask)
    found = _distances(mask, reach)
    near = expected < reach
    np.testing.assert_allclose(found[near], expected[near], rtol=1e-6)
    assert (found[~near] >= expected[~near] * (1 - 1e-6)).all()


@given(MASKS, st.sampled_from([1.0, 2.5, 4.0, np.inf]))
def test_distances_are_those_of_scipy_within_reach(mask, reach):
    assert_same_distances(mask, reach)


@pytest.mark.parametrize("density", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("reach", [3.0, np.inf])
def test_distances_in_a_large_mask_are_those_of_scipy(density, reach):
    assert_same_distances(drawn(density), reach)


def test_parts_side_by_side_lose_the_same_crumbs_as_each_alone() -> None:
    rng = np.random.default_rng(0)
    parts = [ndimage.gaussian_filter(rng.standard_normal((30, 20)), 2) for _ in range(20)]
    inks = np.stack([np.maximum(part, 0.03) - 0.03 for part in parts], axis=1).astype(np.float32)
    inks[:, -1] = 0
    inks[:, :, -1] = 0
    kept, boxes = without_crumbs(inks)
    for k in range(19):
        labels, _ = ndimage.label(inks[:, k] > 0, CORNERS_TOUCH)
        areas = np.bincount(labels.ravel())[1:]
        large = np.isin(labels, 1 + np.flatnonzero(areas >= 0.15 * areas.max()))
        np.testing.assert_array_equal(kept[:, k], np.where(large, inks[:, k], 0))
        rows, columns = bounding_box(large)
        assert boxes[k].tolist() == [rows.start, columns.start, rows.stop, columns.stop]
    assert (kept != inks).any()
    assert boxes[19].tolist() == [30, 20, 0, 0]
