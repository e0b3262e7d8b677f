#ifndef CAFFE_UTIL_BF16_CONV_HPP_
#define CAFFE_UTIL_BF16_CONV_HPP_

#ifdef USE_DNNL

#include <vector>

#include <dnnl.hpp>

#include "caffe/syncedmem.hpp"
#include "caffe/util/same_conv.hpp"

namespace caffe {

/**
 * @brief Whether layers that can compute in bf16 should: the environment says
 *        CAFFE_BF16=1, oneDNN is wanted (dnnl_wanted()) and the CPU has AMX.
 *
 * Without AMX our float convolutions are as fast: then one line on stderr says
 * so. CAFFE_BF16=always takes bf16 there too, for tests: oneDNN does it with
 * any AVX-512.
 */
bool bf16_wanted();

/**
 * @brief 3 x 3 or 1 x 1 convolution with stride 1 that keeps the size, its
 *        factors in bf16, its sums float; by oneDNN.
 *
 * Maps are read and written as bf16, channels last (SyncedMemory::bf16_data),
 * where they are that; other maps are converted for every call. Weights too, as
 * they may change at any time.
 */
class Bf16Conv {
 public:
  /// @brief False where oneDNN's numbers would be wrong: of 1 x 1 kernels with
  ///        an odd number of outputs, on CPUs that have AVX512-BF16 but no AMX
  ///        (2.6.3, gradient of the bottom).
  static bool Serves(const ConvSize& size, int kernel);

  /**
   * @param pieces where the tops are: one is a convolution, four make a
   *        deconvolution.
   * @param rectified whether an in-place ReLU comes next: then it is computed
   *        here and the top stays in bf16. Else the top is float.
   * Throws dnnl::error where oneDNN has no such kernel for this CPU.
   */
  Bf16Conv(const ConvSize& size, int kernel, bool bias,
      const std::vector<ConvPiece>& pieces, bool rectified);

  /// @brief top = weights * bottom + bias; bias may be null
  void Forward(SyncedMemory* bottom, const float* weights, const float* bias,
      SyncedMemory* top);
  /**
   * @brief weights_diff += bottom * top_diff, bias_diff = sums of top_diff,
   *        bottom_diff = transposed weights * top_diff.
   *
   * Each may be null; but weights_diff wants a bias_diff.
   */
  void Backward(SyncedMemory* bottom, SyncedMemory* top_diff,
      const float* weights, float* weights_diff, float* bias_diff,
      SyncedMemory* bottom_diff);

 private:
  dnnl::memory::desc InCaffe(const ConvPiece& piece) const;
  void BackwardWeights(SyncedMemory* bottom, const dnnl::memory& top_diff,
      float* weights_diff, float* bias_diff);
  void BackwardData(const dnnl::memory& top_diff, const float* weights,
      SyncedMemory* bottom_diff);
  void WriteBf16(const dnnl::memory& phases, SyncedMemory* top) const;
  dnnl::memory TopDiff(SyncedMemory* top_diff) const;

  ConvSize size_;                  ///< outputs: of all pieces
  std::vector<ConvPiece> pieces_;
  bool rectified_;
  MapSizes bottom_sizes_, top_sizes_;  ///< top: of the layer
  dnnl::memory::desc plain_weights_, bias_;
  dnnl::convolution_forward::primitive_desc forward_;
  dnnl::convolution_backward_data::primitive_desc backward_data_;
  dnnl::convolution_backward_weights::primitive_desc backward_weights_;
};

}  // namespace caffe

#endif  // USE_DNNL
#endif  // CAFFE_UTIL_BF16_CONV_HPP_
