"""torchvision's RetinaNet as an ONNX file, by its own export; run by a Python that has torchvision.

Weights are random, heads scaled as ours are in `exported.py`, which calls this. The file takes a
picture float32 [3, H, W] of 0 to 1, of one size: its trace fixes that.

    python benchmarks/torchvision_onnx.py 512x512 retinanet.onnx --classes 80 --above 2000
"""

import argparse

import networks
import scenes

OPSET = 18


def main(words=None):
    """Write the file that the words name."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("size", type=scenes.parse_size, help="HEIGHTxWIDTH of its pictures")
    parser.add_argument("file", help="to write")
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--above", type=int, default=2000, help="candidates of a picture")
    args = parser.parse_args(words)
    model = networks.torchvision_network({"classes": args.classes}, *args.size).eval()
    networks.calibrate_torchvision(model, args.above)
    picture = networks.torch_input(*args.size)
    with torch.no_grad():
        torch.onnx.export(
            model,
            ([picture],),
            args.file,
            opset_version=OPSET,
            input_names=["image"],
            output_names=["boxes", "scores", "labels"],
            dynamo=False,  # which does not know its lists of pictures
        )


if __name__ == "__main__":
    main()
