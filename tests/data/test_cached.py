"""A set in memory gives what the set gives, reads it once, and transforms it every time."""

import pickle

import torch
from torch.utils.data import DataLoader, Subset
from torchvision import tv_tensors

from coursekit.data import Cached, StreetScenes
from coursekit.data.transforms import train_recipe


class Counted:
    classes = ("a", "b")

    def __init__(self, data):
        self.data, self.reads = data, []

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        self.reads.append(index)
        return self.data[index]


def test_samples_are_read_once_and_are_the_same_to_a_rounding():
    scenes = StreetScenes(3, 32)
    counted = Counted(scenes)
    cached = Cached(counted)
    for _ in range(2):
        for index, (image, target) in enumerate(scenes):
            kept_image, kept_target = cached[index]
            assert type(kept_image) is tv_tensors.Image
            assert type(kept_target) is tv_tensors.Mask
            torch.testing.assert_close(kept_image, image, atol=0.5 / 255 + 1e-6, rtol=0)
            assert torch.equal(kept_target, target)
            assert kept_target.dtype == torch.int64
    assert counted.reads == [0, 1, 2]
    assert len(cached) == 3
    assert cached.classes == ("a", "b")


def test_bytes_come_back_exactly():
    image = tv_tensors.Image(torch.arange(256).repeat(3).view(3, 16, 16) / 255)
    kept, target = Cached([(image, tv_tensors.Mask(torch.full((16, 16), 300)))])[0]
    assert torch.equal(kept, image)
    assert (target == 300).all()


def test_random_transforms_stay_random_and_leave_what_is_kept_alone():
    cached = Cached(StreetScenes(1, 64, task="instance", seed=1), train_recipe((48, 48)))
    plain = Cached(cached.data)
    torch.manual_seed(0)
    (first, _), (second, _) = cached[0], cached[0]
    assert not torch.equal(first, second)
    before = plain[0]
    cached[0]
    assert torch.equal(before[1]["masks"], plain[0][1]["masks"])


def test_a_loader_reads_what_is_kept():
    counted = Counted(StreetScenes(4, 32))
    cached = Cached(Subset(counted, range(4)))  # a subset gives whole batches by itself
    for _ in range(2):
        assert len(list(DataLoader(cached, batch_size=2))) == 2
    assert counted.reads == [0, 1, 2, 3]


def test_it_goes_to_a_worker():
    cached = Cached(StreetScenes(2, 32))
    cached[0]
    assert torch.equal(pickle.loads(pickle.dumps(cached))[0][1], cached[0][1])
