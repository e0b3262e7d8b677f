#ifndef CAFFE_DNNL_CONV_LAYER_HPP_
#define CAFFE_DNNL_CONV_LAYER_HPP_

#ifdef USE_DNNL

#include "caffe/layers/same_conv_layer.hpp"
#include "caffe/layers/conv_layer.hpp"

namespace caffe {

/**
 * @brief ConvolutionLayer that lets a SameConv compute, on the CPU, kernels of
 *        3 x 3 and 1 x 1 that keep the size (SameConvLayer).
 */
template <typename Dtype>
class DnnlConvolutionLayer : public SameConvLayer<Dtype, ConvolutionLayer> {
 public:
  explicit DnnlConvolutionLayer(const LayerParameter& param)
      : SameConvLayer<Dtype, ConvolutionLayer>(param) {}

 protected:
  virtual void MakeConv(int height, int width);
  /// @brief Where the top is, for a bottom of this size.
  vector<ConvPiece> Pieces(int height, int width) const;
  /// @brief Side of the kernel if the layer keeps the size: 3, 1; else 0.
  int ConvKernel() const;
};

}  // namespace caffe

#endif  // USE_DNNL
#endif  // CAFFE_DNNL_CONV_LAYER_HPP_
