#ifndef CAFFE_UTIL_SIMD_HPP_
#define CAFFE_UTIL_SIMD_HPP_

#include <algorithm>
#include <cstring>

#include "caffe/util/cores.hpp"

// A function compiled for AVX-512, for AVX2 and for any CPU; the loader takes
// the one that this CPU has. Not for one with an OpenMP region in it: the
// region's body is compiled for any CPU only.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define CAFFE_CLONES __attribute__((target_clones( \
    "arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CAFFE_CLONES
#endif
#define CAFFE_INLINE inline __attribute__((always_inline))

namespace caffe {

/// @brief e^x to two units in the last place; 0 below the smallest normal
///        number, e^88.37 above it, NaN of NaN. A loop over it is vectorised.
CAFFE_INLINE float fast_exp(float x) {
  const float kLowest = -87.33f, kHighest = 88.37f;
  const float kRound = 12582912.f;  // 1.5 * 2^23: adding it rounds
  const float bounded = x < kLowest ? kLowest : x > kHighest ? kHighest : x;
  const float shifted = bounded * 1.44269504f + kRound;
  const float n = shifted - kRound;
  const float r = (bounded - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.f;
  int bits;
  std::memcpy(&bits, &shifted, sizeof(bits));
  bits = (bits - 0x4B400000 + 127) << 23;  // 2^n
  float power;
  std::memcpy(&power, &bits, sizeof(power));
  return x < kLowest ? 0.f : p * power;
}

/// @brief Sum of term(0) ... term(count - 1), in an order that is vectorised.
template <typename Term>
CAFFE_INLINE float sum_in_lanes(long count, Term term) {
  const int kLanes = 32;
  float sums[kLanes] = {};
  long i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) { sums[lane] += term(i + lane); }
  }
  for (int lane = 0; i < count; ++i, ++lane) { sums[lane] += term(i); }
  float sum = 0;
  for (int lane = 0; lane < kLanes; ++lane) { sum += sums[lane]; }
  return sum;
}

inline int parts_of(int count, int part) { return (count + part - 1) / part; }
inline int rounded_up(int count, int to) { return parts_of(count, to) * to; }

const int kCacheLine = 64;  ///< bytes

const long kPart = 8192;

/// @brief Calls work(begin, end) for all parts of 0 ... count, kPart numbers
///        each but for the last; many are shared among the threads.
template <typename Work>
void in_parts(long count, Work work) {
  const long kFew = 60000;
#pragma omp parallel for num_threads(cores::threads()) if (count > kFew)
  for (long begin = 0; begin < count; begin += kPart) {
    work(begin, std::min(begin + kPart, count));
  }
}

}  // namespace caffe

#endif  // CAFFE_UTIL_SIMD_HPP_
