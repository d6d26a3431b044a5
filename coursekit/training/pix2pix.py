"""From drawings to streets: a U-Net as generator, a discriminator that judges patches, and their game.

Isola et al., *Image-to-image translation with conditional adversarial networks* (pix2pix), CVPR 2017. The trained
generator ships beside this file; `python -m coursekit.training.pix2pix` makes it again, in a quarter of an hour.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from coursekit.data import StreetScenes
from coursekit.models import UNet
from coursekit.training.checkpoints import load_weights, save_weights

WEIGHTS = Path(__file__).with_name("pix2pix.safetensors")
SIDE = 64
L1_WEIGHT = 100.0  # of the mean absolute error, as in the paper
GAME_WEIGHT = 2.0  # of the generator's part in the game; twice the paper's, for so small a discriminator


def new_generator() -> UNet:
    """A drawing (N, 1, H, W) in, the logits of a picture (N, 3, H, W) out; dropout is its only noise."""
    return UNet(num_classes=3, in_channels=1, base_channels=8, depth=3, padding="same")


def new_discriminator() -> nn.Sequential:
    """A drawing and a picture (N, 4, H, W) in, a logit for each overlapping patch of 34 × 34 pixels out."""

    def block(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(in_channels, out_channels, 4, stride, padding=1), nn.LeakyReLU(0.2))

    return nn.Sequential(block(4, 24, 2), block(24, 48, 2), block(48, 48, 1), nn.Conv2d(48, 1, 4, padding=1))


def generator() -> nn.Module:
    """The trained generator, in evaluation mode: `generator()(drawing).sigmoid()` is the picture."""
    return load_weights(new_generator(), WEIGHTS).float().eval()


def discriminator_loss(discriminator: nn.Module, drawing: Tensor, photo: Tensor, fake: Tensor) -> Float[Tensor, ""]:
    """−ln D(photo) − ln(1 − D(fake)), means over the patches: 2 ln 2 while it cannot tell them apart."""
    real = discriminator(torch.cat([drawing, photo], dim=1))
    made = discriminator(torch.cat([drawing, fake.detach()], dim=1))
    return F.softplus(-real).mean() + F.softplus(made).mean()


def generator_loss(discriminator: nn.Module, drawing: Tensor, photo: Tensor, fake: Tensor) -> Float[Tensor, ""]:
    """−ln D(fake), the non-saturating form, and the mean absolute error."""
    game = F.softplus(-discriminator(torch.cat([drawing, fake], dim=1))).mean()
    return L1_WEIGHT * (fake - photo).abs().mean() + GAME_WEIGHT * game


def learn(steps: int = 4000, scenes: int = 800, batch_size: int = 8, seed: int = 0) -> nn.Module:
    """Train a generator on clear streets, mirrored at random; Adam, both players in turn."""
    streets = StreetScenes(scenes, SIDE, task="edges", seed=1, weather="clear")
    pairs = [streets[i] for i in range(scenes)]
    drawings, photos = (torch.stack([pair[part].as_subclass(Tensor) for pair in pairs]) for part in (0, 1))
    torch.manual_seed(seed)
    painter, judge = new_generator(), new_discriminator()
    of_painter = torch.optim.Adam(painter.parameters(), 2e-3, betas=(0.5, 0.999))
    of_judge = torch.optim.Adam(judge.parameters(), 4e-4, betas=(0.5, 0.999))
    falling = torch.optim.lr_scheduler.LambdaLR(of_painter, lambda step: min(1.0, 2 * (1 - step / steps)))
    for _ in range(steps):
        batch = torch.randint(scenes, (batch_size,))
        mirrored = (torch.rand(batch_size) < 0.5)[:, None, None, None]
        drawing, photo = (torch.where(mirrored, each[batch].flip(-1), each[batch]) for each in (drawings, photos))
        fake = painter(drawing).sigmoid()
        of_judge.zero_grad()
        (discriminator_loss(judge, drawing, photo, fake) / 2).backward()
        of_judge.step()
        of_painter.zero_grad()
        generator_loss(judge, drawing, photo, fake).backward()
        of_painter.step()
        falling.step()
    return painter.eval()


if __name__ == "__main__":
    save_weights(WEIGHTS, learn().half())
