"""Right answers to 03_unet, in the styles that students use. Each keeps every point."""

import hashlib
import itertools
import math
import random

import numpy as np
import torch
from scipy import ndimage
from scipy.spatial.distance import cdist
from torch import nn
from torch.nn import functional as F


class double_conv:
    def sequential(in_channels, out_channels):
        return nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3),
            nn.ReLU(inplace=True),
        )

    class Module(nn.Module):
        def __init__(self, in_channels, out_channels):
            super().__init__()
            self.second = nn.Conv2d(out_channels, out_channels, kernel_size=(3, 3), padding="valid")
            self.first = nn.Conv2d(in_channels, out_channels, kernel_size=(3, 3), padding="valid")

        def forward(self, x):
            return torch.clamp(self.second(self.first(x).clamp(min=0)), min=0)

    class Parameters(nn.Module):
        """Weights of one's own, and the convolution as a product of matrices."""

        def __init__(self, in_channels, out_channels):
            super().__init__()
            self.weights = nn.ParameterList(
                [
                    nn.Parameter(torch.randn(out_channels, channels * 9) / math.sqrt(4.5 * channels))
                    for channels in (in_channels, out_channels)
                ]
            )
            self.biases = nn.ParameterList([nn.Parameter(torch.zeros(out_channels)) for _ in range(2)])

        def forward(self, x):
            for weight, bias in zip(self.weights, self.biases):
                n, _, h, w = x.shape
                columns = F.unfold(x, 3)
                x = (weight @ columns + bias[:, None]).reshape(n, -1, h - 2, w - 2).relu()
            return x

    def compiled(in_channels, out_channels):
        return torch.jit.script(double_conv.sequential(in_channels, out_channels))

    class Einsum(nn.Module):
        """Padded to the same size and cropped, with a product over unfolded windows."""

        def __init__(self, in_channels, out_channels):
            super().__init__()
            self.weight1 = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3) / math.sqrt(4.5 * in_channels))
            self.weight2 = nn.Parameter(torch.randn(out_channels, out_channels, 3, 3) / math.sqrt(4.5 * out_channels))
            self.bias1, self.bias2 = (nn.Parameter(torch.zeros(out_channels)) for _ in range(2))

        def forward(self, x):
            for weight, bias in ((self.weight1, self.bias1), (self.weight2, self.bias2)):
                windows = x.unfold(2, 3, 1).unfold(3, 3, 1)
                x = torch.einsum("nchwij, ocij -> nohw", windows, weight) + bias[:, None, None]
                x = torch.maximum(x, x.new_zeros(()))
            return x

    def lazy(in_channels, out_channels):
        layers = [layer for _ in range(2) for layer in (nn.LazyConv2d(out_channels, 3), nn.ReLU())]
        return nn.Sequential(*layers)


class center_crop:
    def slices(x, height, width):
        top, left = (x.shape[2] - height) // 2, (x.shape[3] - width) // 2
        return x[:, :, top : top + height, left : left + width]

    def narrow(x, height, width):
        x = x.narrow(-2, (x.size(-2) - height) // 2, height)
        return x.narrow(-1, (x.size(-1) - width) // 2, width)

    def matrices(x, height, width):
        rows, columns = (torch.eye(side, dtype=x.dtype) for side in x.shape[2:])
        top, left = (x.shape[2] - height) // 2, (x.shape[3] - width) // 2
        return rows[top : top + height] @ x @ columns[left : left + width].T

    def negative_padding(x, height, width):
        down, across = x.shape[-2] - height, x.shape[-1] - width
        return F.pad(x, (-(across // 2), -math.ceil(across / 2), -(down // 2), -math.ceil(down / 2)))

    def index_select(x, height, width):
        rows = torch.arange(height, device=x.device) + (x.shape[2] - height) // 2
        columns = torch.arange(width, device=x.device) + (x.shape[3] - width) // 2
        return x.index_select(2, rows).index_select(3, columns)

    def loop(x, height, width):
        top, left = int((x.shape[2] - height) / 2), int((x.shape[3] - width) / 2)
        rows = [x[:, :, top + i, left : left + width] for i in range(height)]
        return torch.stack(rows, dim=2)


class _Up(nn.Module):
    def __init__(self, inputs, outputs, mode, sides, border="constant"):
        super().__init__()
        self.conv, self.mode, self.sides, self.border = nn.Conv2d(inputs, outputs, 2), mode, sides, border

    def forward(self, x):
        x = F.interpolate(x, scale_factor=2, mode=self.mode)
        return self.conv(F.pad(x, self.sides, mode=self.border))


class _Net(nn.Module):
    """Reversed registration; the skip behind."""

    def __init__(self, in_channels, num_classes, base_channels=64, depth=4):
        super().__init__()
        c = base_channels
        self.head = nn.Conv2d(c, num_classes, 1)
        self.decoder = nn.ModuleDict()
        self.ups = nn.ModuleDict()
        self.encoder = nn.ModuleDict()
        for level in range(depth):
            width = c * 2**level
            self.ups[str(level)] = self.make_up(2 * width, width)
            self.decoder[str(level)] = double_conv.sequential(2 * width, width)
        for level in reversed(range(depth + 1)):
            self.encoder[str(level)] = double_conv.sequential(
                c * 2 ** (level - 1) if level else in_channels, c * 2**level
            )
        self.depth = depth

    def make_up(self, inputs, outputs):
        return nn.ConvTranspose2d(inputs, outputs, 2, 2)

    def forward(self, x):
        kept = {}
        for level in range(self.depth + 1):
            if level:
                x = F.max_pool2d(x, 2)
            x = self.encoder[str(level)](x)
            kept[level] = x
        for level in range(self.depth - 1, -1, -1):
            x = self.ups[str(level)](x)
            x = torch.cat([x, center_crop.slices(kept[level], x.shape[2], x.shape[3])], dim=1)
            x = self.decoder[str(level)](x)
        return self.head(x)


class UNet:
    class Transposed(nn.Module):
        def __init__(self, in_channels, num_classes, base_channels=64, depth=4):
            super().__init__()
            widths = [base_channels * 2**level for level in range(depth + 1)]
            self.encoder = nn.ModuleList(
                double_conv.sequential(a, b) for a, b in zip([in_channels, *widths[:-1]], widths)
            )
            self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in widths[-2::-1])
            self.decoder = nn.ModuleList(double_conv.sequential(2 * w, w) for w in widths[-2::-1])
            self.pool = nn.MaxPool2d(2)
            self.dropout = nn.Dropout(0.5)
            self.classifier = nn.Conv2d(base_channels, num_classes, 1)

        def forward(self, x):
            skips = []
            for block in self.encoder[:-1]:
                x = block(x)
                skips.append(x)
                x = self.pool(x)
            x = self.dropout(self.encoder[-1](x))
            for up, block, skip in zip(self.up, self.decoder, reversed(skips)):
                x = up(x)
                x = block(torch.cat((center_crop.slices(skip, *x.shape[2:]), x), 1))
            return self.classifier(x)

    class SkipBehind(_Net):
        pass

    class Nearest(_Net):
        def make_up(self, inputs, outputs):
            return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 2, padding="same"))

    class Bilinear(_Net):
        def make_up(self, inputs, outputs):
            return _Up(inputs, outputs, "bilinear", (1, 0, 1, 0))

    class PaddedByMirror(_Net):
        def make_up(self, inputs, outputs):
            return _Up(inputs, outputs, "nearest", (0, 1, 0, 1), "reflect")

    class PaddedThenCropped(_Net):
        def make_up(self, inputs, outputs):
            class Up(nn.Sequential):
                def forward(self, x):
                    return super().forward(x)[..., :-1, :-1]

            upsample = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
            return Up(upsample, nn.Conv2d(inputs, outputs, 2, padding=1))

    class PixelShuffled(_Net):
        """The transposed convolution as a 1 × 1 convolution whose channels become pixels."""

        def make_up(self, inputs, outputs):
            class Up(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.weight = nn.Parameter(torch.randn(inputs, outputs, 2, 2) / math.sqrt(4 * inputs))
                    self.bias = nn.Parameter(torch.zeros(outputs))

                def forward(self, x):
                    weight = self.weight.permute(1, 2, 3, 0).reshape(4 * outputs, inputs, 1, 1)
                    return F.pixel_shuffle(F.conv2d(x, weight), 2) + self.bias[:, None, None]

            return Up()

    class Recursive(nn.Module):
        """A U-Net is a level around a smaller U-Net."""

        def __init__(self, in_channels, num_classes, base_channels=64, depth=4):
            super().__init__()
            self.inside = UNet._Level(in_channels, base_channels, depth)
            self.classifier = nn.Linear(base_channels, num_classes)

        def forward(self, x):
            return self.classifier(self.inside(x).movedim(1, -1)).movedim(-1, 1)

    class _Level(nn.Module):
        def __init__(self, inputs, width, depth):
            super().__init__()
            self.before = double_conv.Module(inputs, width)
            self.deeper = None
            if depth:
                self.deeper = UNet._Level(width, 2 * width, depth - 1)
                self.up = nn.ConvTranspose2d(2 * width, width, 2, 2)
                self.after = double_conv.Module(2 * width, width)

        def forward(self, x):
            skip = self.before(x)
            if self.deeper is None:
                return skip
            x = self.up(self.deeper(F.max_pool2d(skip, 2)))
            return self.after(torch.cat([center_crop.narrow(skip, *x.shape[2:]), x], dim=1))

    def function(in_channels, num_classes, base_channels=64, depth=4):
        return UNet.Transposed(in_channels, num_classes, base_channels=base_channels, depth=depth)


class unet_output_size:
    def loop(size, depth=4):
        for _ in range(depth):
            size -= 4
            if size % 2 or size <= 0:
                raise ValueError(f"a pooling cannot halve {size}")
            size //= 2
        for _ in range(depth):
            size = 2 * (size - 4)
        size -= 4
        if size <= 0:
            raise ValueError("nothing is left")
        return size

    def formula(size, depth=4):
        step = 2**depth
        result = size - 12 * step + 8
        if result <= 0 or (size + 4) % step or (depth == 1 and result < 2):
            raise ValueError(size)
        return result

    def recursive(size, depth=4):
        if size <= 4:
            raise ValueError("nothing is left")
        if depth == 0:
            return size - 4
        half, odd = divmod(size - 4, 2)
        if odd:
            raise ValueError("odd")
        result = 2 * unet_output_size.recursive(half, depth - 1) - 4
        if result <= 0:
            raise ValueError("nothing is left")
        return result

    def as_tensor(size, depth=4):
        return torch.tensor(unet_output_size.loop(size, depth))


class border_weights:
    def running_minima(labels, w0=10.0, sigma=5.0):
        nearest = torch.full(labels.shape, math.inf, dtype=torch.float64)
        second = nearest.clone()
        for cell in labels[labels > 0].unique():
            d = torch.from_numpy(ndimage.distance_transform_edt((labels != cell).numpy()))
            nearest, second = torch.minimum(nearest, d), torch.minimum(second, torch.maximum(nearest, d))
        return w0 * torch.exp(-((nearest + second) ** 2) / (2 * sigma**2)) * (labels == 0)

    def scipy(labels, w0=10.0, sigma=5.0):
        ids = [i for i in np.unique(labels.numpy()) if i != 0]
        if len(ids) < 2:
            return torch.zeros(labels.shape)
        distances = np.stack([ndimage.distance_transform_edt(labels.numpy() != i) for i in ids])
        d1, d2 = np.sort(distances, axis=0)[:2]
        weights = w0 * np.exp(-((d1 + d2) ** 2) / (2 * sigma**2)) * (labels.numpy() == 0)
        return torch.from_numpy(weights).float()

    def numpy(labels, w0=10.0, sigma=5.0):
        return border_weights.scipy(labels, w0, sigma).numpy()

    def matrices(labels, w0=10.0, sigma=5.0):
        result = torch.zeros(labels.shape, dtype=torch.float64)
        cells = [torch.nonzero(labels == i).double() for i in labels.unique() if i > 0]
        background = torch.nonzero(labels == 0)
        if len(cells) >= 2 and len(background):
            d = torch.stack([torch.cdist(background.double(), cell).amin(1) for cell in cells], dim=1)
            total = d.topk(2, dim=1, largest=False).values.sum(1)
            result[background[:, 0], background[:, 1]] = w0 * (-(total**2) / (2 * sigma**2)).exp()
        return result

    def loop(labels, w0=10.0, sigma=5.0):
        height, width = labels.shape
        grid = labels.tolist()
        cells = {}
        for i, j in itertools.product(range(height), range(width)):
            if grid[i][j]:
                cells.setdefault(grid[i][j], []).append((i, j))
        result = torch.zeros(height, width)
        if len(cells) < 2:
            return result
        for i, j in itertools.product(range(height), range(width)):
            if grid[i][j] == 0:
                distances = sorted(min(math.hypot(i - a, j - b) for a, b in cell) for cell in cells.values())
                result[i, j] = w0 * math.exp(-((distances[0] + distances[1]) ** 2) / (2 * sigma**2))
        return result

    def pairwise(labels, w0=10.0, sigma=5.0):
        array = labels.numpy()
        places = np.argwhere(np.ones(array.shape, bool))
        first = np.full(len(places), np.inf)
        second = np.full(len(places), np.inf)
        for cell in set(array.ravel().tolist()) - {0}:
            d = cdist(places, np.argwhere(array == cell)).min(1)
            second = np.minimum(second, np.maximum(first, d))
            first = np.minimum(first, d)
        weights = w0 * np.exp(-((first + second) ** 2) / (2 * sigma**2))
        weights[array.ravel() != 0] = 0
        return torch.from_numpy(weights.reshape(array.shape))


def _mirrored(i, size):
    while not 0 <= i < size:
        i = -i if i < 0 else 2 * (size - 1) - i
    return i


class predict_tiled:
    def strips(model, image, tile_size):
        """Strips over the whole width, as low as they have to be; flipped parts set beside the picture."""
        _, h, w = image.shape
        with torch.no_grad():
            m = (tile_size - model(image.new_zeros(1, len(image), tile_size, tile_size)).shape[-1]) // 2
            x = image
            for axis in (1, 2) if m else ():
                size = x.shape[axis]
                before, after = x.narrow(axis, 1, m).flip(axis), x.narrow(axis, size - 1 - m, m).flip(axis)
                x = torch.cat([before, x, after], dim=axis)
            high = tile_size**2 // w
            return torch.cat([model(x[None, :, top : top + high + 2 * m])[0] for top in range(0, h, high)], dim=1)

    @torch.no_grad()
    def padded(model, image, tile_size):
        _, h, w = image.shape
        trial = model(image.new_zeros(1, image.shape[0], tile_size, tile_size))
        m = (tile_size - trial.shape[-1]) // 2
        x = F.pad(image[None], (m, m + -w % tile_size, m, m + -h % tile_size), mode="reflect")
        rows = []
        for top in range(0, h, tile_size):
            row = []
            for left in range(0, w, tile_size):
                row.append(model(x[:, :, top : top + tile_size + 2 * m, left : left + tile_size + 2 * m]))
            rows.append(torch.cat(row, dim=3))
        return torch.cat(rows, dim=2)[0, :, :h, :w]

    def smaller_last_tiles(model, image, tile_size):
        _, h, w = image.shape
        side = min(h, w, tile_size)
        trial = model(image[None, :, :side, :side])
        m = (side - trial.shape[2]) // 2
        x = F.pad(image.unsqueeze(0), [m] * 4, mode="reflect")
        result = trial.new_empty(trial.shape[1], h, w)
        for top, left in itertools.product(range(0, h, tile_size), range(0, w, tile_size)):
            bottom, right = min(top + tile_size, h), min(left + tile_size, w)
            tile = model(x[:, :, top : bottom + 2 * m, left : right + 2 * m])
            result[:, top:bottom, left:right] = tile[0].detach()
        return result

    def moved_back(model, image, tile_size):
        _, h, w = image.shape
        with torch.no_grad():
            trial = model(torch.zeros(1, image.shape[0], tile_size, tile_size).to(image))
            m = (tile_size - trial.shape[-2]) // 2
            x = torch.nn.ReflectionPad2d(m)(image[None])
            result = torch.zeros(trial.shape[1], h, w, dtype=trial.dtype)
            th, tw = min(tile_size, h), min(tile_size, w)
            for top in [*range(0, h - th, th), h - th]:
                for left in [*range(0, w - tw, tw), w - tw]:
                    tile = model(x[..., top : top + th + 2 * m, left : left + tw + 2 * m])
                    result[:, top : top + th, left : left + tw] = tile[0]
        return result

    def indices(model, image, tile_size):
        """Mirrored positions by hand, gathered for every tile."""
        model.eval()
        channels, h, w = image.shape
        with torch.inference_mode():
            side = 1
            while True:  # the smallest trial that the model takes
                try:
                    m = (side - model(image.new_ones(1, channels, side, side)).shape[-1]) // 2
                    break
                except RuntimeError:
                    side += 1
            rows = []
            for top in range(0, h, tile_size):
                high = min(tile_size, h - top)
                down = [_mirrored(i, h) for i in range(top - m, top + high + m)]
                row = []
                for left in range(0, w, tile_size):
                    wide = min(tile_size, w - left)
                    across = [_mirrored(j, w) for j in range(left - m, left + wide + m)]
                    row.append(model(image[:, down][:, :, across][None])[0])
                rows.append(torch.cat(row, dim=-1))
            return torch.cat(rows, dim=-2)

    def tile_is_the_input(model, image, tile_size):
        """Smaller outputs than allowed: the input of every call has the tile's size."""
        _, h, w = image.shape
        step = model(image.new_zeros(1, image.shape[0], tile_size, tile_size)).shape[-1]
        m = (tile_size - step) // 2
        x = torch.from_numpy(np.pad(image.numpy(), ((0, 0), (m, m), (m, m)), mode="reflect"))
        parts = {}
        for top, left in itertools.product(range(0, h, step), range(0, w, step)):
            parts[top, left] = model(x[None, :, top : top + tile_size, left : left + tile_size])[0].detach()
        rows = [torch.cat([parts[top, left] for left in range(0, w, step)], 2) for top in range(0, h, step)]
        return torch.cat(rows, 1)


class mended_split:
    def digests(num_slices, tiles_per_slice, test_share, seed):
        """Slices in the order of their digests; sets of pairs."""
        order = sorted(range(num_slices), key=lambda s: hashlib.sha256(f"{seed}/{s}".encode()).digest())
        number = min(max(round(num_slices * test_share), 1), num_slices - 1)
        return tuple(
            {(s, t) for s in part for t in range(tiles_per_slice)} for part in (order[number:], order[:number])
        )

    def python_random(num_slices, tiles_per_slice, test_share, seed):
        order = list(range(num_slices))
        random.Random(seed).shuffle(order)
        number = min(max(round(num_slices * test_share), 1), num_slices - 1)
        test, train = order[:number], order[number:]
        pairs = [[(s, t) for s in part for t in range(tiles_per_slice)] for part in (train, test)]
        return pairs[0], pairs[1]

    def numpy_generator(num_slices, tiles_per_slice, test_share, seed):
        number = int(np.clip(np.rint(num_slices * test_share), 1, num_slices - 1))
        chosen = np.random.default_rng(seed).choice(num_slices, number, replace=False)
        train, test = [], []
        for s in np.arange(num_slices):
            for t in np.arange(tiles_per_slice):
                (test if s in chosen else train).append((s, t))
        return train, test

    def torch_generator(num_slices, tiles_per_slice, test_share, seed):
        order = torch.randperm(num_slices, generator=torch.Generator().manual_seed(seed))
        number = max(1, min(num_slices - 1, int(num_slices * test_share + 0.5)))
        grid = torch.cartesian_prod(torch.arange(num_slices), torch.arange(tiles_per_slice))
        is_test = torch.isin(grid[:, 0], order[:number])
        return grid[~is_test], grid[is_test]

    def shuffled_pairs(num_slices, tiles_per_slice, test_share, seed):
        """The pairs too in random order, as lists."""
        chance = random.Random(seed)
        number = min(max(round(num_slices * test_share), 1), num_slices - 1)
        held_out = set(chance.sample(range(num_slices), number))
        pairs = [[s, t] for s in range(num_slices) for t in range(tiles_per_slice)]
        chance.shuffle(pairs)
        return [[p for p in pairs if p[0] not in held_out], [p for p in pairs if p[0] in held_out]]

    def block(num_slices, tiles_per_slice, test_share, seed):
        """Neighbouring slices held out, from a random one on, round the end."""
        number = min(max(round(num_slices * test_share), 1), num_slices - 1)
        first = random.Random(seed).randrange(num_slices)
        held_out = {(first + i) % num_slices for i in range(number)}
        sides = {True: [], False: []}
        for s in range(num_slices):
            sides[s in held_out] += [(s, t) for t in range(tiles_per_slice)]
        return sides[False], sides[True]
