#ifndef CAFFE_UTIL_DNNL_CONV_HPP_
#define CAFFE_UTIL_DNNL_CONV_HPP_

#ifdef USE_DNNL

#include <vector>

#include <dnnl.hpp>

#include "caffe/blob.hpp"

namespace caffe {

/**
 * @brief Whether a layer that could use oneDNN should: on the CPU, unless the
 *        environment says CAFFE_DNNL=0.
 */
bool dnnl_wanted();

/// @brief Whether a layer's kernel, stride, ... is `wanted` on both axes.
bool dnnl_geometry(const Blob<int>& sizes, int wanted);

/**
 * @brief A stack of output channels of a convolution and where Caffe keeps it.
 *
 * A convolution has one, the whole top blob. A deconvolution is a convolution
 * with four: the even and odd rows and columns of its top blob.
 */
struct DnnlPiece {
  int first_channel;             ///< among the channels of the convolution
  dnnl::memory::desc caffe;      ///< @f$ (N, C, H, W) @f$ and its strides
  int offset;                    ///< of its first number in Caffe's blob
};

/**
 * @brief 3 x 3 convolution with stride 1 and padding 1, on Caffe's blobs.
 *
 * Computed by Winograd's @f$ F(4 \times 4, 3 \times 3) @f$, which multiplies
 * four times less often than the definition. By the definition with few input
 * channels, where the transforms would cost more than they save, and on CPUs
 * without AVX-512, for which oneDNN has no other kernel.
 * Inputs, outputs and weights are brought into oneDNN's layouts and back for
 * every call, which costs about 3 % of the time at VGG's sizes; nothing is
 * kept between calls but the shared buffers, so nothing can go stale.
 */
class DnnlConv {
 public:
  /// @brief Null where oneDNN cannot, or only by the definition and
  ///        `by_definition` is false.
  static shared_ptr<DnnlConv> Create(int num, int channels, int height,
      int width, int outputs, bool bias, bool by_definition);

  /// @brief top = weights * bottom + bias
  void Forward(const float* bottom, const float* weights, const float* bias,
      const std::vector<DnnlPiece>& pieces, float* top);
  /// @brief bottom_diff = transposed weights * top_diff
  void BackwardData(const std::vector<DnnlPiece>& pieces,
      const float* top_diff, const float* weights, float* bottom_diff);
  /// @brief weights_diff += bottom * top_diff; bias_diff += sum of top_diff
  void BackwardWeights(const float* bottom,
      const std::vector<DnnlPiece>& pieces, const float* top_diff,
      float* weights_diff, float* bias_diff);  // either may be null

 private:
  DnnlConv(dnnl::algorithm how, int num, int channels, int height, int width,
      int outputs, bool bias);
  dnnl::memory Gather(const std::vector<DnnlPiece>& pieces,
      const float* top_diff, const dnnl::memory::desc& wanted);

  bool bias_;
  int outputs_;
  dnnl::memory::desc plain_bottom_, plain_weights_;
  dnnl::convolution_forward::primitive_desc forward_;
  dnnl::convolution_backward_data::primitive_desc backward_data_;
  dnnl::convolution_backward_weights::primitive_desc backward_weights_;
};

}  // namespace caffe

#endif  // USE_DNNL
#endif  // CAFFE_UTIL_DNNL_CONV_HPP_
