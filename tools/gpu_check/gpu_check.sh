#!/bin/sh
# For a machine that has a GPU and nothing else: unpack the bundle's parts that lie beside this script, then check.
#   OUT=DIR sh gpu_check.sh --minutes 9 --preset vgg19     words as of ./rar-caffe gpu-check --help; --out is $OUT
# Parts may come in several calls: WAIT=1 unpacks what is there and ends. data.tar (prepared data, folder data/) and a
# weight file start.caffemodel or start.caffemodel.h5 are used when they are there. WORK is where all of it goes.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
WORK=${WORK:-/tmp/rar-gpu-check}
mkdir -p "$WORK" "$OUT"
for part in "$here"/rar-caffe-*.tar.xz "$here"/data.tar; do # by Python, for xz need not be there
  if [ -f "$part" ]; then
    python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])' "$part" "$WORK"
    echo "unpacked ${part##*/}"
  fi
done
for weights in "$here"/start.caffemodel "$here"/start.caffemodel.h5; do
  if [ -f "$weights" ]; then cp "$weights" "$WORK/"; fi
done
if [ -n "${WAIT:-}" ]; then exit 0; fi
if [ ! -x "$WORK/rar-caffe/rar-caffe" ]; then echo "gpu_check: no rar-caffe-core.tar.xz beside $0" >&2; exit 1; fi
if [ -d "$WORK/data" ]; then set -- --data "$WORK/data" "$@"; fi
for weights in "$WORK"/start.caffemodel*; do
  if [ -f "$weights" ]; then set -- --start "$weights" "$@"; fi
done
exec "$WORK/rar-caffe/rar-caffe" gpu-check --out "$OUT" "$@"
