"""Right answers to 02_transposed_convolution, in the styles that students use. Each keeps every point."""

import itertools

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch.nn import functional as F
from torchvision import tv_tensors
from torchvision.transforms import v2 as transforms


class conv1d_matrix:
    def rows(kernel, length, stride=1, padding=0):
        size = len(kernel)
        out = (length + 2 * padding - size) // stride + 1
        matrix = kernel.new_zeros(out, length + 2 * padding)
        for i in range(out):
            matrix[i, i * stride : i * stride + size] = kernel
        return matrix[:, padding : padding + length]

    def entries(kernel, length, stride=1, padding=0):
        out = (length + 2 * padding - len(kernel)) // stride + 1
        matrix = torch.zeros(out, length, dtype=kernel.dtype, device=kernel.device)
        for i, j in itertools.product(range(out), range(length)):
            tap = j + padding - i * stride
            if 0 <= tap < len(kernel):
                matrix[i, j] = kernel[tap]
        return matrix

    def lookup(kernel, length, stride=1, padding=0):
        out = (length + 2 * padding - len(kernel)) // stride + 1
        tap = torch.arange(length) + padding - stride * torch.arange(out)[:, None]
        inside = (tap >= 0) & (tap < len(kernel))
        return torch.where(inside, kernel[tap.clamp(0, len(kernel) - 1)], torch.zeros((), dtype=kernel.dtype))

    def convolved_units(kernel, length, stride=1, padding=0):
        units = torch.eye(length, dtype=kernel.dtype).unsqueeze(1)
        return F.conv1d(units, kernel.view(1, 1, -1), stride=stride, padding=padding).squeeze(1).t()

    def diagonals(kernel, length, stride=1, padding=0):
        width = length + 2 * padding
        square = sum(torch.diag(weight.expand(width - tap), tap) for tap, weight in enumerate(kernel))
        return square[: width - len(kernel) + 1 : stride, padding : padding + length]

    def jacobian(kernel, length, stride=1, padding=0):
        def convolved(a):
            return F.conv1d(a[None, None], kernel[None, None], stride=stride, padding=padding)[0, 0]

        return torch.func.jacrev(convolved)(torch.zeros(length, dtype=kernel.dtype))

    def windows(kernel, length, stride=1, padding=0):
        padded = F.pad(torch.eye(length, dtype=kernel.dtype), (padding, padding))
        return torch.einsum("jik, k -> ij", padded.unfold(1, len(kernel), stride), kernel)


@torch.jit.script
def _scripted_stamps(x: torch.Tensor, kernel: torch.Tensor, stride: int, padding: int, output_padding: int):
    size = (x.size(0) - 1) * stride + kernel.size(0) + output_padding
    canvas = torch.zeros([size], dtype=x.dtype)
    for i in range(x.size(0)):
        canvas[i * stride : i * stride + kernel.size(0)] += x[i] * kernel
    return canvas[padding : size - padding]


class conv_transpose1d:
    def stamps(x, kernel, stride=1, padding=0, output_padding=0):
        size = (len(x) - 1) * stride + len(kernel) + output_padding
        canvas = x.new_zeros(size)
        for i in range(len(x)):
            canvas[i * stride : i * stride + len(kernel)] += x[i] * kernel
        return canvas[padding : size - padding]

    def scalars(x, kernel, stride=1, padding=0, output_padding=0):
        size = (len(x) - 1) * stride + len(kernel) - 2 * padding + output_padding
        result = [torch.zeros((), dtype=x.dtype) for _ in range(size)]
        for i, k in itertools.product(range(len(x)), range(len(kernel))):
            place = i * stride + k - padding
            if 0 <= place < size:
                result[place] = result[place] + x[i] * kernel[k]
        return torch.stack(result)

    def matrix(x, kernel, stride=1, padding=0, output_padding=0):
        size = (len(x) - 1) * stride + len(kernel) - 2 * padding + output_padding
        X = conv1d_matrix.entries(kernel, size, stride, padding)[: len(x)]
        return X.T @ x

    def convolution(x, kernel, stride=1, padding=0, output_padding=0):
        nails = torch.stack([x] + [torch.zeros_like(x)] * (stride - 1), dim=1).flatten()
        nails = nails[: (len(x) - 1) * stride + 1]
        margin = len(kernel) - 1
        nails = F.pad(nails, (margin, margin + output_padding))
        full = F.conv1d(nails[None, None], kernel.flip(0)[None, None])[0, 0]
        return full[padding : len(full) - padding]

    def scatter(x, kernel, stride=1, padding=0, output_padding=0):
        places = torch.arange(len(x))[:, None] * stride + torch.arange(len(kernel))
        canvas = x.new_zeros((len(x) - 1) * stride + len(kernel) + output_padding)
        canvas = canvas.index_add(0, places.flatten(), torch.outer(x, kernel).flatten())
        return canvas.narrow(0, padding, len(canvas) - 2 * padding)

    def fourier(x, kernel, stride=1, padding=0, output_padding=0):
        spread = F.pad(x[:, None], (0, stride - 1)).flatten()[: (len(x) - 1) * stride + 1]
        size = len(spread) + len(kernel) - 1
        product = torch.fft.rfft(spread.double(), size) * torch.fft.rfft(kernel.double(), size)
        canvas = F.pad(torch.fft.irfft(product, size).to(x.dtype), (0, output_padding))
        return canvas[padding : len(canvas) - padding]

    def compiled(x, kernel, stride=1, padding=0, output_padding=0):
        return _scripted_stamps(x, kernel, stride, padding, output_padding)

    def taps(x, kernel, stride=1, padding=0, output_padding=0):
        reach = (len(x) - 1) * stride + 1
        canvas = torch.zeros(reach + len(kernel) - 1 + output_padding, dtype=x.dtype, device=x.device)
        for k, weight in enumerate(kernel):
            canvas[k : k + reach : stride] += weight * x
        end = -padding if padding else None
        return canvas[padding:end]


class conv_transpose2d:
    def stamps(x, weight, bias=None, stride=1, padding=0, output_padding=0):
        n, _, h, w = x.shape
        _, c_out, k, _ = weight.shape
        height, width = (h - 1) * stride + k + output_padding, (w - 1) * stride + k + output_padding
        canvas = x.new_zeros(n, c_out, height, width)
        for i, j in itertools.product(range(h), range(w)):
            top, left = i * stride, j * stride
            stamp = torch.einsum("nc, cokl -> nokl", x[:, :, i, j], weight)
            canvas[:, :, top : top + k, left : left + k] += stamp
        result = canvas[:, :, padding : height - padding, padding : width - padding]
        return result if bias is None else result + bias.view(1, -1, 1, 1)

    def taps(x, weight, bias=None, stride=1, padding=0, output_padding=0):
        n, _, h, w = x.shape
        k = weight.shape[-1]
        down, across = (h - 1) * stride + 1, (w - 1) * stride + 1
        canvas = x.new_zeros(n, weight.shape[1], down + k - 1 + output_padding, across + k - 1 + output_padding)
        for i, j in itertools.product(range(k), range(k)):
            scaled = torch.tensordot(x, weight[:, :, i, j], dims=([1], [0])).movedim(-1, 1)
            canvas[:, :, i : i + down : stride, j : j + across : stride] += scaled
        result = canvas[:, :, padding : canvas.shape[2] - padding, padding : canvas.shape[3] - padding]
        if bias is not None:
            result = result + bias[None, :, None, None]
        return result

    def convolution(x, weight, bias=None, stride=1, padding=0, output_padding=0):
        n, c, h, w = x.shape
        k = weight.shape[-1]
        nails = torch.zeros(n, c, (h - 1) * stride + 1, (w - 1) * stride + 1, dtype=x.dtype)
        nails[:, :, ::stride, ::stride] = x
        nails = F.pad(nails, (k - 1, k - 1 + output_padding, k - 1, k - 1 + output_padding))
        full = F.conv2d(nails, weight.flip(2, 3).transpose(0, 1), bias)
        return full[:, :, padding : full.shape[2] - padding, padding : full.shape[3] - padding]

    def matrices(x, weight, bias=None, stride=1, padding=0, output_padding=0):
        """A matrix for the rows and one for the columns, a tap at a time."""
        k = weight.shape[-1]
        taps = torch.eye(k, dtype=x.dtype)
        sizes = [(side - 1) * stride + k - 2 * padding + output_padding for side in x.shape[2:]]
        rows, columns = (
            torch.stack([conv1d_matrix.entries(tap, size, stride, padding)[:side] for tap in taps])
            for size, side in zip(sizes, x.shape[2:])
        )
        result = torch.einsum("ncij, coab, aiy, bjx -> noyx", x, weight, rows, columns)
        return result if bias is None else result + bias.reshape(-1, 1, 1)

    def scalars(x, weight, bias=None, stride=1, padding=0, output_padding=0):
        n, c_in, h, w = x.shape
        c_out, k = weight.shape[1:3]
        height, width = ((side - 1) * stride + k - 2 * padding + output_padding for side in (h, w))
        result = torch.zeros(n, c_out, height, width, dtype=x.dtype)
        for o, i, j, a, b in itertools.product(range(c_out), range(h), range(w), range(k), range(k)):
            row, column = i * stride + a - padding, j * stride + b - padding
            if 0 <= row < height and 0 <= column < width:
                for c in range(c_in):
                    result[:, o, row, column] += x[:, c, i, j] * weight[c, o, a, b]
        if bias is not None:
            for o in range(c_out):
                result[:, o] += bias[o]
        return result

    def scatter(x, weight, bias=None, stride=1, padding=0, output_padding=0):
        n, _, h, w = x.shape
        _, c_out, k, _ = weight.shape
        height, width = ((side - 1) * stride + k + output_padding for side in (h, w))
        rows = (torch.arange(h)[:, None] * stride + torch.arange(k)).view(h, 1, k, 1)
        columns = (torch.arange(w)[:, None] * stride + torch.arange(k)).view(1, w, 1, k)
        places = (rows * width + columns).flatten().expand(n, c_out, -1)
        stamps = torch.einsum("ncij, cokl -> noijkl", x, weight).flatten(2)
        canvas = x.new_zeros(n, c_out, height * width).scatter_add(2, places, stamps).view(n, c_out, height, width)
        canvas = canvas[..., padding : height - padding, padding : width - padding]
        return canvas + (0 if bias is None else bias[:, None, None])

    def separable_sums(x, weight, bias=None, stride=1, padding=0, output_padding=0):
        """Every output asks which taps of which inputs reach it, a sum over all in one."""
        k = weight.shape[-1]
        reaches = []
        for side in x.shape[2:]:
            places = torch.arange((side - 1) * stride + k - 2 * padding + output_padding)[:, None, None] + padding
            reaches.append((places == torch.arange(side)[None, :, None] * stride + torch.arange(k)).to(x.dtype))
        result = torch.einsum("nchw, cokl, yhk, xwl -> noyx", x, weight, *reaches)
        return result if bias is None else result + bias[:, None, None]

    def picture_by_picture(x, weight, bias=None, stride=1, padding=0, output_padding=0):
        def single(picture):
            return conv_transpose2d.stamps(picture[None], weight, bias, stride, padding, output_padding)[0]

        return torch.vmap(single)(x)


class bilinear_kernel:
    def triangles(channels, kernel_size):
        half = (kernel_size + 1) // 2
        centre = (kernel_size - 1) / 2
        triangle = 1 - (torch.arange(kernel_size) - centre).abs() / half
        plane = triangle[:, None] * triangle[None, :]
        weight = torch.zeros(channels, channels, kernel_size, kernel_size)
        for c in range(channels):
            weight[c, c] = plane
        return weight

    def numpy(channels, kernel_size):
        factor = (kernel_size + 1) // 2
        centre = factor - 1 if kernel_size % 2 == 1 else factor - 0.5
        rows, columns = np.ogrid[:kernel_size, :kernel_size]
        plane = (1 - abs(rows - centre) / factor) * (1 - abs(columns - centre) / factor)
        weight = np.zeros((channels, channels, kernel_size, kernel_size))
        weight[range(channels), range(channels)] = plane
        return torch.from_numpy(weight)

    def loops(channels, kernel_size):
        half = (kernel_size + 1) // 2
        weight = torch.zeros(channels, channels, kernel_size, kernel_size)
        for c, i, j in itertools.product(range(channels), range(kernel_size), range(kernel_size)):
            down, across = abs(i - (kernel_size - 1) / 2), abs(j - (kernel_size - 1) / 2)
            weight[c, c, i, j] = (1 - down / half) * (1 - across / half)
        return weight

    def box_with_itself(channels, kernel_size):
        half, even = (kernel_size + 1) // 2, 1 - kernel_size % 2
        box = torch.ones(half) / half
        triangle = np.convolve(box, torch.ones(half + even))
        if even:  # a box of half a pixel on both sides makes the peak flat
            triangle = np.convolve(np.convolve(np.ones(half), np.ones(half)), [0.5, 0.5]) / half
        plane = torch.tensor(np.outer(triangle, triangle))
        return torch.einsum("io, kl -> iokl", torch.eye(channels, dtype=plane.dtype), plane)

    def parameter(channels, kernel_size):
        return torch.nn.Parameter(bilinear_kernel.triangles(channels, kernel_size).double())


class overlap_count:
    def stamps(length, kernel_size, stride):
        count = torch.zeros((length - 1) * stride + kernel_size)
        for i in range(length):
            count[i * stride : i * stride + kernel_size] += 1
        return count

    def a_list(length, kernel_size, stride):
        size = (length - 1) * stride + kernel_size
        return [sum(0 <= place - i * stride < kernel_size for i in range(length)) for place in range(size)]

    def an_array(length, kernel_size, stride):
        count = np.zeros((length - 1) * stride + kernel_size, dtype=int)
        for tap in range(kernel_size):
            count[tap : tap + (length - 1) * stride + 1 : stride] += 1
        return count

    def library(length, kernel_size, stride):
        ones = torch.ones(1, 1, length), torch.ones(1, 1, kernel_size)
        return F.conv_transpose1d(*ones, stride=stride).flatten()

    def bins(length, kernel_size, stride):
        places = torch.arange(length)[:, None] * stride + torch.arange(kernel_size)
        return tuple(torch.bincount(places.flatten(), minlength=(length - 1) * stride + kernel_size))

    def numbers_of_any_kind(length, kernel_size, stride):
        return [np.int64(count) for count in overlap_count.a_list(length, kernel_size, stride)]

    def half_precision(length, kernel_size, stride):
        return overlap_count.stamps(length, kernel_size, stride).half().requires_grad_()

    def formula(length, kernel_size, stride):
        place = np.arange((length - 1) * stride + kernel_size)
        first = np.maximum(0, -((kernel_size - 1 - place) // stride))
        return np.minimum(length - 1, place // stride) - first + 1


class prepare_mended:
    def torchvision(image, mask, size):
        picture, labels = tv_tensors.Image(image), tv_tensors.Mask(mask)
        return transforms.Resize(list(size), antialias=False)(picture, labels)

    def pillow(image, mask, size):
        labels = Image.fromarray(mask.to(torch.uint8).numpy()).resize((size[1], size[0]), Image.Resampling.NEAREST)
        return F.interpolate(image[None], size, mode="bilinear")[0], torch.from_numpy(np.array(labels)).long()

    def nearest(image, mask, size):
        image = F.interpolate(image[None], size=size, mode="bilinear", align_corners=False)[0]
        mask = F.interpolate(mask[None, None].float(), size=size, mode="nearest")[0, 0].long()
        return image, mask

    def nearest_exact(image, mask, size):
        image = F.interpolate(image.unsqueeze(0), size, mode="bilinear").squeeze(0)
        mask = F.interpolate(mask.to(torch.uint8)[None, None], size, mode="nearest-exact")[0, 0]
        return [image, mask.to(torch.int64)]

    def index(image, mask, size):
        rows = torch.arange(size[0]) * mask.shape[0] // size[0]
        columns = torch.arange(size[1]) * mask.shape[1] // size[1]
        return F.interpolate(image[None], size, mode="bilinear")[0], mask[rows[:, None], columns]

    def loop(image, mask, size):
        result = torch.zeros(size, dtype=mask.dtype)
        for i, j in itertools.product(range(size[0]), range(size[1])):
            row = round((i + 0.5) * mask.shape[0] / size[0] - 0.5)
            column = round((j + 0.5) * mask.shape[1] / size[1] - 0.5)
            result[i, j] = mask[row, column]
        return F.interpolate(image[None], size, mode="bilinear", align_corners=False)[0], result

    def scipy(image, mask, size):
        factors = (size[0] / mask.shape[0], size[1] / mask.shape[1])
        labels = ndimage.zoom(mask.numpy(), factors, order=0)
        return F.interpolate(image[None], size, mode="bilinear")[0], torch.from_numpy(labels)
