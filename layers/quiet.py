"""Caffe, imported so that its log, thousands of lines a net, is not shown from then on, and nothing else is changed.

`from layers.quiet import caffe` instead of `import caffe`. A GLOG_minloglevel of the user's own stays in force, and in
the `caffe` program, whose log has begun when it imports a layer, this is a plain import.
"""

from __future__ import annotations

import os

LEVEL = "GLOG_minloglevel"  # glog reads it once, when its library is loaded
ERRORS = "2"

if LEVEL in os.environ:
    import caffe
else:
    os.environ[LEVEL] = ERRORS
    try:
        import caffe
    finally:
        del os.environ[LEVEL]

__all__ = ["caffe"]
