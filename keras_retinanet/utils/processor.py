"""What the processor of this machine can do."""

from pathlib import Path

INFO = Path("/proc/cpuinfo")  # Linux
BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}  # x86, and Arm's last


def has_bfloat16():
    """Return whether it has instructions for bfloat16; None where nobody tells."""
    try:
        lines = INFO.read_text().lower().splitlines()
    except OSError:
        return None
    flags = (line for line in lines if line.startswith(("flags", "features")))
    words = next(flags, "").split()
    return bool(BFLOAT16 & set(words)) if words else None
