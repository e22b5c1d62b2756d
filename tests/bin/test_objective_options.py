"""Losses, assignment and class weights from the command line, and what a snapshot keeps of them."""

import numpy as np
import pytest

from keras_retinanet.bin import train, train_objective
from keras_retinanet.bin.train_objective import make_objective, settle_class_weights
from keras_retinanet.losses import BOX_LOSSES, CLASSIFICATION_LOSSES
from keras_retinanet.models.objective import Objective
from keras_retinanet.models.snapshot import read_facts
from keras_retinanet.preprocessing.class_weights import (
    balanced_weights,
    count_objects,
    read_class_weights,
)
from keras_retinanet.preprocessing.csv_generator import CSVGenerator
from keras_retinanet.preprocessing.samples import AnnotationError
from keras_retinanet.utils.assignments import ASSIGNMENTS
from tests import sketch

WORDS = ["csv", "a.csv", "c.csv"]
CHOSEN = (
    *("--classification-loss", "quality-focal", "--box-loss", "giou", "--box-loss-weight", "1.5"),
    *("--assignment", "atss", "--match-all", "--class-weights", "balanced"),
)


def test_the_words_of_the_options_are_the_keys_of_the_tables():
    assert set(train_objective.LOSSES) == set(CLASSIFICATION_LOSSES)
    assert set(train_objective.BOX_LOSSES) == set(BOX_LOSSES)
    assert set(train_objective.ASSIGNMENTS) == set(ASSIGNMENTS)


def test_a_new_run_trains_towards_what_1_0_did():
    assert make_objective(train.parse_args(WORDS), ("disc",)) == Objective()


def test_options_become_the_objective():
    args = train.parse_args([*CHOSEN, *WORDS])
    args.class_weights = {"disc": 2.0, "square": 0.5}
    found = make_objective(args, ("square", "", "disc"))
    assert found == Objective("quality-focal", "giou", 1.5, "atss", True, (0.5, 1.0, 2.0), 0.0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--box-loss iou", "invalid choice: 'iou'"),
        ("--box-loss-weight 0", "0 must be more than 0"),
        ("--label-smoothing 0.5", "0.5 must be at least 0 and at most 0.49"),
        (
            "--label-smoothing 0.1 --classification-loss quality-focal",
            "--label-smoothing and quality-focal both set the targets",
        ),
    ],
)
def test_choices_that_are_none_end_in_one_line(words, message, outcome):
    code, error = outcome(train, [*words.split(), *WORDS])
    assert code == 2 and message in error and error.count("\n") == 1


def test_balanced_weights_by_hand():
    """1, 1/2 and 1/4, divided by their mean over the 21 objects: (1 + 2 + 4) / 21 = 1/3."""
    np.testing.assert_allclose(balanced_weights([1, 4, 16]), [3, 1.5, 0.75])
    np.testing.assert_allclose(balanced_weights([5, 5]), [1, 1])
    np.testing.assert_allclose(balanced_weights([0, 4]), [2, 1])
    np.testing.assert_allclose(balanced_weights([0, 0]), [1, 1])


def test_objects_are_counted_by_label(drawn):
    generator = CSVGenerator(drawn / "train.csv", drawn / "classes.csv")
    names = [line.rsplit(",", 1)[1] for line in (drawn / "train.csv").read_text().split()]
    assert count_objects(generator).tolist() == [names.count("disc"), names.count("square")]


def test_a_file_of_weights_names_some_classes(tmp_path):
    path = tmp_path / "weights.csv"
    path.write_text("square, 2.5\n\n", encoding="utf-8")
    assert read_class_weights(path, ("disc", "", "square")) == {"disc": 1.0, "square": 2.5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("disc,2\ndisc,3\n", "line 2: the class 'disc' is already on line 1"),
        ("ring,2\n", "line 1: no class is named 'ring'. Write one of disc, square"),
        ("disc\n", "line 1: format should be 'class_name,weight', found 'disc'"),
        (",3\n", "line 1: format should be"),
        ("disc,0\n", "line 1: the weight '0' is not a number above 0"),
        ("disc,nan\n", "line 1: the weight 'nan'"),
        ("disc,much\n", "line 1: the weight 'much'"),
        ("", "the file is empty"),
    ],
    ids=str,
)
def test_a_faulty_file_of_weights_ends_in_one_line(text, message, tmp_path):
    path = tmp_path / "weights.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(AnnotationError) as caught:
        read_class_weights(path, ("disc", "square"))
    assert str(caught.value).startswith(str(path)) and message in str(caught.value)


def test_weights_are_said_in_short_where_there_are_many_classes(monkeypatch, drawn, tmp_path):
    names = tuple(f"c{number}" for number in range(12))
    (tmp_path / "weights.csv").write_text("c3,0.5\nc7,4\n", encoding="utf-8")
    monkeypatch.setattr(train_objective, "class_names", lambda generator: names)
    args, said = train.parse_args(WORDS), []
    args.class_weights = str(tmp_path / "weights.csv")
    settle_class_weights(args, None, said.append)
    assert said == ["class weights: from c3 0.5 to c7 4"]
    settle_class_weights(args, None, said.append)  # of a snapshot: they are there already
    assert len(said) == 1 and args.class_weights["c3"] == 0.5


def test_a_run_keeps_its_objective_and_a_snapshot_goes_on_with_it(drawn, tmp_path, capsys):
    tiny = (
        *("--no-weights", "--backbone", sketch.NAME, "--pyramid-features", "16"),
        *("--head-features", "16", "--head-layers", "1", "--batch-size", "3", "--seed", "1"),
        *("--image-min-side", "96", "--image-max-side", "128", "--steps", "1"),
    )
    words = ["csv", drawn / "train.csv", drawn / "classes.csv", "--config", drawn / "anchors.ini"]
    words = [*map(str, words), "--snapshot-path", str(tmp_path), "--run-name"]
    train.main([*words, "one", *tiny, *CHOSEN, "--epochs", "1"])
    first = read_facts(tmp_path / "one" / "last.keras")["training"]
    chosen = {name: first[name] for name in train_objective.NEW_OBJECTIVE}
    weights = chosen.pop("class_weights")
    assert chosen == {
        "classification_loss": "quality-focal",
        "box_loss": "giou",
        "box_loss_weight": 1.5,
        "assignment": "atss",
        "match_all": True,
        "label_smoothing": 0.0,
    }
    assert set(weights) == {"disc", "square"}
    assert f"disc {weights['disc']:.3g}" in capsys.readouterr().out
    snapshot = ["--snapshot", str(tmp_path / "one" / "last.keras"), "--epochs", "2"]
    more = ["--steps", "1", "--batch-size", "3", "--no-match-all", "--class-weights", "none"]
    train.main([*words, "two", *snapshot, *more])
    second = read_facts(tmp_path / "two" / "last.keras")["training"]
    assert second == {**first, "match_all": False, "class_weights": "none"}
