#ifndef CAFFE_DNNL_DECONV_LAYER_HPP_
#define CAFFE_DNNL_DECONV_LAYER_HPP_

#include <vector>

#include "caffe/layers/deconv_layer.hpp"
#include "caffe/util/dnnl_conv.hpp"

namespace caffe {

#ifdef USE_DNNL
/**
 * @brief DeconvolutionLayer that lets Conv3x3 compute, on the CPU, the
 *        upsampling by two: one group of 4 x 4 kernels, stride 2, padding 1,
 *        outputs a multiple of 16.
 *
 * Every number of the top sees 2 x 2 numbers of the bottom through 2 x 2 of
 * the weights; which of them depends on whether its row and column are even or
 * odd. So the layer is four 2 x 2 convolutions, one for each case: here, one
 * 3 x 3 convolution with four times the outputs and zeros in five of nine
 * weights, which Winograd's algorithm computes faster than anything else does
 * the original; without Winograd's it is Caffe's. Switches and tolerance: see
 * DnnlConvolutionLayer.
 */
template <typename Dtype>
class DnnlDeconvolutionLayer : public DeconvolutionLayer<Dtype> {
 public:
  explicit DnnlDeconvolutionLayer(const LayerParameter& param)
      : DeconvolutionLayer<Dtype>(param) {}
  virtual void Reshape(const vector<Blob<Dtype>*>& bottom,
      const vector<Blob<Dtype>*>& top);

 protected:
  virtual void Forward_cpu(const vector<Blob<Dtype>*>& bottom,
      const vector<Blob<Dtype>*>& top);
  virtual void Backward_cpu(const vector<Blob<Dtype>*>& top,
      const vector<bool>& propagate_down, const vector<Blob<Dtype>*>& bottom);

  void SpreadParameters();
  void CollectDiff();

  shared_ptr<Conv3x3> conv_;  ///< null: not served
  vector<int> conv_shape_;    ///< of the bottom that conv_ is for
  vector<ConvPiece> pieces_;
  vector<Dtype> weights_, weights_diff_, bias_;  ///< of conv_
};
#endif

}  // namespace caffe

#endif  // CAFFE_DNNL_DECONV_LAYER_HPP_
