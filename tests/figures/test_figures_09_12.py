"""What the figures of lectures 09 to 12 show are the library's numbers, and each has a picture that stands still."""

import pytest
import torch
from torchvision import ops as torchvision_ops

from coursekit import data, figures, models

FEATURES = torch.arange(16.0).view(4, 4)


def test_the_box_gives_what_torchvision_gives():
    box = (0.6, 0.3, 2.9, 3.4)
    values = figures.RoiBox(FEATURES, box, bins=3, samples=2).values()
    features, boxes = FEATURES[None, None], [torch.tensor([box])]
    expected = {
        "RoIPool": torchvision_ops.roi_pool(features, boxes, 3),
        "RoIAlign": torchvision_ops.roi_align(features, boxes, 3, sampling_ratio=2, aligned=True),
        "RoIAlign, not aligned": torchvision_ops.roi_align(features, boxes, 3, sampling_ratio=2, aligned=False),
    }
    assert values.keys() == expected.keys()
    for name, value in values.items():
        assert torch.allclose(value, expected[name][0, 0], atol=1e-5), name


def test_the_boxs_picture_tells_the_numbers():
    alt = figures.RoiBox(FEATURES, (0, 0, 3, 3), bins=2, samples=1).picture().alt
    assert "RoIPool gives [[5.0, 7.0], [13.0, 15.0]]" in alt
    assert "RoIAlign gives [[1.25, 2.75], [7.25, 8.75]]" in alt


@pytest.fixture(scope="module")
def walker():
    image, target = data.StreetScenes(10, (120, 160), task="keypoints", seed=7)[9]
    return image, target["keypoints"][-1], target["boxes"][-1]


@pytest.mark.parametrize("heatmaps", [None, torch.rand(17, 56, 56)])
def test_a_person_becomes_seventeen_masks(walker, heatmaps):
    image, keypoints, box = walker
    figure = figures.KeypointHeatmaps(image, keypoints, box, data.StreetScenes.keypoint_names, heatmaps=heatmaps)
    assert len(figure.keypoints) == len(figure.names) == 17
    assert len(figure.heatmaps) == (0 if heatmaps is None else 17 * 56 * 56)
    assert f"{int((keypoints[:, 2] > 0).sum())} of them marked" in figure.picture().alt


def test_the_mixture_is_the_one_of_the_paper():
    prototypes = torch.tensor([[[1.0, 0.0], [0.0, 2.0]], [[0.0, 1.0], [1.0, 0.0]]])
    mixer = figures.PrototypeMixer(
        torch.rand(3, 4, 4), prototypes, {"car": torch.tensor([1.0, -1.0])}, {"car": torch.tensor([0, 0, 2, 2])}
    )
    assert torch.allclose(mixer.mask(), torch.tensor([[0.6817, 0.3183], [0.3183, 0.8210]]), atol=1e-4)
    mixer.tanh = False
    assert torch.allclose(mixer.mask(), torch.tensor([[0.7311, 0.2689], [0.2689, 0.8808]]), atol=1e-4)
    mixer.boxes = {"car": [0, 0, 2, 1]}
    assert torch.equal(mixer.mask()[1], torch.zeros(2))
    assert "1 of 4 pixels are inside" in mixer.picture().alt


@pytest.mark.parametrize("shape", ["disc", "pole"])
def test_a_perfect_prediction_is_the_best_in_the_laboratory(shape):
    perfect = figures.LossLaboratory(shape, shift=0, confidence=0.99).values()
    for wrong in ({"shift": 3}, {"growth": 2}, {"growth": -2}, {"confidence": 0.6}):
        settings = {"shift": 0, "confidence": 0.99, **wrong}
        for name, (value, gradient) in figures.LossLaboratory(shape, **settings).values().items():
            assert gradient.shape == (32, 32)
            if name == "boundary" and "confidence" not in wrong:
                continue  # linear: an eroded object may cost less than its mean depth says
            assert value >= perfect[name][0], (name, wrong)


def test_the_laboratorys_picture_tells_the_losses():
    alt = figures.LossLaboratory(shift=0, confidence=0.9).picture().alt
    assert "cross-entropy 0.105" in alt  # −ln 0.9


def test_instances_are_drawn_with_their_masks():
    image, target = data.StreetScenes(10, (120, 160), task="instance", seed=7)[9]
    nothing = {key: value[:0] for key, value in target.items()}
    classes = data.StreetScenes.classes
    full, empty = (
        figures.show_instances({"street": (image, found)}, classes, alt="A street with its objects.", columns=1)
        for found in (target, nothing)
    )
    assert full.png != empty.png


def test_a_generator_that_does_not_fit_the_sheet_is_refused():
    drawings = {"a street": torch.zeros(1, 24, 24)}
    with pytest.raises(ValueError, match="multiples of 16"):
        figures.SketchToStreet(models.UNet(3, 1, base_channels=4, depth=4, padding="same"), drawings)
    with pytest.raises(ValueError, match="padding='valid'"):
        figures.SketchToStreet(models.UNet(3, 1, base_channels=4, depth=3), drawings)


def test_the_browser_gets_every_weight_of_the_generator():
    generator = models.UNet(3, 1, base_channels=4, depth=2, padding="same")
    figure = figures.SketchToStreet(generator, {"a line": torch.eye(16)[None]})
    assert len(figure.weights) == 4 * sum(parameter.numel() for parameter in generator.parameters())
    assert figure.paint(torch.eye(16)[None]).shape == (3, 16, 16)
    assert "a line" in figure.picture().alt
