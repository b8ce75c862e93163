"""ONNX: to and from graphs of standard operators."""
