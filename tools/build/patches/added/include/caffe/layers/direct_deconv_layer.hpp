#ifndef CAFFE_DIRECT_DECONV_LAYER_HPP_
#define CAFFE_DIRECT_DECONV_LAYER_HPP_

#ifdef USE_DNNL

#include <vector>

#include "caffe/layers/dnnl_deconv_layer.hpp"
#include "caffe/util/direct_conv.hpp"

namespace caffe {

/// @brief DnnlDeconvolutionLayer that computes its forward pass with `direct`,
///        where that is faster.
template <typename Dtype>
class DirectDeconvolutionLayer : public DnnlDeconvolutionLayer<Dtype> {
 public:
  explicit DirectDeconvolutionLayer(const LayerParameter& param)
      : DnnlDeconvolutionLayer<Dtype>(param) {}

 protected:
  virtual void Forward_cpu(const vector<Blob<Dtype>*>& bottom,
      const vector<Blob<Dtype>*>& top);
};

}  // namespace caffe

#endif  // USE_DNNL
#endif  // CAFFE_DIRECT_DECONV_LAYER_HPP_
