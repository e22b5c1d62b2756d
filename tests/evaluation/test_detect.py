"""Tests of one pass of a detector over a dataset, and of what is read from the dataset."""

import numpy as np
import pytest

from keras_retinanet.evaluation import detect_dataset, evaluate, labels_of, truths_of
from keras_retinanet.evaluation.loading import WAITING, Loaded, in_batches
from keras_retinanet.utils import eval as old_eval
from keras_retinanet.utils.compute_overlap import compute_overlap
from tests.evaluation.fakes import (
    FakeDetector,
    FakeGenerator,
    FakeGeneratorWithRegion,
    FakeNetwork,
    detections,
    truths,
)

LEFT = (0, 0, 10, 10)
RIGHT = (20, 0, 30, 10)


def test_detect_dataset_gives_boxes_in_pixels_of_the_original_best_first():
    found = [detections(), detections((1, 0.3, *LEFT), (0, 0.75, *RIGHT))]
    generator = FakeGenerator([truths(), truths()], {0: "cat", 1: "dog"}, scale=3)
    results, seconds = detect_dataset(generator, FakeDetector(found, scale=3))
    assert [len(result.scores) for result in results] == [0, 2]
    assert results[0].boxes.shape == (0, 4)
    assert results[1].boxes.tolist() == [[20, 0, 30, 10], [0, 0, 10, 10]]
    assert results[1].scores.tolist() == [0.75, np.float32(0.3)]
    assert results[1].labels.tolist() == [0, 1]
    assert seconds > 0


def test_detect_dataset_keeps_scores_above_the_threshold_and_the_best_of_all_classes():
    rows = [(0, 0.25, *LEFT), (0, 0.5, *LEFT), (1, 0.75, *LEFT), (0, 1.0, *LEFT)]
    generator = FakeGenerator([truths()], {0: "cat", 1: "dog"})
    model = FakeDetector([detections(*rows)])
    [result], _ = detect_dataset(generator, model, score_threshold=0.25)
    assert result.scores.tolist() == [1.0, 0.75, 0.5]
    [result], _ = detect_dataset(generator, model, score_threshold=0.1, max_detections=2)
    assert result.labels.tolist() == [0, 1]
    [result], _ = detect_dataset(generator, model, score_threshold=-2, max_detections=None)
    assert len(result.scores) == 4  # padding is no detection, whatever the threshold


def test_detect_dataset_of_no_images_is_empty_and_takes_no_time():
    assert detect_dataset(FakeGenerator([], {0: "cat"}), FakeDetector([])) == ([], 0.0)


class _OfTwoSizes(FakeGenerator):
    """Every third image is twice as wide, none is prepared before the model has room."""

    def load_image(self, index):
        image = super().load_image(index)
        return image.repeat(2, axis=1) if index % 3 == 0 else image

    def preprocess_image(self, image):
        return image.astype(np.float32) - 100.0


class _Noting(FakeDetector):
    """Note the shapes of the batches."""

    def __init__(self, found):
        super().__init__(found)
        self.shapes = []

    def predict_on_batch(self, images):
        self.shapes.append(images.shape[:3])
        return super().predict_on_batch(images)


def test_images_of_one_size_go_together_and_stay_in_order():
    rng = np.random.default_rng(0)
    found = [detections((0, score, *LEFT), (1, score / 2, *RIGHT)) for score in rng.random(20)]
    generator = _OfTwoSizes([truths()] * 20, {0: "cat", 1: "dog"})
    alone, _ = detect_dataset(generator, _Noting(found))
    model = _Noting(found)
    together, seconds = detect_dataset(generator, model, batch_size=4)
    assert [shape[0] for shape in model.shapes] == [4] * 4 + [3, 1]
    assert {shape[1:] for shape in model.shapes} == {(80, 120), (80, 240)}
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.scores, other.scores)
        np.testing.assert_array_equal(one.boxes, other.boxes)
    assert seconds > 0


def test_images_whose_size_is_rare_do_not_wait_for_ever():
    def loaded(index, width):
        return Loaded(index, None, np.zeros((1, width, 3)), None)

    images = [loaded(index, index + 1) for index in range(12)]  # no two of one size
    batches = list(in_batches(iter(images), 2))
    assert [[one.index for one in batch] for batch in batches] == [[i] for i in range(12)]
    taken = []

    def watched():
        for one in images:
            taken.append(one.index)
            yield one

    first = next(in_batches(watched(), 2))
    assert first[0].index == 0 and len(taken) == 2 * WAITING


def test_detect_dataset_raises_what_a_broken_image_raises():
    class Broken(FakeGenerator):
        def load_image(self, index):
            if index == 3:
                raise OSError("picture 3 is truncated")
            return super().load_image(index)

    generator = Broken([truths()] * 6, {0: "cat"})
    with pytest.raises(OSError, match="picture 3 is truncated"):
        detect_dataset(generator, FakeDetector([detections()] * 6))


class NamedNetwork(FakeNetwork):
    output_names = ["regression", "classification"]


class NetworkWithMasks(FakeNetwork):
    def predict_on_batch(self, images):
        return *super().predict_on_batch(images), np.zeros((1, 7, 3), np.float32)


class FakeTrainingModel:
    network = FakeNetwork()

    def compute_loss(self):
        raise AssertionError("evaluation has no loss")


@pytest.mark.parametrize(
    "network", [FakeNetwork(), NamedNetwork(), NetworkWithMasks(), FakeTrainingModel()]
)
def test_a_bare_network_is_refused_with_the_way_to_wrap_it(network):
    generator = FakeGenerator([truths()], {0: "cat"})
    with pytest.raises(ValueError, match=r"needs a detector.*convert_model\(model\)") as error:
        detect_dataset(generator, network)
    assert "\n" not in str(error.value)


def test_save_path_gets_a_picture_of_each_image_with_its_boxes(tmp_path):
    image_module = pytest.importorskip("PIL.Image")
    folder = tmp_path / "new" / "pictures"
    generator = FakeGenerator([truths(), truths((0, 5, 8, 35, 28))], {0: "cat"})
    # the second scores too low to be drawn
    found = [detections(), detections((0, 0.9, 15, 14, 45, 36), (0, 0.2, 50, 2, 57, 38))]
    results, _ = detect_dataset(generator, FakeDetector(found), save_path=folder)
    assert sorted(path.name for path in folder.iterdir()) == ["0.png", "1.png"]
    plain = np.asarray(image_module.open(folder / "0.png"))
    assert plain.shape == (40, 60, 3) and (plain == 0).all()
    drawn = np.asarray(image_module.open(folder / "1.png"))
    assert (drawn[20, 5] == (0, 255, 0)).all()  # the left side of the true box is green
    assert (drawn[30, 45] != 1).any()  # the right side of the detected box
    assert (drawn[20:36, 50:58] == 1).all()  # outside both
    assert results[1].boxes.tolist() == [[15, 14, 45, 36], [50, 2, 57, 38]]


def test_save_path_that_cannot_be_made_is_named_before_any_detection(tmp_path):
    file = tmp_path / "file"
    file.write_text("in the way")
    with pytest.raises(ValueError, match=r"cannot make the folder .*file/sub"):
        detect_dataset(FakeGenerator([truths()], {0: "cat"}), None, save_path=file / "sub")


def test_evaluate_reports_each_class_the_generator_knows():
    generator = FakeGenerator(
        [truths((1, *LEFT)), truths((1, *RIGHT), (4, *LEFT))], {1: "cat", 4: "dog", 6: "cow"}
    )
    found = [detections((1, 0.9, *LEFT)), detections((4, 0.8, *RIGHT), (4, 0.7, *LEFT))]
    values, seconds = evaluate(generator, FakeDetector(found))
    assert values == {1: (0.5, 2), 4: (0.5, 1), 6: (0.0, 0)}
    assert seconds > 0


def test_evaluate_survives_ids_from_one_where_num_classes_counts_them():
    class Counted(FakeGenerator):
        def num_classes(self):
            return len(self.names)

    generator = Counted([truths((2, *LEFT))], {1: "cat", 2: "dog"})
    values, _ = evaluate(generator, FakeDetector([detections((2, 0.9, *LEFT))]))
    assert values == {1: (0.0, 0), 2: (1.0, 1)}


def test_evaluate_leaves_out_what_is_found_in_regions_to_ignore():
    generator = FakeGeneratorWithRegion([truths((1, *RIGHT))], {1: "cat", 4: "dog"})
    found = [detections((1, 0.9, *LEFT), (4, 0.8, *LEFT), (1, 0.7, *RIGHT))]
    values, _ = evaluate(generator, FakeDetector(found))
    assert values == {1: (1.0, 1), 4: (0.0, 0)}


def test_labels_of_leaves_out_labels_that_the_generator_does_not_know():
    generator = FakeGenerator([truths((3, *LEFT), (1, *LEFT))], {1: "cat", 2: "dog"})
    assert labels_of(generator, truths_of(generator)) == [1, 2]


def test_truths_of_reads_empty_annotations_and_lists():
    class Lists(FakeGenerator):
        def load_annotations(self, index):
            return {"labels": [], "bboxes": []} if index else {"labels": [2], "bboxes": [LEFT]}

    first, second = truths_of(Lists([truths(), truths()], {2: "cat"}))
    assert first.boxes.tolist() == [[0, 0, 10, 10]] and first.labels.tolist() == [2]
    assert second.boxes.shape == (0, 4) and second.labels.shape == (0,)


def test_truths_of_names_the_image_whose_labels_and_boxes_differ_in_number():
    class Uneven(FakeGenerator):
        def load_annotations(self, index):
            return {"labels": [0, 1], "bboxes": [LEFT]}

    with pytest.raises(ValueError, match=r"load_annotations\(0\) of Uneven gives 1 bboxes and 2"):
        truths_of(Uneven([truths()], {0: "cat"}))


def test_old_tables_hold_boxes_by_image_and_label():
    generator = FakeGenerator([truths((2, *LEFT)), truths()], {0: "cat", 2: "dog"})
    model = FakeDetector([detections((2, 0.5, *RIGHT), (0, 0.75, *LEFT)), detections()])
    annotations = old_eval._get_annotations(generator)
    assert [[boxes.tolist() for boxes in image] for image in annotations] == [
        [[], [], [[0, 0, 10, 10]]],
        [[], [], []],
    ]
    found, seconds = old_eval._get_detections(generator, model)
    assert [[rows.tolist() for rows in image] for image in found] == [
        [[[0, 0, 10, 10, 0.75]], [], [[20, 0, 30, 10, 0.5]]],
        [[], [], []],
    ]
    assert seconds > 0


def test_old_names_are_the_new_functions():
    assert old_eval.evaluate is evaluate
    assert old_eval._compute_ap([1.0], [0.5]) == 0.5
    assert compute_overlap(np.array([[0.0, 0, 10, 10, 7]]), np.array([LEFT, RIGHT])).tolist() == [
        [1.0, 0.0]
    ]
