"""A model that ships: weights at half precision, tested as they are, and their card."""
