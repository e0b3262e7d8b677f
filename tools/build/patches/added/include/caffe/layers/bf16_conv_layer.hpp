#ifndef CAFFE_BF16_CONV_LAYER_HPP_
#define CAFFE_BF16_CONV_LAYER_HPP_

#ifdef USE_DNNL

#include "caffe/layers/bf16_layer.hpp"
#include "caffe/layers/dnnl_conv_layer.hpp"
#include "caffe/layers/dnnl_deconv_layer.hpp"

namespace caffe {

/// @brief 3 x 3 and 1 x 1 kernels in bf16; else DnnlConvolutionLayer.
template <typename Dtype>
class Bf16ConvolutionLayer : public Bf16Layer<Dtype, DnnlConvolutionLayer> {
 public:
  explicit Bf16ConvolutionLayer(const LayerParameter& param)
      : Bf16Layer<Dtype, DnnlConvolutionLayer>(param) {}
};

/// @brief The upsampling by two in bf16; else DnnlDeconvolutionLayer.
template <typename Dtype>
class Bf16DeconvolutionLayer : public Bf16Layer<Dtype, DnnlDeconvolutionLayer> {
 public:
  explicit Bf16DeconvolutionLayer(const LayerParameter& param)
      : Bf16Layer<Dtype, DnnlDeconvolutionLayer>(param) {}
};

}  // namespace caffe

#endif  // USE_DNNL
#endif  // CAFFE_BF16_CONV_LAYER_HPP_
