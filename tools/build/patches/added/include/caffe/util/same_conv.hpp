#ifndef CAFFE_UTIL_SAME_CONV_HPP_
#define CAFFE_UTIL_SAME_CONV_HPP_

#include <vector>

#include "caffe/common.hpp"

namespace caffe {

/// @brief The sizes of a convolution that keeps height and width.
struct ConvSize {
  int num, channels, height, width, outputs;
};

/**
 * @brief A stack of output channels of a convolution and where Caffe keeps it.
 *
 * A convolution has one, the whole top blob. A deconvolution is a convolution
 * with four: the even and odd rows and columns of its top blob.
 */
struct ConvPiece {
  int first_channel;         ///< among the outputs of the convolution
  int channels;
  std::vector<long> stride;  ///< between images, channels, rows, columns
  long offset;               ///< of its first number in Caffe's blob
};

/**
 * @brief 3 x 3 convolution with padding 1, or 1 x 1 without, on Caffe's blobs:
 *        with stride 1, so that the size stays the same.
 *
 * 3 x 3 is computed by Winograd's @f$ F(4 \times 4, 3 \times 3) @f$, which
 * multiplies four times less often than the definition; on CPUs without AVX2 by
 * the definition.
 */
class SameConv {
 public:
  /// @brief For a kernel of 3 x 3 or 1 x 1. Null where none serves; of 3 x 3
  ///        also where only the definition is left and `by_definition` false.
  static shared_ptr<SameConv> Create(const ConvSize& size, int kernel,
      bool bias, bool by_definition);
  virtual ~SameConv() {}
  /// @brief top = weights * bottom + bias; bias may be null
  virtual void Forward(const float* bottom, const float* weights,
      const float* bias, const std::vector<ConvPiece>& pieces, float* top) = 0;
  /// @brief bottom_diff = transposed weights * top_diff
  virtual void BackwardData(const std::vector<ConvPiece>& pieces,
      const float* top_diff, const float* weights, float* bottom_diff) = 0;
  /// @brief weights_diff += bottom * top_diff
  virtual void BackwardWeights(const float* bottom,
      const std::vector<ConvPiece>& pieces, const float* top_diff,
      float* weights_diff) = 0;
};

}  // namespace caffe

#endif  // CAFFE_UTIL_SAME_CONV_HPP_
