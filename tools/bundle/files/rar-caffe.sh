#!/bin/sh
# RAR-Caffe from wherever this folder lies: ./rar-caffe --help. Results go to the folder you are in.
# ./rar-caffe run caffe train -solver ...   any program, with Caffe, Python and libraries set up
# RAR_NVIDIA: folders with NVIDIA's libraries, separated by colons, where they are found in none of the usual places.
# RAR_CV2: the folder cv2 of a Python's opencv-python-headless, likewise, for a bundle without the part cv2.
# Both are handed on, for a program of the bundle that starts this again sees the bundle's own python3 on its path.
self=$(readlink -f "$0"); root=${self%/*}
complain() { echo "rar-caffe: $*" >&2; }

pythons() { # those a user may mean, one a line
  [ -n "${VIRTUAL_ENV:-}" ] && echo "$VIRTUAL_ENV/bin/python3"
  [ -n "${CONDA_PREFIX:-}" ] && echo "$CONDA_PREFIX/bin/python3"
  command -v python3 || :
}

nvidia() { # folders with CUDA's libraries: of pip's packages, of CUDA_HOME
  pythons | while read -r python; do
    found=$(PYTHONPATH= "$python" -c 'import glob, nvidia; print(":".join(sorted(d for p in nvidia.__path__ for d in glob.glob(p + "/*/lib"))))' 2>/dev/null)
    if [ -n "$found" ]; then echo "$found"; break; fi
  done
  for home in "${CUDA_HOME:-}" "${CUDA_PATH:-}" /usr/local/cuda; do
    if [ -n "$home" ] && [ -d "$home/lib64" ]; then echo "$home/lib64"; fi
  done
}

if grep -q '"cuda": "[0-9]' "$root"/cache/selected-*/manifest.json; then
  libraries=${RAR_NVIDIA:-$(nvidia | tr '\n' ':')}
  if [ -n "$libraries" ]; then
    export RAR_NVIDIA="${libraries%:}"
    case ":${LD_LIBRARY_PATH:-}:" in
      *":$RAR_NVIDIA:"*) ;;
      *) export LD_LIBRARY_PATH="$RAR_NVIDIA${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" ;;
    esac
  elif ! ldconfig -p 2>/dev/null | grep -q libcublas; then
    complain "no CUDA libraries found: pip install nvidia-cublas nvidia-curand nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-nccl-cu13, or set RAR_NVIDIA=DIR"
  fi
fi

packages=$root/python/lib/python3/dist-packages
if [ ! -d "$packages/cv2" ]; then # without the part cv2: the machine's own opencv-python-headless, which fits any Python 3
  borrowed=${XDG_CACHE_HOME:-$HOME/.cache}/rar-caffe-borrowed
  if [ -z "${RAR_CV2:-}" ]; then
    RAR_CV2=$(pythons | while read -r python; do
      PYTHONPATH= "$python" -c 'import importlib.util as u; print(u.find_spec("cv2").submodule_search_locations[0])' 2>/dev/null && break
    done)
  fi
  if [ -z "$RAR_CV2" ]; then complain "this bundle is without OpenCV and no python3 here has it: unpack the part cv2 over it, or pip install opencv-python-headless"; exit 1; fi
  if [ ! -d "$RAR_CV2" ]; then complain "RAR_CV2=$RAR_CV2: no such folder; name the folder cv2 of opencv-python-headless, or unset it"; exit 1; fi
  export RAR_CV2
  mkdir -p "$borrowed" && ln -sfn "$RAR_CV2" "$borrowed/cv2" && ln -sfn "${RAR_CV2%/*}/opencv_python_headless.libs" "$borrowed/opencv_python_headless.libs" ||
    { complain "$borrowed cannot be written: set XDG_CACHE_HOME to a folder that can, or unpack the part cv2"; exit 1; }
  case ":${PYTHONPATH:-}:" in
    *":$borrowed:"*) ;;
    *) export PYTHONPATH="$borrowed${PYTHONPATH:+:$PYTHONPATH}" ;;
  esac
fi

if [ ! -w "$root" ]; then export PYTHONPYCACHEPREFIX="${PYTHONPYCACHEPREFIX:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/rar-caffe-python}"; fi
unset PYTHONHOME PYTHONSTARTUP
export RAR_BUNDLE="$root" RAR_CACHE="$root/cache" RAR_PYTHON="$root/python/bin/python3"
export MATPLOTLIBRC="${MATPLOTLIBRC:-$packages/matplotlib/mpl-data/matplotlibrc}" # Debian's looks in /etc
exec "$RAR_PYTHON" "$root/project/rar-caffe" "$@"
