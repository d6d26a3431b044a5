"""Right answers to 01_unpooling, in the styles that students use. Each keeps every point."""

import itertools

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class nearest_unpool:
    def repeat_interleave(x, scale):
        return x.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)

    def index(x, scale):
        rows = torch.arange(x.shape[2] * scale) // scale
        columns = torch.arange(x.shape[3] * scale) // scale
        return x[:, :, rows][..., columns]

    def loop(x, scale):
        n, c, h, w = x.shape
        result = x.new_zeros(n, c, h * scale, w * scale)
        for i, j in itertools.product(range(h * scale), range(w * scale)):
            result[:, :, i, j] = x[:, :, i // scale, j // scale]
        return result

    def kronecker(x, scale):
        return torch.kron(x, x.new_ones(1, 1, scale, scale))

    def strides(x, scale):
        n, c, h, w = x.shape
        a, b, down, across = x.stride()
        return x.as_strided((n, c, h, scale, w, scale), (a, b, down, 0, across, 0)).reshape(n, c, h * scale, w * scale)

    def matrices(x, scale):
        rows, columns = (torch.eye(side, dtype=x.dtype).repeat_interleave(scale, 0) for side in x.shape[2:])
        return torch.einsum("ih, nchw, jw -> ncij", rows, x, columns)

    def expand(x, scale):
        n, c, h, w = x.shape
        return x[:, :, :, None, :, None].expand(n, c, h, scale, w, scale).reshape(n, c, h * scale, w * scale)


class bed_of_nails:
    def slices(x, scale):
        n, c, h, w = x.shape
        result = torch.zeros(n, c, h * scale, w * scale, dtype=x.dtype, device=x.device)
        result[:, :, ::scale, ::scale] = x
        return result

    def stacked(x, scale):
        n, c, h, w = x.shape
        cells = torch.cat([x[..., None], x.new_zeros(n, c, h, w, scale * scale - 1)], dim=-1)
        return cells.view(n, c, h, w, scale, scale).transpose(3, 4).reshape(n, c, h * scale, w * scale)

    def loop(x, scale):
        rows = []
        for i in range(x.shape[2] * scale):
            row = [
                x[:, :, i // scale, j // scale] * (1.0 if i % scale == 0 and j % scale == 0 else 0.0)
                for j in range(x.shape[3] * scale)
            ]
            rows.append(torch.stack(row, dim=-1))
        return torch.stack(rows, dim=-2)

    def folded(x, scale):
        n, c, h, w = x.shape
        columns = F.pad(x.reshape(n, c, 1, h * w), (0, 0, 0, scale * scale - 1)).reshape(n, c * scale * scale, h * w)
        return F.fold(columns, (h * scale, w * scale), scale, stride=scale)

    def kronecker(x, scale):
        nail = x.new_zeros(1, 1, scale, scale)
        nail[..., 0, 0] = 1
        return torch.kron(x, nail)


class max_pool_with_indices:
    def unfold(x, kernel_size):
        k = kernel_size
        n, c, height, width = x.shape
        cells = x.unfold(2, k, k).unfold(3, k, k).reshape(n, c, height // k, width // k, k * k)
        values, local = cells.max(dim=-1)
        rows = torch.arange(height // k)[:, None] * k + local // k
        columns = torch.arange(width // k)[None, :] * k + local % k
        return values, rows * width + columns

    def argmax_then_gather(x, kernel_size):
        k = kernel_size
        n, c, height, width = x.shape
        places = torch.arange(height * width, device=x.device).reshape(height // k, k, width // k, k)
        places = places.transpose(1, 2).reshape(height // k, width // k, k * k)
        cells = x.reshape(n, c, height // k, k, width // k, k).transpose(3, 4).flatten(4)
        best = cells.argmax(dim=-1, keepdim=True)
        indices = places.expand(n, c, -1, -1, -1).gather(-1, best)[..., 0]
        return cells.gather(-1, best)[..., 0], indices

    def loop(x, kernel_size):
        n, c, height, width = x.shape
        h, w = height // kernel_size, width // kernel_size
        values = torch.zeros(n, c, h, w, dtype=x.dtype)
        indices = torch.zeros(n, c, h, w, dtype=torch.int64)
        for b, d, i, j in itertools.product(range(n), range(c), range(h), range(w)):
            best = None
            for r in range(i * kernel_size, (i + 1) * kernel_size):
                for s in range(j * kernel_size, (j + 1) * kernel_size):
                    if best is None or x[b, d, r, s] > best:
                        best = x[b, d, r, s]
                        indices[b, d, i, j] = r * width + s
            values[b, d, i, j] = best
        return values, indices

    def stable_sort(x, kernel_size):
        k, (height, width) = kernel_size, x.shape[2:]
        cells = x.unflatten(3, (-1, k)).unflatten(2, (-1, k)).transpose(3, 4).flatten(4)
        values, local = cells.sort(dim=-1, descending=True, stable=True)
        rows, columns = torch.arange(0, height, k)[:, None], torch.arange(0, width, k)
        return values[..., 0], (rows + local[..., 0] // k) * width + columns + local[..., 0] % k

    def numpy_indices(x, kernel_size):
        k = kernel_size
        n, c, height, width = x.shape
        cells = x.detach().numpy().reshape(n, c, height // k, k, width // k, k).swapaxes(3, 4)
        local = cells.reshape(n, c, height // k, width // k, k * k).argmax(-1)
        rows = np.arange(height // k)[:, None] * k + local // k
        indices = torch.from_numpy(rows * width + np.arange(width // k) * k + local % k)
        return [x.flatten(2).gather(2, indices.flatten(2)).reshape(indices.shape), indices]


class max_unpool:
    def scatter(x, indices, output_size):
        n, c = x.shape[:2]
        height, width = output_size
        flat = x.new_zeros(n, c, height * width)
        return flat.scatter(2, indices.flatten(2), x.flatten(2)).view(n, c, height, width)

    def loop(x, indices, output_size):
        n, c, h, w = x.shape
        result = torch.zeros(n, c, *output_size, dtype=x.dtype)
        for b, d, i, j in itertools.product(range(n), range(c), range(h), range(w)):
            row, column = divmod(int(indices[b, d, i, j]), output_size[1])
            result[b, d, row, column] = x[b, d, i, j]
        return result

    def advanced_indexing(x, indices, output_size):
        n, c = x.shape[:2]
        result = x.new_zeros(n, c, output_size[0] * output_size[1])
        batch = torch.arange(n)[:, None, None]
        channel = torch.arange(c)[None, :, None]
        result[batch, channel, indices.flatten(2)] = x.flatten(2)
        return result.unflatten(2, tuple(output_size))

    def sparse(x, indices, output_size):
        n, c, h, w = x.shape
        height, width = output_size
        places = torch.stack([torch.arange(n * c).repeat_interleave(h * w), indices.flatten()])
        planes = torch.sparse_coo_tensor(places, x.flatten(), (n * c, height * width))
        return planes.to_dense().view(n, c, height, width)

    def matrix(x, indices, output_size):
        height, width = output_size
        places = F.one_hot(indices.flatten(2), height * width).to(x.dtype)
        return torch.einsum("ncip,nci->ncp", places, x.flatten(2)).reshape(*x.shape[:2], height, width)


def _unpool(x, indices):
    return max_unpool.scatter(x, indices, (2 * x.shape[2], 2 * x.shape[3]))


def _convolution(inputs, outputs):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


class TinySegNet:
    class Plain(nn.Module):
        def __init__(self, in_channels, num_classes, width=16):
            super().__init__()
            self.down1 = nn.Conv2d(in_channels, width, 3, padding=1)
            self.down2 = nn.Conv2d(width, 2 * width, 3, padding=1)
            self.up2 = nn.Conv2d(2 * width, width, 3, padding=1)
            self.up1 = nn.Conv2d(width, num_classes, 3, padding=1)

        def forward(self, x):
            x, outer = F.max_pool2d(F.relu(self.down1(x)), 2, return_indices=True)
            x, inner = F.max_pool2d(F.relu(self.down2(x)), 2, return_indices=True)
            x = F.relu(self.up2(_unpool(x, inner)))
            return self.up1(_unpool(x, outer))

    class Deep(nn.Module):
        def __init__(self, in_channels, num_classes, width=16):
            super().__init__()
            self.encoder = nn.ModuleList(
                [
                    nn.Sequential(_convolution(in_channels, width), _convolution(width, width)),
                    nn.Sequential(_convolution(width, 2 * width), _convolution(2 * width, 2 * width)),
                ]
            )
            self.bottleneck = _convolution(2 * width, 2 * width)
            self.decoder = nn.ModuleList(
                [
                    nn.Sequential(_convolution(2 * width, 2 * width), _convolution(2 * width, width)),
                    nn.Sequential(_convolution(width, width), nn.Conv2d(width, num_classes, 1)),
                ]
            )

        def forward(self, x):
            taken = []
            for stage in self.encoder:
                x, indices = max_pool_with_indices.unfold(stage(x), 2)
                taken.append(indices)
            x = self.bottleneck(x)
            for stage in self.decoder:
                x = stage(_unpool(x, taken.pop()))
            return x

    def function(in_channels, num_classes, width=16):
        return TinySegNet.Deep(in_channels, num_classes, width=width)

    class Separable(nn.Module):
        """Depthwise convolutions, and layers that find out their channels by themselves."""

        def __init__(self, in_channels, num_classes, width=16):
            super().__init__()
            self.down1 = nn.LazyConv2d(width, 3, padding=1)
            self.down2 = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, groups=width), nn.Conv2d(width, width, 1))
            self.up2 = nn.LazyConv2d(width, 3, padding=1)
            self.up1 = nn.LazyConv2d(num_classes, 3, padding=1, padding_mode="reflect")

        def forward(self, x):
            x, outer = max_pool_with_indices.unfold(F.leaky_relu(self.down1(x), 0.1), 2)
            x, inner = max_pool_with_indices.unfold(F.silu(self.down2(x)), 2)
            return self.up1(_unpool(F.elu(self.up2(_unpool(x, inner))), outer))

    class SmoothActivation(nn.Module):
        """GELU, five by five kernels, and the pooling module of PyTorch."""

        def __init__(self, in_channels, num_classes, width=16):
            super().__init__()
            self.pool = nn.MaxPool2d(2, return_indices=True)
            self.first = nn.Sequential(nn.Conv2d(in_channels, width, 5, padding=2), nn.GELU())
            self.second = nn.Sequential(nn.Conv2d(width, width, 5, padding=2), nn.GELU())
            self.third = nn.Sequential(nn.Conv2d(width, width, 5, padding=2), nn.GELU())
            self.last = nn.Conv2d(width, num_classes, 5, padding=2)

        def forward(self, x):
            a, outer = self.pool(self.first(x))
            b, inner = self.pool(self.second(a))
            c = self.third(max_unpool.scatter(b, inner, a.shape[2:]))
            return self.last(max_unpool.scatter(c, outer, x.shape[2:]))


class mended_restore:
    def two_levels(x):
        once, outer = max_pool_with_indices.unfold(x, 2)
        twice, inner = max_pool_with_indices.unfold(once, 2)
        return max_unpool.scatter(max_unpool.scatter(twice, inner, once.shape[2:]), outer, x.shape[2:])

    def one_window_of_four(x):
        values, indices = max_pool_with_indices.unfold(x, 4)
        return max_unpool.scatter(values, indices, x.shape[2:])

    def one_hot(x):
        n, c, h, w = x.shape
        cells = x.reshape(n, c, h // 4, 4, w // 4, 4).transpose(3, 4).flatten(4)
        kept = F.one_hot(cells.argmax(-1), 16).to(x.dtype) * cells
        return kept.view(n, c, h // 4, w // 4, 4, 4).transpose(3, 4).reshape(x.shape)

    def mask(x):
        blocks = F.max_pool2d(x, 4)
        return x * (x == blocks.repeat_interleave(4, 2).repeat_interleave(4, 3)).to(x.dtype)
