"""Lung vessels and bronchi: trees grown in three dimensions, cut by the slice's slab."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.data.phantom.geometry import SIZE, SUPERSAMPLING, Mask, Tube
from pipeline.data.phantom.lungs import Body, LungVolume

_TWIGS = 950  # end points of one tree
_TWIG_MM = 0.36
_PIECE_MM = 2.0
_FADE_MM = 1.6
_FILLING = 1.5  # a round section fills pi / 4 of its square; blur and window make it look fuller
_MURRAY = 2.5  # a parent's radius to this power is the sum of its children's (Murray 1926)
_BALANCE = 0.38  # 0 gives the shortest tree, 1 the straightest paths (Cuntz et al., 2010)
_SUBPIXEL_BITS = 3


@dataclass(frozen=True)
class Tree:
    """Short pieces of vessel in the slice's frame (column, row, plane, mm)."""

    start: NDArray[np.float64]  # (n, 3)
    stop: NDArray[np.float64]  # (n, 3)
    radius: NDArray[np.float64]  # (n,) mm

    def within(self, plane: float, thickness: float) -> tuple[NDArray[np.float64], ...]:
        """Return start (m, 2), stop (m, 2), radius (m,), share of the slab filled (m,) of pieces inside."""
        middle = (self.start[:, 2] + self.stop[:, 2]) / 2
        away = np.abs(middle - plane)
        near = np.flatnonzero(away < thickness / 2 + self.radius + _FADE_MM)
        start, stop, radius = self.start[near], self.stop[near], self.radius[near]
        step = stop - start
        # A tube that leans from the slab's normal is cut over diameter / sin(lean) of the slab's depth.
        lean = np.linalg.norm(step[:, :2], axis=1) / np.linalg.norm(step, axis=1).clip(1e-6)
        filled = np.clip(_FILLING * 2 * radius / (thickness * lean + 1e-6), 0.0, 1)
        # The slab's edge is soft: a vessel that leaves it fades.
        inside = np.clip((thickness / 2 + radius * lean + _FADE_MM / 2 - away[near]) / _FADE_MM, 0, 1)
        return start[:, :2], stop[:, :2], radius, filled * inside


def _pieces(
    nodes: NDArray[np.float64],
    radius: NDArray[np.float64],
    parent: NDArray[np.int64],
    child: NDArray[np.int64],
) -> Tree:
    """Return the edges from `child` to its parent cut into pieces of ~2 mm that narrow and bend evenly."""
    above = parent[child]
    beyond = np.where(parent[above] >= 0, parent[above], above)
    edge = nodes[child] - nodes[above]
    # Quadratic curve that leaves the parent in the direction in which the parent was reached.
    reach = np.linalg.norm(edge, axis=1, keepdims=True)
    heading = nodes[above] - nodes[beyond]
    heading = heading / np.linalg.norm(heading, axis=1, keepdims=True).clip(1e-6) * reach
    bend = nodes[above] + 0.5 * edge + 0.16 * (heading - edge)
    starts, stops, radii = [], [], []
    count = np.clip(np.ceil(reach[:, 0] / _PIECE_MM).astype(int), 1, 12)
    wide = np.minimum(radius[above], 1.35 * radius[child])
    for pieces in np.unique(count):
        group = count == pieces
        first, last = nodes[above[group]], nodes[child[group]]
        t = np.linspace(0, 1, pieces + 1)[:, None, None]
        curve = (1 - t) ** 2 * first + 2 * t * (1 - t) * bend[group] + t**2 * last
        starts.append(curve[:-1].reshape(-1, 3))
        stops.append(curve[1:].reshape(-1, 3))
        share = (np.arange(pieces)[:, None] + 0.5) / pieces
        radii.append((wide[group] + (radius[child][group] - wide[group]) * share).ravel())
    return Tree(np.concatenate(starts), np.concatenate(stops), np.concatenate(radii))


@dataclass(frozen=True)
class Vessels:
    """One patient's trees."""

    blood: Tree
    bronchi: Tree

    @classmethod
    def of(cls, body: Body, volume: LungVolume) -> Vessels:
        """Grow arteries (with their bronchi) and veins of both lungs from the hila outwards."""
        rng = np.random.default_rng([body.traits.seed, 3])
        trees, bronchi = [], []
        heart = body.mediastinum
        for right in (True, False):
            if body.traits.missing_side == (-1 if right else 1):
                continue
            for tubes, is_artery in ((heart.pulmonary_arteries, True), (heart.pulmonary_veins, False)):
                roots = _roots(body, tubes, right=right)
                targets = volume.sample(rng, _TWIGS, right=right)
                tree, nodes, node_radius, parent = _grow(targets, roots, rng)
                trees.append(tree)
                if is_artery:
                    bronchi.append(_beside(nodes, node_radius, parent, right=right))
        return cls(_joined(trees), _joined(bronchi))


def _roots(body: Body, tubes: tuple[Tube, ...], *, right: bool) -> NDArray[np.float64]:
    """Return points along the hilar vessels of one side from which the tree may branch."""
    path = np.vstack([tube.path for tube in tubes])
    keep = (path[:, 0] < -36) if right else (path[:, 0] > 38)
    return body.to_slice_mm(path[keep][::4])


def _grow(
    targets: NDArray[np.float64], roots: NDArray[np.float64], rng: np.random.Generator
) -> tuple[Tree, NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return the tree that joins every target to a root: each to the cheapest node, near ones first."""
    hub = roots.mean(axis=0)
    order = np.argsort(np.linalg.norm(targets - hub, axis=1))
    nodes = np.vstack([roots, targets[order]])
    count, first = len(nodes), len(roots)
    parent = np.full(count, -1)
    length = np.zeros(count)
    squared = np.einsum("ij,ij->i", nodes, nodes)
    for index in range(first, count):
        # |a - b|^2 = a.a + b.b - 2 a.b: one product of a matrix and a vector for all distances.
        gap = squared[:index] + squared[index] - 2 * (nodes[:index] @ nodes[index])
        np.sqrt(np.maximum(gap, 0, out=gap), out=gap)
        best = int((gap + _BALANCE * length[:index]).argmin())
        parent[index] = best
        length[index] = length[best] + gap[best]
    load = np.zeros(count)
    children = np.bincount(parent[first:], minlength=count)
    for index in range(count - 1, first - 1, -1):
        if not children[index]:
            load[index] = (_TWIG_MM * rng.uniform(0.75, 1.3)) ** _MURRAY
        load[parent[index]] += load[index]
    radius = load ** (1 / _MURRAY)
    nodes = _straightened(nodes, parent, first, load)
    child = np.arange(first, count)
    return _pieces(nodes, radius, parent, child), nodes, radius, parent


def _straightened(
    nodes: NDArray[np.float64], parent: NDArray[np.int64], first: int, load: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return nodes pulled towards the line from parent to main child: vessels bend, they do not zigzag."""
    count = len(nodes)
    main = np.full(count, -1)
    for index in range(first, count):
        above = parent[index]
        if main[above] < 0 or load[index] > load[main[above]]:
            main[above] = index
    inner = np.flatnonzero((parent >= 0) & (main >= 0))
    smooth = nodes.copy()
    for _ in range(3):
        smooth[inner] = 0.4 * smooth[inner] + 0.3 * (smooth[parent[inner]] + smooth[main[inner]])
    return smooth


def _beside(
    nodes: NDArray[np.float64], radius: NDArray[np.float64], parent: NDArray[np.int64], *, right: bool
) -> Tree:
    """Return the bronchi that run beside the wider arteries."""
    direction = np.array([0.75 if right else -0.75, -0.55, 0.2])
    shifted = nodes + direction * np.minimum(2.0 * radius, 6.0)[:, None]
    child = np.flatnonzero((parent >= 0) & (radius > 0.62))
    return _pieces(shifted, 0.78 * radius, parent, child)


def _joined(trees: list[Tree]) -> Tree:
    if not trees:
        return Tree(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0))
    return Tree(*(np.concatenate([getattr(t, name) for t in trees]) for name in ("start", "stop", "radius")))


def _draw(
    tree: Tree, plane: float, *, thickness: float, spacing: float, grow: float = 0.0, least: float = 0.0
) -> Mask:
    """Return the tree's section, (2 SIZE, 2 SIZE), 255 where a vessel fills the slab."""
    picture = np.zeros((SIZE * SUPERSAMPLING, SIZE * SUPERSAMPLING), np.uint8)
    start, stop, radius, filled = tree.within(plane, thickness)
    wide = (radius >= least) & (filled > 0.03)
    start, stop, radius, filled = start[wide], stop[wide], radius[wide], filled[wide]
    scale = SUPERSAMPLING / spacing
    order = np.argsort(filled * radius)
    ends = np.round(np.stack([start, stop], axis=1)[order] * scale * 2**_SUBPIXEL_BITS).astype(int).tolist()
    width = (2 * (radius[order] + grow) * scale).tolist()
    value = (255 * filled[order]).tolist()
    for (a, b), thick, bright in zip(ends, width, value, strict=True):
        # Thinner than a pixel: one pixel, paler.
        pale = bright * min(1.0, thick)
        cv2.line(picture, a, b, int(pale), max(1, round(thick)), cv2.LINE_AA, _SUBPIXEL_BITS)
    return picture


def vessel_alpha(vessels: Vessels, body: Body, plane: float) -> NDArray[np.float32]:
    """Return the share of blood in each pixel, (SIZE, SIZE)."""
    traits = body.traits
    picture = _draw(vessels.blood, plane, thickness=traits.scanner.thickness_mm, spacing=traits.spacing)
    return _reduced(picture)


def bronchus_alpha(
    vessels: Vessels, body: Body, plane: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the shares of bronchial wall (lumen included) and of lumen in each pixel, (SIZE, SIZE) each."""
    traits = body.traits
    thickness = min(traits.scanner.thickness_mm, 2.5)
    wall = _draw(vessels.bronchi, plane, thickness=thickness, spacing=traits.spacing, grow=0.55, least=0.9)
    lumen = _draw(vessels.bronchi, plane, thickness=thickness, spacing=traits.spacing, least=0.5)
    return _reduced(wall), _reduced(lumen)


def _reduced(picture: Mask) -> NDArray[np.float32]:
    return cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
