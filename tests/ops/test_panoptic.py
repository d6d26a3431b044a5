import pytest
import torch

from coursekit.ops import id_to_rgb, merge_panoptic, rgb_to_id


def test_8_colours_are_ids():
    colour = torch.tensor([[[10, 2, 1]]], dtype=torch.uint8)
    assert rgb_to_id(colour).tolist() == [[66058]]
    assert rgb_to_id(colour.flip(-1)).tolist() == [[655873]]
    assert rgb_to_id(colour).dtype == torch.int64
    assert torch.equal(id_to_rgb(torch.tensor([[66058]])), colour)


def test_every_byte_survives_the_round_trip():
    ids = torch.randint(0, 256**3, (40, 50), generator=torch.Generator().manual_seed(0))
    ids[0, :3] = torch.tensor([0, 255, 256**3 - 1])
    colours = id_to_rgb(ids)
    assert colours.shape == (40, 50, 3)
    assert colours.dtype == torch.uint8
    assert torch.equal(rgb_to_id(colours), ids)


def test_colours_first_are_an_error():
    with pytest.raises(ValueError, match=r"the shape is \(3, 5, 6\): permute it"):
        rgb_to_id(torch.zeros(3, 5, 6, dtype=torch.uint8))


@pytest.mark.parametrize("wrong", [-1, 256**3])
def test_ids_that_no_colour_holds_are_an_error(wrong):
    with pytest.raises(ValueError, match=f"ids from 0 to 16777215 fit into a colour; .* {wrong}"):
        id_to_rgb(torch.tensor([[5, wrong]]))


def columns(first, last):
    mask = torch.zeros(4, 6, dtype=torch.bool)
    mask[:2, first : last + 1] = True
    return mask


def test_8_the_merging_heuristic():
    """B is two thirds covered by A and goes; C a quarter, and is clipped; two free pixels are too little stuff."""
    masks = torch.stack([columns(0, 2), columns(1, 3), columns(2, 5)])
    stuff = torch.zeros(4, 6, dtype=torch.int64)
    stuff[2:, :5], stuff[2:, 5] = 10, 11
    scores, classes = torch.tensor([0.9, 0.8, 0.7]), torch.tensor([1, 1, 2])
    ids, categories = merge_panoptic(masks, scores, classes, stuff, overlap=0.5, min_stuff_area=3)
    assert ids.tolist() == 2 * [[1, 1, 1, 2, 2, 2]] + 2 * [[3, 3, 3, 3, 3, 0]]
    assert categories == {1: 1, 2: 2, 3: 10}


def test_overlap_of_just_the_limit_stays():
    masks = torch.stack([columns(0, 1), columns(1, 2)])
    nothing = torch.zeros(4, 6, dtype=torch.int64)
    scores, classes = torch.tensor([0.5, 0.9]), torch.tensor([7, 8])
    ids, categories = merge_panoptic(masks, scores, classes, nothing)
    assert ids[0].tolist() == [2, 1, 1, 0, 0, 0]
    assert categories == {1: 8, 2: 7}
    assert merge_panoptic(masks, scores, classes, nothing, overlap=0.4)[1] == {1: 8}


def test_no_id_without_pixels():
    masks = torch.stack([columns(0, 5), columns(1, 2), columns(5, 4)])
    stuff = 3 * columns(0, 3).long()
    ids, categories = merge_panoptic(masks, torch.tensor([0.9, 0.8, 0.7]), torch.tensor([1, 2, 3]), stuff, overlap=1.0)
    assert ids.unique().tolist() == [0, 1]
    assert categories == {1: 1}


def test_stuff_keeps_an_area_of_just_the_limit():
    none = torch.zeros(0, 4, 6, dtype=torch.bool), torch.zeros(0), torch.zeros(0, dtype=torch.int64)
    stuff = 9 * columns(0, 1).long()
    assert merge_panoptic(*none, stuff, min_stuff_area=4)[1] == {1: 9}
    assert merge_panoptic(*none, stuff, min_stuff_area=5)[1] == {}


@pytest.mark.parametrize("seed", range(8))
def test_against_sets_of_pixels(seed):
    """The same rule, told with sets."""
    generator = torch.Generator().manual_seed(seed)
    masks = torch.rand(6, 5, 7, generator=generator) < torch.rand(6, 1, 1, generator=generator)
    scores, classes = torch.rand(6, generator=generator), torch.randint(1, 4, (6,), generator=generator)
    stuff = torch.randint(0, 4, (5, 7), generator=generator) * 10

    segments, taken = [], set()
    for k in sorted(range(6), key=lambda k: -scores[k]):
        pixels = {tuple(p) for p in masks[k].nonzero().tolist()}
        if len(pixels & taken) <= 0.4 * len(pixels) and pixels - taken:
            segments.append((int(classes[k]), pixels - taken))
            taken |= pixels
    for class_id in (10, 20, 30):
        pixels = {tuple(p) for p in (stuff == class_id).nonzero().tolist()} - taken
        if len(pixels) >= 3:
            segments.append((class_id, pixels))

    ids, categories = merge_panoptic(masks, scores, classes, stuff, overlap=0.4, min_stuff_area=3)
    seen = [(c, {tuple(p) for p in (ids == segment).nonzero().tolist()}) for segment, c in categories.items()]
    assert seen == segments
    assert int((ids > 0).sum()) == sum(len(pixels) for _, pixels in segments)


def test_shapes_that_do_not_fit_are_an_error():
    with pytest.raises(ValueError, match=r"the size of the stuff map, \(4, 5\)"):
        merge_panoptic(torch.zeros(1, 4, 6).bool(), torch.ones(1), torch.ones(1).long(), torch.zeros(4, 5).long())
