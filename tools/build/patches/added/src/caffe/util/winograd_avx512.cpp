#include "caffe/util/winograd_kernels.hpp"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)

#include <immintrin.h>

#include <algorithm>

#include "caffe/util/cpu.hpp"

#pragma GCC push_options
#pragma GCC target("avx512f")
#define CAFFE_VECTOR_INLINE inline __attribute__((always_inline))

namespace caffe {
namespace winograd {

namespace avx512 {
namespace {

typedef __m512 Vector;
const int kLanes = 16;
const int kPairRows = 8, kSingleRows = 16;  // of the 32 registers

CAFFE_VECTOR_INLINE Vector zero() { return _mm512_setzero_ps(); }
CAFFE_VECTOR_INLINE Vector load(const float* from) {
  return _mm512_loadu_ps(from);
}
CAFFE_VECTOR_INLINE void store(Vector v, float* to) {
  _mm512_storeu_ps(to, v);
}
CAFFE_VECTOR_INLINE Vector fma(float number, Vector factor, Vector more) {
  return _mm512_fmadd_ps(_mm512_set1_ps(number), factor, more);
}

typedef __mmask16 Mask;
// The lanes of a vector, whose first is x, that lie in a row of `width`.
CAFFE_VECTOR_INLINE Mask inside(int x, int width) {
  const int first = std::max(-x, 0), end = std::min(width - x, kLanes);
  return end <= first ? 0 : (0xFFFFu >> (kLanes - end)) & (0xFFFFu << first);
}
CAFFE_VECTOR_INLINE Mask even(Mask lanes) { return lanes & 0x5555; }
CAFFE_VECTOR_INLINE Vector load(const float* from, Mask lanes) {
  return _mm512_maskz_loadu_ps(lanes, from);
}
CAFFE_VECTOR_INLINE void store(Vector v, float* to, Mask lanes) {
  _mm512_mask_storeu_ps(to, lanes, v);
}

// a0 b0 a1 b1 ..., of the first or of the last halves
CAFFE_VECTOR_INLINE Vector zip_low(Vector a, Vector b) {
  return _mm512_permutex2var_ps(a, _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19,
      4, 20, 5, 21, 6, 22, 7, 23), b);
}
CAFFE_VECTOR_INLINE Vector zip_high(Vector a, Vector b) {
  return _mm512_permutex2var_ps(a, _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11,
      27, 12, 28, 13, 29, 14, 30, 15, 31), b);
}
// a0 a2 ... b0 b2 ...
CAFFE_VECTOR_INLINE Vector unzip_even(Vector a, Vector b) {
  return _mm512_permutex2var_ps(a, _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14,
      16, 18, 20, 22, 24, 26, 28, 30), b);
}
CAFFE_VECTOR_INLINE Vector unzip_odd(Vector a, Vector b) {
  return _mm512_permutex2var_ps(a, _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15,
      17, 19, 21, 23, 25, 27, 29, 31), b);
}

#include "winograd_kernels.inc"

}  // namespace
}  // namespace avx512

#pragma GCC pop_options

const Kernels* avx512_kernels() {
  return cpu_has_avx512() ? &avx512::kKernels : NULL;
}

}  // namespace winograd
}  // namespace caffe

#else

const caffe::winograd::Kernels* caffe::winograd::avx512_kernels() {
  return NULL;
}

#endif
