#ifdef USE_DNNL

#include <type_traits>
#include <vector>

#include "caffe/layers/dnnl_conv_layer.hpp"

namespace caffe {

template <typename Dtype>
void DnnlConvolutionLayer<Dtype>::Reshape(const vector<Blob<Dtype>*>& bottom,
    const vector<Blob<Dtype>*>& top) {
  ConvolutionLayer<Dtype>::Reshape(bottom, top);
  if (conv_shape_ == bottom[0]->shape()) { return; }
  conv_shape_ = bottom[0]->shape();
  conv_.reset();
  const bool served = std::is_same<Dtype, float>::value && this->group_ == 1 &&
      this->channel_axis_ == 1 && dnnl_geometry(this->kernel_shape_, 3) &&
      dnnl_geometry(this->stride_, 1) && dnnl_geometry(this->pad_, 1) &&
      dnnl_geometry(this->dilation_, 1);
  if (!served) { return; }
  const int height = bottom[0]->shape(2), width = bottom[0]->shape(3);
  const int outputs = this->num_output_;
  const long row = width, channel = row * height;
  pieces_ = {{0, outputs, {channel * outputs, channel, row, 1}, 0}};
  conv_ = Conv3x3::Create({this->num_, this->channels_, height, width, outputs},
      this->bias_term_, true);
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
  if (!conv_) { return ConvolutionLayer<float>::Forward_cpu(bottom, top); }
  const float* bias = bias_term_ ? blobs_[1]->cpu_data() : NULL;
  for (int i = 0; i < bottom.size(); ++i) {
    conv_->Forward(bottom[i]->cpu_data(), blobs_[0]->cpu_data(), bias,
        pieces_, top[i]->mutable_cpu_data());
  }
}

template <>
void DnnlConvolutionLayer<float>::Backward_cpu(
    const vector<Blob<float>*>& top, const vector<bool>& propagate_down,
    const vector<Blob<float>*>& bottom) {
  if (!conv_) {
    return ConvolutionLayer<float>::Backward_cpu(top, propagate_down, bottom);
  }
  for (int i = 0; i < top.size(); ++i) {
    if (bias_term_ && param_propagate_down_[1]) {
      for (int n = 0; n < num_; ++n) {
        backward_cpu_bias(blobs_[1]->mutable_cpu_diff(),
            top[i]->cpu_diff() + n * top_dim_);
      }
    }
    if (param_propagate_down_[0]) {
      conv_->BackwardWeights(bottom[i]->cpu_data(), pieces_,
          top[i]->cpu_diff(), blobs_[0]->mutable_cpu_diff());
    }
    if (propagate_down[i]) {
      conv_->BackwardData(pieces_, top[i]->cpu_diff(), blobs_[0]->cpu_data(),
          bottom[i]->mutable_cpu_diff());
    }
  }
}

INSTANTIATE_CLASS(DnnlConvolutionLayer);

}  // namespace caffe

#endif  // USE_DNNL
