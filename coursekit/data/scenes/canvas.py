"""What is painted on: one map of paint numbers, from which both the picture and every label follow."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from .classes import CLASSES, IS_THING, VOID
from .geometry import CORNERS, Camera, fill, strokes

__all__ = ["Bodies", "Canvas", "Paints"]


@dataclass(frozen=True)
class Bodies:
    """n bodies of one class, each of p parts in the order in which they are painted.

    The parts are either strokes, (8, n, p): from (X, Y, Z), to (X, Y, Z) and the radii there; or flat faces,
    (3, 8, n, p): the corners, which run clockwise as seen from where the face looks. All is in metres. `depth` is the
    distance of each body; parts that are not `shown` are left out; those that `glow` are not darkened at night;
    `grain` is how rough the surface looks; the first bodies, so many as `behind`, come before those of all groups.
    """

    label: int
    parts: Float[np.ndarray, "*shape n p"]
    colours: Float[np.ndarray, "n p 3"]
    depth: Float[np.ndarray, "n"]
    shown: Bool[np.ndarray, "n p"] | bool = True
    glow: Bool[np.ndarray, "*n p"] | bool = False
    grain: float = 0.05
    behind: int = 0


@dataclass(frozen=True)
class Paints:
    """What each paint is: colour in daylight, segment, roughness, whether it glows, metres away (0: as the ground)."""

    colour: Float[np.ndarray, "3 p"]
    segment: Int[np.ndarray, "p"]
    grain: Float[np.ndarray, "p"]
    glow: Bool[np.ndarray, "p"]
    depth: Float[np.ndarray, "p"]


class Canvas:
    """A map `paint` (H, W) of paint numbers, and what is known of each paint.

    A paint belongs to one segment. Segment 0 is void, class + 1 is the stuff of that class, and every thing has
    one of its own from `len(CLASSES) + 1` on; `labels[segment]` is the class. `depth` is that of the ground and
    the walls in metres, `shadow` is 1 where the ground lies in the shade.
    """

    def __init__(self, height: int, width: int) -> None:
        self.paint = np.zeros((height, width), dtype=np.intp)
        self.depth = np.full((height, width), np.inf, dtype=np.float32)
        self.shadow = np.zeros((height, width), dtype=np.uint8)
        self.labels: list[int] = [VOID, *range(len(CLASSES))]
        self._rows: list[Float[np.ndarray, "p 7"]] = []
        self._paints = 0

    def mix(
        self,
        segment: int | Int[np.ndarray, "*p"],
        colours: Float[np.ndarray, "*p 3"],
        grain: float | Float[np.ndarray, "*p"] = 0.0,
        glow: bool | Bool[np.ndarray, "*p"] = False,
        depth: float | Float[np.ndarray, "*p"] = 0.0,
    ) -> int:
        """Make paints, one for each colour, and return the number of the first."""
        rows = np.empty((*colours.shape[:-1], 7), dtype=np.float32)
        rows[..., :3], rows[..., 3], rows[..., 4], rows[..., 5], rows[..., 6] = colours, segment, grain, glow, depth
        first = self._paints
        self._rows.append(rows.reshape(-1, 7))
        self._paints += len(self._rows[-1])
        return first

    def paints(self) -> Paints:
        """The tables of all paints made so far."""
        columns = np.concatenate(self._rows).T.copy()
        return Paints(columns[:3], columns[3].astype(np.intp), columns[4], columns[5] > 0, columns[6])

    def add(self, camera: Camera, drawn: list[Bodies], built: list[Bodies]) -> list[Int[np.ndarray, "n"]]:
        """Paint bodies drawn of strokes and built of faces, the farthest first.

        Returns the first paint of each body for each of the groups.
        """
        first_of_all, groups = self._paints, [*drawn, *built]
        numbers, depth, shown = [], [], []
        for group in groups:
            bodies, parts = group.parts.shape[-2:]
            if IS_THING[group.label]:
                segment = len(self.labels) + np.arange(bodies)
                self.labels += [group.label] * bodies
            else:
                segment = np.full(bodies, group.label + 1)
            first = self.mix(segment[:, None], group.colours, group.grain, group.glow, group.depth[:, None])
            numbers.append(first + parts * np.arange(bodies))
            depth.append(np.repeat(group.depth + 1e6 * (np.arange(bodies) < group.behind), parts))
            shown.append(np.full((bodies, parts), group.shown).reshape(-1))

        outlines = strokes(camera, np.concatenate([group.parts.reshape(8, -1) for group in drawn], axis=1))
        corners = np.concatenate([group.parts.reshape(3, CORNERS, -1) for group in built], axis=2)
        x, y = faces = camera.project(corners)[0]
        towards = (x[1] - x[0]) * (y[2] - y[0]) > (y[1] - y[0]) * (x[2] - x[0])
        visible = np.concatenate(shown) & np.concatenate([np.ones(outlines.shape[2], dtype=bool), towards])
        order = np.argsort(-np.concatenate(depth), kind="stable")
        order = order[visible[order]]
        outlines = np.concatenate([outlines, faces], axis=2).take(order, axis=2)
        fill(self.paint, outlines, first_of_all + order)
        return numbers
