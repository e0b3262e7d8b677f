"""Training: the warm-up of conv8, then RAR end to end, resumable at any moment."""
