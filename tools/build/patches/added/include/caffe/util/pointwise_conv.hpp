#ifndef CAFFE_UTIL_POINTWISE_CONV_HPP_
#define CAFFE_UTIL_POINTWISE_CONV_HPP_

#include <vector>

#include "caffe/util/same_conv.hpp"

namespace caffe {

/**
 * @brief 1 x 1 convolution, for CPUs with AVX2 or AVX-512: with X the maps,
 *        one a row, @f$ Y = W X + b @f$, @f$ dX = W^T dY @f$ and
 *        @f$ dW \mathrel{+}= dY X^T @f$.
 *
 * Products of matrices, as a BLAS computes them; but these are the same with
 * any number of threads, and read maps whose steps are powers of two once, into
 * a core's cache, where they would push each other out of it.
 */
class PointwiseConv : public SameConv {
 public:
  /// @brief Whether this CPU can.
  static bool Available();
  explicit PointwiseConv(const ConvSize& size) : size_(size) {}

  virtual void Forward(const float* bottom, const float* weights,
      const float* bias, const std::vector<ConvPiece>& pieces, float* top);
  virtual void BackwardData(const std::vector<ConvPiece>& pieces,
      const float* top_diff, const float* weights, float* bottom_diff);
  virtual void BackwardWeights(const float* bottom,
      const std::vector<ConvPiece>& pieces, const float* top_diff,
      float* weights_diff);

 private:
  ConvSize size_;
};

}  // namespace caffe

#endif  // CAFFE_UTIL_POINTWISE_CONV_HPP_
