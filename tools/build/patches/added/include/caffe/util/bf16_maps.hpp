#ifndef CAFFE_UTIL_BF16_MAPS_HPP_
#define CAFFE_UTIL_BF16_MAPS_HPP_

#include "caffe/blob.hpp"
#include "caffe/util/bf16.hpp"

namespace caffe {

/// @brief As what a blob may be kept in bf16; nothing unless it has four axes.
template <typename Dtype>
MapSizes map_sizes(const Blob<Dtype>& blob) {
  if (blob.num_axes() != 4) { return {0, 0, 0}; }
  return {blob.shape(0), blob.shape(1), blob.count(2)};
}

}  // namespace caffe

#endif  // CAFFE_UTIL_BF16_MAPS_HPP_
