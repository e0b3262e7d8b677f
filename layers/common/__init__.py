"""Shared maths without Caffe: landmark schemes, shape geometry, metrics and the paper's numbers."""
