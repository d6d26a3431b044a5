"""Confusion matrix and its scores, against the worked examples, torchmetrics and smp."""

import numpy as np
import pytest
import segmentation_models_pytorch.metrics as smp
import torch
from PIL import Image
from torchmetrics.functional import classification as tm

from coursekit.metrics import ConfusionMatrix

NAN = float("nan")


def score(pred, target, num_classes, ignore_index=255):
    matrix = ConfusionMatrix(num_classes, ignore_index)
    matrix.update(torch.as_tensor(pred), torch.as_tensor(target))
    return matrix.compute()


def random_maps(seed, num_classes=5, shape=(3, 12, 17), ignored=0.1):
    g = torch.Generator().manual_seed(seed)
    target = torch.randint(num_classes, shape, generator=g)
    wrong = torch.rand(shape, generator=g) < 0.4
    pred = torch.where(wrong, torch.randint(num_classes, shape, generator=g), target)
    target[torch.rand(shape, generator=g) < ignored] = 255
    return pred, target


# The worked example of the lecture: class 2 is never found, class 3 does not occur.
TARGET = [[0, 0, 0, 0, 1, 1, 1, 2]]
PRED = [[0, 0, 0, 1, 1, 1, 0, 1]]


def test_worked_example_matrix_has_the_truth_in_its_rows():
    matrix = ConfusionMatrix(4)
    matrix.update(torch.tensor(PRED), torch.tensor(TARGET))
    assert matrix.matrix.tolist() == [[3, 1, 0, 0], [1, 2, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pixel_accuracy", 0.625),
        ("mean_accuracy", 0.4722222222),
        ("mean_iou", 1 / 3),
        ("frequency_weighted_iou", 0.45),
        ("iou", [0.6, 0.4, 0, NAN]),
        ("dice", [0.75, 4 / 7, 0, NAN]),
    ],
)
def test_worked_example_scores(name, value):
    assert np.asarray(getattr(score(PRED, TARGET, 4), name)) == pytest.approx(value, abs=1e-9, nan_ok=True)


def test_class_predicted_but_never_true_counts_zero_in_mean_iou():
    scores = score([[0, 0, 1, 2]], [[0, 0, 1, 1]], 3)
    assert scores.iou.tolist() == [1, 0.5, 0]
    assert scores.mean_iou == pytest.approx(0.5)  # 0.75 if only true classes counted
    assert scores.mean_accuracy == pytest.approx(0.75)


def test_ignored_pixels_are_not_scored():
    assert score([[0, 1, 1, 0]], [[0, 0, 1, 255]], 2).mean_iou == pytest.approx(0.5)


def test_ignored_pixels_may_hold_anything_in_the_prediction():
    target = torch.tensor([[0, 1, 255]])
    assert score(target, target, 2).mean_iou == 1


def test_an_ignored_class_is_left_out_of_the_means():
    pred, target = torch.tensor([[0, 0, 1, 1, 2]]), torch.tensor([[0, 1, 1, 0, 2]])
    scores = score(pred, target, 3, ignore_index=0)
    assert scores.iou.tolist() == pytest.approx([NAN, 0.5, 1], nan_ok=True)
    assert scores.mean_iou == pytest.approx(0.75)
    assert scores.mean_iou == pytest.approx(tm.multiclass_jaccard_index(pred, target, 3, ignore_index=0).item())


def test_counts_are_summed_over_the_data_set_before_dividing():
    """One perfect image of 4 pixels and one missed pixel: 4 / 5, where a mean over images would give 1 / 2."""
    matrix = ConfusionMatrix(2)
    matrix.update(torch.ones(1, 2, 2, dtype=torch.long), torch.ones(1, 2, 2, dtype=torch.long))
    matrix.update(torch.zeros(1, 1, 1, dtype=torch.long), torch.ones(1, 1, 1, dtype=torch.long))
    assert matrix.compute().iou[1] == pytest.approx(0.8)


@pytest.mark.parametrize("seed", range(3))
def test_equal_to_torchmetrics_on_random_maps(seed):
    check_against_torchmetrics(*random_maps(seed), num_classes=5)


def test_equal_to_torchmetrics_on_camvid(real_data):
    files = sorted((real_data / "camvid" / "testannot").glob("*.png"))[::80]
    if not files:
        pytest.skip(f"no CamVid labels in {real_data}")
    target = torch.stack([torch.from_numpy(np.array(Image.open(file)))[::2, ::2] for file in files]).long()
    target[target == 11] = 255
    pred = target.roll((5, -9), (1, 2))
    check_against_torchmetrics(pred.where(pred != 255, 0), target, num_classes=11)


def check_against_torchmetrics(pred, target, num_classes):
    matrix = ConfusionMatrix(num_classes)
    matrix.update(pred, target)
    scores = matrix.compute()
    options = {"num_classes": num_classes, "ignore_index": 255}
    expected = {
        "pixel_accuracy": tm.multiclass_accuracy(pred, target, average="micro", **options),
        "mean_accuracy": tm.multiclass_accuracy(pred, target, average="macro", **options),
        "mean_iou": tm.multiclass_jaccard_index(pred, target, average="macro", **options),
        "frequency_weighted_iou": tm.multiclass_jaccard_index(pred, target, average="weighted", **options),
        "iou": tm.multiclass_jaccard_index(pred, target, average="none", **options),
        "dice": tm.multiclass_f1_score(pred, target, average="none", **options),
    }
    assert torch.equal(matrix.matrix, tm.multiclass_confusion_matrix(pred, target, **options))
    for name, value in expected.items():
        # torchmetrics writes 0 for an absent class.
        assert np.nan_to_num(getattr(scores, name)) == pytest.approx(value.numpy(), abs=1e-6), name


def test_logits_count_as_their_largest_channel():
    _, target = random_maps(0)
    logits = torch.randn(3, 5, 12, 17, generator=torch.Generator().manual_seed(1)).requires_grad_()
    from_logits, from_ids = ConfusionMatrix(5), ConfusionMatrix(5)
    from_logits.update(logits, target)
    from_ids.update(logits.argmax(1), target)
    assert torch.equal(from_logits.matrix, from_ids.matrix)
    assert not from_logits.matrix.requires_grad


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
def test_any_integer_type_and_a_single_image(dtype):
    pred, target = random_maps(0, ignored=0)
    expected, got = ConfusionMatrix(5), ConfusionMatrix(5)
    expected.update(pred, target)
    for p, t in zip(pred.to(dtype), target.to(dtype), strict=True):
        got.update(p, t)
    assert torch.equal(got.matrix, expected.matrix)


@pytest.mark.parametrize("seed", range(3))
def test_merging_is_the_same_as_one_update(seed):
    pred, target = random_maps(seed)
    whole, first, second = (ConfusionMatrix(5) for _ in range(3))
    whole.update(pred, target)
    second.update(pred[2:], target[2:])
    first.update(pred[:2], target[:2])
    first.merge(second)
    assert torch.equal(first.matrix, whole.matrix)
    first.reset()
    assert first.matrix.sum() == 0


@pytest.mark.parametrize("seed", range(3))
def test_renaming_the_classes_renames_the_scores(seed):
    pred, target = random_maps(seed, ignored=0)
    order = torch.randperm(5, generator=torch.Generator().manual_seed(seed))
    scores, renamed = score(pred, target, 5), score(order[pred], order[target], 5)
    assert torch.equal(renamed.iou[order], scores.iou)
    assert renamed.mean_iou == pytest.approx(scores.mean_iou)
    assert renamed.frequency_weighted_iou == pytest.approx(scores.frequency_weighted_iou)


def test_dice_is_a_function_of_iou():
    scores = score(*random_maps(0), 5)
    torch.testing.assert_close(scores.dice, 2 * scores.iou / (1 + scores.iou))


def test_nothing_seen_is_nan_and_inputs_stay_as_they_were():
    assert np.isnan(ConfusionMatrix(3).compute().mean_iou)
    pred, target = random_maps(0)
    before = pred.clone(), target.clone()
    score(pred, target, 5)
    assert torch.equal(pred, before[0])
    assert torch.equal(target, before[1])


@pytest.mark.parametrize("value", [3, -1, 254])
def test_a_target_that_is_no_class_is_named(value):
    with pytest.raises(ValueError, match=f"target holds the value {value},"):
        score([[0, 1]], [[0, value]], 3)


def test_without_an_ignore_index_255_is_an_error():
    with pytest.raises(ValueError, match="255"):
        score([[0, 1]], [[0, 255]], 3, ignore_index=None)


def test_a_prediction_that_is_no_class_is_named():
    with pytest.raises(ValueError, match="pred holds the value 3,"):
        score([[0, 3]], [[0, 1]], 3)


@pytest.mark.parametrize(
    ("pred", "error"),
    [
        (torch.zeros(1, 4, 2, 2), ValueError),  # four channels for three classes
        (torch.zeros(1, 2, 3, dtype=torch.long), ValueError),
        (torch.zeros(1, 2, 2), TypeError),  # probabilities of one class, not ids
    ],
    ids=["channels", "size", "float ids"],
)
def test_predictions_that_do_not_fit(pred, error):
    with pytest.raises(error):
        ConfusionMatrix(3).update(pred, torch.zeros(1, 2, 2, dtype=torch.long))


def test_where_torchmetrics_and_smp_differ_on_an_absent_class():
    """torchmetrics lists the absent class as 0 but leaves it out of the mean; smp counts it as 1 in the mean."""
    pred, target = torch.tensor(PRED), torch.tensor(TARGET)
    ours = score(pred, target, 4)
    assert tm.multiclass_jaccard_index(pred, target, 4, average="none")[3] == 0
    assert tm.multiclass_jaccard_index(pred, target, 4).item() == pytest.approx(ours.mean_iou)
    counts = smp.get_stats(pred, target, mode="multiclass", num_classes=4)
    assert smp.iou_score(*counts, reduction="macro").item() == pytest.approx(0.5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_same_counts_on_the_gpu():
    pred, target = random_maps(0)
    here, there = ConfusionMatrix(5), ConfusionMatrix(5)
    here.update(pred, target)
    there.update(pred.cuda(), target.cuda())
    assert there.matrix.is_cuda
    assert torch.equal(there.matrix.cpu(), here.matrix)
    assert there.compute().mean_iou == here.compute().mean_iou
