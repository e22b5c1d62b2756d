"""retinanet-predict --serve: the options, and a server around the detector."""

from dataclasses import replace
from pathlib import Path

from keras_retinanet.bin.console import number
from keras_retinanet.bin.model_files import start_keras
from keras_retinanet.bin.picture_options import MAX_PIXELS
from keras_retinanet.serve.limits import MEGABYTE, Limits

HOST = "127.0.0.1"
FLOOR = 0.05  # scores that a request can still ask for; below, boxes by the hundred cost time
LIMITS = Limits()
MILLISECONDS = 1000  # of a second


def add_serving(parser, positional):
    """Add the options; no `positional` (an action of the parser) is expected with --serve."""
    group = parser.add_argument_group("serving")
    group.add_argument(
        "--serve", type=number(int, low=0, high=65535), help="answer on this port (0: any free)"
    )
    group.add_argument("--host", help=f"address to answer on ({HOST}: this machine alone)")
    group.add_argument(
        "--max-body", type=number(float, above=0), help=f"MiB ({LIMITS.body / MEGABYTE:g})"
    )
    group.add_argument(
        "--max-queue",
        type=number(int, low=1),
        help=f"requests in work; more are refused ({LIMITS.queue})",
    )
    group.add_argument(
        "--batch-wait",
        type=number(float, low=0),
        help=f"ms that a picture waits for others of its batch ({LIMITS.wait * MILLISECONDS:g})",
    )
    parser.replace_by_option(positional, "--serve")


def check_serving(args):
    """Raise ValueError where options contradict --serve, or need it."""
    if args.serve is None:
        for name in ("host", "max_body", "max_queue", "batch_wait"):
            if getattr(args, name) is not None:
                raise ValueError(f"--{name.replace('_', '-')} needs --serve PORT")
        return
    if args.format:
        raise ValueError("--format and --serve exclude each other: nothing is written")
    if args.ignore_exif:
        raise ValueError("--ignore-exif and --serve exclude each other: browsers turn pictures")


def limits_of(args):
    """Return the `Limits` that the options ask for."""
    asked = {
        "body": None if args.max_body is None else int(args.max_body * MEGABYTE),
        "queue": args.max_queue,
        "wait": None if args.batch_wait is None else args.batch_wait / MILLISECONDS,
        "pixels": None if args.max_pixels == MAX_PIXELS else args.max_pixels,
    }
    return replace(LIMITS, **{name: value for name, value in asked.items() if value is not None})


def floor_of(threshold):
    """Return the lowest threshold of an option and `FLOOR`."""
    given = threshold.values() if isinstance(threshold, dict) else [threshold or FLOOR]
    return min(FLOOR, *given)


def warm_up(detector):
    """Detect in a grey picture, so that no request waits for what the first one takes."""
    import numpy as np

    profile = detector.profile
    side = min(profile.image_min_side, 512) if profile.resize else 512
    detector.predict(np.full((side, side, 3), 128, np.uint8))


def serve(args, make_detector):
    """Answer requests until a signal ends it.

    Args:
        args: options of retinanet-predict.
        make_detector: f(threshold) -> `Detector`.
    """
    from keras_retinanet.serve import check_installed

    check_installed()
    from keras_retinanet.serve.server import address_of, bound_socket, is_loopback, make_server

    bound = bound_socket(args.host or HOST, args.serve)  # a taken port shows before a long start
    with bound:
        start_keras(args.gpu, args.model)
        from keras_retinanet.predict.options import Options, label_thresholds, with_advised
        from keras_retinanet.serve.app import make_app

        detector = make_detector(floor_of(args.threshold))
        asked = Options(threshold=args.threshold, classes=args.classes)
        asked = with_advised(asked, detector.profile)
        thresholds = label_thresholds(asked, detector.classes)
        limits = limits_of(args)
        app = make_app(detector, thresholds, limits, Path(args.model).stem)
        warm_up(detector)

        def ready():
            reach = "" if is_loopback(bound) else ", which other machines may reach"
            print(f"answering on {address_of(bound)}{reach}; Ctrl-C ends it", flush=True)

        make_server(app, limits.connections, ready).run(sockets=[bound])
