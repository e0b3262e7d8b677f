#ifdef USE_DNNL

#include <type_traits>
#include <vector>

#include "caffe/layers/dnnl_conv_layer.hpp"

namespace caffe {

template <typename Dtype>
void DnnlConvolutionLayer<Dtype>::Reshape(const vector<Blob<Dtype>*>& bottom,
    const vector<Blob<Dtype>*>& top) {
  ConvolutionLayer<Dtype>::Reshape(bottom, top);
  if (dnnl_shape_ == bottom[0]->shape()) { return; }
  dnnl_shape_ = bottom[0]->shape();
  dnnl_.reset();
  const bool served = std::is_same<Dtype, float>::value && this->group_ == 1 &&
      this->channel_axis_ == 1 && dnnl_geometry(this->kernel_shape_, 3) &&
      dnnl_geometry(this->stride_, 1) && dnnl_geometry(this->pad_, 1) &&
      dnnl_geometry(this->dilation_, 1);
  if (!served) { return; }
  const dnnl::memory::dims shape(top[0]->shape().begin(),
      top[0]->shape().end());
  pieces_ = {{0, dnnl::memory::desc(shape, dnnl::memory::data_type::f32,
      dnnl::memory::format_tag::nchw), 0}};
  dnnl_ = DnnlConv::Create(this->num_, this->channels_, shape[2], shape[3],
      this->num_output_, this->bias_term_, true);
}

template <typename Dtype>
void DnnlConvolutionLayer<Dtype>::Forward_cpu(
    const vector<Blob<Dtype>*>& bottom, const vector<Blob<Dtype>*>& top) {
  ConvolutionLayer<Dtype>::Forward_cpu(bottom, top);
}

template <typename Dtype>
void DnnlConvolutionLayer<Dtype>::Backward_cpu(
    const vector<Blob<Dtype>*>& top, const vector<bool>& propagate_down,
    const vector<Blob<Dtype>*>& bottom) {
  ConvolutionLayer<Dtype>::Backward_cpu(top, propagate_down, bottom);
}

template <>
void DnnlConvolutionLayer<float>::Forward_cpu(
    const vector<Blob<float>*>& bottom, const vector<Blob<float>*>& top) {
  if (!dnnl_) { return ConvolutionLayer<float>::Forward_cpu(bottom, top); }
  const float* bias = bias_term_ ? blobs_[1]->cpu_data() : NULL;
  for (int i = 0; i < bottom.size(); ++i) {
    dnnl_->Forward(bottom[i]->cpu_data(), blobs_[0]->cpu_data(), bias,
        pieces_, top[i]->mutable_cpu_data());
  }
}

template <>
void DnnlConvolutionLayer<float>::Backward_cpu(
    const vector<Blob<float>*>& top, const vector<bool>& propagate_down,
    const vector<Blob<float>*>& bottom) {
  if (!dnnl_) {
    return ConvolutionLayer<float>::Backward_cpu(top, propagate_down, bottom);
  }
  const bool learn_bias = bias_term_ && param_propagate_down_[1];
  for (int i = 0; i < top.size(); ++i) {
    if (param_propagate_down_[0] || learn_bias) {
      dnnl_->BackwardWeights(bottom[i]->cpu_data(), pieces_,
          top[i]->cpu_diff(),
          param_propagate_down_[0] ? blobs_[0]->mutable_cpu_diff() : NULL,
          learn_bias ? blobs_[1]->mutable_cpu_diff() : NULL);
    }
    if (propagate_down[i]) {
      dnnl_->BackwardData(pieces_, top[i]->cpu_diff(), blobs_[0]->cpu_data(),
          bottom[i]->mutable_cpu_diff());
    }
  }
}

INSTANTIATE_CLASS(DnnlConvolutionLayer);

}  // namespace caffe

#endif  // USE_DNNL
