"""retinanet-predict: detections in pictures, folders, videos and cameras."""

import sys
import time
from functools import partial
from pathlib import Path

from keras_retinanet.bin.console import Unfinished, one_line, run
from keras_retinanet.bin.model_files import notice_of_bfloat16, start_keras
from keras_retinanet.bin.output_files import check_new_folder
from keras_retinanet.bin.predict_benchmark import benchmark
from keras_retinanet.bin.predict_options import PROG, make_detector, make_parser, parse_args
from keras_retinanet.bin.predict_serve import serve

__all__ = ["main", "make_parser", "parse_args"]

STARTED = time.perf_counter()
DRAWN_AHEAD = 4  # results that wait to be drawn and written
REFRESH = 0.5  # seconds between changes of the moving line


class Report:
    """Counts what was done, keeps what files of detections need, and shows how far it is.

    Args:
        total: pictures and frames, as far as is known.
        keep: whether results are kept.
        moving: gets the text of a moving line; None where there is no terminal.
    """

    def __init__(self, total, keep, moving):
        self.total, self.results, self.broken = total, [], []
        self.pictures = self.detections = 0
        self.first_after = None  # seconds from the start of the command
        self._keep, self._moving, self._shown = keep, moving, 0.0
        self._start = time.perf_counter()

    def add(self, result):
        """Count a result."""
        from dataclasses import replace

        now = time.perf_counter()
        self.first_after = self.first_after or now - STARTED
        self.pictures += 1
        self.detections += len(result)
        if self._keep:
            self.results.append(replace(result, image=None))
        if self._moving and now - self._shown > REFRESH:
            self._shown = now
            self._moving(self._progress(now))

    def pass_over(self, path, error):
        """Count and name what cannot be used."""
        self._end_line()
        self.broken.append(str(path))
        print(f"{PROG}: passed over: {one_line(error)}", file=sys.stderr)

    def lines(self, folder):
        """Yield what is printed at the end."""
        self._end_line()
        seconds = time.perf_counter() - self._start
        rate = self.pictures / max(seconds, 1e-9)
        yield (
            f"{self.detections} detections in {self.pictures} pictures, {rate:.1f} a second; "
            f"written to {folder}"
        )
        if self.first_after is not None:
            yield f"first picture {self.first_after:.1f} s after the start"
        if self.broken:
            yield f"passed over: {len(self.broken)}"

    def _progress(self, now):
        total = f"/{self.total}" if self.total >= self.pictures else ""
        rate = self.pictures / max(now - self._start, 1e-9)
        return f"{self.pictures}{total} pictures, {rate:.1f}/s, {self.detections} detections"

    def _end_line(self):
        if self._moving and self._shown:
            self._moving("")


def check_output(folder, sources):
    """Raise ValueError where the folder cannot be written to, or pictures would be overwritten."""
    check_new_folder(folder, "--output")
    for source in sources:
        if isinstance(source.place, int):
            continue
        given = Path(source.place)
        written = Path(folder) / f"{source.name}{given.suffix}"
        if written.exists() and given.exists() and written.samefile(given):
            raise ValueError(
                f"--output {folder}: {given} would be overwritten; name another folder"
            )


def detect_pictures(detector, sources, folder, report):
    """Detect in picture files, and write them annotated to `folder` unless that is None."""
    from keras_retinanet.predict import Named
    from keras_retinanet.predict.background import in_background
    from keras_retinanet.predict.drawing import annotated, picture_path, write_picture

    named = [Named(source.place, source.name) for source in sources]
    results = detector.stream(named, report.pass_over)
    for result in in_background(results, DRAWN_AHEAD):
        if folder is not None:
            image = annotated(detector.image_of(result), result)
            write_picture(picture_path(folder, result), image)
        report.add(result)


def detect_video(detector, source, folder, report, max_frames=None):
    """Detect in the frames of a video, and write it annotated to `folder` unless that is None.

    Decoding, the network and drawing run beside each other.
    """
    from keras_retinanet.predict.background import in_background
    from keras_retinanet.predict.drawing import annotated
    from keras_retinanet.predict.video import VideoReader, VideoWriter
    from keras_retinanet.utils.image import ImageError

    try:
        reader = VideoReader(source.place, source.name)
    except ImageError as error:
        report.pass_over(source.place, error)
        return
    report.total += min(reader.count, max_frames or reader.count)
    writer = VideoWriter(Path(folder or ".") / f"{source.name}.mp4", reader.rate)
    try:
        for result in in_background(detector.stream(reader.frames(max_frames)), DRAWN_AHEAD):
            if folder is not None:
                writer.write(annotated(result.image, result))
            report.add(result)
    except ImageError as error:  # not a single frame
        report.pass_over(source.place, error)
    finally:
        writer.close()


def detect(args, detector, sources):
    """Return the `Report` of all sources."""
    from keras_retinanet.callbacks.progress import moving_line

    folder = args.output if args.pictures else None
    pictures = [source for source in sources if not source.is_video]
    report = Report(len(pictures), bool(args.format), moving_line())
    try:
        detect_pictures(detector, pictures, folder, report)
        for source in sources:
            if source.is_video:
                detect_video(detector, source, folder, report, args.max_frames)
    except KeyboardInterrupt:  # the way to end a camera: what was found is written
        if not args.format and not report.pictures:
            raise
        print(f"{PROG}: interrupted after {report.pictures} pictures", file=sys.stderr)
    return report


def write_formats(args, detector, report):
    """Write the files of detections that the options ask for."""
    from keras_retinanet.predict.formats import FORMATS

    for name in args.format or ():
        Path(args.output).mkdir(parents=True, exist_ok=True)
        FORMATS[name](report.results, args.output, detector.classes)


def main(args=None):
    """Run the command with the words `args`; return the `Result`s where --format keeps them.

    With --serve it returns once a signal has ended the server.

    Raises:
        Unfinished: files were passed over.
    """
    args = parse_args(args)
    if notice := notice_of_bfloat16(args):
        print(notice)
    if args.serve is not None:
        return serve(args, partial(make_detector, args))
    from keras_retinanet.predict.sources import find_sources

    sources = find_sources(args.input, args.recursive)
    if args.benchmark:
        return benchmark(args, sources)
    check_output(args.output, sources)
    start_keras(args.gpu, args.model)
    detector = make_detector(args)
    report = detect(args, detector, sources)
    write_formats(args, detector, report)
    for line in report.lines(args.output):
        print(line)
    if args.cache:
        detector.settle()
        print(f"frozen graph {detector.kept}")
    if report.broken:
        raise Unfinished
    return report.results


def console():
    """Run the command as a program."""
    sys.exit(run(main, PROG))


if __name__ == "__main__":
    console()
