"""`predict_tiled(model, image, tile_size)`: the overlap-tile strategy, the whole picture mirrored at its border."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from coursekit.exercises import expect, properties
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.given import ValidConvolutions
from coursekit.exercises.watch import REFERENCE_MODELS, REFERENCE_OPS

predict_tiled = Exercise("predict_tiled", forbids=(REFERENCE_MODELS, REFERENCE_OPS))


def _model(draw: Draw, channels: int, classes: int, kernels: tuple[int, ...]) -> ValidConvolutions:
    model = ValidConvolutions(channels, classes, kernels)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(draw.normal(*p.shape) / (p[0].numel() ** 0.5 if p.ndim > 1 else 2))
    return model


Case = tuple[ValidConvolutions, Tensor, int]


def _expect_tiled(answer: Answer, *cases: Case) -> None:
    results = [answer(*case) for case in cases]
    for result, (model, image, _) in zip(results, cases):
        expect.close(result, model.whole(image), "the prediction", tolerance=1e-4)


@predict_tiled.check(points=0.5)
def whole_tiles(answer: Answer, draw: Draw) -> None:
    """Equals one pass over the mirrored picture, where the tiles just fit."""
    size = draw.integer(9, 11)
    model = _model(draw, 2, 3, (5, 3))
    shapes = (2, 2 * size, 3 * size), (2, 3 * size, size)
    _expect_tiled(answer, *((model, draw.uniform(*shape), size) for shape in shapes))


@predict_tiled.check(points=1)
def any_size(answer: Answer, draw: Draw) -> None:
    """Equals one pass over the mirrored picture for any size, channels, classes and tile."""
    cases: list[Case] = []
    for kernels in ((5, 3, 3), (3, 3), (3,)):
        size, channels, classes = draw.integer(9, 12), draw.integer(1, 3), draw.integer(4, 6)
        model = _model(draw, channels, classes, kernels)
        height, width = 2 * size + draw.integer(1, size - 1), 3 * size + draw.integer(1, size - 1)
        cases += [(model, draw.uniform(channels, *shape), size) for shape in ((height, width), (width, height))]
    _expect_tiled(answer, *cases)


@predict_tiled.check(points=0.5, needs="whole_tiles")
def little_at_once(answer: Answer, draw: Draw) -> None:
    """No call of the model, not even the trial, gives more than tile_size² pixels."""
    for size, kernels in ((9, (3, 5)), (draw.integer(10, 12), (3, 5)), (9, (1,))):
        model = _model(draw, 2, 2, kernels)
        answer(model, draw.uniform(2, 2 * size + 5, 3 * size), size)
        expect.that(
            0 < model.most <= size**2,
            f"one call gave {model.most} output pixels a channel; with a tile size of {size} it may be {size**2}",
            mistake="all_at_once" if model.most > 0 else None,
        )


@predict_tiled.check(points=0.5, needs="whole_tiles")
def edge_cases(answer: Answer, draw: Draw) -> None:
    """A picture smaller than the tile; a model that loses no border; float64; the picture left alone."""
    small, size = _model(draw, 2, 3, (3, 3)), draw.integer(16, 17)
    pointwise = _model(draw, 2, 3, (1, 1))
    cases = [(small, (14, 15), size), (small, (13, 30), size), (pointwise, (12, 18), 6), (pointwise, (11, 19), 6)]
    _expect_tiled(answer, *((model, draw.uniform(2, *shape), tile_size) for model, shape, tile_size in cases))
    model, image = small.double(), draw.uniform(2, 21, 26, dtype=torch.float64)
    given = image.clone()
    answer.run(answer.function, model, given, 9)
    properties.keeps_dtype(answer, model, image, 9, position=1)
    if not torch.equal(given, image):
        raise expect.CheckFailed("the picture was changed by the call", given, image, "changes_its_input")


def _margin(model: Callable[[Tensor], Tensor], image: Tensor, tile_size: int) -> int:
    trial = image.new_zeros(1, image.shape[0], tile_size, tile_size)
    return (tile_size - model(trial).shape[-1]) // 2


def _tiled(
    model: Callable[[Tensor], Tensor],
    image: Tensor,
    tile_size: int,
    mirror: str = "reflect",
    *,
    padded_by: int | None = None,
    margin: int | None = None,
    transposed: bool = False,
    uncut: bool = False,
) -> Tensor:
    """A right answer, from which mistakes depart: another continuation, another margin, tiles elsewhere."""
    with torch.no_grad():
        h, w = image.shape[1:]
        m = _margin(model, image, tile_size) if margin is None else margin
        pad = m if padded_by is None else padded_by
        rows, cols = (_positions(n, pad, -n % tile_size, mirror) for n in (h, w))
        seen = image[:, rows.clamp(min=0)[:, None], cols.clamp(min=0)]
        seen = seen * ((rows >= 0)[:, None] & (cols >= 0))
        side = max(h, w) + tile_size
        result: Tensor | None = None
        for top in range(0, h, tile_size):
            for left in range(0, w, tile_size):
                window = seen[:, top : top + tile_size + 2 * m, left : left + tile_size + 2 * m]
                tile = model(window[None])[0]
                if result is None:
                    result = tile.new_zeros(tile.shape[0], side, side)
                y, x = (left, top) if transposed else (top, left)
                result[:, y : y + tile.shape[1], x : x + tile.shape[2]] = tile
        assert result is not None
        return result[:, : h + -h % tile_size, : w + -w % tile_size] if uncut else result[:, :h, :w]


def _positions(size: int, margin: int, more: int, mirror: str) -> Tensor:
    """Which pixel stands at each place of the padded axis; −1 is a zero."""
    places = torch.arange(-margin, size + more + margin)
    if mirror == "reflect":
        places = places.abs()
        return torch.where(places >= size, 2 * (size - 1) - places, places).clamp(min=0)
    if mirror == "symmetric":
        places = torch.where(places < 0, -1 - places, places)
        return torch.where(places >= size, 2 * size - 1 - places, places).clamp(min=0)
    if mirror == "replicate":
        return places.clamp(0, size - 1)
    if mirror == "circular":
        return places % size
    return torch.where((places < 0) | (places >= size), -1, places)


@predict_tiled.mistake
def padded_with_zeros(model: nn.Module, image: Tensor, tile_size: int) -> Tensor:
    """Beyond the border the model sees black: the picture is to be continued by its mirror image."""
    return _tiled(model, image, tile_size, "zeros")


@predict_tiled.mistake
def border_repeated(model: nn.Module, image: Tensor, tile_size: int) -> Tensor:
    """Beyond the border the last pixel is repeated: the picture is to be continued by its mirror image."""
    return _tiled(model, image, tile_size, "replicate")


@predict_tiled.mistake
def border_pixel_twice(model: nn.Module, image: Tensor, tile_size: int) -> Tensor:
    """The mirror stands *between* pixels, so the border pixel comes twice: after 1 2 3 comes 2, not 3."""
    return _tiled(model, image, tile_size, "symmetric")


@predict_tiled.mistake
def wrapped_around(model: nn.Module, image: Tensor, tile_size: int) -> Tensor:
    """Beyond the border the picture begins anew on its other side: it is to be mirrored."""
    return _tiled(model, image, tile_size, "circular")


@predict_tiled.mistake
def each_tile_mirrored(model: nn.Module, image: Tensor, tile_size: int) -> Tensor:
    """Every tile is mirrored at its own border, though the picture goes on there: mirror the whole picture once."""
    with torch.no_grad():
        m = _margin(model, image, tile_size)
        rows = []
        for strip in image.split(tile_size, dim=1):
            tiles = []
            for part in strip.split(tile_size, dim=2):
                seen = part[:, _fold(part.shape[1], m)][:, :, _fold(part.shape[2], m)]
                tiles.append(model(seen[None])[0])
            rows.append(torch.cat(tiles, dim=2))
        return torch.cat(rows, dim=1)


def _fold(size: int, margin: int) -> Tensor:
    """Mirrored positions, again and again where the margin is larger than the tile."""
    period = max(1, 2 * (size - 1))
    phase = torch.arange(-margin, size + margin) % period
    return torch.minimum(phase, period - phase).clamp(max=size - 1)


@predict_tiled.mistake
def each_tile_padded_with_zeros(model: nn.Module, image: Tensor, tile_size: int) -> Tensor:
    """Every tile sees black beyond its own border, though the picture goes on there: where do the seams come from?"""
    with torch.no_grad():
        m = _margin(model, image, tile_size)
        rows = [
            torch.cat([model(F.pad(part[None], (m, m, m, m)))[0] for part in strip.split(tile_size, dim=2)], dim=2)
            for strip in image.split(tile_size, dim=1)
        ]
        return torch.cat(rows, dim=1)


@predict_tiled.mistake
def not_mirrored_at_all(model: nn.Module, image: Tensor, tile_size: int) -> Tensor:
    """The prediction has lost the picture's border: continue the picture beyond it before you begin."""
    with torch.no_grad():
        m = _margin(model, image, tile_size)
        h, w = image.shape[1] - 2 * m, image.shape[2] - 2 * m
        rows = []
        for top in range(0, h, tile_size):
            strip = image[:, top : top + tile_size + 2 * m]
            lefts = range(0, w, tile_size)
            rows.append(torch.cat([model(strip[None, ..., b : b + tile_size + 2 * m])[0] for b in lefts], dim=2))
        return torch.cat(rows, dim=1)


@predict_tiled.mistake
def last_tiles_left_out(model: nn.Module, image: Tensor, tile_size: int) -> Tensor:
    """Where the tiles do not fit, the last rows and columns stay empty: one more tile is needed there."""
    result = _tiled(model, image, tile_size)
    result[:, image.shape[1] // tile_size * tile_size :] = 0
    result[:, :, image.shape[2] // tile_size * tile_size :] = 0
    return result


@predict_tiled.mistake
def last_tiles_cut_off(model: nn.Module, image: Tensor, tile_size: int) -> Tensor:
    """Where the tiles do not fit, the prediction is smaller than the picture: one more tile is needed there."""
    h, w = (size // tile_size * tile_size for size in image.shape[1:])
    return _tiled(model, image, tile_size)[:, :h, :w]


@predict_tiled.mistake
def full_tiles_kept(model: nn.Module, image: Tensor, tile_size: int) -> Tensor:
    """The prediction is larger than the picture where the tiles do not fit: cut off what is too much."""
    return _tiled(model, image, tile_size, uncut=True)


@predict_tiled.mistake
def last_tiles_added_twice(model: nn.Module, image: Tensor, tile_size: int) -> Tensor:
    """Where the last tile was moved back to fit, its pixels were added to those that were there already."""
    result = _tiled(model, image, tile_size)
    for axis, size in ((1, image.shape[1]), (2, image.shape[2])):
        if size > tile_size and size % tile_size:
            shared = torch.arange(size - tile_size, size // tile_size * tile_size)
            result.index_copy_(axis, shared, 2 * result.index_select(axis, shared))
    return result


@predict_tiled.mistake
def last_tiles_not_moved(model: nn.Module, image: Tensor, tile_size: int) -> Tensor:
    """The last tile was moved back to see enough of the picture, but written to where it had been before."""
    h, w = image.shape[1:]
    whole, result = _tiled(model, image, tile_size), _tiled(model, image, tile_size)
    if h > tile_size and h % tile_size:
        result[:, h // tile_size * tile_size :] = whole[:, h - tile_size : h - tile_size + h % tile_size]
    if w > tile_size and w % tile_size:
        result[:, :, w // tile_size * tile_size :] = result[:, :, w - tile_size : w - tile_size + w % tile_size].clone()
    return result


@predict_tiled.mistake
def rows_and_columns_swapped(model: nn.Module, image: Tensor, tile_size: int) -> Tensor:
    """Each tile stands where its mirror image at the diagonal belongs: rows and columns have changed places."""
    return _tiled(model, image, tile_size, transposed=True)


@predict_tiled.mistake
def margin_not_halved(model: nn.Module, image: Tensor, tile_size: int) -> Tensor:
    """Everything is shifted: what the model loses is shared between two sides."""
    return _tiled(model, image, tile_size, padded_by=2 * _margin(model, image, tile_size))


@predict_tiled.mistake
def shifted_by_a_pixel(model: nn.Module, image: Tensor, tile_size: int) -> Tensor:
    """Everything is shifted by one pixel: where does the first window begin?"""
    return _tiled(model, image, tile_size, padded_by=_margin(model, image, tile_size) + 1)


@predict_tiled.mistake
def margin_of_two(model: nn.Module, image: Tensor, tile_size: int) -> Tensor:
    """The margin is always the same, whatever the model loses: find it by a trial."""
    return _tiled(model, image, tile_size, margin=2)


@predict_tiled.mistake
def no_batch_axis(model: nn.Module, image: Tensor, tile_size: int) -> Tensor:
    """The model was given a picture (C, H, W); it takes batches (N, C, H, W)."""
    return _tiled(lambda x: model(x[0])[None], image, tile_size)


@predict_tiled.mistake
def batch_axis_left(model: nn.Module, image: Tensor, tile_size: int) -> Tensor:
    """The prediction has one axis too many: that of the batch."""
    return _tiled(model, image, tile_size)[None]


@predict_tiled.mistake
def labels_not_logits(model: nn.Module, image: Tensor, tile_size: int) -> Tensor:
    """The prediction holds class ids; what the model gives, (K, H, W), is asked for."""
    return _tiled(model, image, tile_size).argmax(dim=0)


@predict_tiled.mistake
def margin_zero_forgotten(model: nn.Module, image: Tensor, tile_size: int) -> Tensor:
    """A model that loses no border leaves nothing: what does a slice that ends at `-0` contain?"""
    result = _tiled(model, image, tile_size)
    return result if _margin(model, image, tile_size) else result[:, :0, :0]


def all_at_once(model: nn.Module, image: Tensor, tile_size: int) -> Tensor:
    """The values are right, but the model was given too much at a time, in a trial perhaps: memory may not suffice."""
    with torch.no_grad():
        m = _margin(model, image, tile_size)
        return model(F.pad(image[None], (m, m, m, m), mode="reflect") if m else image[None])[0]


def always_float32(model: nn.Module, image: Tensor, tile_size: int) -> Tensor:
    """A float64 picture gives a float32 prediction: make new tensors with the type of what the model gives."""
    return _tiled(model, image, tile_size).float()


def computed_in_float32(model: nn.Module, image: Tensor, tile_size: int) -> Tensor:
    """A float64 picture passes through float32: no `.float()`, and new tensors with the dtype of the picture."""
    return _tiled(model, image.float().to(image.dtype), tile_size)


def changes_its_input(model: nn.Module, image: Tensor, tile_size: int) -> Tensor:
    """The picture is not the same after the call: an assignment wrote into it."""
    result = _tiled(model, image, tile_size)
    image.zero_()
    return result


for _mistake in (all_at_once, always_float32, computed_in_float32, changes_its_input):
    predict_tiled.mistake(_mistake, right_values=True)
