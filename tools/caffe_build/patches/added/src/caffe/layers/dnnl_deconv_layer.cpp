#ifdef USE_DNNL

#include <algorithm>
#include <type_traits>
#include <vector>

#include "caffe/layers/dnnl_deconv_layer.hpp"

namespace caffe {

namespace {

// Channels that oneDNN keeps together; a case is whole blocks.
const int kBlock = 16;

// The tap of a row (or column) of the 4 x 4 kernel in the 3 x 3 kernel of the
// even (0) or odd (1) rows of the top; -1: none.
// Row 2 i + odd of the top takes row i + tap - 1 of the bottom.
int tap(int row, int odd) {
  const int twice = odd + 3 - row;
  return twice % 2 == 0 ? twice / 2 : -1;
}

// Calls visit(case, row, column, place) for each of the 16 weights of a kernel
// in each case that uses it; place: in the 3 x 3 kernel.
template <typename Visit>
void for_each_weight(Visit visit) {
  for (int phase = 0; phase < 4; ++phase) {
    for (int row = 0; row < 4; ++row) {
      for (int column = 0; column < 4; ++column) {
        const int down = tap(row, phase / 2), right = tap(column, phase % 2);
        if (down >= 0 && right >= 0) {
          visit(phase, row * 4 + column, down * 3 + right);
        }
      }
    }
  }
}

}  // namespace

template <typename Dtype>
void DnnlDeconvolutionLayer<Dtype>::Reshape(const vector<Blob<Dtype>*>& bottom,
    const vector<Blob<Dtype>*>& top) {
  DeconvolutionLayer<Dtype>::Reshape(bottom, top);
  if (conv_shape_ == bottom[0]->shape()) { return; }
  conv_shape_ = bottom[0]->shape();
  conv_.reset();
  const bool served = std::is_same<Dtype, float>::value && this->group_ == 1 &&
      this->channel_axis_ == 1 && dnnl_geometry(this->kernel_shape_, 4) &&
      dnnl_geometry(this->stride_, 2) && dnnl_geometry(this->pad_, 1) &&
      dnnl_geometry(this->dilation_, 1);
  const int outputs = this->num_output_;
  if (!served || outputs % kBlock) { return; }
  const int height = bottom[0]->shape(2), width = bottom[0]->shape(3);
  conv_ = Conv3x3::Create({this->num_, this->channels_, height, width,
      4 * outputs}, this->bias_term_, false);
  if (!conv_) { return; }
  const long row = 4 * width, channel = row * height;
  pieces_.clear();
  for (int phase = 0; phase < 4; ++phase) {
    pieces_.push_back({phase * outputs, outputs,
        {channel * outputs, channel, row, 2},
        phase / 2 * 2 * width + phase % 2});
  }
  weights_.assign(4 * outputs * this->channels_ * 9, 0);
  bias_.assign(4 * outputs, 0);
}

// weights_ and bias_ from the layer's own.
template <typename Dtype>
void DnnlDeconvolutionLayer<Dtype>::SpreadParameters() {
  const Dtype* weights = this->blobs_[0]->cpu_data();
  const int outputs = this->num_output_, channels = this->channels_;
  for_each_weight([&](int phase, int from, int to) {
    for (int o = 0; o < outputs; ++o) {
      Dtype* row = &weights_[(phase * outputs + o) * channels * 9 + to];
      for (int c = 0; c < channels; ++c) {
        row[c * 9] = weights[(c * outputs + o) * 16 + from];
      }
    }
  });
  if (!this->bias_term_) { return; }
  const Dtype* bias = this->blobs_[1]->cpu_data();
  for (int phase = 0; phase < 4; ++phase) {
    std::copy(bias, bias + outputs, bias_.begin() + phase * outputs);
  }
}

// The diff of the layer's own weights += weights_diff_.
template <typename Dtype>
void DnnlDeconvolutionLayer<Dtype>::CollectDiff() {
  const int outputs = this->num_output_, channels = this->channels_;
  Dtype* diff = this->blobs_[0]->mutable_cpu_diff();
  for_each_weight([&](int phase, int to, int from) {
    for (int o = 0; o < outputs; ++o) {
      const Dtype* row =
          &weights_diff_[(phase * outputs + o) * channels * 9 + from];
      for (int c = 0; c < channels; ++c) {
        diff[(c * outputs + o) * 16 + to] += row[c * 9];
      }
    }
  });
}

template <typename Dtype>
void DnnlDeconvolutionLayer<Dtype>::Forward_cpu(
    const vector<Blob<Dtype>*>& bottom, const vector<Blob<Dtype>*>& top) {
  DeconvolutionLayer<Dtype>::Forward_cpu(bottom, top);
}

template <typename Dtype>
void DnnlDeconvolutionLayer<Dtype>::Backward_cpu(
    const vector<Blob<Dtype>*>& top, const vector<bool>& propagate_down,
    const vector<Blob<Dtype>*>& bottom) {
  DeconvolutionLayer<Dtype>::Backward_cpu(top, propagate_down, bottom);
}

template <>
void DnnlDeconvolutionLayer<float>::Forward_cpu(
    const vector<Blob<float>*>& bottom, const vector<Blob<float>*>& top) {
  if (!conv_) { return DeconvolutionLayer<float>::Forward_cpu(bottom, top); }
  SpreadParameters();
  for (int i = 0; i < bottom.size(); ++i) {
    conv_->Forward(bottom[i]->cpu_data(), weights_.data(), bias_.data(),
        pieces_, top[i]->mutable_cpu_data());
  }
}

template <>
void DnnlDeconvolutionLayer<float>::Backward_cpu(
    const vector<Blob<float>*>& top, const vector<bool>& propagate_down,
    const vector<Blob<float>*>& bottom) {
  if (!conv_) {
    return DeconvolutionLayer<float>::Backward_cpu(top, propagate_down,
        bottom);
  }
  SpreadParameters();
  weights_diff_.assign(weights_.size(), 0);
  for (int i = 0; i < top.size(); ++i) {
    if (bias_term_ && param_propagate_down_[1]) {
      for (int n = 0; n < num_; ++n) {
        backward_cpu_bias(blobs_[1]->mutable_cpu_diff(),
            top[i]->cpu_diff() + n * top_dim_);
      }
    }
    if (param_propagate_down_[0]) {
      conv_->BackwardWeights(bottom[i]->cpu_data(), pieces_,
          top[i]->cpu_diff(), weights_diff_.data());
    }
    if (propagate_down[i]) {
      conv_->BackwardData(pieces_, top[i]->cpu_diff(), weights_.data(),
          bottom[i]->mutable_cpu_diff());
    }
  }
  if (param_propagate_down_[0]) { CollectDiff(); }
}

INSTANTIATE_CLASS(DnnlDeconvolutionLayer);

}  // namespace caffe

#endif  // USE_DNNL
