"""Right answers to 06_instances, in the styles that students use. Each keeps every point."""

import copy
import itertools
import math

import numpy as np
import torch
from torch.nn import functional as F
from torchvision.models.detection.roi_heads import keypoints_to_heatmap
from torchvision.ops import box_iou


class roi_align:
    def grid_sample(features, boxes, output_size, sampling_ratio=2):
        h, w = output_size
        r = sampling_ratio
        _, height, width = features.shape
        x1, y1, x2, y2 = boxes[:, :, None].unbind(1)
        x = x1 + (torch.arange(w * r) + 0.5) / (w * r) * (x2 - x1)
        y = y1 + (torch.arange(h * r) + 0.5) / (h * r) * (y2 - y1)
        shape = (len(boxes), h * r, w * r)
        grid = torch.stack(
            [(2 * x / width - 1)[:, None].expand(shape), (2 * y / height - 1)[..., None].expand(shape)], -1
        )
        maps = features[None].expand(len(boxes), -1, -1, -1)
        samples = F.grid_sample(maps, grid.to(features.dtype), padding_mode="border", align_corners=False)
        return F.avg_pool2d(samples, r)

    def loop(features, boxes, output_size, sampling_ratio=2):
        h, w = output_size
        _, height, width = features.shape
        results = []
        for x1, y1, x2, y2 in boxes.tolist():
            rows = []
            for i in range(h):
                cells = []
                for j in range(w):
                    total = 0
                    for a, b in itertools.product(range(sampling_ratio), repeat=2):
                        y = y1 + (y2 - y1) * (i + (a + 0.5) / sampling_ratio) / h - 0.5
                        x = x1 + (x2 - x1) * (j + (b + 0.5) / sampling_ratio) / w - 0.5
                        y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
                        top, left = int(y), int(x)
                        bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
                        v, u = y - top, x - left
                        total = total + (1 - v) * ((1 - u) * features[:, top, left] + u * features[:, top, right])
                        total = total + v * ((1 - u) * features[:, bottom, left] + u * features[:, bottom, right])
                    cells.append(total / sampling_ratio**2)
                rows.append(torch.stack(cells, dim=-1))
            results.append(torch.stack(rows, dim=-2))
        return torch.stack(results)

    def matrices(features, boxes, output_size, sampling_ratio=2):
        def weights(first, last, bins, size):
            at = torch.linspace(0, 1, 2 * bins * sampling_ratio + 1, dtype=boxes.dtype)[1::2]
            at = (first[:, None] + at * (last - first)[:, None] - 0.5).clamp(0, size - 1)
            tent = (1 - (at[..., None] - torch.arange(size)).abs()).clamp(min=0)
            return tent.unflatten(1, (bins, sampling_ratio)).mean(dim=2).to(features.dtype)

        rows = weights(boxes[:, 1], boxes[:, 3], output_size[0], features.shape[1])
        columns = weights(boxes[:, 0], boxes[:, 2], output_size[1], features.shape[2])
        return torch.einsum("khy, cyx, kwx -> kchw", rows, features, columns)

    def gather(features, boxes, output_size, sampling_ratio=2):
        (h, w), r, (c, height, width) = output_size, sampling_ratio, features.shape
        pooled = []
        for box in boxes:
            xs = (box[0] + (box[2] - box[0]) * (torch.arange(w * r) + 0.5) / (w * r) - 0.5).clamp(0, width - 1)
            ys = (box[1] + (box[3] - box[1]) * (torch.arange(h * r) + 0.5) / (h * r) - 0.5).clamp(0, height - 1)
            x0, y0 = xs.floor().long(), ys.floor().long()
            x1, y1 = (x0 + 1).clamp(max=width - 1), (y0 + 1).clamp(max=height - 1)
            u, v = xs - x0, (ys - y0)[:, None]
            top = features[:, y0][:, :, x0] * (1 - u) + features[:, y0][:, :, x1] * u
            bottom = features[:, y1][:, :, x0] * (1 - u) + features[:, y1][:, :, x1] * u
            pooled.append((top * (1 - v) + bottom * v).reshape(c, h, r, w, r).mean(dim=(2, 4)))
        return torch.stack(pooled)

    def finer_then_pooled(features, boxes, output_size, sampling_ratio=2):
        h, w = (size * sampling_ratio for size in output_size)
        return F.avg_pool2d(roi_align.gather(features, boxes, (h, w), 1), sampling_ratio)


class paste_mask:
    def interpolate(mask, box, height, width):
        x1, y1, x2, y2 = (int(v) for v in box)
        resized = F.interpolate(mask[None, None], (y2 - y1, x2 - x1), mode="bilinear", align_corners=False)[0, 0]
        picture = torch.zeros(height, width, dtype=torch.bool, device=mask.device)
        left, top, right, bottom = max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)
        if left < right and top < bottom:
            picture[top:bottom, left:right] = resized[top - y1 : bottom - y1, left - x1 : right - x1] >= 0.5
        return picture

    def loop(mask, box, height, width):
        x1, y1, x2, y2 = box.tolist()
        side = mask.shape[0]
        picture = torch.zeros(height, width, dtype=torch.bool)
        for i, j in itertools.product(range(height), range(width)):
            y, x = i + 0.5, j + 0.5
            if not (x1 <= x < x2 and y1 <= y < y2):
                continue
            v = min(max((y - y1) / (y2 - y1) * side - 0.5, 0), side - 1)
            u = min(max((x - x1) / (x2 - x1) * side - 0.5, 0), side - 1)
            r, c = int(v), int(u)
            s, d = min(r + 1, side - 1), min(c + 1, side - 1)
            v, u = v - r, u - c
            value = (1 - v) * ((1 - u) * mask[r, c] + u * mask[r, d]) + v * ((1 - u) * mask[s, c] + u * mask[s, d])
            picture[i, j] = value > 0.5
        return picture

    def grid_sample(mask, box, height, width):
        x = ((torch.arange(width) + 0.5 - box[0]) / (box[2] - box[0]) * 2 - 1).to(mask.dtype)
        y = ((torch.arange(height) + 0.5 - box[1]) / (box[3] - box[1]) * 2 - 1).to(mask.dtype)
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)[None]
        values = F.grid_sample(mask[None, None], grid, padding_mode="border", align_corners=False)[0, 0]
        return (values > 0.5) & (x.abs() < 1) & (y.abs() < 1)[:, None]

    def numpy(mask, box, height, width):
        values, side = mask.numpy(), len(mask)

        def read(first, last, pixels):
            centres = np.arange(pixels) + 0.5
            inside = (centres > first) & (centres < last)
            at = np.clip((centres - first) / (last - first) * side - 0.5, 0, side - 1)
            return np.clip(1 - np.abs(at[:, None] - np.arange(side)), 0, None) * inside[:, None]

        x1, y1, x2, y2 = box.tolist()
        return torch.from_numpy(read(y1, y2, height) @ values @ read(x1, x2, width).T > 0.5)

    def larger_canvas(mask, box, height, width):
        x1, y1, x2, y2 = box.long().tolist()
        margin = 1 + max(abs(v) for v in (x1, y1, x2, y2, height, width))
        canvas = np.zeros((height + 2 * margin, width + 2 * margin), dtype=bool)
        resized = F.interpolate(mask[None, None], size=(y2 - y1, x2 - x1), mode="bilinear")[0, 0]
        canvas[margin + y1 : margin + y2, margin + x1 : margin + x2] = resized.numpy() > 0.5
        return canvas[margin:-margin, margin:-margin][:height, :width]


class fast_nms:
    def triangle(boxes, scores, threshold):
        order = torch.argsort(scores, descending=True)
        iou = box_iou(boxes[order], boxes[order])
        return order[iou.triu(diagonal=1).max(dim=0).values <= threshold]

    def loop(boxes, scores, threshold):
        def iou(a, b):
            width = min(a[2], b[2]) - max(a[0], b[0])
            height = min(a[3], b[3]) - max(a[1], b[1])
            both = max(width, 0) * max(height, 0)
            return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)

        corners, order = boxes.tolist(), sorted(range(len(scores)), key=lambda k: -scores[k])
        kept = [
            k for place, k in enumerate(order) if all(iou(corners[k], corners[b]) <= threshold for b in order[:place])
        ]
        return torch.tensor(kept)

    def list_of_indices(boxes, scores, threshold):
        iou = box_iou(boxes, boxes)
        better = scores[:, None] > scores
        kept = [k for k in range(len(boxes)) if not (better[:, k] & (iou[:, k] > threshold)).any()]
        return sorted(kept, key=lambda k: float(scores[k]), reverse=True)

    def numpy_by_hand(boxes, scores, threshold):
        b, s = boxes.numpy(), scores.numpy()
        order = np.argsort(-s)
        x1, y1, x2, y2 = b[order].T
        width = np.clip(np.minimum.outer(x2, x2) - np.maximum.outer(x1, x1), 0, None)
        height = np.clip(np.minimum.outer(y2, y2) - np.maximum.outer(y1, y1), 0, None)
        area = (x2 - x1) * (y2 - y1)
        iou = width * height / (np.add.outer(area, area) - width * height)
        keep = np.triu(iou, 1).max(axis=0) <= threshold
        return torch.from_numpy(order[keep])

    def numpy_result(boxes, scores, threshold):
        return fast_nms.triangle(boxes, scores, threshold).numpy()


class assemble_masks:
    def matmul(prototypes, coefficients, boxes):
        masks = torch.sigmoid(prototypes @ torch.tanh(coefficients).T).permute(2, 0, 1)
        _, h, w = masks.shape
        y, x = torch.arange(h).view(1, h, 1), torch.arange(w).view(1, 1, w)
        x1, y1, x2, y2 = (edge.view(-1, 1, 1) for edge in boxes.T)
        return masks * ((x >= x1) & (x < x2) & (y >= y1) & (y < y2)).to(masks.dtype)

    def slices(prototypes, coefficients, boxes):
        h, w, p = prototypes.shape
        results = []
        for weights, box in zip(coefficients.tanh(), boxes):
            x1, y1, x2, y2 = box.int().tolist()
            logits = sum(weights[i] * prototypes[:, :, i] for i in range(p))
            mask = torch.zeros(h, w, dtype=prototypes.dtype)
            mask[y1:y2, x1:x2] = 1 / (1 + torch.exp(-logits[y1:y2, x1:x2]))
            results.append(mask)
        return torch.stack(results)

    def einsum_where(prototypes, coefficients, boxes):
        probabilities = torch.einsum("hwp,kp->khw", prototypes, coefficients.tanh()).sigmoid()
        keep = torch.zeros(probabilities.shape, dtype=torch.bool)
        for k, (x1, y1, x2, y2) in enumerate(boxes.long()):
            keep[k, y1:y2, x1:x2] = True
        return torch.where(keep, probabilities, torch.zeros_like(probabilities))

    def masked_logits(prototypes, coefficients, boxes):
        logits = torch.tensordot(coefficients.tanh(), prototypes, dims=([1], [2]))
        y = torch.arange(logits.shape[1])[None] + 0.5
        x = torch.arange(logits.shape[2])[None] + 0.5
        rows = (y > boxes[:, 1:2]) & (y < boxes[:, 3:])
        columns = (x > boxes[:, :1]) & (x < boxes[:, 2:3])
        return logits.masked_fill(~(rows[:, :, None] & columns[:, None]), -math.inf).sigmoid()

    def padded(prototypes, coefficients, boxes):
        mixed = F.conv2d(prototypes.permute(2, 0, 1)[None], coefficients.tanh()[:, :, None, None])[0].sigmoid()
        _, height, width = mixed.shape
        return torch.stack([
            F.pad(mask[y1:y2, x1:x2], (x1, width - x2, y1, height - y2))
            for mask, (x1, y1, x2, y2) in zip(mixed, boxes.long().tolist())
        ])  # fmt: skip


class keypoint_targets:
    def floor_and_edge(keypoints, boxes, size):
        x, y, v = keypoints.unbind(-1)
        x1, y1, x2, y2 = (edge[:, None] for edge in boxes.unbind(-1))
        column = ((x - x1) * size / (x2 - x1)).floor().long()
        row = ((y - y1) * size / (y2 - y1)).floor().long()
        column[x == x2.expand_as(x)] = size - 1
        row[y == y2.expand_as(y)] = size - 1
        valid = (column >= 0) & (column < size) & (row >= 0) & (row < size) & (v > 0)
        return row * size + column, valid

    def clamp(keypoints, boxes, size):
        near, far = boxes[:, None, :2], boxes[:, None, 2:]
        points = keypoints[..., :2]
        cells = ((points - near) / (far - near) * size).long().clamp(0, size - 1)
        valid = (points >= near).all(-1) & (points <= far).all(-1) & keypoints[..., 2].bool()
        return cells[..., 1] * size + cells[..., 0], valid

    def loop(keypoints, boxes, size):
        indices = torch.full(keypoints.shape[:2], -1)
        valid = torch.zeros(keypoints.shape[:2], dtype=torch.bool)
        for k, box in enumerate(boxes.tolist()):
            x1, y1, x2, y2 = box
            for j, (x, y, seen) in enumerate(keypoints[k].tolist()):
                if seen > 0 and x1 <= x <= x2 and y1 <= y <= y2:
                    column = min(int((x - x1) / (x2 - x1) * size), size - 1)
                    row = min(int((y - y1) / (y2 - y1) * size), size - 1)
                    indices[k, j] = row * size + column
                    valid[k, j] = True
        return indices, valid

    def bucketize(keypoints, boxes, size):
        indices, valid = [], []
        for points, (x1, y1, x2, y2) in zip(keypoints, boxes):
            x, y = points[:, 0].contiguous(), points[:, 1].contiguous()
            inner = torch.arange(1, size, dtype=boxes.dtype) / size
            column = torch.bucketize(x, x1 + inner * (x2 - x1), right=True)
            row = torch.bucketize(y, y1 + inner * (y2 - y1), right=True)
            indices.append(row * size + column)
            valid.append((points[:, 2] > 0) & (x >= x1) & (x <= x2) & (y >= y1) & (y <= y2))
        return [torch.stack(indices), torch.stack(valid)]

    def torchvisions(keypoints, boxes, size):
        indices, valid = keypoints_to_heatmap(keypoints, boxes, size)
        return indices.numpy(), valid.bool().numpy()


class merge_panoptic:
    def by_the_rules(masks, scores, classes, stuff, overlap=0.5, min_stuff_area=0):
        ids, found = torch.zeros_like(stuff), {}
        for k in scores.argsort(descending=True):
            free = masks[k] & (ids == 0)
            area = masks[k].sum()
            if free.any() and 1 - free.sum() / area <= overlap + 1e-6:
                found[len(found) + 1] = classes[k].item()
                ids[free] = len(found)
        for c in stuff.unique():
            free = (stuff == c) & (ids == 0)
            if c > 0 and free.any() and free.sum() >= min_stuff_area:
                found[len(found) + 1] = c.item()
                ids[free] = len(found)
        return ids, found

    def other_ids(masks, scores, classes, stuff, overlap=0.5, min_stuff_area=0):
        ids = torch.zeros(stuff.shape, dtype=torch.int32)
        found = {}
        for k in sorted(range(len(masks)), key=lambda k: float(scores[k]), reverse=True):
            covered = (masks[k] & (ids > 0)).sum().item()
            if covered > overlap * masks[k].sum().item():
                continue
            left = masks[k] & (ids == 0)
            if left.sum() > 0:
                ids[left] = 1000 * int(classes[k]) + k
                found[1000 * int(classes[k]) + k] = int(classes[k])
        for c in set(stuff.flatten().tolist()) - {0}:
            left = (ids == 0) & (stuff == c)
            if left.sum() >= max(min_stuff_area, 1):
                ids[left] = 500000 + c
                found[500000 + c] = c
        return ids, found

    def pixel_loop(masks, scores, classes, stuff, overlap=0.5, min_stuff_area=0):
        height, width = stuff.shape
        planes, things = masks.tolist(), stuff.tolist()
        ids = [[0] * width for _ in range(height)]
        found, number = {}, 0
        for k in scores.sort(descending=True).indices.tolist():
            mine = [(i, j) for i in range(height) for j in range(width) if planes[k][i][j]]
            free = [(i, j) for i, j in mine if ids[i][j] == 0]
            if free and len(mine) - len(free) <= overlap * len(mine):
                number += 1
                found[number] = int(classes[k])
                for i, j in free:
                    ids[i][j] = number
        groups = {}
        for i, j in itertools.product(range(height), range(width)):
            if ids[i][j] == 0 and things[i][j] != 0:
                groups.setdefault(things[i][j], []).append((i, j))
        for c, pixels in groups.items():
            if len(pixels) >= min_stuff_area:
                number += 1
                found[number] = c
                for i, j in pixels:
                    ids[i][j] = number
        return [torch.tensor(ids), found]

    def numpy(masks, scores, classes, stuff, overlap=0.5, min_stuff_area=0):
        planes, semantic = masks.numpy(), stuff.numpy()
        ids = np.zeros(semantic.shape, dtype=np.int64)
        names = []
        for k in np.argsort(-scores.numpy()):
            taken = np.logical_and(planes[k], ids > 0).sum()
            if planes[k].sum() == taken or taken / planes[k].sum() > overlap:
                continue
            names.append(int(classes[k]))
            ids = np.where(planes[k] & (ids == 0), len(names), ids)
        rest = np.where(ids == 0, semantic, 0)
        for c, area in zip(*np.unique(rest, return_counts=True)):
            if c != 0 and area >= min_stuff_area:
                names.append(int(c))
                ids[rest == c] = len(names)
        return torch.from_numpy(ids), dict(enumerate(names, start=1))

    def negative_ids(masks, scores, classes, stuff, overlap=0.5, min_stuff_area=0):
        free, segments = torch.ones_like(stuff, dtype=torch.bool), []
        for k in scores.argsort(descending=True):
            mine = masks[k] & free
            if mine.any() and (masks[k] & ~free).sum() <= overlap * masks[k].sum():
                segments.append((mine, classes[k]))
                free = free & ~mine
        for c in stuff.unique():
            mine = (stuff == c) & free
            if c and mine.sum() >= max(1, min_stuff_area):
                segments.append((mine, c))
        ids = torch.zeros_like(stuff)
        for number, (mine, _) in enumerate(segments, start=5):
            ids[mine] = -number
        return ids.numpy(), {-number: c for number, (_, c) in enumerate(segments, start=5)}


class mended_predict:
    def eval_and_back(model, images):
        was_training = model.training
        model.eval()
        with torch.no_grad():
            classes = model(images).argmax(dim=1)
        model.train(was_training)
        return classes

    def in_a_copy(model, images):
        twin = copy.deepcopy(model).eval()
        with torch.inference_mode():
            return twin(images).argmax(dim=1)

    def mode_of_every_layer(model, images):
        modes = {module: module.training for module in model.modules()}
        try:
            model.eval()
            with torch.inference_mode():
                return model(images).softmax(dim=1).max(dim=1).indices
        finally:
            for module, mode in modes.items():
                module.training = mode

    @torch.no_grad()
    def one_by_one(model, images):
        training = model.training
        model.train(False)
        classes = torch.stack([model(image.unsqueeze(0))[0].argmax(0) for image in images])
        if training:
            model.train()
        return classes
