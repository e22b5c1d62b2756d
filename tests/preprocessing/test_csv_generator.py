"""The CSV dataset on files: pictures checked at the start, boxes inside, 1.0's questions."""

import numpy as np
import pytest
from PIL import Image

from keras_retinanet.preprocessing.csv_generator import (
    AnnotationError,
    AnnotationWarning,
    CSVGenerator,
)
from keras_retinanet.utils.image import ImageError

SIZES = [(40, 60), (50, 50), (60, 40)]


def test_a_subclass_may_keep_some_of_the_pictures_by_their_names(csv_files):
    class First(CSVGenerator):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.image_names = self.image_names[:2]

    generator = First(*csv_files([(40, 50), (30, 60), (50, 50)]), batch_size=2, no_resize=True)
    assert generator.size() == 2 and len(generator) == 1
    assert generator.image_names == ("0.png", "1.png")
    assert generator.load_annotations(1)["bboxes"].tolist() == [[1, 2, 57, 26]]
    images, (boxes, _) = generator[0]
    assert images.shape == (2, 40, 60, 3) and len(boxes) == 2


def test_a_dataset_answers_the_questions_of_1_0(csv_files):
    generator = CSVGenerator(*csv_files(SIZES))
    assert generator.size() == 3
    assert generator.num_classes() == 3
    assert [generator.has_label(label) for label in range(4)] == [True, False, True, False]
    assert generator.has_name("dog")
    assert not generator.has_name("cow")
    assert generator.name_to_label("dog") == 2
    assert [generator.label_to_name(label) for label in range(3)] == ["cat", "unnamed 1", "dog"]
    assert generator.image_path(1).endswith("1.png")
    assert [generator.image_aspect_ratio(index) for index in range(3)] == [1.5, 1, 40 / 60]
    assert generator.load_image(2).shape == (60, 40, 3)
    assert generator.load_annotations(0)["bboxes"].tolist() == [[1, 2, 57, 36]]
    assert generator.image_names == ("0.png", "1.png", "2.png")
    assert generator.image_data["0.png"] == [{"x1": 1, "y1": 2, "x2": 57, "y2": 36, "class": "cat"}]


def test_pictures_lie_beside_the_annotations_or_in_base_dir(csv_files, tmp_path):
    annotations, classes = csv_files(SIZES)
    elsewhere = tmp_path / "lists" / "rows.csv"
    elsewhere.parent.mkdir()
    annotations.rename(elsewhere)
    assert CSVGenerator(elsewhere, classes, base_dir=tmp_path).size() == 3
    with pytest.raises(ImageError, match="3 of 3 pictures cannot be used: .*lists.*0.png"):
        CSVGenerator(elsewhere, classes)
    elsewhere.write_text(f"{tmp_path / '1.png'},,,,,\n")
    assert CSVGenerator(elsewhere, classes).load_image(0).shape == (50, 50, 3)


def test_paths_may_lead_anywhere_as_in_1_0(csv_files, tmp_path):
    annotations, classes = csv_files(SIZES, ["../0.png,1,2,3,4,cat", f"{tmp_path}/1.png,,,,,"])
    (tmp_path / "lists").mkdir()
    annotations = annotations.rename(tmp_path / "lists/rows.csv")
    generator = CSVGenerator(annotations, classes)
    assert [generator.load_image(index).shape[:2] for index in range(2)] == SIZES[:2]


def test_regions_to_ignore_are_clipped_and_left_out_with_their_pictures(csv_files, tmp_path):
    rows = ["0.png,-5,3,20,20,crowd", "0.png,1,1,9,9,cat", "1.png,5,5,80,20,crowd", "2.png,,,,,"]
    annotations, classes = csv_files(SIZES, rows)
    generator = CSVGenerator(annotations, classes, ignore_classes=["crowd"])
    assert generator.load_ignored(0)["bboxes"].tolist() == [[0, 3, 20, 20]]
    assert generator.load_ignored(1)["bboxes"].tolist() == [[5, 5, 50, 20]]
    assert generator.load_ignored(1)["labels"].tolist() == [-1]
    assert generator.load_annotations(1)["bboxes"].shape == (0, 4)
    assert [generator.has_label(label) for label in range(-1, 3)] == [False, True, False, True]
    damage(tmp_path / "0.png", "empty")
    with pytest.warns(AnnotationWarning, match="1 pictures are left out"):
        lenient = CSVGenerator(annotations, classes, ignore_classes=["crowd"], skip_broken=True)
    assert lenient.load_ignored(0)["bboxes"].tolist() == [[5, 5, 50, 20]]


def test_an_ignored_class_of_the_class_file_leaves_its_id_free(csv_files):
    files = csv_files(SIZES, ["0.png,1,2,30,30,cat", "0.png,1,2,9,9,dog"])
    generator = CSVGenerator(*files, ignore_classes="cat")
    assert generator.classes == {"dog": 2}
    assert generator.num_classes() == 3
    assert generator.load_annotations(0)["labels"].tolist() == [2]
    assert CSVGenerator(*files, ignore_classes="dog").num_classes() == 1


def test_errors_of_the_files_reach_the_caller(csv_files, tmp_path):
    annotations, classes = csv_files(SIZES, ["0.png,1,2,3,4,cow"])
    with pytest.raises(AnnotationError, match="rows.csv, line 1: unknown class name: 'cow'"):
        CSVGenerator(annotations, classes)
    with pytest.raises(AnnotationError, match="none.csv: the file does not exist"):
        CSVGenerator(annotations, tmp_path / "none.csv")


def test_boxes_outside_are_clipped_or_left_out_and_counted_at_the_start(csv_files):
    rows = [
        "0.png,-4,-5,20,20,cat",
        "0.png,10,10,61,30,dog",
        "0.png,60,10,80,30,dog",
        "1.png,5,5,50,50,dog",
        "2.png,-9,3,-1,9,cat",
    ]
    with pytest.warns(AnnotationWarning) as found:
        generator = CSVGenerator(*csv_files(SIZES, rows), seed=0)
    messages = [str(warning.message).split("rows.csv: ")[1] for warning in found]
    assert messages == [
        "2 boxes reach outside their pictures and are clipped",
        "2 boxes lie wholly outside their pictures and are left out",
    ]
    assert generator.load_annotations(0)["bboxes"].tolist() == [[0, 0, 20, 20], [10, 10, 60, 30]]
    assert generator.load_annotations(0)["labels"].tolist() == [0, 2]
    assert generator.load_annotations(2)["bboxes"].shape == (0, 4)
    for index in range(3):
        generator.raw_batch(index)  # nothing is left to warn of


def damage(path, kind):
    content = path.read_bytes()
    if kind == "missing":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "truncated": content[:60], "text": b"not a picture"}[kind])


@pytest.mark.parametrize("kind", ["missing", "empty", "truncated", "text"])
def test_a_broken_picture_is_found_before_the_first_step(csv_files, tmp_path, kind):
    files = csv_files(SIZES)
    damage(tmp_path / "1.png", kind)
    with pytest.raises(ImageError, match=r"1\.png") as error:
        CSVGenerator(*files, group_method="none")
    assert "\n" not in str(error.value)


def test_a_picture_above_the_pixel_limit_is_refused(csv_files):
    with pytest.raises(ImageError, match=r"1\.png"):
        CSVGenerator(*csv_files(SIZES), max_pixels=2400)


def test_many_broken_pictures_are_counted_and_the_first_named(csv_files, tmp_path):
    files = csv_files([(20, 20)] * 6)
    for index in range(1, 6):
        damage(tmp_path / f"{index}.png", "missing")
    with pytest.raises(ImageError, match="5 of 6 pictures cannot be used: .*1.png.*; and 2 more"):
        CSVGenerator(*files)


def test_broken_pictures_are_left_out_and_counted_on_request(csv_files, tmp_path):
    files = csv_files(SIZES)
    damage(tmp_path / "1.png", "empty")
    with pytest.warns(AnnotationWarning, match="1 pictures are left out: .*1.png"):
        generator = CSVGenerator(*files, skip_broken=True, shuffle_groups=False)
    assert generator.size() == 2
    assert generator.skipped == [str(tmp_path / "1.png")]
    assert generator.groups == [[1], [0]]
    assert generator.load_annotations(1)["bboxes"].tolist() == [[1, 2, 37, 56]]
    assert generator.load_image(1).shape == (60, 40, 3)
    assert generator.image_size(1) == (60, 40)


def test_nothing_is_left_when_every_picture_is_broken(csv_files, tmp_path):
    files = csv_files(SIZES[:1])
    damage(tmp_path / "0.png", "empty")
    with pytest.raises(ImageError, match=r"0\.png"):
        CSVGenerator(*files, skip_broken=True)


def test_a_picture_that_breaks_later_is_named_or_replaced(csv_files, tmp_path):
    files = csv_files(SIZES)
    strict = CSVGenerator(*files, group_method="none", shuffle_groups=False)
    lenient = CSVGenerator(*files, group_method="none", shuffle_groups=False, skip_broken=True)
    damage(tmp_path / "1.png", "truncated")
    with pytest.raises(ImageError, match=r"1\.png"):
        strict.raw_batch(1)
    _, truth = lenient.raw_batch(1)
    assert truth["sizes"].tolist() == lenient.raw_batch(0)[1]["sizes"].tolist()
    assert lenient.skipped == [str(tmp_path / "1.png")]


def test_a_subclass_with_its_own_loading_is_not_checked_for_files(csv_files):
    class Doubled(CSVGenerator):
        def __init__(self, *args, **kwargs):
            self.loaded = []
            super().__init__(*args, **kwargs)

        def load_image(self, image_index):
            self.loaded.append(image_index)
            return np.full((10, 20, 3), image_index, np.uint8)

        def image_aspect_ratio(self, image_index):
            return 2

    files = csv_files([], ["x.png,1,2,3,4,cat", "y.png,1,2,3,4,dog"])
    generator = Doubled(*files, no_resize=True, shuffle_groups=False)
    images, truth = generator.raw_batch(1)
    assert images.shape == (1, 10, 20, 3)
    assert (images == 1).all()
    assert truth["labels"][0, 0] == 2
    assert generator.loaded == [1]


def test_blood_cells_are_read_whole(real_data):
    folder = real_data / "blood_cells"
    generator = CSVGenerator(folder / "train.csv", folder / "classes.csv", batch_size=4, seed=1)
    assert generator.size() == 292
    assert len(generator) == 73
    assert len(generator.samples.boxes) == 3941
    assert [generator.label_to_name(label) for label in range(3)] == ["Platelets", "RBC", "WBC"]
    assert generator.load_annotations(0)["bboxes"][:2].tolist() == [
        [260, 177, 491, 376],
        [78, 336, 184, 435],
    ]
    images, truth = generator.raw_batch(0)
    assert images.shape == (4, 800, 1067, 3)
    assert (truth["labels"] >= 0).sum(axis=1).min() > 0


def test_raccoons_with_a_header_are_read_as_they_are(real_data, tmp_path):
    (tmp_path / "classes.csv").write_text("raccoon,0\n")
    with pytest.warns(AnnotationWarning, match="a header was found"):
        generator = CSVGenerator(
            real_data / "raccoons" / "data" / "raccoon_labels.csv",
            tmp_path / "classes.csv",
            base_dir=real_data / "raccoons" / "images",
        )
    assert generator.size() == 200
    first = generator.image_names.index("raccoon-1.jpg")
    assert generator.load_annotations(first)["bboxes"].tolist() == [[81, 88, 522, 408]]
    with Image.open(generator.image_path(first)) as image:
        assert generator.image_size(first) == (image.height, image.width) == (417, 650)
    assert len(generator.samples.boxes) == 217
