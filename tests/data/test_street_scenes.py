"""StreetScenes: the same scene everywhere, and labels of four tasks that agree."""

import hashlib
import pickle
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation
from torch.utils.data import DataLoader
from torchvision import tv_tensors
from torchvision.transforms import v2

from coursekit.data.scenes.geometry import Camera, capsules, fill
from coursekit.data.street_scenes import TASKS, StreetScenes

SIZES = [(128, 128), (96, 160), (120, 64)]
INDICES = range(24)
SKY, BUILDING, POLE, PEDESTRIAN = (
    StreetScenes.classes.index(name) for name in ("sky", "building", "pole", "pedestrian")
)
SMALL = [StreetScenes.classes.index(name) for name in ("pole", "sign", "pedestrian", "bicyclist")]


def scenes(task="semantic", length=1000, size=(96, 160), **knobs):
    return StreetScenes(length, size, task, **knobs)


def digest(tensor):
    return hashlib.sha256(np.ascontiguousarray(tensor.numpy())).hexdigest()[:16]


def same(a, b):
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


# What comes out


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_shapes_and_types(task, size):
    height, width = size
    image, target = scenes(task, size=size)[7]
    assert isinstance(image, tv_tensors.Image)
    assert image.dtype == torch.float32
    assert image.shape == ((1 if task == "edges" else 3), height, width)
    assert 0 <= image.min() < image.max() <= 1
    if task == "semantic":
        assert isinstance(target, tv_tensors.Mask)
        assert target.dtype == torch.int64
        assert target.shape == (height, width)
    elif task == "panoptic":
        assert isinstance(target["ids"], tv_tensors.Mask)
        assert target["ids"].dtype == torch.int64
        assert target["ids"].shape == (height, width)
    elif task == "edges":
        assert isinstance(target, tv_tensors.Image)
        assert target.shape == (3, height, width)
    else:
        count = len(target["labels"])
        assert isinstance(target["masks"], tv_tensors.Mask)
        assert isinstance(target["boxes"], tv_tensors.BoundingBoxes)
        assert target["boxes"].format == tv_tensors.BoundingBoxFormat.XYXY
        assert target["boxes"].canvas_size == (height, width)
        assert (target["masks"].dtype, target["boxes"].dtype) == (torch.bool, torch.float32)
        assert target["labels"].dtype == torch.int64
        assert target["masks"].shape == (count, height, width)
        assert target["boxes"].shape == (count, 4)
        if task == "keypoints":
            assert target["keypoints"].shape == (count, 17, 3)
            assert target["keypoints"].dtype == torch.float32


@pytest.mark.parametrize("task", ["instance", "keypoints"])
def test_a_scene_without_things_has_empty_tensors(task):
    dataset = scenes(task, min_area=10**9)
    _, target = dataset[0]
    assert target["masks"].shape == (0, 96, 160)
    assert target["boxes"].shape == (0, 4)
    assert len(target["labels"]) == 0


def test_one_number_is_a_square():
    assert scenes(size=48)[0][0].shape == (3, 48, 48)


@pytest.mark.parametrize("size", [(16, 16), (16, 200), (200, 16)], ids=str)
def test_small_and_narrow_sizes_work(size):
    for index in range(20):
        image, target = scenes(size=size)[index]
        assert image.shape[1:] == target.shape == size
        assert image.isfinite().all()


def test_classes_are_those_of_camvid():
    from coursekit.data.camvid import CamVid

    assert StreetScenes.classes == CamVid.classes


def test_every_class_occurs_and_none_else():
    dataset = scenes()
    counts = sum(np.bincount(dataset[i][1].numpy().ravel(), minlength=256) for i in range(200))
    classes = len(StreetScenes.classes)
    assert (counts[:classes] > 2000).all()
    assert counts[classes:255].sum() == 0
    assert counts[255] > 0


def test_pictures_differ_in_light():
    brightness = [scenes(size=64)[i][0].mean().item() for i in range(60)]
    assert min(brightness) < 0.25
    assert max(brightness) > 0.5


# The same everywhere


@pytest.mark.parametrize("task", TASKS)
def test_same_seed_and_index_is_the_same_item(task):
    short, long = scenes(task, length=9), scenes(task)
    backwards = [short[i] for i in reversed(range(9))][::-1]
    assert all(same(backwards[i], long[i]) for i in range(9))


def test_another_seed_or_index_is_another_scene():
    maps = [digest(scenes(seed=seed)[index][1]) for seed in range(5) for index in range(10)]
    assert len(set(maps)) == 50


def test_all_tasks_show_the_same_photo():
    photos = [scenes(task)[5][1 if task == "edges" else 0] for task in TASKS]
    assert all(same(photo, photos[0]) for photo in photos)


# Made on x86-64; they change only when the generator does.
MAPS = {
    (0, 0, (128, 128)): "2eb2d728855fd10a",
    (0, 1, (128, 128)): "6defa5837630a827",
    (0, 4, (96, 160)): "a14307477f79bedc",
    (123, 45, (256, 384)): "caaba9dcd655f7e8",
}


@pytest.mark.parametrize(("seed", "index", "size"), MAPS, ids=str)
def test_label_maps_have_not_changed(seed, index, size):
    labels = scenes(seed=seed, size=size)[index][1]
    assert digest(labels.to(torch.uint8)) == MAPS[seed, index, size]


@pytest.mark.slow
def test_another_process_makes_the_same_bytes():
    code = (
        "import hashlib; from coursekit.data.street_scenes import StreetScenes\n"
        "image, labels = StreetScenes(9, (96, 160), seed=3)[8]\n"
        "print(*(hashlib.sha256(t.contiguous().numpy()).hexdigest()[:16] for t in (image, labels)))"
    )
    environment = {"PYTHONHASHSEED": "77", "OMP_NUM_THREADS": "1", "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512_SKX"}
    out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    image, labels = scenes(seed=3)[8]
    assert out.stdout.split() == [digest(image), digest(labels)]


def test_the_global_generators_are_left_alone():
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    scenes("keypoints")[3]
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()  # noqa: NPY002


def test_two_workers_read_the_same():
    dataset = scenes(length=8, size=48)
    loader = DataLoader(dataset, batch_size=4, num_workers=2)
    images, labels = map(torch.cat, zip(*loader, strict=True))
    assert all(same((images[i], labels[i]), tuple(t.as_subclass(torch.Tensor) for t in dataset[i])) for i in range(8))


def test_pickled_and_back():
    dataset = scenes("panoptic", seed=4, weather="fog", void_border=1)
    again = pickle.loads(pickle.dumps(dataset))
    assert len(again) == len(dataset)
    assert same(again[11], dataset[11])


def test_memory_stays_flat():
    dataset = scenes("keypoints", size=64)
    dataset[0]
    tracemalloc.start()
    for index in range(10, 20):
        dataset[index]
    settled, _ = tracemalloc.get_traced_memory()
    for index in range(20, 80):
        dataset[index]
    later, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert later - settled < 50_000


# The tasks agree


@pytest.mark.parametrize("border", [0, 1, 2])
def test_panoptic_map_shows_the_semantic_map(border):
    for index in INDICES:
        labels = scenes(void_border=border)[index][1]
        panoptic = scenes("panoptic", void_border=border)[index][1]
        shown = torch.full_like(panoptic["ids"], 255)
        for segment in panoptic["segments_info"]:
            shown[panoptic["ids"] == segment["id"]] = segment["category_id"]
        assert torch.equal(shown, labels)


def test_segments_info_describes_the_map():
    for index in INDICES:
        target = scenes("panoptic", void_border=1)[index][1]
        ids, info = target["ids"], target["segments_info"]
        assert [segment["id"] for segment in info] == [i for i in ids.unique().tolist() if i != 0]
        stuff = [segment["category_id"] for segment in info if not segment["isthing"]]
        assert len(stuff) == len(set(stuff))
        for segment in info:
            rows, columns = torch.nonzero(ids == segment["id"], as_tuple=True)
            left, top, width, height = segment["bbox"]
            assert segment["area"] == len(rows)
            assert (left, top) == (columns.min(), rows.min())
            assert (width, height) == (columns.max() - columns.min() + 1, rows.max() - rows.min() + 1)
            assert segment["isthing"] == (segment["category_id"] in StreetScenes.things)
            assert segment["iscrowd"] == 0


def test_instances_are_the_things_of_the_panoptic_map():
    for index in INDICES:
        panoptic = scenes("panoptic")[index][1]
        target = scenes("instance")[index][1]
        things = [segment for segment in panoptic["segments_info"] if segment["isthing"]]
        assert target["labels"].tolist() == [segment["category_id"] for segment in things]
        for mask, box, segment in zip(target["masks"], target["boxes"].tolist(), things, strict=True):
            left, top, width, height = segment["bbox"]
            assert torch.equal(mask, panoptic["ids"] == segment["id"])
            assert box == [left, top, left + width, top + height]


def test_people_are_the_pedestrians_among_the_instances():
    for index in INDICES:
        things, people = scenes("instance")[index][1], scenes("keypoints")[index][1]
        pedestrian = things["labels"] == PEDESTRIAN
        for key in ("masks", "boxes", "labels"):
            assert same(people[key], things[key][pedestrian]), key


def people_of(count, **knobs):
    """(mask, keypoints (17, 3)) of the people in the first scenes."""
    for index in range(count):
        target = scenes("keypoints", size=(128, 192), **knobs)[index][1]
        yield from zip(target["masks"], target["keypoints"], strict=True)


def test_keypoints_lie_where_their_visibility_says():
    seen = np.zeros(3, dtype=int)
    for mask, keypoints in people_of(60, void_border=1):
        for x, y, visibility in keypoints.tolist():
            seen[int(visibility)] += 1
            if visibility == 0:
                assert (x, y) == (0, 0)
            else:
                assert 0 <= x < mask.shape[1]
                assert 0 <= y < mask.shape[0]
            if visibility == 2:
                assert mask[int(y), int(x)]
    assert (seen > 20).all()


def test_a_covered_keypoint_is_hidden():
    covered = 0
    for mask, keypoints in people_of(60):
        for x, y, visibility in keypoints.tolist():
            if visibility > 0 and not mask[int(y), int(x)]:
                assert visibility == 1
                covered += 1
    assert covered > 50


def test_bodies_are_upright_and_left_is_left():
    name = StreetScenes.keypoint_names.index
    faces = backs = 0
    for _, points in people_of(80, object_size=1.5):
        visible = points[:, 2]
        if visible[name("nose")] and visible[name("left_ankle")]:
            assert points[name("nose"), 1] < points[name("left_ankle"), 1]
        if (visible[[name("left_ear"), name("right_ear")]] < 2).any() or not visible[5:7].all():
            continue  # seen from the side, or not seen
        left_is_on_our_right = points[name("left_shoulder"), 0] > points[name("right_shoulder"), 0]
        assert left_is_on_our_right == (visible[name("nose")] == 2)  # it is when the face is turned to us
        faces, backs = faces + left_is_on_our_right.item(), backs + (~left_is_on_our_right).item()
    assert min(faces, backs) > 5


def test_edges_outline_what_stands_against_the_sky():
    for index in INDICES:
        lines, photo = scenes("edges")[index]
        labels = scenes()[index][1]
        assert set(lines.unique().tolist()) == {0.0, 1.0}
        assert same(photo, scenes()[index][0])
        skyline = (labels[:-1] == SKY) & (labels[1:] == BUILDING)
        assert lines[0, :-1][skyline].all()
        assert 0.02 < lines.mean() < 0.5


# Knobs


def test_noise_has_its_deviation_and_leaves_the_labels():
    (calm, labels), (noisy, same_labels) = (
        scenes(noise=0.0, weather="overcast")[2],
        scenes(noise=0.1, weather="overcast")[2],
    )
    difference = (noisy - calm)[(calm > 0.35) & (calm < 0.65)]
    assert torch.equal(labels, same_labels)
    assert difference.std() == pytest.approx(0.1, rel=0.05)
    assert abs(difference.mean()) < 0.01


def test_imbalance_leaves_out_the_small_classes():
    def share(imbalance):
        maps = [scenes(imbalance=imbalance)[i][1] for i in range(40)]
        return [sum((labels == c).sum().item() for labels in maps) for c in SMALL]

    usual, rare, none = share(0.0), share(0.7), share(1.0)
    assert all(a > 2 * b > 0 for a, b in zip(usual, rare, strict=True))
    assert none == [0] * len(SMALL)


def test_thin_narrows_poles():
    areas = [sum((scenes(thin=t, size=(160, 160))[i][1] == POLE).sum() for i in range(20)) for t in (0.4, 1.0, 2.5)]
    assert areas[0] < 0.8 * areas[1]
    assert areas[1] < 0.8 * areas[2]


@pytest.mark.parametrize("border", [1, 3])
def test_void_border_has_its_width(border):
    for index in range(8):
        ids = scenes("panoptic", min_area=1)[index][1]["ids"].numpy()
        found = scenes("panoptic", min_area=1, void_border=border)[index][1]["ids"].numpy()
        near = np.zeros(ids.shape, dtype=bool)
        for segment in np.unique(ids):
            near |= binary_dilation(ids != segment, iterations=border) & (ids == segment)
        assert (found == np.where(near, 0, ids)).all()


def test_object_size_enlarges_things():
    def height(scale):
        boxes = torch.cat([scenes("instance", object_size=scale)[i][1]["boxes"] for i in range(30)])
        return (boxes[:, 3] - boxes[:, 1]).mean()

    assert height(0.5) < 0.8 * height(1.0)
    assert height(1.0) < 0.8 * height(1.8)


def test_things_of_too_few_pixels_are_void():
    for index in INDICES:
        every, large = (scenes("panoptic", min_area=a)[index][1] for a in (1, 60))
        small = [s["id"] for s in every["segments_info"] if s["isthing"] and s["area"] < 60]
        assert torch.equal(large["ids"], torch.where(torch.isin(every["ids"], torch.tensor(small)), 0, every["ids"]))


def test_weather_changes_the_light_only():
    def photos(weather):
        return torch.stack([scenes(weather=weather)[i][0] for i in range(8)])

    maps = {digest(scenes(weather=weather)[3][1]) for weather in ("clear", "overcast", "rain", "fog", "dusk", "night")}
    assert len(maps) == 1
    assert photos("night").mean() < 0.75 * photos("clear").mean()
    fog, overcast = (photos(weather)[..., 30:50, 60:100].quantile(0.1) for weather in ("fog", "overcast"))
    assert fog > overcast + 0.15  # far away nothing is dark


# Arguments


@pytest.mark.parametrize("index", [5, -6, 100])
def test_index_out_of_range(index):
    with pytest.raises(IndexError, match=f"{index}.*5"):
        scenes(length=5)[index]


def test_length_iteration_and_counting_from_the_end():
    dataset = scenes(length=5, size=32)
    assert len(dataset) == len(list(dataset)) == 5
    assert same(dataset[-1], dataset[4])
    assert same(dataset[np.int64(2)], dataset[2])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("length", -1),
        ("size", 8),
        ("size", (64, 3)),
        ("task", "depth"),
        ("seed", -1),
        ("noise", -0.1),
        ("imbalance", 1.5),
        ("thin", 0.0),
        ("void_border", -1),
        ("object_size", 3.0),
        ("min_area", 0),
        ("weather", "snow"),
    ],
)
def test_bad_arguments_are_named(name, value):
    with pytest.raises(ValueError, match=f"^{name} is "):
        StreetScenes(**{"length": 3, name: value})


def test_transforms_get_image_and_target():
    flip = v2.RandomHorizontalFlip(p=1.0)
    for task, key in (("semantic", None), ("instance", "masks"), ("edges", None)):
        (image, target), (flipped, mirrored) = scenes(task)[6], scenes(task, transforms=flip)[6]
        target, mirrored = (target, mirrored) if key is None else (target[key], mirrored[key])
        assert torch.equal(flipped, image.flip(-1))
        assert torch.equal(mirrored, target.flip(-1))


# Geometry


def test_fill_is_the_half_plane_test_at_pixel_centres():
    generator = np.random.default_rng(0)
    for _ in range(50):
        angles = np.sort(generator.uniform(0, 2 * np.pi, 8))
        centre, radius = generator.uniform(-10, 60, 2), generator.uniform(0.5, 30)
        outline = np.rint(16 * (centre[:, None] + radius * np.stack([np.cos(angles), np.sin(angles)]))) / 16
        canvas = np.zeros((40, 50), dtype=np.int64)
        fill(canvas, outline[..., None], np.array([1]))

        y, x = np.mgrid[0:40, 0:50] + 0.5
        (x0, y0), (x1, y1) = outline[..., None, None], np.roll(outline, -1, axis=1)[..., None, None]
        side = (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)
        inside, outside = (side > 1e-9).all(axis=0), (side < -1e-9).any(axis=0)
        assert (canvas[inside] == 1).all()
        assert (canvas[outside] == 0).all()


def test_fill_paints_later_outlines_over_earlier_ones():
    square = np.array([(0, 4, 4, 0, 0, 0, 0, 0), (0, 0, 4, 4, 4, 4, 4, 4)], dtype=float)
    canvas = np.zeros((4, 6), dtype=np.int64)
    fill(canvas, np.stack([square, square + np.array([[2], [0]])], axis=-1), np.array([7, 3]))
    assert (canvas == [7, 7, 3, 3, 3, 3]).all()


def test_capsules_are_as_wide_as_their_radii_say():
    outline = capsules(np.array([[0.0], [0.0]]), np.array([[3.0], [4.0]]), np.array([[1.0], [2.0]]))[..., 0]
    across, along = np.array([-0.8, 0.6]) @ outline, np.array([0.6, 0.8]) @ outline
    assert np.ptp(across[:4]) == pytest.approx(2.0)
    assert np.ptp(across[4:]) == pytest.approx(4.0)
    assert along.min() == pytest.approx(-1.0)
    assert along.max() == pytest.approx(5 + 2.0)


def test_points_of_no_length_become_octagons():
    point = np.array([[2.0], [3.0]])
    outline = capsules(point, point, np.array([[1.0], [1.0]]))[..., 0] - point
    assert (np.abs(outline).max(axis=1) == 1).all()


def test_camera_sees_the_vanishing_point_and_its_own_height_on_the_horizon():
    camera = Camera(focal=100.0, centre=60.0, horizon=50.0, height=1.5)
    (x, y), scale = camera.project(np.array([[1.0, 3.0], [1.5, 0.0], [10.0, 1e9]]))
    assert (x[0], y[0], scale[0]) == (70.0, 50.0, 10.0)
    assert (x[1], y[1]) == (pytest.approx(60.0), pytest.approx(50.0))
