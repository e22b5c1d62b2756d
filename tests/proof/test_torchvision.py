"""torchvision's networks, run as installed, against what their files make here.

Needs torchvision (requirements-proof.txt). Networks have random weights and statistics of batch
norm, and are written in torchvision's own format.
"""

import contextlib
import functools
import json

import cv2
import pytest

from keras_retinanet import evaluation, models
from keras_retinanet.bin import evaluate, evaluate_detect
from keras_retinanet.models.snapshot import profile_of
from keras_retinanet.weights import coco_classes
from tests.proof import sides
from tests.proof import torchvision_networks as networks
from tests.proof.comparison import Detections, agreement

pytestmark = [pytest.mark.proof, pytest.mark.filterwarnings("ignore")]

SIZES = [(192, 256), (193, 251), (224, 161)]  # even sides, odd sides, one of each
BATCHES = {
    "even": SIZES[:1],
    "odd": SIZES[1:2],
    "mixed": SIZES[2:],
    "two true sizes": SIZES[:2],
}
CASES = {
    "v1 resnet50": ("file.pth", dict),
    "v2 resnet50": ("file.safetensors", dict),
    "v1 resnet18": ("file.safetensors", networks.older_names),
    "v2 resnext50": ("file.pth", dict),
}


def _family(kind):
    """Return what the user has to say of a file: only that epsilon is not the published one's."""
    return kind.family if kind.family == "torchvision_trained" else None


@functools.lru_cache(maxsize=1)
def _network_of(name):
    return networks.build(networks.KINDS[name])


@pytest.fixture(params=CASES, scope="module")
def pair(request, tmp_path_factory):
    """Return (name, torchvision's network, ours from its file)."""
    theirs = _network_of(request.param)
    file, rename = CASES[request.param]
    path = networks.save(theirs, tmp_path_factory.mktemp("torchvision") / file, rename)
    kind = networks.KINDS[request.param]
    ours = models.load_model(path, family=_family(kind))
    assert profile_of(ours).family == kind.family
    return f"torchvision {request.param}", theirs, ours


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_pyramid_heads_anchors_and_boxes_are_torchvisions(pair, size, record):
    name, theirs, ours = pair
    picture = sides.picture_of(size)
    heads = networks.heads(theirs, sides.for_torchvision([picture]))
    found = sides.part_differences(heads, ours, picture)
    for part, value in found.items():
        record(name, part, value)
    assert found["anchors"] == 0
    assert max(found.values()) <= sides.TOLERANCE, found


@pytest.mark.parametrize("sizes", BATCHES.values(), ids=BATCHES)
def test_detections_are_torchvisions(pair, sizes, record):
    name, theirs, ours = pair
    pictures = [sides.picture_of(size, seed=1) for size in sizes]
    heads = networks.heads(theirs, sides.for_torchvision(pictures))
    for found in sides.detection_agreements(theirs, heads, ours, pictures):
        record.detections(name, found)
        found.check()


PHOTOGRAPHS = [(240, 320), (333, 201), (480, 641)]  # made larger, smaller, and cut to the limit
MIN_SIDE, MAX_SIDE = 256, 320


def _dataset(folder, pictures):
    """Write pictures and a COCO file of them; return the words of retinanet-evaluate."""
    for index, picture in enumerate(pictures):
        cv2.imwrite(str(folder / f"{index}.png"), picture[..., ::-1])
    images = [
        {"id": index, "file_name": f"{index}.png", "height": shape[0], "width": shape[1]}
        for index, shape in enumerate(picture.shape for picture in pictures)
    ]
    categories = [{"id": key, "name": name} for key, name in coco_classes.CLASSES.items()]
    content = {"images": images, "categories": categories, "annotations": []}
    (folder / "instances.json").write_text(json.dumps(content))
    return ["coco", "--annotations", str(folder / "instances.json"), "--images", str(folder)]


@pytest.fixture
def resizing():
    """Return f(torchvision's network) that makes it resize again, as it does by itself."""
    changed = []

    def resize(network):
        transform = network.transform
        changed.append((transform, transform.resize))
        del transform.resize  # the instance's; the class' own comes to light
        transform.min_size, transform.max_size = (MIN_SIDE,), MAX_SIDE
        return network

    yield resize
    for transform, nothing in changed:
        transform.resize = nothing


def test_files_of_pictures_are_evaluated_to_torchvisions_detections(
    pair, resizing, tmp_path, record
):
    name, theirs, ours = pair
    pictures = [sides.picture_of(size, seed=2) for size in PHOTOGRAPHS]
    words = [*_dataset(tmp_path, pictures), "--image-min-side", str(MIN_SIDE)]
    args = evaluate.parse_args([*words, "--image-max-side", str(MAX_SIDE), "a.keras"])
    generator = evaluate_detect.create_generator(args, profile_of(ours))
    runner, threshold = evaluate_detect.make_runner(args, ours, len(pictures))
    detections, _ = evaluation.detect_dataset(generator, runner, threshold, 300)
    with torch_of(resizing(theirs)) as run:
        truths = [run(sides.for_torchvision([picture]))[0] for picture in pictures]
    for truth, found in zip(truths, detections, strict=True):
        expected = sides.expected_detections(truth)
        edges = [threshold, expected.scores.min()]
        found = agreement(Detections.of(found.boxes, found.scores, found.labels), expected, edges)
        record.detections(f"{name}, from files", found)
        found.check()


@contextlib.contextmanager
def torch_of(network):
    """Give the network to run without gradients."""
    import torch

    with torch.no_grad():
        yield network


def test_the_epsilon_of_the_published_file_matters(tmp_path):
    theirs = networks.build(networks.KINDS["v1 resnet50"])
    path = networks.save(theirs, tmp_path / "file.pth")
    picture = sides.picture_of(SIZES[0])
    heads = networks.heads(theirs, sides.for_torchvision([picture]))
    ours = models.load_model(path, family="torchvision_trained")
    assert sides.part_differences(heads, ours, picture)["logits"] > sides.TOLERANCE
