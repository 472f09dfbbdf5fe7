"""Scores of label propagation and of classifiers, and predictions on disk."""

from .class_accuracy import ClassAccuracy
from .j_and_f_metric import JAndFMetric
from .pck_metric import PCKMetric
from .video_metric import VideoMetric
from .vip_metrics import VIPInstanceAP, VIPMeanIoU
from .writer import PredictionWriter

__all__ = [
    'ClassAccuracy',
    'JAndFMetric',
    'PCKMetric',
    'PredictionWriter',
    'VIPInstanceAP',
    'VIPMeanIoU',
    'VideoMetric',
]
