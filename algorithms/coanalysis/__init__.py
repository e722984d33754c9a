"""Bad data or a disturbance, when, of what kind, how large: what several devices show of one span, judged together."""

from algorithms.coanalysis.detection import Detection, detect
from algorithms.coanalysis.kinds import KINDS, Kind, classify

__all__ = ["KINDS", "Detection", "Kind", "classify", "detect"]
