#include "caffe/util/winograd_kernels.hpp"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)

#include <immintrin.h>

#include <algorithm>

#include "caffe/util/cpu.hpp"

#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define CAFFE_VECTOR_INLINE inline __attribute__((always_inline))

namespace caffe {
namespace winograd {

namespace avx2 {
namespace {

typedef __m256 Vector;
const int kLanes = 8;
const int kPairRows = 4, kSingleRows = 8;  // of the 16 registers

CAFFE_VECTOR_INLINE Vector zero() { return _mm256_setzero_ps(); }
CAFFE_VECTOR_INLINE Vector load(const float* from) {
  return _mm256_loadu_ps(from);
}
CAFFE_VECTOR_INLINE void store(Vector v, float* to) {
  _mm256_storeu_ps(to, v);
}
CAFFE_VECTOR_INLINE Vector fma(float number, Vector factor, Vector more) {
  return _mm256_fmadd_ps(_mm256_set1_ps(number), factor, more);
}

typedef __m256i Mask;
// The lanes of a vector, whose first is x, that lie in a row of `width`.
CAFFE_VECTOR_INLINE Mask inside(int x, int width) {
  const __m256i at = _mm256_add_epi32(_mm256_set1_epi32(x),
      _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  return _mm256_and_si256(_mm256_cmpgt_epi32(at, _mm256_set1_epi32(-1)),
      _mm256_cmpgt_epi32(_mm256_set1_epi32(width), at));
}
CAFFE_VECTOR_INLINE Mask even(Mask lanes) {
  return _mm256_and_si256(lanes, _mm256_set1_epi64x(0xFFFFFFFF));
}
CAFFE_VECTOR_INLINE Vector load(const float* from, Mask lanes) {
  return _mm256_maskload_ps(from, lanes);
}
CAFFE_VECTOR_INLINE void store(Vector v, float* to, Mask lanes) {
  _mm256_maskstore_ps(to, lanes, v);
}

// a0 b0 a1 b1 ..., of the first or of the last halves
CAFFE_VECTOR_INLINE Vector zip_low(Vector a, Vector b) {
  return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b),
      _mm256_unpackhi_ps(a, b), 0x20);
}
CAFFE_VECTOR_INLINE Vector zip_high(Vector a, Vector b) {
  return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b),
      _mm256_unpackhi_ps(a, b), 0x31);
}
// a0 a2 ... b0 b2 ...
CAFFE_VECTOR_INLINE Vector in_order(Vector halves) {
  return _mm256_castpd_ps(
      _mm256_permute4x64_pd(_mm256_castps_pd(halves), 0xD8));
}
CAFFE_VECTOR_INLINE Vector unzip_even(Vector a, Vector b) {
  return in_order(_mm256_shuffle_ps(a, b, 0x88));
}
CAFFE_VECTOR_INLINE Vector unzip_odd(Vector a, Vector b) {
  return in_order(_mm256_shuffle_ps(a, b, 0xDD));
}

#include "winograd_kernels.inc"

}  // namespace
}  // namespace avx2

#pragma GCC pop_options

const Kernels* avx2_kernels() {
  return cpu_has_avx2() ? &avx2::kKernels : NULL;
}

}  // namespace winograd
}  // namespace caffe

#else

const caffe::winograd::Kernels* caffe::winograd::avx2_kernels() {
  return NULL;
}

#endif
