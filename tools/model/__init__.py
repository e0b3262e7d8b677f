"""The model: network, presets, prototxt, weights; a net in memory, and crops through it."""
