"""The naive way: cut out the window around a pixel, classify it, move on by one pixel.

Farabet et al., "Learning Hierarchical Features for Scene Labeling", TPAMI 2013; Pinheiro & Collobert,
"Recurrent Convolutional Neural Networks for Scene Labeling", ICML 2014. This small network follows Cireşan et
al., "Deep Neural Networks Segment Neuronal Membranes in Electron Microscopy Images", NIPS 2012.
"""

import copy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from coursekit.models.blocks import he_initialise
from coursekit.models.fcn import convolutionalize
from coursekit.ops import mirror_pad


class PatchClassifier(nn.Module):
    """A classifier of windows, called once for every pixel.

    Neighbouring windows share nearly all of their pixels and the classifier computes everything anew.
    `as_dense` gives the network that shares the work. Beyond the border the windows see the image mirrored.

    How much slower the naive way is, is measured by `make bench`: see tests/bench/RESULTS.md.

    `patch_size` is the window's side: 13, 17, 21, 25, … (9 more than a multiple of 4), so that the window has
    a middle and both poolings come out even; any other raises ValueError.
    """

    def __init__(self, num_classes: int = 21, in_channels: int = 3, width: int = 16, *, patch_size: int = 21) -> None:
        super().__init__()
        if patch_size < 13 or patch_size % 4 != 1:
            raise ValueError(f"patch_size must be one of 13, 17, 21, 25, … (9 + 4 · n); got {patch_size}")
        self.patch_size = patch_size
        self.features = nn.Sequential(
            *(nn.Conv2d(in_channels, width, 4), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(width, 2 * width, 4), nn.ReLU(), nn.MaxPool2d(2)),
        )
        side = (patch_size - 9) // 4
        self.feature_shape = (2 * width, side, side)
        self.classifier = nn.Sequential(
            nn.Flatten(),
            *(nn.Linear(2 * width * side * side, 8 * width), nn.ReLU()),
            nn.Linear(8 * width, num_classes),
        )
        self.apply(he_initialise)

    def classify(self, patches: Float[Tensor, "m c p p"]) -> Float[Tensor, "m classes"]:
        """The scores of the pixels in the middle of these windows."""
        return self.classifier(self.features(patches))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes h w"]:
        """Logits at the image's size, any size, a row of windows at a time."""
        windows = mirror_pad(x, self.patch_size // 2)
        windows = windows.unfold(2, self.patch_size, 1).unfold(3, self.patch_size, 1)
        rows = []
        for row in windows.unbind(2):  # each (n, c, w, p, p)
            scores = self.classify(row.transpose(1, 2).flatten(0, 1))
            rows.append(scores.unflatten(0, (x.shape[0], x.shape[3])).transpose(1, 2))
        return torch.stack(rows, dim=2)

    def as_dense(self, every_pixel: bool = True) -> nn.Sequential:
        """The network that gives the same scores from one pass over the image; a copy.

        Left as they are, the two poolings keep every second window each, and the scores are those of every
        fourth pixel of every fourth row (`every_pixel=False`). To have them all, the poolings step by one, and
        what follows takes its inputs as far apart as they would have been (dilation).
        """
        layers: list[nn.Module] = []
        apart = 1
        for layer in (*copy.deepcopy(self.features), *convolutionalize(self.classifier, self.feature_shape)):
            if every_pixel and isinstance(layer, nn.Conv2d):
                layer.dilation = (apart, apart)
            elif every_pixel and isinstance(layer, nn.MaxPool2d):
                layer = nn.MaxPool2d(2, stride=1, dilation=apart)  # noqa: PLW2901
                apart *= 2
            layers.append(layer)
        return nn.Sequential(MirrorPadding(self.patch_size // 2), *layers).train(self.training)


class MirrorPadding(nn.Module):
    """`coursekit.ops.mirror_pad` as a layer."""

    def __init__(self, margin: int) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h2 w2"]:
        return mirror_pad(x, self.margin)
