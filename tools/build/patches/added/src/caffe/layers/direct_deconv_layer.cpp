#ifdef USE_DNNL

#include <type_traits>
#include <vector>

#include "caffe/layers/direct_deconv_layer.hpp"

namespace caffe {

namespace {

const int kMostDeconvolved = 64 * 64;  // more are for Winograd's algorithm

template <typename Dtype>
MapsToMaps maps_of(const Blob<Dtype>& bottom, int outputs) {
  return {bottom.shape(0), bottom.shape(1), bottom.shape(2), bottom.shape(3),
      outputs};
}

}  // namespace

template <typename Dtype>
void DirectDeconvolutionLayer<Dtype>::Forward_cpu(
    const vector<Blob<Dtype>*>& bottom, const vector<Blob<Dtype>*>& top) {
  const bool served = std::is_same<Dtype, float>::value &&
      direct::available() && this->group_ == 1 && bottom[0]->num_axes() == 4 &&
      this->channel_axis_ == 1 && dnnl_geometry(this->kernel_shape_, 4) &&
      dnnl_geometry(this->stride_, 2) && dnnl_geometry(this->pad_, 1) &&
      dnnl_geometry(this->dilation_, 1) &&
      this->channels_ * this->num_output_ <= kMostDeconvolved;
  if (!served) {
    return DnnlDeconvolutionLayer<Dtype>::Forward_cpu(bottom, top);
  }
  const float* weights = floats(this->blobs_[0]->cpu_data());
  const float* bias =
      this->bias_term_ ? floats(this->blobs_[1]->cpu_data()) : NULL;
  for (int i = 0; i < bottom.size(); ++i) {
    direct::deconvolve(maps_of(*bottom[i], this->num_output_),
        floats(bottom[i]->cpu_data()), weights, bias,
        floats(top[i]->mutable_cpu_data()));
  }
}

INSTANTIATE_CLASS(DirectDeconvolutionLayer);

}  // namespace caffe

#endif  // USE_DNNL
