"""Ask TensorFlow Serving for detections: the messages of its REST and its gRPC interface.

    python examples/serving/client.py basket.jpg --model fruit
    python examples/serving/client.py basket.jpg --model fruit --grpc --port 8500

REST needs nothing beyond Python; gRPC needs tensorflow-serving-api. The signature `serving_bytes`
takes picture files as they are, and gives boxes in pixels of the original. docs/serving.md has
more; no real server was run in testing it.
"""

import argparse
import base64
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path

SIGNATURE, INPUT = "serving_bytes", "image_bytes"
OUTPUTS = ("boxes", "scores", "labels")
REST_PORT, GRPC_PORT = 8501, 8500
SECONDS = 60.0  # until an answer must be there


def rest_message(contents, signature=SIGNATURE, name=INPUT):
    """Return the JSON text that asks about picture files, list of bytes.

    A string is written {"b64": …}, since JSON has no bytes; each row names its input.
    """
    instances = [{name: {"b64": base64.b64encode(each).decode("ascii")}} for each in contents]
    return json.dumps({"signature_name": signature, "instances": instances})


def ask_rest(url, message):
    """Return the rows {output: value} of a message's pictures.

    Raises:
        OSError: nothing answers.
        ValueError: the server refuses the message.
    """
    request = urllib.request.Request(url, message.encode("utf-8"))
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as reply:
            return json.loads(reply.read())["predictions"]
    except urllib.error.HTTPError as error:
        with error:
            raise ValueError(f"{url}: {error.read().decode('utf-8', 'replace')}") from error


def grpc_message(contents, model, signature=SIGNATURE, name=INPUT):
    """Return the `PredictRequest` about values: picture files (bytes), or one array."""
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    message = predict_pb2.PredictRequest()
    message.model_spec.name = model
    message.model_spec.signature_name = signature
    message.inputs[name].CopyFrom(tf.make_tensor_proto(contents))
    return message


def ask_grpc(address, message):
    """Return the rows {output: array} of a message's pictures.

    Raises:
        grpc.RpcError: nothing answers, or the server refuses the message.
    """
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    with grpc.insecure_channel(address) as channel:
        service = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        reply = service.Predict(message, timeout=SECONDS)
    found = {name: tf.make_ndarray(reply.outputs[name]) for name in OUTPUTS}
    return [dict(zip(OUTPUTS, row, strict=True)) for row in zip(*found.values(), strict=True)]


def detections(row, threshold):
    """Return [(box, score, label), …] of a row, less the padding, whose labels are -1."""
    rows = zip(*(row[name] for name in OUTPUTS), strict=True)
    return [one for one in rows if one[2] >= 0 and one[1] > threshold]


def parse_args(args=None):
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="+", help="JPEG or PNG files of one message")
    parser.add_argument("--model", required=True, help="its name on the server")
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, help=f"{REST_PORT}; {GRPC_PORT} with --grpc")
    parser.add_argument("--grpc", action="store_true", help="gRPC in place of REST")
    parser.add_argument("--threshold", type=float, default=0.5)
    return parser.parse_args(args)


def main(args=None):
    """Print a line for each detection; return the rows of the answer."""
    args = parse_args(args)
    contents = [Path(path).read_bytes() for path in args.pictures]
    if args.grpc:
        address = f"{args.host}:{args.port or GRPC_PORT}"
        rows = ask_grpc(address, grpc_message(contents, args.model))
    else:
        address = f"http://{args.host}:{args.port or REST_PORT}"
        rows = ask_rest(f"{address}/v1/models/{args.model}:predict", rest_message(contents))
    for path, row in zip(args.pictures, rows, strict=True):
        for box, score, label in detections(row, args.threshold):
            sides = " ".join(f"{side:.1f}" for side in box)
            print(f"{path}: label {int(label)}, score {score:.3f}, box {sides}")
    return rows


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError) as error:
        sys.exit(f"client.py: {error}")
