"""Time and memory of RAR here: our Caffe, stock Caffe and PyTorch side by side. `make bench`."""
