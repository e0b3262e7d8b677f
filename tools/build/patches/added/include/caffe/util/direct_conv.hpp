#ifndef CAFFE_UTIL_DIRECT_CONV_HPP_
#define CAFFE_UTIL_DIRECT_CONV_HPP_

namespace caffe {

/// @brief What is convolved: `num` images of `channels` to `outputs` maps.
struct MapsToMaps {
  int num, channels, height, width, outputs;
};

/**
 * Convolutions by the definition, on Caffe's own layout, for layers of few
 * channels: there Winograd's transforms, and bringing maps into another layout
 * and back, take longer than the products. For CPUs with AVX-512; the products
 * of sixteen neighbours in a row go at once.
 */
namespace direct {

/// @brief Whether this CPU can.
bool available();

/// @brief top = weights * bottom + bias, with padding 1; weights (outputs,
///        channels, 3, 3). bias may be null.
void convolve(const MapsToMaps& maps, const float* bottom,
    const float* weights, const float* bias, float* top);

/// @brief bottom_diff = transposed weights * top_diff, the same layer's.
void convolve_back(const MapsToMaps& maps, const float* top_diff,
    const float* weights, float* bottom_diff);

/// @brief The deconvolution 4 x 4 with stride 2 and padding 1: top is twice as
///        high and wide; weights (channels, outputs, 4, 4).
void deconvolve(const MapsToMaps& maps, const float* bottom,
    const float* weights, const float* bias, float* top);

}  // namespace direct
}  // namespace caffe

#endif  // CAFFE_UTIL_DIRECT_CONV_HPP_
