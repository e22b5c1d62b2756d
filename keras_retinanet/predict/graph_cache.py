"""The frozen graph of a snapshot, kept in a folder beside it: later processes need not build it.

A file holds TensorFlow's graph of all below the detector's last layer, optimised already, that
layer's config and the profile. It is run by a session: as a function among others, a graph of
150 MB is copied several times and optimised again, which takes longer than building it. Its name
has a hash of the snapshot and of the versions, so that a snapshot that changes, or another version,
finds none, and one of what else shapes the graph. A damaged file is as good as none.
"""

import hashlib
import json
import zipfile
from importlib.metadata import version
from pathlib import Path

import keras

from keras_retinanet import __version__
from keras_retinanet.models.snapshot import written_aside

FOLDER = ".retinanet_cache"
FORM = 2  # of the files
FACTS, GRAPH = "facts.json", "graph.pb"
PART = 1 << 20  # bytes
DIGITS, SHAPE_DIGITS = 20, 6  # of the two hashes
# A graph of ours computes, and does nothing else; one that reads or writes files is not opened
FOREIGN = ("ReadFile", "WriteFile", "PyFunc", "EagerPyFunc", "PyFuncStateless")


def _hash_of(path, *others):
    """Return a hash of JSON values, and of a file's content."""
    found = hashlib.sha256(json.dumps([FORM, __version__, *others]).encode())
    with Path(path).open("rb") as stream:
        while part := stream.read(PART):
            found.update(part)
    return found.hexdigest()[:DIGITS]


class GraphCache:
    """Where the frozen graph of a snapshot is kept.

    Args:
        model: path of the snapshot.
        shape: JSON values of what else shapes the graph.

    Attributes:
        path: of the file.
        fault: why it could not be written, None where it could.

    Raises:
        ValueError: Keras does not run on TensorFlow, or the snapshot is a folder.
        OSError: the snapshot cannot be read.
    """

    def __init__(self, model, *shape):
        if keras.backend.backend() != "tensorflow":
            raise ValueError(
                "the cache keeps a graph of TensorFlow, and Keras runs on "
                f"{keras.backend.backend()} here; leave it out"
            )
        model = Path(model)
        if model.is_dir():
            raise ValueError(f"{model}: is a folder, and a cache is of model files; leave it out")
        digits = _hash_of(model, version("keras"), version("tensorflow"))
        of_shape = hashlib.sha256(json.dumps(shape).encode()).hexdigest()[:SHAPE_DIGITS]
        self._name, self._digits, self.fault = model.name, digits, None
        self.path = model.parent / FOLDER / f"{model.name}-{digits}-{of_shape}.graph"

    def read(self):
        """Return (facts, f(*inputs) -> arrays) of what is kept; None where nothing is."""
        from google.protobuf.message import DecodeError

        try:
            with zipfile.ZipFile(self.path) as file:
                facts, content = json.loads(file.read(FACTS)), file.read(GRAPH)
            return facts, _opened(content, facts["inputs"], facts["outputs"])
        except (OSError, zipfile.BadZipFile, KeyError, TypeError, ValueError, DecodeError):
            return None

    def write(self, frozen, facts):
        """Keep a frozen function, in place of those of the snapshot as it was.

        Where the folder cannot be written, `fault` says so.

        Args:
            frozen: concrete function without variables.
            facts: JSON values.
        """
        inputs = [tensor.name for tensor in frozen.inputs]
        outputs = [tensor.name for tensor in frozen.outputs]
        facts = facts | {"inputs": inputs, "outputs": outputs}
        graph = _optimised(frozen.graph.as_graph_def(), outputs)
        try:
            self.path.parent.mkdir(exist_ok=True)
            with written_aside(self.path) as aside, zipfile.ZipFile(aside, "w") as file:
                file.writestr(FACTS, json.dumps(facts))
                file.writestr(GRAPH, graph.SerializeToString())
            before = f"{self._name}-{'?' * DIGITS}-{'?' * SHAPE_DIGITS}.graph"
            for other in self.path.parent.glob(before):
                if not other.name.startswith(f"{self._name}-{self._digits}"):
                    other.unlink()
        except (OSError, ValueError) as error:  # of more than 2 GiB, which protobuf does not take
            self.fault = f"{self.path}: {getattr(error, 'strerror', None) or error}"

    def line(self):
        """Return what became of it, in a sentence."""
        return f"not kept: {self.fault}" if self.fault else f"kept for the next time: {self.path}"


def _imported(graph):
    """Return the `tf.Graph` of a GraphDef."""
    import tensorflow as tf

    with tf.Graph().as_default() as whole:
        tf.import_graph_def(graph, name="")
    return whole


def _optimised(graph, outputs):
    """Return a GraphDef as TensorFlow's optimiser makes it: constants folded, layers fused."""
    import tensorflow as tf
    from tensorflow.python.grappler import tf_optimizer

    whole = tf.compat.v1.train.export_meta_graph(graph_def=graph, graph=_imported(graph))
    whole.collection_def["train_op"].node_list.value.extend(outputs)  # what must stay
    return tf_optimizer.OptimizeGraph(tf.compat.v1.ConfigProto(), whole)


def _opened(content, inputs, outputs):
    """Return the function of a graph's bytes.

    Raises:
        DecodeError, KeyError, ValueError: they are no graph, or none of ours.
    """
    import tensorflow as tf
    from tensorflow.python.framework import op_def_registry

    graph = tf.compat.v1.GraphDef.FromString(content)
    kinds = {node.op for node in graph.node}
    if len(graph.library.function) or kinds & set(FOREIGN):
        raise ValueError("no graph of ours")
    known = [op_def_registry.get(kind) for kind in kinds - {"Placeholder"}]
    if any(one is None or one.is_stateful for one in known):
        raise ValueError("no graph of ours")
    options = tf.compat.v1.ConfigProto()
    options.graph_options.rewrite_options.disable_meta_optimizer = True  # it was done before
    options.gpu_options.allow_growth = True
    session = tf.compat.v1.Session(graph=_imported(graph), config=options)
    return session.make_callable(outputs, feed_list=inputs)
