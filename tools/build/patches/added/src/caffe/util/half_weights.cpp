#ifdef __x86_64__
#include <immintrin.h>
#endif

#include <algorithm>

#include "caffe/util/cores.hpp"
#include "caffe/util/cpu.hpp"
#include "caffe/util/few_rows.hpp"
#include "caffe/util/half_weights.hpp"
#include "caffe/util/simd.hpp"

namespace caffe {

namespace {

const int kNumbers = 16;  // of a vector
const long kManyWeights = 50000;  // weights; fewer stay in the caches as they are

thread_local HalfWeights* running = NULL;

#ifdef __x86_64__
#define FOR_AVX512 __attribute__((target("avx512f")))

bool cpu_can() {
  static const bool can = cpu_has_avx512();
  return can;
}

FOR_AVX512 inline __m512 load_lanes(const float* from, int count) {
  return count >= kNumbers ? _mm512_loadu_ps(from)
      : _mm512_maskz_loadu_ps((1u << count) - 1, from);
}

// False when a number of the row is no half; then `to` is of no use.
FOR_AVX512 bool halve_row(int K, const float* from, uint16_t* to) {
  for (int k = 0; k < K; k += kNumbers) {
    const __m512 row = load_lanes(from + k, K - k);
    const __m256i halves = _mm512_cvtps_ph(row, _MM_FROUND_TO_NEAREST_INT);
    const __m512i back = _mm512_castps_si512(_mm512_cvtph_ps(halves));
    if (_mm512_cmpneq_epi32_mask(back, _mm512_castps_si512(row))) {
      return false;
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + k), halves);
  }
  return true;
}

FOR_AVX512 inline __m512 widened(const uint16_t* from) {
  return _mm512_cvtph_ps(
      _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}

// y_s = x . row s of four.
FOR_AVX512 void dot_of_four(int K, const float* x, const uint16_t* rows,
    float* y) {
  const int step = rounded_up(K, kNumbers);
  const uint16_t *a = rows, *b = a + step, *c = b + step, *d = c + step;
  __m512 sum_a = _mm512_setzero_ps(), sum_b = sum_a, sum_c = sum_a,
      sum_d = sum_a;
  for (int k = 0; k < K; k += kNumbers) {
    const __m512 input = load_lanes(x + k, K - k);
    sum_a = _mm512_fmadd_ps(widened(a + k), input, sum_a);
    sum_b = _mm512_fmadd_ps(widened(b + k), input, sum_b);
    sum_c = _mm512_fmadd_ps(widened(c + k), input, sum_c);
    sum_d = _mm512_fmadd_ps(widened(d + k), input, sum_d);
  }
  y[0] = _mm512_reduce_add_ps(sum_a);
  y[1] = _mm512_reduce_add_ps(sum_b);
  y[2] = _mm512_reduce_add_ps(sum_c);
  y[3] = _mm512_reduce_add_ps(sum_d);
}
#undef FOR_AVX512
#else
bool cpu_can() { return false; }
bool halve_row(int, const float*, uint16_t*) { return false; }
void dot_of_four(int, const float*, const uint16_t*, float*) {}
#endif

}  // namespace

HalfWeights::Pass::Pass(HalfWeights* weights) : outer_(running) {
  running = weights && cpu_can() ? weights : NULL;
  if (running) { ++running->pass_; }
}

HalfWeights::Pass::~Pass() { running = outer_; }

const uint16_t* HalfWeights::Find(int N, int K, const float* weights,
    uint64_t stamp) {
  Copy& copy = copies_[std::make_pair(weights, K)];
  const bool first =
      copy.pass != pass_ && !(stamp && copy.stamp == stamp);
  if (first) { copy.made = false; }
  copy.pass = pass_;
  copy.stamp = stamp;
  // A copy pays from the second use on; where one paid before, at once.
  if (!copy.made && (copy.exact || !first)) {
    copy.made = true;
    copy.exact = Halve(N, K, weights, &copy.halves);
  }
  return copy.made && copy.exact ? copy.halves.data() : NULL;
}

bool HalfWeights::Halve(int N, int K, const float* weights,
    std::vector<uint16_t>* halves) {
  const long row = rounded_up(K, kNumbers);
  halves->resize(rounded_up(N, kRowsTogether) * row);
  bool exact = true;
  // Rows shared as inner_products.cpp shares them: each in its core's cache.
#pragma omp parallel for num_threads(cores::threads()) schedule(static) \
    reduction(&& : exact)
  for (int n = 0; n < N; n += kRowsTogether) {
    for (int i = n; exact && i < std::min(n + kRowsTogether, N); ++i) {
      exact = halve_row(K, weights + static_cast<long>(i) * K,
          halves->data() + i * row);
    }
  }
  return exact;
}

const uint16_t* HalfWeights::Of(int N, int K, const float* weights,
    uint64_t stamp) {
  return running && static_cast<long>(N) * K > kManyWeights ?
      running->Find(N, K, weights, stamp) : NULL;
}

void HalfWeights::Columns(int M, int N, int K, int n, const float* x,
    const uint16_t* copy, const float* bias, float* y) {
  const uint16_t* rows = copy + static_cast<long>(n) * rounded_up(K, kNumbers);
  for (int m = 0; m < M; ++m) {
    float sums[kRowsTogether];
    dot_of_four(K, x + m * K, rows, sums);
    for (int i = 0; i < std::min(N - n, kRowsTogether); ++i) {
      y[m * N + n + i] = sums[i] + (bias ? bias[n + i] : 0);
    }
  }
}

}  // namespace caffe
