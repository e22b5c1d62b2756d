"""What TensorFlow Serving does with its messages, around a SavedModel and TensorFlow alone.

A process of its own: `python serving_stub.py FOLDER MODEL` serves the highest version in FOLDER,
prints the ports of REST and gRPC and the signatures, and ends when its input does. Nothing of
this project is imported.
Written from the REST and gRPC pages of TensorFlow Serving's documentation.
"""

import base64
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


def newest(folder):
    """Return the folder of the highest version, which must be a whole number."""
    return max((path for path in Path(folder).iterdir() if path.name.isdigit()), key=_number)


def _number(path):
    return int(path.name)


def decoded(value):
    """Return a JSON value with each {"b64": …} as bytes."""
    if isinstance(value, dict) and value.keys() == {"b64"}:
        return base64.b64decode(value["b64"], validate=True)
    return [decoded(one) for one in value] if isinstance(value, list) else value


def run(model, signature, inputs):
    """Return {output: array} of a signature for {input: value}."""
    function = model.signatures[signature]
    specs = function.structured_input_signature[1]
    if inputs.keys() != specs.keys():
        raise ValueError(f"inputs must be {sorted(specs)}. Received: {sorted(inputs)}")
    given = {name: tf.constant(value, specs[name].dtype) for name, value in inputs.items()}
    return {name: value.numpy() for name, value in function(**given).items()}


def rest(model, message):
    """Return the answer to a message in rows."""
    asked = json.loads(message)
    rows = [{name: decoded(value) for name, value in row.items()} for row in asked["instances"]]
    inputs = {name: [row[name] for row in rows] for name in rows[0]}
    found = run(model, asked.get("signature_name", "serving_default"), inputs)
    columns = zip(*(np.asarray(value).tolist() for value in found.values()), strict=True)
    return {"predictions": [dict(zip(found, row, strict=True)) for row in columns]}


class Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
    """The gRPC service, of which `Predict` is here."""

    def __init__(self, model, name):
        self._model, self._name = model, name

    def Predict(self, request, context):  # noqa: N802, the service's name
        """Answer a `PredictRequest`."""
        if request.model_spec.name != self._name:
            context.abort(grpc.StatusCode.NOT_FOUND, f"no model {request.model_spec.name!r}")
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        found = run(self._model, request.model_spec.signature_name, inputs)
        reply = predict_pb2.PredictResponse()
        for name, value in found.items():
            reply.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return reply


def rest_server(model, name):
    """Return an HTTP server of POST /v1/models/NAME:predict."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):  # noqa: N802, the library's name
            content = self.rfile.read(int(self.headers["Content-Length"]))
            status, answer = 404, {"error": f"no {self.path}"}
            if self.path == f"/v1/models/{name}:predict":
                try:
                    status, answer = 200, rest(model, content)
                except (ValueError, KeyError, tf.errors.OpError) as error:
                    status, answer = 400, {"error": str(error)}
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *arguments):
            pass

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


def main(folder, name):
    """Serve until the end of standard input."""
    model = tf.saved_model.load(str(newest(folder)))
    assert "keras_retinanet" not in sys.modules
    http = rest_server(model, name)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    service = grpc.server(ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        Predictions(model, name), service
    )
    port = service.add_insecure_port("127.0.0.1:0")
    service.start()
    print(http.server_port, port, *model.signatures, flush=True)
    sys.stdin.read()
    service.stop(0).wait()
    http.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
