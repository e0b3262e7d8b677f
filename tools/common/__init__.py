"""What several rooms need: Caffe on GPUs, stopping at a good moment, which version of the code this is."""
