#ifndef CAFFE_UTIL_WINOGRAD_CONV_HPP_
#define CAFFE_UTIL_WINOGRAD_CONV_HPP_

#include <vector>

#include "caffe/util/conv3x3.hpp"

namespace caffe {

/**
 * @brief Winograd's @f$ F(4 \times 4, 3 \times 3) @f$ on the BLAS, for CPUs
 *        for which oneDNN has no such kernel.
 *
 * With @f$ B, G, A @f$ the matrices of Toom and Cook, a tile of 4 x 4 outputs
 * is @f$ A^T ((G w G^T) \odot (B^T d B)) A @f$ of the 6 x 6 inputs d that it
 * sees: 36 products in place of 144. Over all tiles and channels each of the
 * 36 is a product of matrices. The gradient by d is the same with w turned
 * round, that by w is the transpose,
 * @f$ G^T ((A y A^T) \odot (B^T d B)) G @f$ (Lavin and Gray, "Fast Algorithms
 * for Convolutional Neural Networks", CVPR 2016).
 * All layers of a thread share their buffers; nothing in them outlives a call.
 */
class WinogradConv : public Conv3x3 {
 public:
  /// @brief Whether the transforms cost less than they save.
  static bool Pays(const ConvSize& size);
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
