"""What a person runs: build Caffe, make the nets, train, evaluate, draw, detect."""
