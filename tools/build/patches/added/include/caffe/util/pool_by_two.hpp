#ifndef CAFFE_UTIL_POOL_BY_TWO_HPP_
#define CAFFE_UTIL_POOL_BY_TWO_HPP_

namespace caffe {

/**
 * @brief 2 x 2 max-pooling with stride 2 of `maps` maps of even height and
 *        width; `winners`: where in its map each maximum is, the first of
 *        equals.
 */
template <typename Dtype>
void max_pool_by_two(int maps, int height, int width, const Dtype* bottom,
    Dtype* top, int* winners) {
  const int rows = height / 2, columns = width / 2;
#pragma omp parallel for
  for (int row = 0; row < maps * rows; ++row) {
    const int start = row % rows * 2 * width;
    const Dtype* upper = bottom + static_cast<size_t>(row) * 2 * width;
    const Dtype* lower = upper + width;
    Dtype* best = top + static_cast<size_t>(row) * columns;
    int* winner = winners + static_cast<size_t>(row) * columns;
#pragma omp simd
    for (int i = 0; i < columns; ++i) {
      const Dtype a = upper[2 * i], b = upper[2 * i + 1];
      const Dtype c = lower[2 * i], d = lower[2 * i + 1];
      const Dtype above = b > a ? b : a, below = d > c ? d : c;
      const int place_above = b > a ? 1 : 0;
      const int place_below = d > c ? width + 1 : width;
      best[i] = below > above ? below : above;
      winner[i] = start + 2 * i + (below > above ? place_below : place_above);
    }
  }
}

}  // namespace caffe

#endif  // CAFFE_UTIL_POOL_BY_TWO_HPP_
