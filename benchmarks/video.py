"""A video to an annotated video: decoding, the network, drawing and writing, apart and together.

They overlap in `retinanet-predict`: it should take less time than the parts one after the other,
and no more of the processors. The clip is drawn; the network has random weights and finds enough
to draw. Writes a Markdown table: medians of rounds in which all take turns.

    python benchmarks/video.py
    python benchmarks/video.py --tiny
    python benchmarks/video.py --model MODEL.keras
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import networks
import report
import scenes

from keras_retinanet import models
from keras_retinanet.bin.predict import Report, detect_video
from keras_retinanet.models.snapshot import save_snapshot
from keras_retinanet.predict import Detector
from keras_retinanet.predict.drawing import annotated
from keras_retinanet.predict.sources import Source
from keras_retinanet.predict.video import VideoReader, VideoWriter

FULL = {"frames": 120, "size": (720, 1280), "rounds": 5, "classes": 20, "side": 256}
TINY = {"frames": 4, "size": (96, 128), "rounds": 1, "classes": 3, "side": 64}
THRESHOLD = 0.05  # of scores: random heads are calibrated to give some above it


def drawn_clip(path, options):
    """Write a clip whose frames differ."""
    height, width = options["size"]
    still = scenes.picture(height, 2 * width)
    writer = VideoWriter(path, 25.0)
    for frame in range(options["frames"]):
        start = frame * width // options["frames"]
        writer.write(still[:, start : start + width].copy())
    writer.close()


def detector_of(args, options):
    """Return the `Detector` that is measured, frozen."""
    sides = {"image_min_side": options["side"], "image_max_side": 2 * options["side"]}
    if args.model:
        detector = Detector(args.model)
    else:
        width = networks.TINY_NETWORK | {"pyramid_features": 32}
        network = models.backbone("mobilenet128_0.25").retinanet(options["classes"], **width)
        networks.calibrate_ours(network, 20_000)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "m.keras"
            save_snapshot(network, path)
            detector = Detector(path, threshold=THRESHOLD, **sides)
    detector.predict(scenes.picture(*options["size"]))
    detector.settle()
    return detector


class Parts:
    """What is done with a clip: a method for each row of the table, all of the same frames."""

    def __init__(self, detector, clip, folder):
        self.detector, self.clip, self.folder = detector, clip, folder
        self.frames = list(VideoReader(str(clip), "clip").frames())
        self.results = list(detector.stream(self.frames))

    def decode(self):
        """Read every frame."""
        for _ in VideoReader(str(self.clip), "clip").frames():
            pass

    def detect(self):
        """Detect in frames that are decoded."""
        for _ in self.detector.stream(self.frames):
            pass

    def draw(self):
        """Draw what was found, and write the video."""
        writer = VideoWriter(self.folder / "drawn.mp4", 25.0)
        for result in self.results:
            writer.write(annotated(result.image, result))
        writer.close()

    def together(self):
        """Do what the command does."""
        source = Source(str(self.clip), "all", is_video=True)
        detect_video(self.detector, source, self.folder, Report(0, False, None))


ROWS = ("decode", "detect", "draw", "together")


def measure(parts, rounds):
    """Return {row: (wall, CPU)}, medians of rounds in turn."""
    found = {row: [] for row in ROWS}
    for _ in range(rounds):
        for row in ROWS:
            wall, cpu = time.perf_counter(), time.process_time()
            getattr(parts, row)()
            found[row].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {
        row: [statistics.median(part) for part in zip(*seconds, strict=True)]
        for row, seconds in found.items()
    }


def main(words=None):
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="toy sizes: does it run?")
    parser.add_argument("--model", help="snapshot, in place of random weights")
    args = parser.parse_args(words)
    options = TINY if args.tiny else FULL
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        drawn_clip(clip, options)
        parts = Parts(detector_of(args, options), clip, Path(folder))
        found = measure(parts, options["rounds"])
    boxes = sum(len(result) for result in parts.results)
    height, width = options["size"]
    print(f"\n{report.machine()}\n")
    print(f"{len(parts.results)} frames of {height}x{width}, {boxes} boxes\n")
    print("| | wall s | CPU s |\n| --- | --- | --- |")
    whole = [sum(found[row][place] for row in ROWS[:3]) for place in (0, 1)]
    for name, (wall, cpu) in {**found, "sum of the parts": whole}.items():
        print(f"| {name} | {wall:.2f} | {cpu:.2f} |")


if __name__ == "__main__":
    main()
