"""How exact the numbers of a file are."""

from dataclasses import dataclass

FLOAT32, HALF, INT8 = "float32", "half", "int8"
PRECISIONS = (FLOAT32, HALF, INT8)


@dataclass(frozen=True)
class Precision:
    """How a file keeps its weights, and what it computes with.

    Attributes:
        name: of `PRECISIONS`. In half precision weights are float16, the arithmetic as it was.
            With int8, weights are whole numbers of 8 bits; in OpenVINO's and LiteRT's files
            convolutions compute in them, too.
        calibration: levels [H, W, C] as the network sees them, red first, which show what range the
            numbers between convolutions have.
    """

    name: str = FLOAT32
    calibration: tuple = ()

    @property
    def is_exact(self):
        """Return whether rows must be those of the detector."""
        return self.name == FLOAT32


EXACT = Precision()
