"""What goes into a bundle, by Debian's packages, and what of them is left out."""

from __future__ import annotations

import re

PYTHON = "3.11"
STDLIB = ("libpython3.11-minimal", "libpython3.11-stdlib", "python3.11-minimal")
PACKAGES = (
    "python3-numpy", "python3-scipy", "python3-decorator", "python3-sklearn", "python3-sklearn-lib", "python3-h5py",
    "python3-h5py-serial", "python3-lmdb", "python3-protobuf", "python3-click", "python3-colorama", "python3-tqdm",
    "python3-yaml", "python3-matplotlib", "python3-pil", "python3-cycler", "python3-kiwisolver", "python3-dateutil",
    "python3-six", "python3-pyparsing", "python3-packaging", "python3-joblib", "python3-threadpoolctl",
    "python3-pkg-resources",
)  # fmt: skip
TESTS = ("python3-pytest", "python3-iniconfig", "python3-pluggy", "python3-attr", "python3-py")
GLIBC = (
    "ld-linux-x86-64.so.2", "libc.so.6", "libm.so.6", "libmvec.so.1", "libdl.so.2", "libpthread.so.0", "librt.so.1",
    "libutil.so.1", "libresolv.so.2", "libnss_files.so.2", "libnss_dns.so.2",
)  # fmt: skip

# Paths of Debian's packages, and where what is below them goes.
PLACES = {
    "/usr/lib/python3/dist-packages/": "python/lib/python3/dist-packages/",
    f"/usr/lib/python{PYTHON}/": f"python/lib/python{PYTHON}/",
    "/usr/share/matplotlib/mpl-data/": "python/lib/python3/dist-packages/matplotlib/mpl-data/",
}
LEFT_OUT = re.compile(
    r"\.(pyi|h|a|pxd|pyx|f|c|cpp|pyc)$|/__pycache__/|/LICENSE"
    # the standard library: what needs a screen, a terminal, a compiler or a database
    rf"|/python{PYTHON}/(config-|test/|tkinter/|turtledemo/|idlelib/|lib2to3/|pydoc_data/|ensurepip/|distutils/command/)"
    r"|/lib-dynload/(_tkinter|_sqlite3|_dbm|_gdbm|nis|_curses|_curses_panel|readline|ossaudiodev|_test|_xx|_ctypes_test|xxlimited)"
    # packages: tests, samples, other graphical systems
    r"|/dist-packages/(?!numpy/testing|h5py).*/tests?/"
    r"|/numpy/(f2py|distutils)/|/sklearn/datasets/(data|images|descr)/|/scipy/datasets/|/scipy/misc/.*\.dat$"
    r"|/matplotlib/backends/(web_backend|_tkagg)|/_imagingtk|/mpl-data/(sample_data|images|fonts/(afm|pdfcorefonts))/"
)
FONTS = re.compile(r"/mpl-data/fonts/ttf/(?!DejaVuSans)")

# Libraries that a bundle never brings: the C library is the machine's (or GLIBC), the driver too, and NVIDIA's are
# found where it has them.
OF_THE_MACHINE = re.compile(
    r"^(linux-vdso|ld-linux-x86-64|libc|libm|libmvec|libdl|libpthread|librt|libutil|libresolv|libanl|libnsl|libthread_db)\.so"
    r"|^lib(cuda|cudart|cublas|cublasLt|cudnn|cufft|curand|cusolver|cusparse|cutensor|nccl|nvJitLink|nvrtc|nvidia-)[^/]*\.so"
)


def place(path: str) -> str | None:
    """Where a file of a Debian package goes, relative to the bundle; None when it is left out."""
    if LEFT_OUT.search(path) or FONTS.search(path):
        return None
    return next((new + path.removeprefix(old) for old, new in PLACES.items() if path.startswith(old)), None)
