#!/bin/sh
# Starts @REAL@ beside this file, by the bundle's own C library where the machine's is older.
self=$(readlink -f "$0"); here=${self%/*}; root=$here/@ROOT@
@SET@
version=$(getconf GNU_LIBC_VERSION 2>/dev/null); version=${version#glibc 2.}
case $version in ''|*[!0-9]*) version=0 ;; esac
if [ "$version" -ge 36 ] && [ -z "${RAR_OWN_GLIBC:-}" ]; then exec "$here/@REAL@" "$@"; fi
exec "$root/glibc/ld-linux-x86-64.so.2" --argv0 "$self" \
  --library-path "$root/glibc${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" "$here/@REAL@" "$@"
