"""What runs inside Caffe: the Python layers of RAR, each named by the paper's word for it."""
