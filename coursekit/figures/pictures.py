"""Static figures: pictures with their masks and a legend, and small arrays with their numbers."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from torch import Tensor

from coursekit.figures.palette import COLOURS, VOID, colourise
from coursekit.figures.picture import Picture

INK = "#222222"
PALE = "#f4f1ea"
ACCENT = "#f2b134"


def show_masks(
    images: Sequence[Tensor],
    masks: Mapping[str, Sequence[Tensor]],
    classes: Sequence[str],
    *,
    alt: str | None = None,
    void: int = 255,
) -> Picture:
    """Pictures in the first row, and a row below for each named list of label maps, with one legend.

    Args:
        images: (3, H, W) or (1, H, W) floats in [0, 1].
        masks: a title → label maps (H, W), one for each image, such as {"truth": …, "prediction": …}.
        classes: the names of the class ids.
        alt: the description; by default it tells the classes' shares of each map.
    """
    rows, columns = 1 + len(masks), len(images)
    height, width = images[0].shape[-2:]
    figure = Figure(figsize=(3.2 * columns, 3.2 * rows * height / width + 0.9), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax, image in zip(axes[0], images):
        _draw_image(ax, image)
    for row, labels in zip(axes[1:], masks.values()):
        for ax, mask in zip(row, labels):
            ax.imshow(colourise(mask.cpu(), void), interpolation="nearest")
            ax.set(xticks=[], yticks=[])
    for row, title in zip(axes, ["picture", *masks]):
        row[0].set_ylabel(title)
    _add_legend(figure, [mask for labels in masks.values() for mask in labels], classes, void)
    return Picture(figure, alt or _describe(masks, classes, void))


def show_labels(
    labels: Mapping[str, Tensor], classes: Sequence[str], *, alt: str | None = None, void: int = 255
) -> Picture:
    """Label maps (H, W) in one row, each with its title, with one legend; `alt` as for `show_masks`."""
    height, width = next(iter(labels.values())).shape
    figure = Figure(figsize=(3.0 * len(labels), 3.0 * height / width + 0.9), layout="constrained")
    for ax, (title, mask) in zip(figure.subplots(1, len(labels), squeeze=False)[0], labels.items()):
        ax.imshow(colourise(mask.cpu(), void), interpolation="nearest")
        ax.set(xticks=[], yticks=[])
        ax.set_title(title, fontsize=10, color=INK)
    _add_legend(figure, list(labels.values()), classes, void)
    told = "; ".join(f"{title}: {_shares(mask, classes, void)}" for title, mask in labels.items())
    return Picture(figure, alt or f"Maps of classes. {told}.")


def show_images(images: Mapping[str, Tensor], *, alt: str) -> Picture:
    """Pictures in one row, each with its title: (3, H, W) or (1, H, W) floats in [0, 1], or (H, W) of any range."""
    height, width = next(iter(images.values())).shape[-2:]
    figure = Figure(figsize=(3.2 * len(images), 3.2 * height / width + 0.4), layout="constrained")
    for ax, (title, image) in zip(figure.subplots(1, len(images), squeeze=False)[0], images.items()):
        _draw_image(ax, image)
        ax.set_title(title, fontsize=10, color=INK)
    return Picture(figure, alt)


def show_arrays(
    arrays: Mapping[str, Tensor], *, alt: str, between: str = "", marked: Mapping[str, Tensor] | None = None
) -> Picture:
    """Small matrices beside each other with their numbers in the cells, zeros pale.

    Args:
        arrays: a title → values (H, W), at most some hundred cells.
        between: what stands between neighbours, such as "→".
        marked: a title → boolean (H, W) of cells to frame.
    """
    marked = marked or {}
    shapes = [tuple(values.shape) for values in arrays.values()]
    cell, gap = 0.42, 0.7
    widths = [w * cell for _, w in shapes]
    tallest = max(h for h, _ in shapes) * cell
    figure = Figure(figsize=(sum(widths) + gap * (len(widths) - 1) + 0.3, tallest + 0.5))
    total_width, total_height = figure.get_size_inches()
    left = 0.15
    for (title, values), (h, w) in zip(arrays.items(), shapes):
        bottom = (tallest - h * cell) / 2 + 0.1
        box = (left / total_width, bottom / total_height, w * cell / total_width, h * cell / total_height)
        draw_array(figure.add_axes(box), values, title, marked.get(title))
        left += w * cell + gap
        if between and left < total_width:
            figure.text(
                (left - gap / 2) / total_width, (tallest / 2 + 0.1) / total_height, between, ha="center", size=16
            )
    return Picture(figure, alt)


def draw_array(ax: Axes, values: Tensor, title: str = "", marked: Tensor | None = None) -> None:
    """One matrix with its numbers in the cells, into an axes."""
    numbers = values.detach().cpu().to(torch.float64)
    h, w = numbers.shape
    frames = marked if marked is not None else torch.zeros(h, w, dtype=torch.bool)
    for i in range(h):
        for j in range(w):
            value = float(numbers[i, j])
            fill = ACCENT if frames[i, j] else (PALE if value == 0 else "#cfe3f1")
            ax.add_patch(Rectangle((j, i), 1, 1, facecolor=fill, edgecolor="white", linewidth=1.5))
            ax.text(j + 0.5, i + 0.5, f"{value:.3g}", ha="center", va="center", color="#8a8578" if value == 0 else INK)
    ax.set(xlim=(0, w), ylim=(h, 0), xticks=[], yticks=[])
    ax.set_title(title, fontsize=10, color=INK)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _draw_image(ax: Axes, image: Tensor) -> None:
    values = image.detach().cpu()
    if values.ndim == 3:
        ax.imshow(values.clamp(0, 1).movedim(0, -1).squeeze(-1).numpy(), cmap="gray", vmin=0, vmax=1)
    else:
        ax.imshow(values.numpy(), cmap="gray")
    ax.set(xticks=[], yticks=[])


def _add_legend(figure: Figure, labels: Sequence[Tensor], classes: Sequence[str], void: int) -> None:
    """The colours of the classes that occur."""
    present = sorted({int(i) for mask in labels for i in mask.unique()})
    handles = [
        Patch(facecolor=VOID if i == void else COLOURS[i % len(COLOURS)], edgecolor=INK, label=_name(i, classes, void))
        for i in present
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6), frameon=False)


def _name(label: int, classes: Sequence[str], void: int) -> str:
    if label == void:
        return "void"
    return classes[label] if label < len(classes) else str(label)


def _describe(masks: Mapping[str, Sequence[Tensor]], classes: Sequence[str], void: int) -> str:
    sentences = [
        f"{title} {number}: {_shares(mask, classes, void)}"
        for title, labels in masks.items()
        for number, mask in enumerate(labels, start=1)
    ]
    return "Pictures and maps of classes. " + "; ".join(sentences) + "."


def _shares(mask: Tensor, classes: Sequence[str], void: int) -> str:
    """The largest classes of a map in per cent."""
    ids, counts = np.unique(mask.cpu().numpy(), return_counts=True)
    shares = sorted(zip(counts / counts.sum(), ids), reverse=True)[:4]
    return ", ".join(f"{_name(int(i), classes, void)} {share:.0%}" for share, i in shares)
