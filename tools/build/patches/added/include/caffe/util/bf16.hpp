#ifndef CAFFE_UTIL_BF16_HPP_
#define CAFFE_UTIL_BF16_HPP_

#include <cstddef>
#include <cstdint>

namespace caffe {

/// @brief The upper half of a float: 8 of its 24 bits of precision.
typedef uint16_t bf16;

/// @brief Sizes of a stack of maps; pixels: height times width.
struct MapSizes {
  int num, channels, pixels;
  size_t count() const {
    return static_cast<size_t>(num) * channels * pixels;
  }
  bool operator==(const MapSizes& other) const {
    return num == other.num && channels == other.channels &&
        pixels == other.pixels;
  }
};

/**
 * @brief to = from, rounded to nearest; from in Caffe's order, (image, channel,
 *        pixel); to with the channels last, (image, pixel, channel).
 */
void to_bf16(const MapSizes& sizes, const float* from, bf16* to);

/// @brief The way back: to = from, exactly.
void from_bf16(const MapSizes& sizes, const bf16* from, float* to);

/// @brief diff = 0 where y, which has no negative numbers, is 0.
void relu_backward_bf16(size_t count, const bf16* y, const bf16* top_diff,
    bf16* bottom_diff);

/**
 * @brief 2 x 2 max-pooling with stride 2 of maps of even height and width
 *        without negative numbers, channels last; `winners`: which of its four
 *        numbers, row by row, each maximum is, the first of equals.
 */
void max_pool_by_two_bf16(const MapSizes& bottom_sizes, int width,
    const bf16* bottom, bf16* top, uint8_t* winners);

/// @brief Its gradient: bottom_diff = top_diff at the winners, else 0.
void max_pool_by_two_backward_bf16(const MapSizes& bottom_sizes, int width,
    const bf16* top_diff, const uint8_t* winners, bf16* bottom_diff);

/**
 * @brief Four numbers a pixel of `channels` each, for the even and odd rows and
 *        columns, become an image of twice the height and width; channels last.
 */
void interleave_bf16(int num, int height, int width, int channels,
    const bf16* phases, bf16* image);

/// @brief The way back.
void deinterleave_bf16(int num, int height, int width, int channels,
    const bf16* image, bf16* phases);

}  // namespace caffe

#endif  // CAFFE_UTIL_BF16_HPP_
