"""RAR as one ONNX file, for where Caffe cannot go: `make onnx`. Needs onnx, in an environment of its own."""
