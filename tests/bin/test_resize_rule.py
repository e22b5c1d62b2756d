"""The commands resize pictures as the model's profile says."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from keras_retinanet.bin import evaluate, train, train_network
from keras_retinanet.utils.profile import Profile
from keras_retinanet.utils.resizing import RESIZE_RULES


@pytest.fixture
def words(tmp_path):
    """Return the words for a dataset of one picture of 83 x 31."""
    image = np.random.default_rng(0).integers(0, 256, (83, 31, 3)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    (tmp_path / "a.csv").write_text("a.png,2,3,20,60,disc")
    (tmp_path / "c.csv").write_text("disc,0")
    return ["csv", str(tmp_path / "a.csv"), str(tmp_path / "c.csv")]


@pytest.mark.parametrize("rule", RESIZE_RULES)
def test_evaluation_and_training_follow_the_profiles_rule(words, rule):
    profile = replace(Profile(), resize_rule=rule, image_min_side=80, image_max_side=120)
    measured = evaluate.create_generator(evaluate.parse_args([*words, "a.keras"]), profile)
    args = train.parse_args([*words, "--no-weights"])
    train_network.settle_pictures(args, profile)
    trained, _ = train.create_generators(args)
    image = trained.load_image(0)
    expected, _ = RESIZE_RULES[rule](image, 80, 120)
    for generator in (measured, trained):
        assert generator.resize_rule == rule
        np.testing.assert_array_equal(generator.resize_image(image)[0], expected)


def test_a_new_network_is_trained_on_1_0s_resize(words):
    args = train.parse_args([*words, "--image-min-side", "80", "--image-max-side", "120"])
    assert train.create_generators(args)[0].resize_rule == "opencv"
