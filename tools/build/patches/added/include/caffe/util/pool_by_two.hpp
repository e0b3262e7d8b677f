#ifndef CAFFE_UTIL_POOL_BY_TWO_HPP_
#define CAFFE_UTIL_POOL_BY_TWO_HPP_

namespace caffe {

/**
 * @brief 2 x 2 max-pooling with stride 2 of `maps` maps of even height and
 *        width; `winners`: where in its map each maximum is, the first of
 *        equals. For float and double.
 */
template <typename Dtype>
void max_pool_by_two(int maps, int height, int width, const Dtype* bottom,
    Dtype* top, int* winners);

/// @brief bottom_diff: top_diff where a maximum is, and 0 elsewhere.
template <typename Dtype>
void max_pool_by_two_backward(int maps, int height, int width,
    const Dtype* top_diff, const int* winners, Dtype* bottom_diff);

}  // namespace caffe

#endif  // CAFFE_UTIL_POOL_BY_TWO_HPP_
