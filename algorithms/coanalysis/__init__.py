"""Bad data or a disturbance, when, of what kind, how large: what several devices show of one span, judged together."""

from algorithms.coanalysis.detection import Detection, detect

__all__ = ["Detection", "detect"]
