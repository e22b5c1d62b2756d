"""Run retinanet-predict from a checkout, installed or not."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from keras_retinanet.bin.predict import console  # noqa: E402

if __name__ == "__main__":
    console()
