"""Write faces.csv: twelve of the 68 points of each drawn face, as a user's own annotations would be."""

import csv
from pathlib import Path

TWELVE = (36, 39, 42, 45, 30, 31, 35, 48, 54, 51, 57, 8)  # of 68, counted from 0

with Path("faces.csv").open("w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["image", "set", *(f"{axis}_{number}" for number in range(12) for axis in "xy")])
    for points in sorted(Path("faces").rglob("*.pts")):
        rows = [line.split() for line in points.read_text().splitlines()[3:-1]]
        twelve = [float(rows[i][axis]) - 1 for i in TWELVE for axis in (0, 1)]  # .pts files count px from 1
        picture = points.relative_to("faces").with_suffix(".jpg")
        chosen = "test" if "test" in str(picture) or "ibug" in str(picture) else "train"
        table.writerow([picture, chosen, *(f"{value:.2f}" for value in twelve)])
