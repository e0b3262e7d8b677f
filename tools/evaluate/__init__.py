"""Scores shapes against the truth. Knows nothing of Caffe: it reads files, anyone's."""
