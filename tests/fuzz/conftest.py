"""The small preset and its trained weights, as the tests of tools have them."""

from tests.tools.conftest import run_there, small_project, trained  # noqa: F401
