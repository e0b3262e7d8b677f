#ifdef USE_DNNL

#include "caffe/layers/dnnl_conv_layer.hpp"

namespace caffe {

template <typename Dtype>
void DnnlConvolutionLayer<Dtype>::MakeConv(int height, int width) {
  if (!dnnl_geometry(this->kernel_shape_, 3) ||
      !dnnl_geometry(this->stride_, 1)) {
    return;
  }
  const int outputs = this->num_output_;
  const long row = width, channel = row * height;
  this->pieces_ = {{0, outputs, {channel * outputs, channel, row, 1}, 0}};
  this->conv_ = Conv3x3::Create({this->num_, this->channels_, height, width,
      outputs}, this->bias_term_, true);
}

INSTANTIATE_CLASS(DnnlConvolutionLayer);

}  // namespace caffe

#endif  // USE_DNNL
