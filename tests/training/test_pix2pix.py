"""The game of generator and discriminator: its losses at known points, a trained generator that knows streets."""

import math

import pytest
import torch
from torch import nn

from coursekit.data import StreetScenes
from coursekit.ops import receptive_field
from coursekit.training import pix2pix


class Undecided(nn.Module):
    """A discriminator that says ½ everywhere."""

    def forward(self, x):
        return x[:, :1] * 0


def test_at_one_half_the_losses_are_logarithms_of_two():
    drawing, photo, fake = torch.rand(2, 1, 16, 16), torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16)
    assert pix2pix.discriminator_loss(Undecided(), drawing, photo, fake).item() == pytest.approx(1.3862944)
    game = pix2pix.generator_loss(Undecided(), drawing, photo, photo).item() / pix2pix.GAME_WEIGHT
    assert game == pytest.approx(math.log(2))
    worse = pix2pix.generator_loss(Undecided(), drawing, photo, photo + 0.1).item()
    assert worse == pytest.approx(pix2pix.GAME_WEIGHT * math.log(2) + 10, abs=1e-4)


def test_the_discriminators_step_leaves_the_generator_alone():
    drawing, photo = torch.rand(1, 1, 32, 32), torch.rand(1, 3, 32, 32)
    painter, judge = pix2pix.new_generator(), pix2pix.new_discriminator()
    pix2pix.discriminator_loss(judge, drawing, photo, painter(drawing).sigmoid()).backward()
    assert all(parameter.grad is None for parameter in painter.parameters())
    assert all(parameter.grad is not None for parameter in judge.parameters())


def test_the_discriminator_judges_patches():
    judge = pix2pix.new_discriminator()
    assert receptive_field(judge).size == 34
    assert judge(torch.zeros(1, 4, 64, 64)).shape == (1, 1, 14, 14)


@torch.no_grad()
def test_the_trained_generator_paints_the_street_that_was_drawn():
    streets = StreetScenes(12, pix2pix.SIDE, task="edges", seed=5, weather="clear")
    drawings, photos = (torch.stack([streets[i][part].as_subclass(torch.Tensor) for i in range(12)]) for part in (0, 1))
    painted = pix2pix.generator()(drawings).sigmoid()
    errors = (painted[:, None] - photos).abs().mean((2, 3, 4))
    assert (errors.argmin(1) == torch.arange(12)).sum() >= 10, "nearly each is nearest to its own photo"


@pytest.mark.slow
def test_a_few_steps_learn_something():
    few = pix2pix.learn(steps=30, scenes=16)
    streets = StreetScenes(2, pix2pix.SIDE, task="edges", seed=1, weather="clear")
    drawing, photo = (each[None].as_subclass(torch.Tensor) for each in streets[0])
    torch.manual_seed(0)
    untrained = pix2pix.new_generator().eval()
    errors = [(network(drawing).sigmoid() - photo).abs().mean().item() for network in (few, untrained)]
    assert errors[0] < errors[1]
