"""Media: ffmpeg encodes a picture that it makes itself as H.264."""

from __future__ import annotations

from labkit.workloads.measurement import Measurement
from labkit.workloads.workload import Workload, seconds, timed

_FRAMES = 50


def args(scale: float) -> tuple[str, ...]:
    """ffmpeg(1): a fixed number of frames, by one thread, written nowhere."""
    frames = max(1, round(_FRAMES * scale))
    return timed(
        "ffmpeg -v error -nostdin -f lavfi -i testsrc2=size=640x360:rate=25 "
        f"-frames:v {frames} -c:v libx264 -preset veryfast -threads 1 -f null -"
    )


def parse(text: str) -> list[Measurement]:
    """How long it took."""
    return [Measurement("run_time", "s", seconds(text))]


WORKLOAD = Workload(
    "ffmpeg", "applications", "50 frames of 640 × 360 as H.264", ("ffmpeg",), args, parse, "run_time", higher=False
)
