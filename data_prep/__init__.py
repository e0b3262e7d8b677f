"""From raw faces and annotations to what Caffe trains on: crops in LMDB, landmarks in HDF5, the shape pool."""
