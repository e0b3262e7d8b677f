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

}  // namespace

template <typename Dtype>
void max_pool_by_two(int maps, int height, int width, const Dtype* bottom,
    Dtype* top, int* winners) {
  const int rows = height / 2, columns = width / 2;
#pragma omp parallel for num_threads(cores::threads()) \
    if (maps * rows * columns > kParallelFrom)
  for (int row = 0; row < maps * rows; ++row) {
    const size_t out = static_cast<size_t>(row) * columns;
    pool_row(row % rows * 2 * width, width, bottom + 4 * out, top + out,
        winners + out);
  }
}

template void max_pool_by_two(int, int, int, const float*, float*, int*);
template void max_pool_by_two(int, int, int, const double*, double*, int*);

}  // namespace caffe
