"""RAR on a local page: `make web`, then a picture dropped into the browser.

__main__ listens; app, with guard, upload, turns and connections round it, answers HTTP, and never looks into a picture.
worker, a process of its own that child keeps alive or kills, opens pictures and finds faces: pictures -> answer. page/
is what the browser runs, limits what a visitor may ask.
"""
