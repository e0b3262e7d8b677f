#ifndef CAFFE_UTIL_WINOGRAD_CONV_HPP_
#define CAFFE_UTIL_WINOGRAD_CONV_HPP_

#include <vector>

#include "caffe/util/same_conv.hpp"

namespace caffe {

/**
 * @brief Winograd's @f$ F(4 \times 4, 3 \times 3) @f$, for CPUs with AVX2 or
 *        AVX-512.
 *
 * With @f$ B, G, A @f$ the matrices of Toom and Cook, a tile of 4 x 4 outputs
 * is @f$ A^T ((G w G^T) \odot (B^T d B)) A @f$ of the 6 x 6 inputs d that it
 * sees: 36 products in place of 144. Over all tiles and channels each of the
 * 36 is a product of matrices. The gradient by d is the same with w turned
 * round, that by w is the transpose,
 * @f$ G^T ((A y A^T) \odot (B^T d B)) G @f$ (Lavin and Gray, "Fast Algorithms
 * for Convolutional Neural Networks", CVPR 2016).
 *
 * Spectra of weights and of outputs are only ever those of a few maps at a few
 * tiles, which stay in a core's cache: at one face the weights of a deep layer
 * are read once, and nothing four times as large is written beside them.
 * Threads share the tiles, where there are enough of them, and else the
 * outputs; for the gradient of many weights, the weights.
 * Pixels and weights that are next are fetched into the cache while others are
 * transformed and multiplied: they lie too far apart for a core to foresee.
 */
class WinogradConv : public SameConv {
 public:
  /// @brief Whether this CPU can.
  static bool Available();
  explicit WinogradConv(const ConvSize& size);

  virtual void Forward(const float* bottom, const float* weights,
      const float* bias, const std::vector<ConvPiece>& pieces, float* top);
  virtual void BackwardData(const std::vector<ConvPiece>& pieces,
      const float* top_diff, const float* weights, float* bottom_diff);
  virtual void BackwardWeights(const float* bottom,
      const std::vector<ConvPiece>& pieces, const float* top_diff,
      float* weights_diff);

 private:
  ConvSize size_;
  std::vector<ConvPiece> bottom_;  ///< the bottom as one piece
};

}  // namespace caffe

#endif  // CAFFE_UTIL_WINOGRAD_CONV_HPP_
