"""Right answers to 05_metrics, in the styles that students use. Each keeps every point."""

import itertools
import math
from collections import Counter, defaultdict
from fractions import Fraction

import numpy as np
import torch
from torch.nn import functional as F


class confusion_matrix:
    def bincount(pred, target, num_classes, ignore_index=255):
        valid = target != ignore_index
        cells = target[valid] * num_classes + pred[valid]
        return torch.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)

    def loop(pred, target, num_classes, ignore_index=255):
        matrix = torch.zeros(num_classes, num_classes, dtype=torch.int64)
        for n, i, j in itertools.product(*map(range, target.shape)):
            if target[n, i, j] != ignore_index:
                matrix[target[n, i, j], pred[n, i, j]] += 1
        return matrix

    def cell_by_cell(pred, target, num_classes, ignore_index=255):
        valid = target != ignore_index
        rows = [[((target == i) & (pred == j) & valid).sum() for j in range(num_classes)] for i in range(num_classes)]
        return torch.tensor(rows)

    def one_hot_product(pred, target, num_classes, ignore_index=255):
        valid = target != ignore_index
        truth, guess = F.one_hot(target[valid], num_classes), F.one_hot(pred[valid], num_classes)
        return truth.T @ guess

    def scatter(pred, target, num_classes, ignore_index=255):
        valid = (target != ignore_index).flatten()
        safe = torch.where(valid, target.flatten(), 0)
        flat = torch.zeros(num_classes * num_classes, dtype=torch.int64, device=pred.device)
        flat.scatter_add_(0, safe * num_classes + pred.flatten(), valid.long())
        return flat.view(num_classes, num_classes)

    def numpy_add_at(pred, target, num_classes, ignore_index=255):
        pred, target = pred.numpy(), target.numpy()
        matrix = np.zeros((num_classes, num_classes), dtype=np.int64)
        valid = target != ignore_index
        np.add.at(matrix, (target[valid], pred[valid]), 1)
        return torch.from_numpy(matrix)

    def numpy_result(pred, target, num_classes, ignore_index=255):
        valid = target != ignore_index
        edges = np.arange(num_classes + 1)
        counts = np.histogram2d(target[valid].numpy(), pred[valid].numpy(), bins=(edges, edges))[0]
        return counts.astype(np.int64)


class segmentation_scores:
    def vectorised(matrix):
        matrix = matrix.double()
        right, true, predicted = matrix.diagonal(), matrix.sum(1), matrix.sum(0)
        iou = right / (true + predicted - right)
        return {
            "pixel_accuracy": right.sum() / matrix.sum(),
            "mean_accuracy": (right / true).nanmean(),
            "mean_iou": iou.nanmean(),
            "frequency_weighted_iou": (true / true.sum() * iou).nansum(),
        }

    def loop(matrix):
        rows = matrix.tolist()
        total = sum(map(sum, rows))
        accuracies, ious, weighted = [], [], 0.0
        for c, row in enumerate(rows):
            true, predicted, right = sum(row), sum(r[c] for r in rows), row[c]
            if true:
                accuracies.append(right / true)
            if true or predicted:
                ious.append(right / (true + predicted - right))
                weighted += true * ious[-1] / total
        return {
            "pixel_accuracy": sum(row[c] for c, row in enumerate(rows)) / total,
            "mean_accuracy": sum(accuracies) / len(accuracies),
            "mean_iou": sum(ious) / len(ious),
            "frequency_weighted_iou": weighted,
        }

    def numpy_with_more(matrix):
        counts = matrix.numpy().astype(float)
        right, true, predicted = np.diag(counts), counts.sum(1), counts.sum(0)
        union = true + predicted - right
        with np.errstate(invalid="ignore", divide="ignore"):
            iou = np.where(union > 0, right / union, np.nan)
            accuracy = np.where(true > 0, right / true, np.nan)
        return {
            "mean_iou": np.nanmean(iou),
            "pixel_accuracy": np.trace(counts) / counts.sum(),
            "mean_accuracy": np.nanmean(accuracy),
            "frequency_weighted_iou": np.nansum(true * iou) / counts.sum(),
            "iou": iou,
        }

    def masks_in_float32(matrix):
        right, true, predicted = matrix.diag().float(), matrix.sum(dim=1).float(), matrix.sum(dim=0).float()
        union = true + predicted - right
        occurs, is_true = union > 0, true > 0
        iou = right / union.clamp(min=1)
        return {
            "pixel_accuracy": (right.sum() / true.sum()).item(),
            "mean_accuracy": (right[is_true] / true[is_true]).mean().item(),
            "mean_iou": iou[occurs].mean().item(),
            "frequency_weighted_iou": float((true @ iou) / true.sum()),
        }

    def fractions(matrix):
        rows = matrix.tolist()
        classes, total = range(len(rows)), sum(map(sum, rows))
        true, right = [sum(row) for row in rows], [rows[c][c] for c in classes]
        union = [true[c] + sum(row[c] for row in rows) - right[c] for c in classes]
        found, occurring = [c for c in classes if true[c]], [c for c in classes if union[c]]
        iou = {c: Fraction(right[c], union[c]) for c in occurring}
        return {
            "pixel_accuracy": float(Fraction(sum(right), total)),
            "mean_accuracy": float(sum(Fraction(right[c], true[c]) for c in found) / len(found)),
            "mean_iou": float(sum(iou.values()) / len(iou)),
            "frequency_weighted_iou": float(sum(true[c] * iou[c] for c in occurring) / total),
        }


class mask_iou:
    def matrix_product(a, b):
        a, b = a.flatten(1).float(), b.flatten(1).float()
        both = a @ b.T
        return both / (a.sum(1)[:, None] + b.sum(1) - both)

    def broadcast(a, b):
        both = (a[:, None] & b[None]).sum((-1, -2))
        return both / (a[:, None] | b[None]).sum((-1, -2)).clamp(min=1)

    def loop(a, b):
        result = torch.zeros(len(a), len(b), dtype=torch.float64)
        for i, left in enumerate(a):
            for j, right in enumerate(b):
                union = torch.logical_or(left, right).sum().item()
                result[i, j] = torch.logical_and(left, right).sum().item() / union if union else 0.0
        return result

    def pixel_sets(a, b):
        left, right = ([set(map(tuple, mask.nonzero().tolist())) for mask in masks] for masks in (a, b))
        return torch.tensor([[len(x & y) / max(len(x | y), 1) for y in right] for x in left])

    def einsum_smoothed(a, b):
        a, b = a.double(), b.double()
        both = torch.einsum("mhw,khw->mk", a, b)
        either = a.shape[1] * a.shape[2] - torch.einsum("mhw,khw->mk", 1 - a, 1 - b)
        return both / (either + 1e-9)

    def numpy_result(a, b):
        left, right = (masks.flatten(1).numpy().astype(float) for masks in (a, b))
        both = left @ right.T
        return both / (left.sum(1, keepdims=True) + right.sum(1) - both)


class match_instances:
    def strike_out(iou, scores, threshold):
        left = iou.clone()
        hits = torch.zeros(len(scores), dtype=torch.bool)
        if iou.shape[1] == 0:
            return hits
        for d in scores.argsort(descending=True):
            best = left[d].argmax()
            if left[d, best] >= threshold:
                hits[d] = True
                left[:, best] = -1
        return hits

    def plain_python(iou, scores, threshold):
        rows, hits, taken = iou.tolist(), [False] * len(scores), set()
        values = scores.tolist()
        for d in sorted(range(len(rows)), key=lambda d: -values[d]):
            best, chosen = -1.0, None
            for k, value in enumerate(iou[d]):
                if k not in taken and value >= threshold and value > best:
                    best, chosen = value, k
            if chosen is not None:
                taken.add(chosen)
                hits[d] = True
        return torch.tensor(hits, dtype=torch.bool)

    def numpy_masked(iou, scores, threshold):
        table = iou.numpy()
        free = np.ones(table.shape[1], bool)
        hits = np.zeros(table.shape[0], bool)
        for d in np.argsort(-scores.numpy()):
            candidates = [k for k in np.argsort(-table[d]) if free[k] and iou[d, k] >= threshold]
            if candidates:
                free[candidates[0]] = False
                hits[d] = True
        return torch.from_numpy(hits)

    def recursive(iou, scores, threshold):
        hits = torch.zeros_like(scores, dtype=torch.bool)
        while True:
            able = (iou >= threshold).any(dim=1)
            if not able.any():
                return hits
            d = torch.where(able, scores, -math.inf).argmax()
            hits[d] = True
            rows, columns = torch.arange(len(scores)) != d, torch.arange(iou.shape[1]) != iou[d].argmax()
            iou = iou * (rows[:, None] & columns)

    def numpy_result(iou, scores, threshold):
        return match_instances.strike_out(iou, scores, threshold).numpy()


class average_precision:
    def search_sorted(scores, is_true_positive, num_truths):
        if num_truths == 0:
            return float("nan")
        hits = is_true_positive[scores.argsort(descending=True)].double()
        found = hits.cumsum(0)
        precision = found / torch.arange(1, len(hits) + 1)
        precision = precision.flip(0).cummax(0).values.flip(0)
        first = torch.searchsorted(found / num_truths, torch.linspace(0, 1, 101, dtype=torch.float64))
        return torch.cat([precision, torch.zeros(1)])[first].mean()

    def best_at_each_recall(scores, is_true_positive, num_truths):
        if not num_truths:
            return torch.tensor(math.nan)
        ranked = sorted(zip(scores.tolist(), is_true_positive.tolist(), strict=True), reverse=True)
        curve, found = [], 0
        for rank, (_, hit) in enumerate(ranked, start=1):
            found += hit
            curve.append((found / num_truths, found / rank))
        total = 0.0
        for point in range(101):
            total += max((p for r, p in curve if r >= point / 100), default=0.0)
        return total / 101

    def numpy_style(scores, is_true_positive, num_truths):
        if num_truths == 0:
            return np.nan
        order = np.argsort(-scores.numpy(), kind="mergesort")
        hits = is_true_positive.numpy()[order]
        true, false = np.cumsum(hits), np.cumsum(~hits)
        recall, precision = true / num_truths, true / (true + false)
        for i in range(len(precision) - 1, 0, -1):
            precision[i - 1] = max(precision[i - 1], precision[i])
        points = np.zeros(101)
        for i, place in enumerate(np.searchsorted(recall, np.linspace(0, 1, 101), side="left")):
            if place < len(precision):
                points[i] = precision[place]
        return points.mean()

    def table_in_float32(scores, is_true_positive, num_truths):
        hits = is_true_positive[scores.sort(descending=True).indices].float()
        precision = hits.cumsum(0) / torch.arange(1, len(hits) + 1)
        recall = hits.cumsum(0) / num_truths
        reached = recall[None] >= (torch.arange(101) / 100)[:, None]
        best = torch.where(reached, precision, 0).amax(dim=1)
        return best.mean() if num_truths > 0 else recall.new_tensor(math.nan)

    def counted_points(scores, is_true_positive, num_truths):
        if num_truths == 0:
            return math.nan
        precisions, found = [], 0
        for rank, k in enumerate(scores.argsort(descending=True).tolist(), start=1):
            if is_true_positive[k]:
                found += 1
                precisions.append(found / rank)
        best = [max(precisions[k:]) for k in range(len(precisions))]
        needed = [max(1, -(-point * num_truths // 100)) for point in range(101)]  # hits for each recall, rounded up
        return sum(best[n - 1] for n in needed if n <= found) / 101


def _mean(rows):
    names = ("pq", "sq", "rq")
    return {name: sum(row[i] for row in rows) / len(rows) for i, name in enumerate(names)}


class panoptic_quality:
    def masks(pred, target, categories, void=0):
        of_pred, of_target = categories
        known = target != void
        counts = defaultdict(lambda: [0.0, 0, 0, 0])
        matched = set()
        for t, c in of_target.items():
            truth, found = target == t, False
            for p, d in of_pred.items():
                mask = (pred == p) & known
                iou = (mask & truth).sum() / (mask | truth).sum()
                if c == d and iou > 0.5:
                    counts[c][0] += iou.item()
                    counts[c][1] += 1
                    matched.add(p)
                    found = True
            counts[c][3] += not found
        for p, d in of_pred.items():
            mask = pred == p
            if p not in matched and not (mask & ~known).sum() > 0.5 * mask.sum():
                counts[d][2] += 1
        rows = []
        for iou, tp, fp, fn in counts.values():
            if tp + fp + fn:
                size = tp + fp / 2 + fn / 2
                rows.append((iou / size, iou / tp if tp else 0.0, tp / size))
        return _mean(rows)

    def pairs_counted(pred, target, categories, void=0):
        pairs = Counter(zip(pred.flatten().tolist(), target.flatten().tolist(), strict=True))
        area_p, area_t = Counter(pred.flatten().tolist()), Counter(target.flatten().tolist())
        matches = {}
        for (p, t), both in pairs.items():
            if p == void or t == void or categories[0][p] != categories[1][t]:
                continue
            union = area_p[p] + area_t[t] - both - pairs[p, void]
            if both / union > 0.5:
                matches[p, t] = both / union
        rows = []
        for c in {*categories[0].values(), *categories[1].values()}:
            ious = [iou for (p, _), iou in matches.items() if categories[0][p] == c]
            lonely = [p for p, d in categories[0].items() if d == c and p not in {q for q, _ in matches}]
            fp = sum(2 * pairs[p, void] <= area_p[p] for p in lonely)
            fn = sum(d == c for d in categories[1].values()) - len(ious)
            if ious or fp or fn:
                size = len(ious) + 0.5 * (fp + fn)
                rows.append((sum(ious) / size, sum(ious) / max(1, len(ious)), len(ious) / size))
        return _mean(rows)

    def overlap_matrix(pred, target, categories, void=0):
        p_ids, t_ids = (torch.tensor(list(side)) for side in categories)
        p_class, t_class = (torch.tensor(list(side.values())) for side in categories)
        p = (pred.flatten() == p_ids[:, None]).double()
        t = (target.flatten() == t_ids[:, None]).double()
        on_void = p @ (target == void).flatten().double()
        both = p @ t.T
        iou = both / (p.sum(1)[:, None] + t.sum(1) - both - on_void[:, None])
        match = (iou > 0.5) & (p_class[:, None] == t_class)
        false = ~match.any(1) & (on_void <= p.sum(1) / 2)
        missed = ~match.any(0)
        rows = []
        for c in torch.cat([p_class, t_class]).unique():
            tp = match[:, t_class == c].sum()
            size = tp + false[p_class == c].sum() / 2 + missed[t_class == c].sum() / 2
            if size > 0:
                total = (iou * match)[:, t_class == c].sum()
                rows.append((total / size, total / tp.clamp(min=1), tp / size))
        return dict(zip(("pq", "sq", "rq"), torch.tensor(rows).mean(0), strict=True))

    def offset_and_unique(pred, target, categories, void=0):
        offset = int(max(pred.max(), target.max())) + 1
        pairs, counts = np.unique((target * offset + pred).numpy(), return_counts=True)
        overlap = {(int(k) // offset, int(k) % offset): int(n) for k, n in zip(pairs, counts, strict=True)}
        area = {}
        for (t, p), n in overlap.items():
            area["t", t] = area.get(("t", t), 0) + n
            area["p", p] = area.get(("p", p), 0) + n
        per_class = {c: [0.0, 0, 0, 0] for side in categories for c in side.values()}
        used = set()
        for (t, p), n in overlap.items():
            if void not in (t, p) and categories[1][t] == categories[0][p]:
                iou = n / (area["t", t] + area["p", p] - n - overlap.get((void, p), 0))
                if iou > 0.5:
                    per_class[categories[1][t]][0] += iou
                    per_class[categories[1][t]][1] += 1
                    used |= {("t", t), ("p", p)}
        for (kind, i), size in area.items():
            side, place = (categories[0], 2) if kind == "p" else (categories[1], 3)
            excused = kind == "p" and overlap.get((void, i), 0) / size > 0.5
            if i != void and (kind, i) not in used and not excused:
                per_class[side[i]][place] += 1
        scored = [(s, tp, tp + 0.5 * fp + 0.5 * fn) for s, tp, fp, fn in per_class.values() if tp + fp + fn > 0]
        return _mean([(s / d, s / tp if tp else 0, tp / d) for s, tp, d in scored])

    def pixel_sets(pred, target, categories, void=0):
        pixels_p, pixels_t = defaultdict(set), defaultdict(set)
        for place, (p, t) in enumerate(zip(pred.flatten().tolist(), target.flatten().tolist(), strict=True)):
            pixels_p[p].add(place)
            pixels_t[t].add(place)
        unknown, rows = pixels_t[void], []
        for c in {*categories[0].values(), *categories[1].values()}:
            ours, theirs = ([i for i, d in side.items() if d == c] for side in categories)
            quality = {
                (p, t): len(pixels_p[p] & pixels_t[t]) / len((pixels_p[p] | pixels_t[t]) - unknown)
                for p, t in itertools.product(ours, theirs)
            }
            matches = {pair: iou for pair, iou in quality.items() if iou > 0.5}
            lonely = [pixels_p[p] for p in ours if p not in {q for q, _ in matches}]
            false = sum(2 * len(p & unknown) <= len(p) for p in lonely)
            size = len(matches) + (false + len(theirs) - len(matches)) / 2
            if size:
                total = sum(matches.values())
                rows.append((total / size, total / max(1, len(matches)), len(matches) / size))
        return _mean(rows)


class mended_mean_iou:
    def own_parts(pred, target, num_classes):
        matrix = confusion_matrix.bincount(pred, target, num_classes)
        return segmentation_scores.vectorised(matrix)["mean_iou"]

    def one_column_more(pred, target, num_classes):
        target = torch.where(target == 255, num_classes, target)
        size = num_classes + 1
        counts = torch.bincount((target * size + pred).flatten(), minlength=size**2).view(size, size)
        counts = counts[:num_classes, :num_classes].double()
        union = counts.sum(0) + counts.sum(1) - counts.diagonal()
        return (counts.diagonal() / union).nanmean()

    def loop_over_classes(pred, target, num_classes):
        valid = target < 255
        ious = []
        for c in range(num_classes):
            p, t = (pred == c) & valid, (target == c) & valid
            if (p | t).any():
                ious.append(((p & t).sum() / (p | t).sum()).item())
        return sum(ious) / len(ious)

    def numpy_sets(pred, target, num_classes):
        p, t = pred.numpy().ravel(), target.numpy().ravel()
        p, t = p[t != 255], t[t != 255]
        present = np.union1d(p, t)
        return np.mean([((p == c) & (t == c)).sum() / ((p == c) | (t == c)).sum() for c in present])
