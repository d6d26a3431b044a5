"""Metrics and distance maps.

In processor time. A signed distance map is scipy's transform of the outside minus that of the inside; the library takes
the inside's on the object's bounding box.
"""

import contextlib
import io
import time

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt

from coursekit import metrics
from coursekit.data import StreetScenes
from coursekit.losses import distance_maps, signed_distance

pycocotools = pytest.importorskip("pycocotools")
torchmetrics = pytest.importorskip("torchmetrics")


@pytest.mark.parametrize("side", [128, 256, 512])
def test_confusion_matrix(versus, side):
    from torchmetrics.functional.classification import multiclass_confusion_matrix

    generator = torch.Generator().manual_seed(0)
    pred, target = torch.randint(0, 11, (2, 8, side, side), generator=generator)
    target[torch.rand(target.shape, generator=generator) < 0.05] = 255

    def ours():
        matrix = metrics.ConfusionMatrix(11)
        matrix.update(pred, target)
        return matrix.compute()

    def peer():
        return multiclass_confusion_matrix(pred, target, num_classes=11, ignore_index=255)

    versus("confusion matrix", f"8 × {side}²", ours, peer, "torchmetrics", time.process_time)


@pytest.mark.parametrize("side", [64, 128, 256])
def test_panoptic_quality(versus, side):
    from torchmetrics.detection import PanopticQuality

    scenes = StreetScenes(4, side, task="panoptic", seed=1)
    things = set(scenes.things)
    stuff = set(range(11)) - things
    pairs = []
    for index in range(4):
        _, target = scenes[index]
        kinds = {s["id"]: s["category_id"] for s in target["segments_info"]} | {0: 255}
        pairs.append((torch.as_tensor(target["ids"]).roll(2, -1), torch.as_tensor(target["ids"]), kinds))

    def ours():
        quality = metrics.PanopticQuality(things)
        for pred, target, kinds in pairs:
            categories = {k: v for k, v in kinds.items() if k}
            quality.update(pred, target, categories, categories)
        return quality.compute()

    def coloured(ids, kinds):
        return torch.stack([ids.clone().apply_(lambda i: kinds[i]), ids], dim=-1)[None]

    prepared = [(coloured(p, k), coloured(t, k)) for p, t, k in pairs]

    def peer():
        quality = PanopticQuality(things=things, stuffs=stuff, allow_unknown_preds_category=True)
        for pred, target in prepared:
            quality.update(pred.clone(), target.clone())
        return quality.compute()

    versus("panoptic quality", f"4 × {side}²", ours, peer, "torchmetrics", time.process_time)


@pytest.mark.parametrize("images", [8, 16, 32])
def test_mask_average_precision(versus, images):
    from pycocotools import mask as rle
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    scenes = StreetScenes(images, 96, task="instance", seed=2)
    generator = torch.Generator().manual_seed(0)
    predictions, targets = [], []
    for index in range(images):
        _, target = scenes[index]
        masks = torch.as_tensor(target["masks"])
        targets.append(
            {"masks": masks, "labels": target["labels"], "iscrowd": torch.zeros(len(masks), dtype=torch.int64)}
        )
        scores = torch.rand(len(masks), generator=generator)
        predictions.append({"masks": masks.roll(1, -1), "labels": target["labels"], "scores": scores})

    def encoded(masks):
        return [rle.encode(np.asfortranarray(m.numpy().astype(np.uint8))) for m in masks]

    def entries():
        """What pycocotools takes, made from the same masks: its work begins with encoding them."""
        truths, found = [], []
        for index, (prediction, target) in enumerate(zip(predictions, targets)):
            for mask, label in zip(encoded(target["masks"]), target["labels"].tolist()):
                entry = {"image_id": index, "category_id": label, "segmentation": mask, "iscrowd": 0}
                truths.append({**entry, "id": len(truths) + 1, "area": float(rle.area(mask))})
            triples = zip(encoded(prediction["masks"]), prediction["labels"].tolist(), prediction["scores"].tolist())
            for mask, label, score in triples:
                found.append({"image_id": index, "category_id": label, "segmentation": mask, "score": score})
        return truths, found

    def peer():
        truths, found = entries()
        with contextlib.redirect_stdout(io.StringIO()):
            truth = COCO()
            pictures, kinds = (
                [{"id": i, "height": 96, "width": 96} for i in range(images)],
                [{"id": c} for c in range(11)],
            )
            truth.dataset = {"info": {}, "images": pictures, "annotations": truths, "categories": kinds}
            truth.createIndex()
            evaluation = COCOeval(truth, truth.loadRes(found), "segm")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        return evaluation.stats[0]

    def ours():
        return metrics.average_precision(predictions, targets, iou_type="masks")

    versus("mask AP", f"{images} pictures of 96²", ours, peer, "pycocotools", time.process_time)


@pytest.mark.parametrize("side", [128, 256, 512])
def test_distance_map(versus, side):
    _, target = StreetScenes(1, side, seed=3)[0]
    mask = torch.as_tensor(target) == 3

    def peer():
        inside = mask.numpy()
        return distance_transform_edt(~inside) - distance_transform_edt(inside) + inside

    versus("signed distance", f"{side}²", lambda: signed_distance(mask), peer, "scipy, twice", time.process_time)


@pytest.mark.parametrize("side", [64, 128, 256])
def test_distance_maps(versus, side):
    _, target = StreetScenes(1, side, seed=3)[0]
    target = torch.as_tensor(target).long()

    def peer():
        masks = [(target == k).numpy() for k in range(11)]
        return [distance_transform_edt(~m) - distance_transform_edt(m) + m for m in masks if m.any()]

    versus("distance maps", f"11 × {side}²", lambda: distance_maps(target, 11), peer, "scipy, twice", time.process_time)
