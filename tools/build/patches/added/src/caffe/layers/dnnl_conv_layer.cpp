#ifdef USE_DNNL

#include "caffe/layers/dnnl_conv_layer.hpp"

namespace caffe {

template <typename Dtype>
void DnnlConvolutionLayer<Dtype>::MakeConv(int height, int width) {
  const int kernel = ConvKernel();
  if (!kernel) { return; }
  this->pieces_ = Pieces(height, width);
  this->conv_ = SameConv::Create({this->num_, this->channels_, height, width,
      this->num_output_}, kernel, this->bias_term_, true);
}

template <typename Dtype>
vector<ConvPiece> DnnlConvolutionLayer<Dtype>::Pieces(int height,
    int width) const {
  const int outputs = this->num_output_;
  const long row = width, channel = row * height;
  return {{0, outputs, {channel * outputs, channel, row, 1}, 0}};
}

template <typename Dtype>
int DnnlConvolutionLayer<Dtype>::ConvKernel() const {
  for (int kernel : {3, 1}) {
    if (dnnl_geometry(this->kernel_shape_, kernel) &&
        dnnl_geometry(this->stride_, 1) &&
        dnnl_geometry(this->pad_, kernel / 2)) {
      return kernel;
    }
  }
  return 0;
}

INSTANTIATE_CLASS(DnnlConvolutionLayer);

}  // namespace caffe

#endif  // USE_DNNL
