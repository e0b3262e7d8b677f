"""Procedurally drawn faces with exact 68-point ground truth, written in the raw 300-W layout.

model -> surface -> pose give the geometry, render_* the picture, faces one face, write the data set.
"""
