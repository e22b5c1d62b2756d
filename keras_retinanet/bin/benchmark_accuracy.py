"""--measure-on of retinanet-predict --benchmark: the average precision of each file."""

import contextlib
import io
import multiprocessing
import shlex

from keras_retinanet.bin.console import is_bad_input, one_line


def words_of(args, path, bfloat16):
    """Return the words of retinanet-evaluate that measure a file as the options of `args` say."""
    given = [("--backbone", args.backbone), ("--config", args.config), ("--gpu", args.gpu)]
    words = [word for pair in given if pair[1] is not None for word in pair]
    words += ["--family", args.family, "--draws", "0", *(["--bfloat16"] if bfloat16 else [])]
    return [*words, *shlex.split(args.measure_on), str(path)]


def _measure(connection, words):
    """Send the AP that retinanet-evaluate finds, or why there is none; in a process of its own."""
    from keras_retinanet.bin import evaluate

    try:
        with contextlib.redirect_stdout(io.StringIO()):
            connection.send({"AP": evaluate.main(words)["coco"]["AP"]})
    except SystemExit:  # it has said why
        connection.send({"fault": "retinanet-evaluate refuses it"})
    except Exception as error:
        said = one_line(error) if is_bad_input(error) else f"{type(error).__name__}: {error}"
        connection.send({"fault": said.splitlines()[0]})


def average_precision(args, path, bfloat16):
    """Return {"AP"} of a model file on the dataset of --measure-on, or {"fault"}.

    Args:
        args: of the command.
        path: of the file.
        bfloat16: whether it computes in that.
    """
    spawn = multiprocessing.get_context("spawn")
    own, other = spawn.Pipe()
    words = words_of(args, path, bfloat16)
    process = spawn.Process(target=_measure, args=(other, words), daemon=True)
    process.start()
    other.close()
    try:
        return own.recv()
    except EOFError:
        process.join()
        return {"fault": f"{path}: its process ended with exit code {process.exitcode}"}
    finally:
        process.join()
