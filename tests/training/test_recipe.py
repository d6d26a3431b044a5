"""What `coursekit train` trains: every network has a narrow form, and it fits what it is to learn."""

import pytest
import torch
from torchvision.ops import box_iou

from coursekit import data
from coursekit.models.yolact import ANCHOR_SIDES, POSITIVE_IOU, make_priors
from coursekit.training import recipe


@pytest.mark.parametrize("model", recipe.NARROW)
def test_every_network_has_a_narrow_form_that_learns_its_task(model, monkeypatch):
    real = data.StreetScenes
    monkeypatch.setattr(data, "StreetScenes", lambda length, *others, **options: real(2, *others, **options))
    size = (64, 64)
    task = recipe.task_for(model)
    train, validation, classes = recipe.sets("streets", task, size)
    assert classes == 11
    assert len(train) == len(validation) == 2
    network = recipe.network(model, classes, size)
    assert sum(parameter.numel() for parameter in network.parameters()) < 6e6
    wider = recipe.network(model, classes, size, width=24)
    assert sum(map(len, wider.parameters())) > sum(map(len, network.parameters()))


@pytest.mark.parametrize("size", [(96, 128), (256, 256), (384, 384)])
def test_yolact_s_priors_fit_most_things_of_a_street(size):
    """Otherwise the only positives are priors that hardly touch their object, and little is ever found."""
    scenes = data.StreetScenes(4, size, "instance", seed=0)
    pictures, targets = zip(*(scenes[number] for number in range(len(scenes))))
    model, picture = recipe.network("yolact", len(scenes.classes), size, width=4), pictures[0][None]
    priors = make_priors(model.pyramid(picture), picture, model.anchor_sides)
    boxes = torch.cat([target["boxes"] for target in targets])
    assert (box_iou(boxes, priors).amax(dim=1) >= POSITIVE_IOU).float().mean() > 0.5


def test_large_pictures_keep_yolact_s_published_sizes():
    model = recipe.network("yolact", 2, (550, 550), width=4)
    assert (model.enlarge, model.anchor_sides) == (1, ANCHOR_SIDES)


def test_what_does_not_go_together_is_said():
    with pytest.raises(ValueError, match=r"no training of 'yolop' by command; there is for fcn32s, "):
        recipe.task_for("yolop")
    with pytest.raises(ValueError, match=r"'nuclei' has no labels for a semantic network; there are streets, camvid"):
        recipe.sets("nuclei", "semantic", (32, 32))
    with pytest.raises(data.MissingSetError, match="data get camvid"):
        raise_missing()


def raise_missing():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSEKIT_DATA", "/nowhere")
        patch.setattr("pooch.os_cache", lambda name: "/nowhere")
        recipe.sets("camvid", "semantic", (32, 32))
