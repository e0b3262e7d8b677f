#ifndef CAFFE_DNNL_DECONV_LAYER_HPP_
#define CAFFE_DNNL_DECONV_LAYER_HPP_

#ifdef USE_DNNL

#include <vector>

#include "caffe/layers/same_conv_layer.hpp"
#include "caffe/layers/deconv_layer.hpp"

namespace caffe {

/**
 * @brief DeconvolutionLayer that lets a SameConv compute, on the CPU, the
 *        upsampling by two: 4 x 4 kernels, stride 2 (SameConvLayer).
 *
 * Every number of the top sees 2 x 2 numbers of the bottom through 2 x 2 of
 * the weights; which of them depends on whether its row and column are even or
 * odd. So the layer is four 2 x 2 convolutions, one for each case: here, one
 * 3 x 3 convolution with four times the outputs and zeros in five of nine
 * weights, which Winograd's algorithm computes faster than anything else does
 * the original; without Winograd's it is Caffe's.
 */
template <typename Dtype>
class DnnlDeconvolutionLayer : public SameConvLayer<Dtype, DeconvolutionLayer> {
 public:
  explicit DnnlDeconvolutionLayer(const LayerParameter& param)
      : SameConvLayer<Dtype, DeconvolutionLayer>(param) {}

 protected:
  virtual void MakeConv(int height, int width);
  /// @brief Where the four cases are in the top, for a bottom of this size.
  vector<ConvPiece> Pieces(int height, int width) const;
  /// @brief 3 if the layer is the upsampling by two; else 0.
  int ConvKernel() const;
  virtual const Dtype* ConvWeights();
  virtual const Dtype* ConvBias();
  virtual Dtype* ConvWeightsDiff();
  virtual void CollectWeightsDiff();

  vector<Dtype> weights_, weights_diff_, bias_;  ///< of conv_
};

}  // namespace caffe

#endif  // USE_DNNL
#endif  // CAFFE_DNNL_DECONV_LAYER_HPP_
