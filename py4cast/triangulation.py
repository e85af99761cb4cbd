"""Triangles between points on the sphere: which lie within what the points cover, and in which one a place lies.

Of points on a sphere the faces of the convex hull are the Delaunay triangles.

Reference: J. M. Augenbaum, C. S. Peskin (1985), doi 10.1016/0021-9991(85)90140-8.
"""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NoCells", "Triangulation", "covers_sphere", "distinct", "unit_vectors"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]
_WIDEST = np.pi / 3  # of circles [rad]
# of the spacing at all three corners of a triangle, or at most of them where one beside it is beyond: how wide its circle is
_FAR_WIDER, _WIDER = 5.0, 1.1
# of the usual circle round a triangle, where circles are alike: wider ones close a hole
_EVEN_WIDER, _EVEN = 1.5, 1.3
_NEARER = 0.3  # share of the neighbours that tells the spacing, since those across a gap are neighbours too
_NUM_NEAREST = 16  # triangles whose middles are nearest, among which the one round a place is
_CHUNK = 100_000  # places at once
_FLAT = 1e-9  # distance from the centre up to which a face of the hull holds it
_REACH = 0.75  # spacings: more than half a diagonal of squares
_ROUNDING = 1e-9  # of shares
_SAME = 9  # decimals to which places are one


class NoCells(ValueError):
    """Raised where points have no cells: fewer than four of them, or all on one circle."""


def unit_vectors(latitude: Array, longitude: Array) -> Array:
    """Unit vectors to places, `(..., 3)`.

    Args:
        latitude: [degrees north].
        longitude: [degrees east].
    """
    phi, lam = np.deg2rad(latitude), np.deg2rad(longitude)
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)


def covers_sphere(points: Array) -> bool:
    """Whether no place of the sphere is more than 60 degrees from all points."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        equations = ConvexHull(points).equations
    except (QhullError, ValueError):
        return False
    # a face's plane is as far from the centre as the cosine of the empty circle's radius
    return bool((equations[:, 3] < -0.5).all())


def distinct(points: Array) -> tuple[Index, Index]:
    """The first point at each place, and the place of every point, `(points,)`; a row at a pole is at one."""
    _, first, place = np.unique(np.round(points, _SAME), axis=0, return_index=True, return_inverse=True)
    return first, place.reshape(-1)


class Triangulation:
    """Creates the triangles between points.

    Args:
        points: unit vectors, `(points, 3)`; several at one place count once.

    Attributes:
        corners: indices of points, `(triangles, 3)`.
        beside: the triangle opposite to each corner, `(triangles, 3)`.
        radius: of the circle through the corners [rad], `(triangles,)`.
        spacing: at each point, the distance of its nearer neighbours, `(points,)`.

    Raises:
        NoCells: fewer than four places, or places on one circle.
    """

    def __init__(self, points: Array) -> None:
        from scipy.spatial import ConvexHull, QhullError

        first, place = distinct(points)
        self.points, places = points, points[first]
        try:
            hull = ConvexHull(places)
        except (QhullError, ValueError) as error:
            raise NoCells(str(error).strip().splitlines()[0]) from None
        corners, self.beside = np.asarray(hull.simplices, np.int64), np.asarray(hull.neighbors, np.int64)
        # the plane of a face is as far from the centre as the cosine of its circle's radius; the far side holds no point
        self.radius = np.arccos(np.clip(-hull.equations[:, 3], -1, 1))
        self._is_above = hull.equations[:, 3] < -_FLAT
        spacing = _spacings(places, corners, self.beside, hull.equations[:, :3], self.radius)
        self.corners, self.spacing = first[corners], spacing[place]

    @cached_property
    def is_far(self) -> NDArray[np.bool_]:
        """Which triangles are between points that are no neighbours, `(triangles,)`.

        Their circle is far wider than the spacing at all of their corners, or wider than 60 degrees, or, among points as far
        apart as those round them, wider than is usual there. Where points stand ever closer, as in a stretched grid, no circle
        is far wider than the spacing on its coarser side; where they stand anyhow, as stations do, circles are of any width.
        """
        widest = self.spacing[self.corners].max(axis=1)
        is_far = (self.radius > _WIDEST) | (self.radius > _FAR_WIDER * widest)
        return np.asarray(is_far | _closes_hole(self.corners, self.radius, len(self.points)))

    @cached_property
    def is_beyond(self) -> NDArray[np.bool_]:
        """Which triangles lie beyond what the points cover, `(triangles,)`.

        Those that are far, and next to such a one those whose circle is wider than the spacing at most of their corners.
        """
        is_beyond = self.is_far.copy()
        is_wide = self.radius > _WIDER * np.median(self.spacing[self.corners], axis=1)
        while (reached := is_wide & ~is_beyond & is_beyond[self.beside].any(axis=1)).any():
            is_beyond |= reached
        return is_beyond

    def side_points(self) -> NDArray[np.bool_]:
        """Which points stand at the sides of the region that they cover, `(points,)`; islands within it have none."""
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import connected_components

        here, there = np.repeat(np.arange(len(self.corners)), 3), self.beside.ravel()
        joins = self.is_beyond[here] & self.is_beyond[there]
        matrix = csr_array((np.ones(joins.sum()), (here[joins], there[joins])), shape=(len(self.corners),) * 2)
        outside = connected_components(matrix, directed=False)[1]
        # what lies round a region, or on both sides of a band, is the widest of what is beyond its points
        width = np.zeros(len(outside))
        np.maximum.at(width, outside, self.radius)
        of_side = np.zeros(len(self.points), dtype=bool)
        of_side[self.corners[self.is_beyond & (width[outside] >= width.max() / 2)]] = True
        return of_side

    def linear(self, places: Array) -> tuple[Index, Array, NDArray[np.bool_]]:
        """Points whose values make up those of places, `(places, 3)`, their shares, of sum 1, and which places are covered.

        Within a triangle between neighbours these are its corners; elsewhere the nearest point, which covers what is as near
        as the corners of its cell.

        Args:
            places: unit vectors, `(places, 3)`.

        Raises:
            NoCells: all points on one side of a plane through the centre.
        """
        from scipy.spatial import cKDTree

        triangles, shares = self._located(places)
        is_inside = (shares.min(axis=1) >= -_ROUNDING) & ~self.is_beyond[triangles]
        shares = np.maximum(shares, 0.0)
        index, shares = self.corners[triangles], shares / shares.sum(axis=1, keepdims=True)
        distance, closest = cKDTree(self.points).query(places)
        index[~is_inside] = closest[~is_inside, None]
        return index, shares, np.asarray(is_inside | (distance <= _REACH * self.spacing[closest]))

    def covers(self, places: Array) -> NDArray[np.bool_]:
        """Which places lie on what the points cover, `(places,)`: as `linear` says."""
        return self.linear(places)[2]

    def _located(self, places: Array) -> tuple[Index, Array]:
        """The triangle that holds each place, or is nearest to it, and the shares of its corners, `(places, 3)`.

        A share counts less than nothing where a place is beyond the side opposite to its corner.
        """
        from scipy.spatial import cKDTree

        # those that close the hull below a region are no triangles
        above = np.flatnonzero(self._is_above)
        if not above.size:
            raise NoCells("all points on one circle")
        number = np.where(self._is_above, np.cumsum(self._is_above) - 1, -1)
        corners, neighbours = self.points[self.corners[above]], number[self.beside[above]]
        middles = corners.mean(1)
        middles /= np.linalg.norm(middles, axis=1, keepdims=True)
        count = min(_NUM_NEAREST, len(above))
        near = np.asarray(cKDTree(middles).query(places, k=np.arange(1, count + 1))[1])
        inverse = np.asarray(np.linalg.inv(corners.transpose(0, 2, 1)), np.float64)
        triangles, shares = np.empty(len(places), dtype=np.int64), np.empty((len(places), 3))
        for first in range(0, len(places), _CHUNK):
            part = slice(first, first + _CHUNK)
            # a direction as a sum of those of the corners: inside where none counts less than nothing
            each = np.einsum("nkij,nj->nki", inverse[near[part]], places[part])
            best, rows = each.min(2).argmax(1), np.arange(len(each))
            triangles[part], shares[part] = _walked(
                near[part][rows, best], each[rows, best], places[part], inverse, neighbours
            )
        return above[triangles], shares


def _walked(triangles: Index, shares: Array, places: Array, inverse: Array, neighbours: Index) -> tuple[Index, Array]:
    """From triangles that do not hold their places, over the side that a place is most beyond, to those that do.

    Beside small triangles a large or a thin one holds places whose nearest middles are all of others. Beyond the side of a
    region, which is -1 among the neighbours, they stay where they are.
    """
    triangles, shares = triangles.copy(), shares.copy()
    for _ in range(len(neighbours)):
        outside = np.flatnonzero(shares.min(1) < -_ROUNDING)
        ahead = neighbours[triangles[outside], shares[outside].argmin(1)]
        outside, ahead = outside[ahead >= 0], ahead[ahead >= 0]
        if not outside.size:
            break
        triangles[outside] = ahead
        shares[outside] = np.einsum("nij,nj->ni", inverse[triangles[outside]], places[outside])
    return triangles, shares


def _closes_hole(corners: Index, radius: Array, count: int) -> NDArray[np.bool_]:
    """Which triangles are wider than is usual at all of their corners, where what is usual changes little from point to point.

    Usual at a point is the lower quartile of its triangles: of a point at a coast most may reach over the land.
    """
    from scipy.sparse import csr_array, eye_array

    usual = _quantiles(corners.ravel(), np.repeat(radius, 3), count, 0.25)
    here, there = corners[:, [0, 1, 2]].ravel(), corners[:, [1, 2, 0]].ravel()
    beside = csr_array((np.ones(here.size), (here, there)), shape=(count, count))
    beside = beside + beside.T + eye_array(count)
    around = (beside @ beside).tocoo()
    low, high = (_quantiles(around.coords[0], usual[around.coords[1]], count, share) for share in (0.1, 0.9))
    is_even = (high < _EVEN * low)[corners].all(axis=1)
    return np.asarray(is_even & (radius > _EVEN_WIDER * usual[corners].max(axis=1)))


def _quantiles(owners: NDArray[Any], values: Array, count: int, share: float) -> Array:
    """The quantile of the values of each owner, `(count,)`; infinite for one without any."""
    order, sizes = np.lexsort((values, owners)), np.bincount(owners, minlength=count)
    places = np.cumsum(sizes) - sizes + np.minimum((share * sizes).astype(np.int64), np.maximum(sizes - 1, 0))
    return np.where(sizes > 0, values[order][np.minimum(places, values.size - 1)], np.inf)


def _spacings(points: Array, corners: Index, beside: Index, centres: Array, radius: Array) -> Array:
    """How far the nearer neighbours of each point stand, those whose cells have a side in common with its own.

    It is the third one's distance at least: along the rows of a grid near a pole two neighbours stand close.
    """
    here, there = np.repeat(np.arange(len(corners)), 3), beside.ravel()
    # the side between two triangles lies opposite to the corner that the neighbour is numbered by
    ends = corners[:, [[1, 2], [2, 0], [0, 1]]].reshape(-1, 2)
    lengths = np.linalg.norm(points[ends[:, 0]] - points[ends[:, 1]], axis=1)
    # cells that meet at a corner alone, as those of a square do, are no neighbours
    is_side = np.linalg.norm(centres[here] - centres[there], axis=1) > 1e-4 * lengths
    owners, values = ends[is_side].T.ravel(), np.tile(lengths[is_side], 2)
    order = np.lexsort((values, owners))
    counts = np.bincount(owners, minlength=len(points))
    firsts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    # every side is met from both triangles
    chosen = np.minimum(np.maximum((counts - 1) * _NEARER, 4).astype(np.int64), counts - 1)
    spacing, has_any = np.full(len(points), np.inf), counts > 0
    spacing[has_any] = values[order][(firsts + chosen)[has_any]]
    # at a corner of a region the third neighbour is the next corner: such a point stands as its nearest neighbour does
    of_side = np.zeros(len(points), dtype=bool)
    of_side[corners[radius > _WIDEST]] = True
    of_side &= has_any
    nearest = ends[is_side][:, ::-1].T.ravel()[order[firsts[of_side]]]
    spacing[of_side] = np.minimum(spacing[of_side], 1.5 * spacing[nearest])
    return spacing
