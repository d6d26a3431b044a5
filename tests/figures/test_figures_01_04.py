"""The numbers of the figures of lectures 01 to 03 are those of the library."""

import pytest
import torch
from torch import nn

from coursekit import data, figures, metrics, ops
from coursekit.figures.sliding_window import multiplications
from coursekit.models import PatchClassifier

SIZE = (48, 64)


@pytest.fixture(scope="module")
def street():
    return data.StreetScenes(1, SIZE, seed=3)[0][0]


@pytest.fixture(scope="module")
def instances():
    return data.StreetScenes(1, SIZE, task="instance", seed=3)[0][1]


def test_the_explorer_reads_all_labels_off_the_panoptic_one(street, instances):
    target = data.StreetScenes(1, SIZE, task="panoptic", seed=3)[0][1]
    explorer = figures.LabelExplorer(street, target, data.StreetScenes.classes)
    assert torch.equal(explorer.semantic(), data.StreetScenes(1, SIZE, seed=3)[0][1])
    things = [info for info in explorer.segments.values() if info["mask"] is not None]
    assert sorted(info["area"] for info in things) == sorted(instances["masks"].sum((1, 2)).tolist())
    assert f"{len(things)} masks" in explorer.picture().alt


@pytest.fixture(scope="module")
def matches(street, instances):
    truths = instances["masks"]
    shifted = truths.roll(1, 2)
    masks = torch.cat([truths[:2], shifted[1:], truths[:1].roll(20, 2)])
    scores = torch.rand(len(masks), generator=torch.Generator().manual_seed(0))
    return masks, scores, truths, figures.DetectionMatches(street, masks, scores, truths)


def test_the_matches_give_the_average_precision_of_the_library(matches):
    masks, scores, truths, figure = matches
    ones = torch.ones(len(masks), dtype=torch.int64), torch.ones(len(truths), dtype=torch.int64)
    expected = metrics.average_precision(
        [{"masks": masks, "scores": scores, "labels": ones[0]}], [{"masks": truths, "labels": ones[1]}]
    )
    aps = [level["ap"] for level in figure.levels]
    assert aps[0] == pytest.approx(expected.ap50)
    assert aps[5] == pytest.approx(expected.ap75)
    assert sum(aps) / 10 == pytest.approx(expected.ap)
    assert aps == sorted(aps, reverse=True)
    assert 0 < aps[-1] < aps[0] < 1


def test_no_object_is_found_twice(matches):
    for level in matches[-1].levels:
        found = [partner for partner in level["partners"] if partner is not None]
        assert len(set(found)) == len(found)


def test_panoptic_quality_of_the_truth_itself_is_one(street, instances):
    truths = instances["masks"]
    figure = figures.DetectionMatches(street, truths, torch.linspace(1, 0.5, len(truths)), truths)
    assert figure.panoptic[-1] == {"pq": 1, "sq": 1, "rq": 1}
    assert figure.panoptic[0]["pq"] == 0
    assert "AP 1.000" in figure.picture().alt


def test_the_window_and_the_dense_network_cost_what_they_multiply():
    layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 5, 2))
    assert multiplications(layers, torch.ones(1, 3, 8, 7)) == 4 * 6 * 5 * 27 + 2 * 120
    figure = figures.SlidingWindow(torch.rand(3, 64, 64))
    costs = figure.costs["21"]
    assert costs["window"] * 64 * 64 == pytest.approx(2.4e9, rel=0.01)  # the table of PatchClassifier
    assert costs["dense"] == multiplications(PatchClassifier().as_dense(), torch.ones(1, 3, 64, 64))
    assert "2.39 thousand million" in figure.picture().alt


@pytest.fixture(scope="module")
def painter(street, instances):
    truth = max(instances["masks"], key=torch.sum)
    return figures.MaskPainter(street, truth, truth.roll(2, 1))


def test_the_painter_scores_what_is_painted(painter):
    scores, losses = painter.scores(), painter.losses()
    assert scores["Dice"] == pytest.approx(2 * scores["IoU"] / (1 + scores["IoU"]))
    assert 0 < scores["boundary F1"] < 1
    assert set(losses) >= {"cross-entropy", "Dice", "IoU", "boundary", "Hausdorff"}
    for name, (value, gradient) in losses.items():
        assert torch.isfinite(gradient).all(), name
        assert value == value
    assert f"IoU {scores['IoU']:.2f}" in painter.picture().alt


def test_what_the_browser_paints_arrives(painter):
    painter.set_state({"painted": memoryview(bytes(SIZE[0] * SIZE[1]))})
    assert not painter.mask.any()
    assert painter.scores()["IoU"] == 0


def test_a_truth_of_another_size_is_refused(street):
    with pytest.raises(ValueError, match="differ in height or width"):
        figures.MaskPainter(street, torch.zeros(10, 10, dtype=torch.bool))


def test_ids_fit_into_three_bytes(street):
    target = data.StreetScenes(1, SIZE, task="panoptic", seed=3)[0][1]
    assert torch.equal(ops.rgb_to_id(ops.id_to_rgb(target["ids"])), target["ids"])
