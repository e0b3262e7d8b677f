#ifndef CAFFE_UTIL_RAR_MAPS_HPP_
#define CAFFE_UTIL_RAR_MAPS_HPP_

#include <algorithm>
#include <cmath>
#include <vector>

#include "caffe/blob.hpp"
#include "caffe/util/math_functions.hpp"

namespace caffe {
namespace rar {

typedef std::vector<Blob<float>*> Blobs;

/// @brief The sizes of a stack of maps.
struct Maps {
  explicit Maps(const Blob<float>& blob)
      : num(blob.shape(0)), channels(blob.shape(1)), height(blob.shape(2)),
        width(blob.shape(3)) {}
  int rows() const { return num * channels; }
  int places() const { return height * width; }

  int num, channels, height, width;
};

/// @brief The nearest pixel, -10^6 to 10^6; of NaN the first of these.
inline int nearest(float coordinate) {
  return static_cast<int>(
      std::nearbyint(std::min(std::max(-1e6f, coordinate), 1e6f)));
}

/// @brief What lies within `radius` of a pixel, and on the map.
struct Window {
  Window(const Maps& maps, int x, int y, int radius)
      : left(std::max(x - radius, 0)),
        right(std::min(x + radius, maps.width - 1)),
        upper(std::max(y - radius, 0)),
        lower(std::min(y + radius, maps.height - 1)) {}

  int left, right, upper, lower;  ///< all of them inside
};

inline void clear_diff(Blob<float>* blob) {
  caffe_set(blob->count(), 0.f, blob->mutable_cpu_diff());
}

}  // namespace rar
}  // namespace caffe

#endif  // CAFFE_UTIL_RAR_MAPS_HPP_
