"""One folder with all that RAR-Caffe needs, which runs anywhere on x86-64 Linux: docs/bundle.md."""
