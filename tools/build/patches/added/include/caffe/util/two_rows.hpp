#ifndef CAFFE_UTIL_TWO_ROWS_HPP_
#define CAFFE_UTIL_TWO_ROWS_HPP_

#include <algorithm>

namespace caffe {

/**
 * The products of an inner product layer for a mini-batch of two.
 *
 * The weights, @f$ N \times K @f$, are far larger than all else, so the time
 * is that of reading them. A general matrix product rearranges them first,
 * which costs more than it saves for two rows; here each is touched once.
 */

/// @brief @f$ Y = X W^T @f$ with @f$ X: 2 \times K, Y: 2 \times N @f$
template <typename Dtype>
void two_rows_forward(int N, int K, const Dtype* x, const Dtype* weights,
    Dtype* y) {
#pragma omp parallel for
  for (int n = 0; n < N; ++n) {
    const Dtype* row = weights + static_cast<size_t>(n) * K;
    Dtype first = 0, second = 0;
#pragma omp simd reduction(+ : first, second)
    for (int k = 0; k < K; ++k) {
      first += row[k] * x[k];
      second += row[k] * x[K + k];
    }
    y[n] = first;
    y[N + n] = second;
  }
}

/// @brief @f$ \Delta W \mathrel{+}= \Delta Y^T X @f$
template <typename Dtype>
void two_rows_weights(int N, int K, const Dtype* y_diff, const Dtype* x,
    Dtype* weights_diff) {
#pragma omp parallel for
  for (int n = 0; n < N; ++n) {
    Dtype* row = weights_diff + static_cast<size_t>(n) * K;
    const Dtype first = y_diff[n], second = y_diff[N + n];
#pragma omp simd
    for (int k = 0; k < K; ++k) {
      row[k] += first * x[k] + second * x[K + k];
    }
  }
}

/// @brief @f$ \Delta X = \Delta Y W @f$
template <typename Dtype>
void two_rows_bottom(int N, int K, const Dtype* y_diff, const Dtype* weights,
    Dtype* x_diff) {
  const int kChunk = 1024;  // columns whose sums stay in the nearest cache
#pragma omp parallel for
  for (int begin = 0; begin < K; begin += kChunk) {
    const int end = std::min(begin + kChunk, K);
    std::fill(x_diff + begin, x_diff + end, Dtype(0));
    std::fill(x_diff + K + begin, x_diff + K + end, Dtype(0));
    for (int n = 0; n < N; ++n) {
      const Dtype* row = weights + static_cast<size_t>(n) * K;
      const Dtype first = y_diff[n], second = y_diff[N + n];
#pragma omp simd
      for (int k = begin; k < end; ++k) {
        x_diff[k] += first * row[k];
        x_diff[K + k] += second * row[k];
      }
    }
  }
}

}  // namespace caffe

#endif  // CAFFE_UTIL_TWO_ROWS_HPP_
