"""Builds BVLC Caffe into a per-machine cache: source, patches, compiler flags, CUDA and the cache, one module each."""
