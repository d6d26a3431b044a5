"""Training: it learns, is repeatable, plots itself, and stops with a clear word."""

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from coursekit import training
from coursekit.metrics import ConfusionMatrix


@pytest.fixture
def task():
    """Bright pixels are class 1; a tenth is void."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(24, 3, 8, 8, generator=generator)
    target = (images.mean(dim=1) > 0.5).long()
    target[torch.rand(24, 8, 8, generator=generator) < 0.1] = 255
    return TensorDataset(images, target)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 2, 1))


def test_it_learns_and_scores_the_validation_set(task):
    model = network()
    history = training.fit(model, task, task, epochs=12, learning_rate=0.05, progress=False)
    losses = [epoch.loss for epoch in history.epochs]
    assert losses[-1] < 0.4 * losses[0]
    assert history.epochs[-1].mean_iou > 0.85
    assert [epoch.number for epoch in history.epochs] == list(range(1, 13))


def test_the_same_seed_gives_the_same_weights(task):
    first, second, other = network(), network(), network()
    for model, seed in ((first, 1), (second, 1), (other, 2)):
        training.fit(model, task, epochs=2, seed=seed, progress=False)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters()))
    assert not all(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters()))


def test_evaluate_is_the_confusion_matrix_of_all_pixels(task):
    model = network()
    images, target = task.tensors
    matrix = ConfusionMatrix(2)
    matrix.update(model(images), target)
    found = training.evaluate(model, task, batch_size=5)
    assert found.mean_iou == pytest.approx(matrix.compute().mean_iou)


def test_mixed_precision_trains(task):
    history = training.fit(network(), task, epochs=3, learning_rate=0.05, precision="bf16", progress=False)
    assert history.epochs[-1].loss < history.epochs[0].loss


def test_a_loss_that_is_no_number_stops_with_its_place(task):
    def broken(logits, target):
        return logits.mean() * float("nan")

    with pytest.raises(FloatingPointError, match="batch 0 of epoch 1"):
        training.fit(network(), task, loss=broken, progress=False)


def test_nothing_to_do_is_an_error(task):
    with pytest.raises(ValueError, match="epochs is 0; it must be 1 or more"):
        training.fit(network(), task, epochs=0)
    with pytest.raises(ValueError, match="nothing to train on"):
        training.fit(network(), [], epochs=1)


def test_a_history_plots_itself(task):
    history = training.fit(network(), task, task, epochs=2, progress=False)
    data, metadata = history._repr_mimebundle_()
    assert data["image/png"].startswith(b"\x89PNG")
    assert "validation mean IoU from" in metadata["image/png"]["alt"]
    assert repr(history).startswith("epoch 1, loss ")
    assert len(repr(history).splitlines()) == 2


def test_an_empty_history_says_so():
    assert repr(training.History()) == "no epoch yet"
    with pytest.raises(ValueError, match="no epoch yet"):
        training.History().plot()
