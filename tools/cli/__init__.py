"""The command `rar-caffe`: what each subcommand needs and getting it ready; the subcommands that join several rooms."""

import sys

from tools.common.stopping import end_without_trace

if sys.version_info < (3, 11):  # noqa: UP036  it may be started by any
    sys.exit(f"error: {sys.executable} is too old: Python 3.11 is needed, as Debian 12 has it, or set RAR_PYTHON")
if sys.argv[:1] == ["-m"]:  # as Python has it while it looks for the program that it was started for
    end_without_trace()
