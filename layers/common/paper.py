"""The paper's numbers, in one place (Xiao et al., ECCV 2016). All else is our choice: see tools/model/presets.py."""

from __future__ import annotations

# Sect. 4.1, configuration
IMAGE_SIZE = 256  # px of the crop
STEPS = 15  # T, recurrent stages
BATCH_SIZE = 2
MOMENTUM = 0.9
WEIGHT_DECAY = 0.0001
LSTM_UNIFORM = 0.1  # LSTM weights start uniform in [-0.1, 0.1]
ALPHA = 128.0  # Sect. 3.4, px of a 256 px crop
MILLISECONDS_PER_FACE = 250.0  # test time, Nvidia Titan-Z
FAILURE_THRESHOLD = 0.10  # a face fails when its NME exceeds this (Table 2's convention)

# Table 1: mean error on 300-W, per cent of the inter-pupil distance; None where the paper prints a dash.
TABLE_1_COLUMNS = ("helen", "lfpw", "common", "challenging", "full")
TABLE_1: dict[str, tuple[float | None, ...]] = {
    "RCPR": (5.67, 5.93, 6.18, 17.26, 8.35),
    "SDM": (None, None, 5.57, 15.40, 7.50),
    "CFAN": (5.44, 5.53, 5.50, None, None),
    "LBF": (None, None, 4.95, 11.98, 6.32),
    "CFSS": (4.87, 4.63, 4.73, 9.98, 5.76),
    "TCDCN": (None, None, 4.80, 8.60, 5.54),
    "RAR": (4.30, 3.99, 4.12, 8.35, 4.94),
}

# Table 2: mean error and failure rate on COFW, per cent; errors by the distance of the eye centres.
TABLE_2: dict[str, tuple[float, float | None]] = {
    "RCPR": (8.50, 20.00),
    "HPM": (7.46, 13.24),
    "RPP": (7.52, 16.2),
    "TCDCN": (8.05, None),
    "RAR": (6.03, 4.14),
}

# Table 3: mean error on AFLW (five points, MTFL's protocol), per cent of the distance of the eye centres.
TABLE_3: dict[str, float] = {"RCPR": 11.6, "SDM": 8.5, "CFAN": 10.94, "TCDCN": 7.6, "RAR": 7.23}

# Table 5: mean error with each way to start; "baseline" is conv8 alone. 300-W is the full set.
TABLE_5_COLUMNS = ("300w", "cofw", "aflw")
TABLE_5: dict[str, tuple[float, ...]] = {
    "baseline": (6.24, 30.14, 8.14),
    "direct": (6.66, 11.52, 8.15),
    "mean": (5.26, 6.24, 7.36),
    "random": (5.22, 6.12, 7.42),
    "robust": (4.94, 6.03, 7.23),
}
ATTENTIONLESS = {"300w": 5.02, "cofw": 6.11}  # Sect. 4.4: gamma^l = 1
