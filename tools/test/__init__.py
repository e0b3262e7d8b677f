"""A trained model on the faces of prepared data: results files, and robustness under occlusion."""
