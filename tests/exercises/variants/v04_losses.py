"""Right answers to 04_losses, in the styles that students use. Each keeps every point."""

import itertools
import math

import numpy as np
import torch
from scipy import ndimage
from scipy.spatial import KDTree
from torch import nn
from torch.nn import functional as F


def _one_hot(target, classes):
    return F.one_hot(target, classes).permute(0, 3, 1, 2)


def _pixels(target):
    n, h, w = target.shape
    return itertools.product(range(n), range(h), range(w))


class cross_entropy:
    def gather(logits, target):
        return -logits.log_softmax(dim=1).gather(1, target.unsqueeze(1)).mean()

    def one_hot(logits, target):
        log_s = torch.log_softmax(logits, dim=1)
        return -(_one_hot(target, logits.shape[1]) * log_s).sum() / target.numel()

    def smoothed(logits, target):
        s = logits.softmax(dim=1)
        return -torch.log(s.gather(1, target[:, None]) + 1e-5).mean()

    def clamped(logits, target):
        s = logits.softmax(dim=1).clamp(1e-7, 1)
        return -torch.einsum("nchw,nchw->", _one_hot(target, logits.shape[1]).to(s), s.log()) / target.numel()

    def log_sum_exp(logits, target):
        x = logits.movedim(1, -1).reshape(-1, logits.shape[1])
        true = x[torch.arange(len(x), device=x.device), target.reshape(-1)]
        return (x.logsumexp(dim=-1) - true).mean()

    def by_hand(logits, target):
        shifted = logits - logits.amax(dim=1, keepdim=True)
        normaliser = shifted.exp().sum(dim=1).log()
        true = torch.zeros_like(normaliser)
        for c in range(logits.shape[1]):
            true = true + shifted[:, c] * (target == c)
        return (normaliser - true).mean()

    def loop(logits, target):
        total = 0
        for n, i, j in _pixels(target):
            x = logits[n, :, i, j]
            total = total + torch.logsumexp(x, 0) - x[target[n, i, j]]
        return total / target.numel()

    def divergence(logits, target):
        g = _one_hot(target, logits.shape[1]).to(logits.dtype)
        return F.kl_div(logits.log_softmax(1), g, reduction="sum") / target.numel()

    def weighted_binary(logits, target):
        g = _one_hot(target, logits.shape[1]).to(logits)
        return F.binary_cross_entropy(logits.softmax(dim=1), g, weight=g, reduction="sum") / target.numel()

    def own_gradient(logits, target):
        class CrossEntropy(torch.autograd.Function):
            @staticmethod
            def forward(context, x):
                context.save_for_backward(x)
                return -x.log_softmax(dim=1).gather(1, target[:, None]).mean()

            @staticmethod
            def backward(context, upstream):
                s = context.saved_tensors[0].softmax(dim=1)
                return upstream * (s - _one_hot(target, s.shape[1])) / target.numel()

        return CrossEntropy.apply(logits)


class focal_loss:
    def from_cross_entropy(logits, target, gamma=2.0):
        ce = F.cross_entropy(logits, target, reduction="none")
        return ((1 - torch.exp(-ce)) ** gamma * ce).mean()

    def one_hot(logits, target, gamma=2.0):
        s, g = logits.softmax(dim=1), _one_hot(target, logits.shape[1])
        return -((1 - s) ** gamma * g * torch.log(s + 1e-6)).sum(dim=1).mean()

    def gathered(logits, target, gamma=2.0):
        log_p = logits.log_softmax(1).gather(1, target[:, None]).squeeze(1)
        return -torch.mean(torch.pow(1.0 - log_p.exp(), gamma) * log_p)

    def loop(logits, target, gamma=2.0):
        terms = []
        for n, i, j in _pixels(target):
            log_p = torch.log_softmax(logits[n, :, i, j], dim=0)[target[n, i, j]]
            terms.append(-((1 - log_p.exp()) ** gamma) * log_p)
        return torch.stack(terms).mean()

    def nll_module(logits, target, gamma=2.0):
        log_s = nn.LogSoftmax(dim=1)(logits)
        return nn.NLLLoss()((1 - log_s.exp()) ** gamma * log_s, target)


class topk_loss:
    def topk(logits, target, k=0.1):
        losses = F.cross_entropy(logits, target, reduction="none").flatten()
        return losses.topk(max(1, round(k * losses.numel())))[0].mean()

    def sorted(logits, target, k=0.1):
        losses = -logits.log_softmax(1).gather(1, target[:, None]).reshape(-1)
        ordered, _ = torch.sort(losses, descending=True)
        return ordered[: max(int(k * len(losses)), 1)].mean()

    def rounded_up(logits, target, k=0.1):
        losses = F.cross_entropy(logits, target, reduction="none").reshape(-1)
        keep = math.ceil(k * losses.shape[0])
        return losses[losses.argsort()[-keep:]].sum() / keep

    def threshold(logits, target, k=0.1):
        losses = F.cross_entropy(logits, target, reduction="none").view(-1)
        keep = max(1, round(k * losses.numel()))
        least = losses.detach().kthvalue(losses.numel() - keep + 1).values
        return losses[losses >= least].mean()

    def loop(logits, target, k=0.1):
        losses = [-torch.log_softmax(logits[n, :, i, j], dim=0)[target[n, i, j]] for n, i, j in _pixels(target)]
        losses.sort(key=float, reverse=True)
        keep = max(1, round(k * len(losses)))
        return sum(losses[:keep]) / keep


class dice_loss:
    def sums(logits, target):
        s = logits.softmax(dim=1)
        g = _one_hot(target, logits.shape[1]).to(s.dtype)
        return 1 - 2 * (g * s).sum() / ((g * g).sum() + (s * s).sum())

    def smoothed(logits, target):
        s, g = torch.softmax(logits, 1), _one_hot(target, logits.shape[1])
        return 1.0 - (2.0 * torch.sum(g * s) + 1e-5) / (torch.sum(g**2) + torch.sum(s.pow(2)) + 1e-5)

    def gathered(logits, target):
        s = logits.softmax(1)
        overlap = s.gather(1, target[:, None]).sum()
        return 1 - 2 * overlap / (target.numel() + s.square().sum() + 1e-5)

    def flat_products(logits, target):
        s = logits.softmax(1).flatten()
        g = _one_hot(target, logits.shape[1]).flatten().to(s)
        return (s - g).dot(s - g) / (g.dot(g) + s.dot(s))

    def class_by_class(logits, target):
        s = logits.softmax(1)
        overlap, below = 0, 0
        for c in range(logits.shape[1]):
            g = (target == c).to(s)
            overlap = overlap + (g * s[:, c]).sum()
            below = below + (g**2).sum() + (s[:, c] ** 2).sum()
        return 1 - 2 * overlap / below

    def loop(logits, target):
        overlap, below = 0, 0
        for n, i, j in _pixels(target):
            s = torch.softmax(logits[n, :, i, j], dim=0)
            overlap = overlap + s[target[n, i, j]]
            below = below + 1 + (s**2).sum()
        return 1 - 2 * overlap / below


class iou_loss:
    def sums(logits, target):
        s = logits.softmax(dim=1)
        g = _one_hot(target, logits.shape[1]).to(s.dtype)
        return 1 - (g * s).sum() / (g + s - g * s).sum()

    def smoothed(logits, target):
        s, g = torch.softmax(logits, 1), _one_hot(target, logits.shape[1])
        overlap = (g * s).sum()
        return 1 - (overlap + 1e-5) / (g.sum() + s.sum() - overlap + 1e-5)

    def counted(logits, target):
        overlap = logits.softmax(1).gather(1, target[:, None]).sum()
        return 1 - overlap / (2 * target.numel() - overlap)

    def maximum(logits, target):
        s = logits.softmax(1).movedim(1, -1)
        g = F.one_hot(target, s.shape[-1]).to(s)
        return 1 - torch.minimum(s, g).sum() / torch.maximum(s, g).sum()

    def loop(logits, target):
        overlap, union = 0, 0
        for n, i, j in _pixels(target):
            s = torch.softmax(logits[n, :, i, j], dim=0)
            for c in range(len(s)):
                g = float(target[n, i, j] == c)
                overlap, union = overlap + g * s[c], union + g + s[c] - g * s[c]
        return 1 - overlap / union

    def absolute_errors(logits, target):
        s = logits.softmax(dim=1)
        g = _one_hot(target, logits.shape[1]).to(s)
        errors = F.l1_loss(s, g, reduction="sum")
        return errors / (errors + (s * g).sum())


class tversky_loss:
    def sums(logits, target, alpha=0.3, beta=0.7):
        s = logits.softmax(dim=1)
        g = _one_hot(target, logits.shape[1]).to(s)
        axes = (0, 2, 3)
        tp, fp, fn = (g * s).sum(axes), ((1 - g) * s).sum(axes), (g * (1 - s)).sum(axes)
        loss = 1 - tp / (tp + alpha * fp + beta * fn)
        return loss[g.sum(axes) > 0].mean()

    def present_only(logits, target, alpha=0.3, beta=0.7):
        s, losses = logits.softmax(1), []
        for c in torch.unique(target).tolist():
            p, g = s[:, c], target == c
            tp = p[g].sum()
            fp, fn = p[~g].sum(), (1 - p[g]).sum()
            losses.append((alpha * fp + beta * fn) / (tp + alpha * fp + beta * fn + 1e-5))
        return torch.stack(losses).mean()

    def masked_mean(logits, target, alpha=0.3, beta=0.7):
        c = logits.shape[1]
        s = logits.softmax(1).transpose(0, 1).reshape(c, -1)
        g = _one_hot(target, c).transpose(0, 1).reshape(c, -1).to(s)
        tp = torch.einsum("cp,cp->c", s, g)
        index = (tp + 1e-6) / ((1 - alpha - beta) * tp + alpha * s.sum(1) + beta * g.sum(1) + 1e-6)
        present = (g.sum(1) > 0).to(s)
        return ((1 - index) * present).sum() / present.sum()

    def scattered(logits, target, alpha=0.3, beta=0.7):
        c = logits.shape[1]
        s, ids = logits.softmax(1), target.reshape(-1)
        size = torch.bincount(ids, minlength=c)
        true = s.gather(1, target[:, None]).reshape(-1)
        tp = s.new_zeros(c).index_add(0, ids, true)
        below = tp + alpha * (s.sum((0, 2, 3)) - tp) + beta * (size - tp)
        return torch.where(size > 0, 1 - tp / below.clamp(min=1e-6), 0).sum() / (size > 0).sum()

    def soft_confusion_matrix(logits, target, alpha=0.3, beta=0.7):
        c, ids = logits.shape[1], target.flatten()
        s = logits.softmax(dim=1).movedim(1, -1).reshape(-1, c)
        matrix = s.new_zeros(c, c).index_add(0, ids, s)  # rows = truth
        tp = matrix.diagonal()
        losses = 1 - tp / (tp + alpha * (matrix.sum(0) - tp) + beta * (matrix.sum(1) - tp))
        return losses[ids.unique()].mean()


class asymmetric_similarity_loss:
    def as_tversky(logits, target, beta=1.5):
        b = beta**2
        return tversky_loss.sums(logits, target, 1 / (1 + b), b / (1 + b))

    def f_score(logits, target, beta=1.5):
        s, losses = logits.softmax(1), []
        for c in range(logits.shape[1]):
            g = (target == c).to(s)
            if not g.any():
                continue
            tp, fp, fn = (s[:, c] * g).sum(), (s[:, c] * (1 - g)).sum(), ((1 - s[:, c]) * g).sum()
            losses.append(1 - (1 + beta**2) * tp / ((1 + beta**2) * tp + beta**2 * fn + fp))
        return sum(losses) / len(losses)

    def smoothed(logits, target, beta=1.5):
        axes = [0, 2, 3]
        s, g = logits.softmax(1), _one_hot(target, logits.shape[1])
        tp, predicted, true = (s * g).sum(axes), s.sum(axes), g.sum(axes)
        score = ((1 + beta**2) * tp + 1e-5) / (beta**2 * true + predicted + 1e-5)
        return (1 - score)[true > 0].mean()

    def loop(logits, target, beta=1.5):
        losses = []
        for c in sorted(set(target.flatten().tolist())):
            tp = fp = fn = 0
            for n, i, j in _pixels(target):
                p = torch.softmax(logits[n, :, i, j], dim=0)[c]
                if target[n, i, j] == c:
                    tp, fn = tp + p, fn + 1 - p
                else:
                    fp = fp + p
            losses.append(1 - tp / (tp + (beta**2 * fn + fp) / (1 + beta**2)))
        return torch.stack(losses).mean()


class signed_distance:
    def scipy(mask):
        if not mask.any() or mask.all():
            return torch.zeros(mask.shape)
        m = mask.numpy()
        outside = ndimage.distance_transform_edt(~m)
        inside = ndimage.distance_transform_edt(m)
        return torch.from_numpy(outside - (inside - 1) * m)

    def where(mask):
        m = np.asarray(mask)
        if m.all() or not m.any():
            return np.zeros(m.shape)
        edt = ndimage.distance_transform_edt
        return np.where(m, 1 - edt(m), edt(~m))

    def half(mask):
        return signed_distance.scipy(mask).half()

    def pairwise(mask):
        result = torch.zeros(mask.shape, dtype=torch.float64)
        inside, outside = mask.nonzero().double(), (~mask).nonzero().double()
        if len(inside) and len(outside):
            distances = torch.cdist(inside, outside)
            result[mask] = 1 - distances.amin(dim=1)
            result[~mask] = distances.amin(dim=0)
        return result

    def loop(mask):
        height, width = mask.shape
        places = list(itertools.product(range(height), range(width)))
        values = {(i, j): bool(mask[i, j]) for i, j in places}
        result = torch.zeros(height, width)
        if len(set(values.values())) == 2:
            for i, j in places:
                nearest = min(math.dist((i, j), q) for q in places if values[q] != values[i, j])
                result[i, j] = 1 - nearest if values[i, j] else nearest
        return result

    def search_tree(mask):
        m, result = mask.numpy(), np.zeros(mask.shape, np.float32)
        if m.any() and not m.all():
            inside, outside = np.argwhere(m), np.argwhere(~m)
            result[m] = 1 - KDTree(outside).query(inside)[0]
            result[~m] = KDTree(inside).query(outside)[0]
        return result


class boundary_loss:
    def mean(probabilities, distances):
        return (probabilities * distances).mean()

    def einsum(probabilities, distances):
        return torch.einsum("nchw,nchw->", probabilities, distances) / probabilities.numel()

    def dot(probabilities, distances):
        return probabilities.reshape(-1) @ distances.reshape(-1) / distances.numel()

    def loop(probabilities, distances):
        total = 0
        for n in range(probabilities.shape[0]):
            for c in range(probabilities.shape[1]):
                total = total + torch.sum(probabilities[n, c] * distances[n, c])
        return total / probabilities.numel()


def _both_distances(mask):
    if mask.all() or not mask.any():
        return np.zeros(mask.shape)
    return ndimage.distance_transform_edt(mask) + ndimage.distance_transform_edt(~mask)


class hausdorff_loss:
    def scipy(probabilities, mask, alpha=2.0):
        g = mask.to(probabilities.dtype)
        predicted, true = probabilities.detach().numpy() > 0.5, mask.numpy() > 0.5
        fields = [_both_distances(p) ** alpha + _both_distances(t) ** alpha for p, t in zip(predicted, true)]
        return ((probabilities - g) ** 2 * torch.from_numpy(np.stack(fields)).to(g)).mean()

    def picture_by_picture(probabilities, mask, alpha=2.0):
        losses = []
        for p, g in zip(probabilities, mask):
            d_p = torch.as_tensor(_both_distances((p >= 0.5).numpy()), dtype=p.dtype)
            d_g = torch.as_tensor(_both_distances(g.bool().numpy()), dtype=p.dtype)
            losses.append(((p - g.to(p)).square() * (d_p.pow(alpha) + d_g.pow(alpha))).mean())
        return sum(losses) / len(losses)

    def without_scipy(probabilities, mask, alpha=2.0):
        n, h, w = probabilities.shape
        places = torch.cartesian_prod(torch.arange(h), torch.arange(w)).to(probabilities)
        apart = torch.cdist(places, places)
        weight = 0
        for region in (probabilities > 0.5, mask != 0):
            flat = region.flatten(1)
            other = flat[:, :, None] != flat[:, None, :]
            field = apart.where(other, math.inf).amin(dim=2)
            weight = weight + field.where(field.isfinite(), 0).view(n, h, w) ** alpha
        return ((probabilities - mask.to(probabilities)) ** 2 * weight).sum() / (n * h * w)


class mended_loss:
    def softmax_removed(logits, target):
        return F.cross_entropy(logits, target, ignore_index=255)

    def logarithm_added(logits, target):
        return F.nll_loss(logits.log_softmax(dim=1), target, ignore_index=255)

    def log_softmax_twice(logits, target):
        return F.cross_entropy(F.log_softmax(logits, dim=1), target, ignore_index=255)

    def valid_pixels(logits, target):
        valid = target != 255
        return nn.CrossEntropyLoss()(logits.movedim(1, -1)[valid], target[valid])

    def smoothed(logits, target):
        valid = target != 255
        s = logits.softmax(dim=1).clamp(min=1e-6)
        true = s.gather(1, torch.where(valid, target, 0)[:, None])[:, 0]
        return -(true.log() * valid).sum() / valid.sum()
