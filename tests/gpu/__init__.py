"""What needs a GPU: `make test-gpu`, or `pytest -m gpu` among the others, where these skip when there is none."""
