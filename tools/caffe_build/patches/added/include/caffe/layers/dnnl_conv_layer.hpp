#ifndef CAFFE_DNNL_CONV_LAYER_HPP_
#define CAFFE_DNNL_CONV_LAYER_HPP_

#include <vector>

#include "caffe/layers/conv_layer.hpp"
#include "caffe/util/dnnl_conv.hpp"

namespace caffe {

#ifdef USE_DNNL
/**
 * @brief ConvolutionLayer that lets oneDNN, or our Winograd, compute, on the
 *        CPU, what they are faster at: one group of 3 x 3 kernels, stride 1,
 *        padding 1, float (Conv3x3).
 *
 * Anything else, and everything on a GPU, is ConvolutionLayer's. `engine:
 * CAFFE` in the prototxt or CAFFE_DNNL=0 in the environment turn it off.
 * Winograd's transforms round otherwise than the definition: outputs and
 * gradients agree with ConvolutionLayer to about 1e-5 of their largest value.
 */
template <typename Dtype>
class DnnlConvolutionLayer : public ConvolutionLayer<Dtype> {
 public:
  explicit DnnlConvolutionLayer(const LayerParameter& param)
      : ConvolutionLayer<Dtype>(param) {}
  virtual void Reshape(const vector<Blob<Dtype>*>& bottom,
      const vector<Blob<Dtype>*>& top);

 protected:
  virtual void Forward_cpu(const vector<Blob<Dtype>*>& bottom,
      const vector<Blob<Dtype>*>& top);
  virtual void Backward_cpu(const vector<Blob<Dtype>*>& top,
      const vector<bool>& propagate_down, const vector<Blob<Dtype>*>& bottom);

  shared_ptr<Conv3x3> conv_;  ///< null: not served
  vector<int> conv_shape_;    ///< of the bottom that conv_ is for
  vector<ConvPiece> pieces_;
};
#endif

}  // namespace caffe

#endif  // CAFFE_DNNL_CONV_LAYER_HPP_
