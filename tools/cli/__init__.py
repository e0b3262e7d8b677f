"""The command `rar-caffe`: what each subcommand needs and getting it ready; the subcommands that join several rooms."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  it may be started by any
    sys.exit(f"error: {sys.executable} is too old: Python 3.11 is needed, as Debian 12 has it, or set RAR_PYTHON")
