#include <algorithm>
#include <cstddef>

#include "caffe/util/cores.hpp"
#include "caffe/util/pool_by_two.hpp"
#include "caffe/util/simd.hpp"

namespace caffe {

namespace {

const int kParallelFrom = 30000;  // maxima; fewer are found before threads wake

// One row of maxima; start: where in the map its two rows begin.
template <typename Dtype>
CAFFE_INLINE void row_of(int start, int width, const Dtype* upper, Dtype* best,
    int* winner) {
  const Dtype* lower = upper + width;
#pragma omp simd
  for (int i = 0; i < width / 2; ++i) {
    const Dtype a = upper[2 * i], b = upper[2 * i + 1];
    const Dtype c = lower[2 * i], d = lower[2 * i + 1];
    const Dtype above = b > a ? b : a, below = d > c ? d : c;
    // Places as sums: with branches the loop would not be vectorised.
    const int right_above = b > a, right_below = d > c, down = below > above;
    best[i] = below > above ? below : above;
    winner[i] = start + 2 * i + right_above +
        down * (width + right_below - right_above);
  }
}

CAFFE_CLONES void pool_row(int start, int width, const float* upper,
    float* best, int* winner) {
  row_of(start, width, upper, best, winner);
}
CAFFE_CLONES void pool_row(int start, int width, const double* upper,
    double* best, int* winner) {
  row_of(start, width, upper, best, winner);
}

// visit(start of two rows in their map, of their maxima, of them), for all.
template <typename Visit>
void for_each_row(int maps, int height, int width, Visit visit) {
  const int rows = height / 2, columns = width / 2;
#pragma omp parallel for num_threads(cores::threads()) \
    if (maps * rows * columns > kParallelFrom)
  for (int row = 0; row < maps * rows; ++row) {
    const size_t out = static_cast<size_t>(row) * columns;
    visit(row % rows * 2 * width, out, 4 * out);
  }
}

}  // namespace

template <typename Dtype>
void max_pool_by_two(int maps, int height, int width, const Dtype* bottom,
    Dtype* top, int* winners) {
  for_each_row(maps, height, width, [=](int start, size_t out, size_t in) {
    pool_row(start, width, bottom + in, top + out, winners + out);
  });
}

template <typename Dtype>
void max_pool_by_two_backward(int maps, int height, int width,
    const Dtype* top_diff, const int* winners, Dtype* bottom_diff) {
  for_each_row(maps, height, width, [=](int start, size_t out, size_t in) {
    Dtype* two_rows = bottom_diff + in;
    std::fill(two_rows, two_rows + 2 * width, Dtype(0));
    for (int i = 0; i < width / 2; ++i) {
      two_rows[winners[out + i] - start] = top_diff[out + i];
    }
  });
}

#define CAFFE_INSTANTIATE_POOL_BY_TWO(Dtype) \
  template void max_pool_by_two(int, int, int, const Dtype*, Dtype*, int*); \
  template void max_pool_by_two_backward(int, int, int, const Dtype*, \
      const int*, Dtype*)
CAFFE_INSTANTIATE_POOL_BY_TWO(float);
CAFFE_INSTANTIATE_POOL_BY_TWO(double);

}  // namespace caffe
