"""RAR on a local page: `make web`, then a picture dropped into the browser.

pictures -> answer compute, with no gradio in them; page, limits and app serve it; page/ is what the browser runs.
"""

import os

# Before gradio is imported: nothing is reported or looked up on the internet.
os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")
