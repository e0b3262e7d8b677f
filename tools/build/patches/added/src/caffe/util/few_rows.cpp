#include <algorithm>

#include "caffe/util/cores.hpp"
#include "caffe/util/few_rows.hpp"
#include "caffe/util/simd.hpp"

namespace caffe {

namespace {

const int kNear = 65536;  // numbers that a core's own cache holds beside others
const int kChunk = 1024;  // columns whose sums stay in the nearest cache
const int kFetched = 256;  // columns at a time
const long kParallelFrom = 50000;  // weights; fewer are done before threads wake

// y_s = x . row s of four; step: from one of them to the next, 0: all one.
template <typename Dtype>
CAFFE_INLINE void products(int K, long step, const Dtype* x,
    const Dtype* weights, Dtype* y) {
  const Dtype *a = weights, *b = a + step, *c = b + step, *d = c + step;
  Dtype sum_a = 0, sum_b = 0, sum_c = 0, sum_d = 0;
#pragma omp simd reduction(+ : sum_a, sum_b, sum_c, sum_d)
  for (int k = 0; k < K; ++k) {
    sum_a += a[k] * x[k];
    sum_b += b[k] * x[k];
    sum_c += c[k] * x[k];
    sum_d += d[k] * x[k];
  }
  y[0] = sum_a;
  y[1] = sum_b;
  y[2] = sum_c;
  y[3] = sum_d;
}

// The same of two rows x.
template <typename Dtype>
CAFFE_INLINE void products_of_two(int K, long step, const Dtype* x,
    const Dtype* weights, Dtype* y, Dtype* z) {
  const Dtype *a = weights, *b = a + step, *c = b + step, *d = c + step;
  const Dtype* other = x + K;
  Dtype sum_a = 0, sum_b = 0, sum_c = 0, sum_d = 0;
  Dtype more_a = 0, more_b = 0, more_c = 0, more_d = 0;
#pragma omp simd reduction(+ : sum_a, sum_b, sum_c, sum_d) \
    reduction(+ : more_a, more_b, more_c, more_d)
  for (int k = 0; k < K; ++k) {
    sum_a += a[k] * x[k];
    more_a += a[k] * other[k];
    sum_b += b[k] * x[k];
    more_b += b[k] * other[k];
    sum_c += c[k] * x[k];
    more_c += c[k] * other[k];
    sum_d += d[k] * x[k];
    more_d += d[k] * other[k];
  }
  y[0] = sum_a;
  y[1] = sum_b;
  y[2] = sum_c;
  y[3] = sum_d;
  z[0] = more_a;
  z[1] = more_b;
  z[2] = more_c;
  z[3] = more_d;
}

// Columns n to n + count of Y; count: four or one.
template <typename Dtype>
CAFFE_INLINE void columns(int M, int N, int K, int n, int count, const Dtype* x,
    const Dtype* weights, const Dtype* bias, Dtype* y) {
  const Dtype* rows = weights + static_cast<long>(n) * K;
  for (int first = 0; first < M; first += 2) {
    const int pair = std::min(M - first, 2);
    const long step = count == kRowsTogether ? K : 0;
    Dtype sums[2][kRowsTogether];
    if (pair == 2) {
      products_of_two(K, step, x + first * K, rows, sums[0], sums[1]);
    } else {
      products(K, step, x + first * K, rows, sums[0]);
    }
    for (int m = 0; m < pair; ++m) {
      for (int s = 0; s < count; ++s) {
        y[(first + m) * N + n + s] = sums[m][s] + (bias ? bias[n + s] : 0);
      }
    }
  }
}

// `count` numbers of a row of the weights' diff += sum_m y_diff_m x_m.
template <typename Dtype>
CAFFE_INLINE void add_rows(int M, int N, int K, int count, const Dtype* y_diff,
    const Dtype* x, Dtype* row) {
  int m = 0;
  for (; m + 4 <= M; m += 4) {
    const Dtype* y = y_diff + m * N;
    const Dtype of_a = y[0], of_b = y[N], of_c = y[2 * N], of_d = y[3 * N];
    const Dtype* a = x + static_cast<long>(m) * K;
    const Dtype *b = a + K, *c = b + K, *d = c + K;
#pragma omp simd
    for (int k = 0; k < count; ++k) {
      row[k] += of_a * a[k] + of_b * b[k] + of_c * c[k] + of_d * d[k];
    }
  }
  for (; m + 2 <= M; m += 2) {
    const Dtype of_a = y_diff[m * N], of_b = y_diff[(m + 1) * N];
    const Dtype *a = x + static_cast<long>(m) * K, *b = a + K;
#pragma omp simd
    for (int k = 0; k < count; ++k) { row[k] += of_a * a[k] + of_b * b[k]; }
  }
  if (m < M) {
    const Dtype of_a = y_diff[m * N];
    const Dtype* a = x + static_cast<long>(m) * K;
#pragma omp simd
    for (int k = 0; k < count; ++k) { row[k] += of_a * a[k]; }
  }
}

// x_diff_m (count) = sum_n y_diff_mn w_n, for columns of W that begin at
// `weights`.
template <typename Dtype>
CAFFE_INLINE void sum_rows(int M, int N, int K, int count, const Dtype* y_diff,
    const Dtype* weights, Dtype* x_diff) {
  for (int m = 0; m < M; ++m) {
    std::fill(x_diff + m * K, x_diff + m * K + count, Dtype(0));
  }
  int n = 0;
  for (; n + kRowsTogether <= N; n += kRowsTogether) {
    const Dtype* a = weights + static_cast<long>(n) * K;
    const Dtype *b = a + K, *c = b + K, *d = c + K;
    for (int begin = 0; begin < count; begin += kFetched) {
      const int end = std::min(begin + kFetched, count);
      for (int k = begin; k < end; k += kCacheLine / sizeof(Dtype)) {
        // The next rows: a core does not foresee that they follow these.
        for (int i = 0; i < kRowsTogether; ++i) {
          __builtin_prefetch(d + (i + 1) * K + k);
        }
      }
      for (int m = 0; m < M; ++m) {
        const Dtype* y = y_diff + m * N + n;
        const Dtype of_a = y[0], of_b = y[1], of_c = y[2], of_d = y[3];
        Dtype* out = x_diff + m * K;
#pragma omp simd
        for (int k = begin; k < end; ++k) {
          out[k] += of_a * a[k] + of_b * b[k] + of_c * c[k] + of_d * d[k];
        }
      }
    }
  }
  for (; n < N; ++n) {
    const Dtype* row = weights + static_cast<long>(n) * K;
    for (int m = 0; m < M; ++m) {
      const Dtype of = y_diff[m * N + n];
      Dtype* out = x_diff + m * K;
#pragma omp simd
      for (int k = 0; k < count; ++k) { out[k] += of * row[k]; }
    }
  }
}

// What the loader chooses the CPU's version of.
#define CAFFE_FEW_ROWS(Dtype) \
  CAFFE_CLONES void columns_of(int M, int N, int K, int n, int count, \
      const Dtype* x, const Dtype* weights, const Dtype* bias, Dtype* y) { \
    columns(M, N, K, n, count, x, weights, bias, y); \
  } \
  CAFFE_CLONES void add_rows_of(int M, int N, int K, int count, \
      const Dtype* y_diff, const Dtype* x, Dtype* row) { \
    add_rows(M, N, K, count, y_diff, x, row); \
  } \
  CAFFE_CLONES void sum_rows_of(int M, int N, int K, int count, \
      const Dtype* y_diff, const Dtype* weights, Dtype* x_diff) { \
    sum_rows(M, N, K, count, y_diff, weights, x_diff); \
  }
CAFFE_FEW_ROWS(float)
CAFFE_FEW_ROWS(double)

}  // namespace

template <typename Dtype>
void few_rows_columns(int M, int N, int K, int n, const Dtype* x,
    const Dtype* weights, const Dtype* bias, Dtype* y) {
  if (n + kRowsTogether <= N) {
    columns_of(M, N, K, n, kRowsTogether, x, weights, bias, y);
    return;
  }
  for (; n < N; ++n) { columns_of(M, N, K, n, 1, x, weights, bias, y); }
}

template <typename Dtype>
void few_rows_weights(int M, int N, int K, const Dtype* y_diff, const Dtype* x,
    Dtype* weights_diff) {
  // Columns of x that stay in a core's cache for all rows of the weights.
  const int chunk = std::max(kNear / M / 16 * 16, 16);
#pragma omp parallel num_threads(cores::threads()) \
    if (static_cast<long>(N) * K > kParallelFrom)
  for (int begin = 0; begin < K; begin += chunk) {
#pragma omp for schedule(static) nowait
    for (int n = 0; n < N; ++n) {
      add_rows_of(M, N, K, std::min(chunk, K - begin), y_diff + n, x + begin,
          weights_diff + static_cast<long>(n) * K + begin);
    }
  }
}

template <typename Dtype>
void few_rows_bottom(int M, int N, int K, const Dtype* y_diff,
    const Dtype* weights, Dtype* x_diff) {
  // Whole cache lines, and as many chunks as threads share evenly.
  const int chunk = std::max(std::min((K + 3) / 4, kChunk) / 16 * 16, 16);
#pragma omp parallel for num_threads(cores::threads()) \
    if (static_cast<long>(N) * K > kParallelFrom)
  for (int begin = 0; begin < K; begin += chunk) {
    sum_rows_of(M, N, K, std::min(chunk, K - begin), y_diff, weights + begin,
        x_diff + begin);
  }
}

#define CAFFE_INSTANTIATE_FEW_ROWS(Dtype) \
  template void few_rows_columns(int, int, int, int, const Dtype*, \
      const Dtype*, const Dtype*, Dtype*); \
  template void few_rows_weights(int, int, int, const Dtype*, const Dtype*, \
      Dtype*); \
  template void few_rows_bottom(int, int, int, const Dtype*, const Dtype*, \
      Dtype*)
CAFFE_INSTANTIATE_FEW_ROWS(float);
CAFFE_INSTANTIATE_FEW_ROWS(double);

}  // namespace caffe
