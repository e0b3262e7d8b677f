"""What a person runs: build Caffe, make the nets, train, test, evaluate, draw, detect. One room for each."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
