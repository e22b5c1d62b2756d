"""Compute the COCO AP of any file of weights on COCO, as retinanet-evaluate does.

WEIGHTS is whatever the commands read: a snapshot, or a file or preset of another project. COCO_DIR
has `annotations/instances_<set>.json` and the pictures in `images/<set>` or `<set>`, or else
`instances.json` and `images/`. Categories are matched by name. Writes a row for docs/weights.md.

    python benchmarks/coco_ap.py retinanet_resnet50_fpn_coco-eeacb38b.pth coco --set val2017
"""

import argparse
import sys
from pathlib import Path

NUMBERS = ("AP", "AP50", "AP75", "APs", "APm", "APl")


def dataset_words(folder, name):
    """Return the words of retinanet-evaluate that name the dataset in `folder`.

    Args:
        folder: see above.
        name: of the set.

    Raises:
        FileNotFoundError: neither layout is there.
    """
    folder = Path(folder)
    usual = folder / "annotations" / f"instances_{name}.json"
    single = folder / "instances.json"
    for annotations, places in (
        (usual, (folder / "images" / name, folder / name)),
        (single, (folder / "images", folder)),
    ):
        images = next((place for place in places if place.is_dir()), None)
        if annotations.is_file() and images is not None:
            return ["coco", "--annotations", str(annotations), "--images", str(images)]
    raise FileNotFoundError(f"{folder}: has neither {usual} nor {single} with their pictures")


def measure(weights, folder, name, options=()):
    """Return the results of retinanet-evaluate on COCO.

    Args:
        weights: path of the file or folder.
        folder, name: see `dataset_words`.
        options: further words of the command.
    """
    from keras_retinanet.bin import evaluate

    # COCO counts 100 detections of a picture, which is the command's own default
    return evaluate.main([*options, *dataset_words(folder, name), str(weights)])


def row_of(weights, results):
    """Return the Markdown table of one file's numbers."""
    coco = results["coco"]
    numbers = " | ".join(f"{100 * coco[key]:.1f}" for key in NUMBERS)
    head = f"| file | pictures | {' | '.join(NUMBERS)} |"
    return "\n".join(
        [
            head,
            "| --- |" + " --- |" * (len(NUMBERS) + 1),
            f"| {Path(weights).name} | {results['images']} | {numbers} |",
        ]
    )


def main(args=None):
    """Measure the file that the command line `args` names; return the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", help="file or preset folder")
    parser.add_argument("coco_dir", help="folder of the dataset")
    parser.add_argument("--set", default="val2017", help="name of the set (val2017)")
    parsed, options = parser.parse_known_args(args)
    results = measure(parsed.weights, parsed.coco_dir, parsed.set, options)
    print(row_of(parsed.weights, results))
    return results


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
