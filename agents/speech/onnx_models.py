"""Loads models into onnxruntime. Only the speech workers import this module."""

from pathlib import Path

import onnxruntime


def open_model(path: Path) -> onnxruntime.InferenceSession:
    """Open a model that uses one thread: with several calls at once, a core for each request is faster than all cores for each in turn."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
