"""Live augmentation: a crop is drawn when a training reads it, another one at every visit of the face."""
