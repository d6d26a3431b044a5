"""Every position of the switches shows the network with those skips silenced, and leaves the network as it was."""

import numpy as np
import pytest
import torch

from coursekit import metrics, models
from coursekit.figures import SkipSwitchboard
from coursekit.figures.skip_switchboard import skips_off

CLASSES = ["sky", "road", "car"]
IMAGE, TARGET = torch.rand(3, 24, 32), torch.randint(3, (24, 32))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return models.UNet(3, 3, 4, depth=2, padding="same").eval()


@pytest.fixture(scope="module")
def figure(model):
    return SkipSwitchboard(model, IMAGE, TARGET, CLASSES)


def shown(figure, key):
    return torch.from_numpy(np.frombuffer(figure.labels[key], dtype=np.uint8).reshape(24, 32).astype(np.int64))


def test_there_is_a_result_for_every_position(figure):
    assert sorted(figure.labels) == sorted(figure.scores) == ["00", "01", "10", "11"]
    assert figure.switches == [True, True]


def test_all_on_is_the_network_itself(model, figure):
    with torch.no_grad():
        assert torch.equal(shown(figure, "11"), model(IMAGE[None])[0].argmax(0))


def test_off_is_weights_of_zero(figure):
    """Silencing the finest skip is the same as a network whose weights for it are zero."""
    torch.manual_seed(0)
    other = models.UNet(3, 3, 4, depth=2, padding="same").eval()
    with torch.no_grad():
        other.merge[-1][0].weight[:, :4] = 0  # the skip comes first
        assert torch.equal(shown(figure, "01"), other(IMAGE[None])[0].argmax(0))


def test_scores_are_those_of_the_metrics(figure):
    matrix = metrics.ConfusionMatrix(3)
    matrix.update(shown(figure, "10")[None], TARGET[None])
    assert figure.scores["10"]["mean"] == pytest.approx(float(matrix.compute().mean_iou))


def test_the_switches_leave_no_trace(model):
    with torch.no_grad():
        before = model(IMAGE[None])
        with skips_off(model, [0, 1]):
            assert not torch.equal(model(IMAGE[None]), before)
        assert torch.equal(model(IMAGE[None]), before)


def test_the_picture_tells_the_scores(figure):
    assert "all skips: mean IoU 0." in figure.picture().alt
