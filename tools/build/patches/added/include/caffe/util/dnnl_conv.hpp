#ifndef CAFFE_UTIL_DNNL_CONV_HPP_
#define CAFFE_UTIL_DNNL_CONV_HPP_

#ifdef USE_DNNL

#include <vector>

#include <dnnl.hpp>

#include "caffe/blob.hpp"
#include "caffe/util/same_conv.hpp"

namespace caffe {

/**
 * @brief Whether a layer that could use oneDNN should: on the CPU, unless the
 *        environment says CAFFE_DNNL=0.
 */
bool dnnl_wanted();

/// @brief Whether a layer's kernel, stride, ... is `wanted` on both axes.
bool dnnl_geometry(const Blob<int>& sizes, int wanted);

/**
 * @brief 3 x 3 convolution by the definition, with oneDNN.
 *
 * Its output is one piece. Inputs, outputs and weights are brought into
 * oneDNN's layouts and back for every call; nothing is kept between calls but
 * the shared buffers, so nothing can go stale.
 */
class DnnlConv : public SameConv {
 public:
  DnnlConv(const ConvSize& size, bool bias);

  virtual void Forward(const float* bottom, const float* weights,
      const float* bias, const std::vector<ConvPiece>& pieces, float* top);
  virtual void BackwardData(const std::vector<ConvPiece>& pieces,
      const float* top_diff, const float* weights, float* bottom_diff);
  virtual void BackwardWeights(const float* bottom,
      const std::vector<ConvPiece>& pieces, const float* top_diff,
      float* weights_diff);

 private:
  dnnl::memory::desc plain_bottom_, plain_top_, plain_weights_;
  dnnl::convolution_forward::primitive_desc forward_;
  dnnl::convolution_backward_data::primitive_desc backward_data_;
  dnnl::convolution_backward_weights::primitive_desc backward_weights_;
};

}  // namespace caffe

#endif  // USE_DNNL
#endif  // CAFFE_UTIL_DNNL_CONV_HPP_
